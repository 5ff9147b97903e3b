//! The reserve of notices: room above the budgets that only they may use. A number that was removed from an account is
//! told so even while the budget is spent, which an attacker could bring about.

use crate::{
    rate_limit::RateLimit,
    settings::Settings,
    spending::{Allowance, Budget, Mode},
    time::DAY,
};

/// How many notices one account may draw from the reserve. Each follows a change of the account's number, which needs a
/// code of its own.
pub const OF_ACCOUNT: RateLimit = RateLimit { most: 3, window: DAY };

/// How many messages all accounts may have sent beyond a budget, in each of its periods.
const MESSAGES: u64 = 50;

/// The settings as they are for a notice of `price`: budgets with the reserve on top, and a breaker that holds nothing back.
/// What the operator has set to nothing stays at nothing.
#[must_use]
pub fn with_reserve(settings: &Settings, price: u64) -> Settings {
    let mut settings = settings.clone();
    settings.breaker.mode = Mode::RecordOnly;
    let budgets = &mut settings.budgets;
    for budget in [&mut budgets.all, &mut budgets.country].into_iter().chain(budgets.countries.values_mut()) {
        let Budget { hour, day, month } = budget;
        for allowance in [hour, day, month] {
            widen(allowance, price);
        }
    }
    settings
}

fn widen(allowance: &mut Allowance, price: u64) {
    let more = |present: Option<u64>, reserve: u64| present.map(|most| if most == 0 { 0 } else { most + reserve });
    *allowance = Allowance {
        messages: more(allowance.messages, MESSAGES),
        spend: more(allowance.spend, price.saturating_mul(MESSAGES)),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{country::AllowedCountries, message_texts::Site, spending::Budgets};

    #[test]
    fn the_reserve_is_room_above_every_budget_that_is_not_closed() {
        let mut budgets = Budgets::of_messages(10, 20, 0);
        budgets.country.day.spend = Some(1_000);
        let site = Site::new("Example", "example.com").unwrap();
        let settings = Settings::initial(&site, AllowedCountries::parse("*").unwrap(), budgets);
        let wider = with_reserve(&settings, 7);
        assert_eq!((wider.budgets.all.hour.messages, wider.budgets.all.day.messages), (Some(60), Some(70)));
        assert_eq!(wider.budgets.all.month.messages, Some(0), "closed by the operator");
        assert_eq!(wider.budgets.country.day.spend, Some(1_350));
        assert_eq!(wider.budgets.country.hour.messages, None, "no limit stays no limit");
        assert_eq!(wider.breaker.mode, Mode::RecordOnly);
    }
}
