//! The settings, and a change of them.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use twostep_domain::{
    country::{AllowedCountries, Country},
    one_time_code::OneTimeCode,
    phone::PhoneNumber,
    settings::{ClickatellSettings, SenderSettings, Settings, WebhookSender},
    spending::{Allowance, BreakerPolicy, Budget, Budgets, Limits, Mode, Prices},
    test_number::TestNumber,
    time::Timestamp,
};
use twostep_usecases::admin::settings::{Change, Changed, ClickatellChange, SenderChange, SettingsChange};

use crate::{
    Problem,
    bodies::look::{LinksBody, LinksChange, ThemeBody, ThemeChange},
    json::{self, Unambiguous},
};

#[derive(Serialize)]
pub struct SettingsBody {
    two_step_enabled: bool,
    site_name: String,
    site_host: String,
    phone_login_for_password_accounts: bool,
    allowed_countries: Vec<String>,
    clickatell: ClickatellBody,
    budgets: BudgetsBody,
    prices: PricesBody,
    limits: LimitsBody,
    breaker: BreakerPolicyBody,
    email_per_hour: u64,
    phone_idle_days: u32,
    sender: SenderBody,
    test_numbers: Vec<TestNumberBody>,
    theme: ThemeBody,
    links: LinksBody,
}

#[derive(Serialize)]
struct ClickatellBody {
    configured: bool,
    api: &'static str,
    from: Option<String>,
    key_hint: Option<String>,
    updated_at: Option<String>,
}

impl From<Settings> for SettingsBody {
    fn from(settings: Settings) -> Self {
        Self {
            two_step_enabled: settings.two_step_enabled,
            site_name: settings.site_name,
            site_host: settings.site_host,
            phone_login_for_password_accounts: settings.phone_login_for_password_accounts,
            allowed_countries: settings.allowed_countries.into(),
            clickatell: settings.clickatell.into(),
            budgets: settings.budgets.into(),
            prices: settings.prices.into(),
            limits: settings.limits.into(),
            breaker: settings.breaker.into(),
            email_per_hour: settings.email_per_hour,
            phone_idle_days: settings.phone_idle_days,
            sender: settings.sender.into(),
            test_numbers: settings.test_numbers.iter().map(TestNumberBody::from).collect(),
            theme: settings.theme.into(),
            links: settings.links.into(),
        }
    }
}

/// A number with a fixed code.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct TestNumberBody {
    phone: String,
    code: String,
}

impl From<&TestNumber> for TestNumberBody {
    fn from(number: &TestNumber) -> Self {
        Self { phone: number.phone.e164().to_owned(), code: number.code().to_owned() }
    }
}

fn test_numbers(bodies: Vec<TestNumberBody>) -> Result<Vec<TestNumber>, Problem> {
    let parse = |body: TestNumberBody| {
        let phone = PhoneNumber::parse(&body.phone).ok()?;
        Some(TestNumber::new(phone, &OneTimeCode::parse(&body.code).ok()?))
    };
    bodies.into_iter().map(parse).collect::<Option<_>>().ok_or(Problem::InvalidSetting("test_numbers"))
}

#[derive(Serialize)]
struct SenderBody {
    order: Vec<&'static str>,
    webhook: Option<HookBody>,
}

#[derive(Serialize)]
struct HookBody {
    url: String,
    /// Only after the address was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// Where its delivery reports come to. Only after the address was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    status_url: Option<String>,
}

impl From<SenderSettings> for SenderBody {
    fn from(sender: SenderSettings) -> Self {
        let hook = |hook: WebhookSender| HookBody { url: hook.url.as_str().to_owned(), secret: None, status_url: None };
        Self { order: sender.order.into_iter().map(Into::into).collect(), webhook: sender.webhook.map(hook) }
    }
}

impl SettingsBody {
    /// The settings after a change, with what a hook is set up with. `site` is this service's own address.
    #[must_use]
    pub fn changed(changed: Changed, site: &str) -> Self {
        let mut body = Self::from(changed.settings);
        if let (Some(hook), Some(secrets)) = (&mut body.sender.webhook, changed.hook) {
            hook.secret = Some(secrets.signing.expose());
            hook.status_url = Some(format!("{site}/v1/sms/status/{}", secrets.reports.expose()));
        }
        body
    }
}

impl From<ClickatellSettings> for ClickatellBody {
    fn from(clickatell: ClickatellSettings) -> Self {
        Self {
            configured: clickatell.key_hint.is_some(),
            api: clickatell.api.into(),
            from: clickatell.from,
            key_hint: clickatell.key_hint,
            updated_at: clickatell.updated_at.map(Timestamp::rfc3339),
        }
    }
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowanceBody {
    messages: Option<u64>,
    spend: Option<u64>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BudgetBody {
    hour: AllowanceBody,
    day: AllowanceBody,
    month: AllowanceBody,
}

#[derive(Serialize)]
struct BudgetsBody {
    all: BudgetBody,
    country: BudgetBody,
    countries: BTreeMap<Country, BudgetBody>,
}

#[derive(Serialize)]
struct PricesBody {
    currency: String,
    default: u64,
    countries: BTreeMap<Country, u64>,
}

#[derive(Serialize)]
struct LimitsBody {
    address_hour: usize,
    address_day: usize,
    prefix_hour: usize,
    number_day: usize,
    client_hour: usize,
}

#[derive(Serialize)]
struct BreakerPolicyBody {
    mode: ModeBody,
    floor: u64,
    share_percent: u64,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ModeBody {
    Enforce,
    RecordOnly,
}

impl From<Allowance> for AllowanceBody {
    fn from(Allowance { messages, spend }: Allowance) -> Self {
        Self { messages, spend }
    }
}

impl From<AllowanceBody> for Allowance {
    fn from(AllowanceBody { messages, spend }: AllowanceBody) -> Self {
        Self { messages, spend }
    }
}

impl From<Budget> for BudgetBody {
    fn from(budget: Budget) -> Self {
        Self { hour: budget.hour.into(), day: budget.day.into(), month: budget.month.into() }
    }
}

impl From<BudgetBody> for Budget {
    fn from(budget: BudgetBody) -> Self {
        Self { hour: budget.hour.into(), day: budget.day.into(), month: budget.month.into() }
    }
}

impl From<Budgets> for BudgetsBody {
    fn from(budgets: Budgets) -> Self {
        let countries = budgets.countries.into_iter().map(|(country, budget)| (country, budget.into()));
        Self { all: budgets.all.into(), country: budgets.country.into(), countries: countries.collect() }
    }
}

impl From<Prices> for PricesBody {
    fn from(Prices { currency, default, countries }: Prices) -> Self {
        Self { currency, default, countries }
    }
}

impl From<Limits> for LimitsBody {
    fn from(limits: Limits) -> Self {
        Self {
            address_hour: limits.client_ip_hour,
            address_day: limits.client_ip_day,
            prefix_hour: limits.prefix_hour,
            number_day: limits.number_day,
            client_hour: limits.client_hour,
        }
    }
}

impl From<BreakerPolicy> for BreakerPolicyBody {
    fn from(policy: BreakerPolicy) -> Self {
        Self { mode: policy.mode.into(), floor: policy.floor, share_percent: policy.share_percent }
    }
}

impl From<Mode> for ModeBody {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Enforce => Self::Enforce,
            Mode::RecordOnly => Self::RecordOnly,
        }
    }
}

impl From<ModeBody> for Mode {
    fn from(mode: ModeBody) -> Self {
        match mode {
            ModeBody::Enforce => Self::Enforce,
            ModeBody::RecordOnly => Self::RecordOnly,
        }
    }
}

/// Any of the settings. A part (budgets, prices, limits, breaker, theme, links) names fields, each of which is replaced as a whole.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingsChangeBody {
    two_step_enabled: Option<bool>,
    site_name: Option<String>,
    site_host: Option<String>,
    phone_login_for_password_accounts: Option<bool>,
    allowed_countries: Option<Vec<String>>,
    #[serde(default, deserialize_with = "json::object")]
    clickatell: Option<ClickatellChangeBody>,
    budgets: Option<Unambiguous>,
    prices: Option<Unambiguous>,
    limits: Option<Unambiguous>,
    breaker: Option<Unambiguous>,
    email_per_hour: Option<u64>,
    phone_idle_days: Option<u32>,
    #[serde(default, deserialize_with = "json::object")]
    sender: Option<SenderChangeBody>,
    test_numbers: Option<Vec<TestNumberBody>>,
    theme: Option<Unambiguous>,
    links: Option<Unambiguous>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClickatellChangeBody {
    api_key: Option<SecretString>,
    api: Option<String>,
    /// An empty text removes the sender.
    from: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SenderChangeBody {
    order: Option<Vec<String>>,
    #[serde(default, deserialize_with = "json::object")]
    webhook: Option<HookChangeBody>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HookChangeBody {
    /// An empty text removes the hook.
    url: String,
}

impl SenderChangeBody {
    fn parse(self) -> Result<SenderChange, Problem> {
        let order = self.order.map(|order| order.iter().map(|kind| kind.parse()).collect::<Result<Vec<_>, _>>());
        let order = order.transpose().map_err(|_| Problem::InvalidSetting("sender.order"))?;
        Ok(SenderChange { order, webhook_url: self.webhook.map(|hook| hook.url.trim().to_owned()) })
    }
}

impl SettingsChangeBody {
    /// # Errors
    /// [`Problem::InvalidSetting`]
    pub fn parse(self) -> Result<SettingsChange, Problem> {
        let allowed_countries = self.allowed_countries.map(AllowedCountries::try_from).transpose();
        Ok(SettingsChange {
            two_step_enabled: self.two_step_enabled,
            site_name: self.site_name,
            site_host: self.site_host,
            phone_login_for_password_accounts: self.phone_login_for_password_accounts,
            allowed_countries: allowed_countries.map_err(|_| Problem::InvalidSetting("allowed_countries"))?,
            budgets: part::<BudgetsChange>(self.budgets, "budgets")?.map(BudgetsChange::into_change),
            prices: part::<PricesChange>(self.prices, "prices")?.map(PricesChange::into_change),
            limits: part::<LimitsChange>(self.limits, "limits")?.map(LimitsChange::into_change),
            breaker: part::<BreakerChange>(self.breaker, "breaker")?.map(BreakerChange::into_change),
            email_per_hour: self.email_per_hour,
            phone_idle_days: self.phone_idle_days,
            test_numbers: self.test_numbers.map(test_numbers).transpose()?,
            sender: self.sender.map(SenderChangeBody::parse).transpose()?.unwrap_or_default(),
            theme: part::<ThemeChange>(self.theme, "theme")?.map(ThemeChange::parse).transpose()?,
            links: part::<LinksChange>(self.links, "links")?.map(LinksChange::parse).transpose()?,
            clickatell: self.clickatell.map(ClickatellChangeBody::parse).transpose()?.unwrap_or_default(),
        })
    }
}

impl ClickatellChangeBody {
    fn parse(self) -> Result<ClickatellChange, Problem> {
        let api = self.api.map(|api| api.parse()).transpose();
        let api = api.map_err(|_| Problem::InvalidSetting("clickatell.api"))?;
        Ok(ClickatellChange { api_key: self.api_key, api, from: self.from })
    }
}

/// Reads a part of the settings. None of them contains a list, and serde would fill a struct from one.
fn part<T: DeserializeOwned>(change: Option<Unambiguous>, field: &'static str) -> Result<Option<T>, Problem> {
    let Some(Unambiguous(change)) = change else { return Ok(None) };
    if !change.is_object() || json::holds_a_list(&change) {
        return Err(Problem::InvalidSetting(field));
    }
    serde_json::from_value::<T>(change).map(Some).map_err(|_| Problem::InvalidSetting(field))
}

/// A field that is named: unlike a plain `Option`, `null` is not "unchanged".
pub(super) fn named<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BudgetsChange {
    #[serde(default, deserialize_with = "named")]
    all: Option<BudgetBody>,
    #[serde(default, deserialize_with = "named")]
    country: Option<BudgetBody>,
    #[serde(default, deserialize_with = "named")]
    countries: Option<BTreeMap<Country, BudgetBody>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PricesChange {
    #[serde(default, deserialize_with = "named")]
    currency: Option<String>,
    #[serde(default, deserialize_with = "named")]
    default: Option<u64>,
    #[serde(default, deserialize_with = "named")]
    countries: Option<BTreeMap<Country, u64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsChange {
    #[serde(default, deserialize_with = "named")]
    address_hour: Option<usize>,
    #[serde(default, deserialize_with = "named")]
    address_day: Option<usize>,
    #[serde(default, deserialize_with = "named")]
    prefix_hour: Option<usize>,
    #[serde(default, deserialize_with = "named")]
    number_day: Option<usize>,
    #[serde(default, deserialize_with = "named")]
    client_hour: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BreakerChange {
    #[serde(default, deserialize_with = "named")]
    mode: Option<ModeBody>,
    #[serde(default, deserialize_with = "named")]
    floor: Option<u64>,
    #[serde(default, deserialize_with = "named")]
    share_percent: Option<u64>,
}

impl BudgetsChange {
    fn into_change(self) -> Change<Budgets> {
        let countries: Option<BTreeMap<Country, Budget>> = self
            .countries
            .map(|countries| countries.into_iter().map(|(country, budget)| (country, budget.into())).collect());
        Box::new(move |present| Budgets {
            all: self.all.map_or(present.all, Into::into),
            country: self.country.map_or(present.country, Into::into),
            countries: countries.clone().unwrap_or_else(|| present.countries.clone()),
        })
    }
}

impl PricesChange {
    fn into_change(self) -> Change<Prices> {
        Box::new(move |present| Prices {
            currency: self.currency.clone().unwrap_or_else(|| present.currency.clone()),
            default: self.default.unwrap_or(present.default),
            countries: self.countries.clone().unwrap_or_else(|| present.countries.clone()),
        })
    }
}

impl LimitsChange {
    fn into_change(self) -> Change<Limits> {
        Box::new(move |present| Limits {
            client_ip_hour: self.address_hour.unwrap_or(present.client_ip_hour),
            client_ip_day: self.address_day.unwrap_or(present.client_ip_day),
            prefix_hour: self.prefix_hour.unwrap_or(present.prefix_hour),
            number_day: self.number_day.unwrap_or(present.number_day),
            client_hour: self.client_hour.unwrap_or(present.client_hour),
        })
    }
}

impl BreakerChange {
    fn into_change(self) -> Change<BreakerPolicy> {
        Box::new(move |present| BreakerPolicy {
            mode: self.mode.map_or(present.mode, Into::into),
            floor: self.floor.unwrap_or(present.floor),
            share_percent: self.share_percent.unwrap_or(present.share_percent),
        })
    }
}

#[derive(Serialize)]
pub struct TestedBody {
    pub delivery: &'static str,
    pub message_id: String,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// `present` after a change of the part `field`, through the wire.
    fn change(field: &'static str, change: &Value) -> Result<SettingsChange, Problem> {
        let body: SettingsChangeBody = serde_json::from_value(json!({ field: change })).expect("a body");
        body.parse()
    }

    fn country(code: &str) -> Country {
        Country::parse(code).unwrap()
    }

    #[test]
    fn named_fields_are_replaced_and_the_rest_stays() {
        let budgets = |present: &Budgets, of: Value| change("budgets", &of).unwrap().budgets.unwrap()(present);
        let hour = json!({"messages": 7, "spend": 500_000});
        let after = budgets(&Budgets::default(), json!({"all": {"hour": hour, "day": {"messages": 20}, "month": {}}}));
        assert_eq!(after.all.hour, Allowance { messages: Some(7), spend: Some(500_000) });
        assert_eq!(after.all.month, Allowance::default(), "no limit, as the request says");
        let spanish = json!({"ES": {"hour": {"messages": 1}, "day": {}, "month": {}}});
        let after = budgets(&after, json!({"countries": spanish}));
        assert_eq!(after.of(country("ES")).hour.messages, Some(1));
        assert_eq!(after.of(country("US")), Budget::default());
        assert_eq!(after.all.hour.messages, Some(7));
        let prices = change("prices", &json!({"countries": {"US": 8_000}})).unwrap().prices.unwrap();
        let after = prices(&Prices::default());
        assert_eq!((after.of(country("US")), after.of(country("ES"))), (8_000, 50_000));
    }

    #[test]
    fn malformed_parts_are_refused_by_name() {
        let refused = |field: &'static str, of: Value| {
            assert_eq!(change(field, &of).err(), Some(Problem::InvalidSetting(field)), "{of}");
        };
        for wrong in [
            json!([]),
            json!({"all": {"hour": [7, null], "day": {}, "month": {}}}),
            json!({"all": {"hour": {"messages": 1}}}),
            json!({"all": {"hour": {"messages": -1}, "day": {}, "month": {}}}),
            json!({"all": {"hour": {"messages": 1.5}, "day": {}, "month": {}}}),
            json!({"all": {"hour": {"messages": "1"}, "day": {}, "month": {}}}),
            json!({"all": {"hour": {"message": 1}, "day": {}, "month": {}}}),
            json!({"all": null}),
            json!({"countries": {"ZZ": {"hour": {}, "day": {}, "month": {}}}}),
            json!({"week": {}}),
        ] {
            refused("budgets", wrong);
        }
        for wrong in [json!({"default": -1}), json!({"countries": {"usa": 1}}), json!("USD")] {
            refused("prices", wrong);
        }
        refused("limits", json!({"prefix_hour": null}));
        refused("breaker", json!({"mode": "off"}));
    }
}
