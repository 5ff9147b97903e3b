//! Metrics for CloudWatch, written to the log in its embedded metric format: no agent and no call.
//! Source: Amazon CloudWatch, "Embedded metric format specification".
//!
//! A dimension is a kind, a reason or a country, never a person.

use std::sync::OnceLock;

use serde_json::{Value, json};
use strum::{EnumIter, IntoStaticStr};
use twostep_domain::time::Timestamp;

use crate::telemetry;

/// The namespace of this process: each stack has its own, so that two stacks in a region don't mix.
static NAMESPACE: OnceLock<String> = OnceLock::new();

/// Sets the namespace of all metrics, once. Without it, as in tests, it is `TwoStep`.
pub fn use_namespace(namespace: String) {
    // A second call happens only in a test that shares its process.
    let _ = NAMESPACE.set(namespace);
}

/// Every metric, by the name that dashboards and alarms use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, EnumIter, IntoStaticStr)]
pub enum Name {
    BreakerLevel,
    BudgetUsedPercent,
    CodesAsked,
    CodesExpired,
    CodesVerified,
    CodesWrong,
    DeliverySeconds,
    EmailCodesVerified,
    EmailsAccepted,
    EmailsDeferred,
    EmailsFailed,
    EmailsUnknown,
    LimitsHit,
    RefreshTokensReused,
    /// The admin key changed something.
    AdminKeyUsed,
    /// A webhook took an event.
    EventsDelivered,
    /// A webhook did not take an event, which is tried again.
    EventsRefused,
    /// An event is no longer tried.
    EventsFailed,
    SmsAccepted,
    SmsAcceptedByCountry,
    SmsDeferred,
    SmsDelivered,
    SmsFailed,
    SmsUnknown,
}

/// What a metric is broken down by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
pub enum Dimension {
    Country,
    Limit,
    Purpose,
    Reason,
    Window,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
enum Unit {
    Count,
    None,
    Percent,
    Seconds,
}

/// One observation.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    name: Name,
    unit: Unit,
    value: Value,
    dimension: Option<(Dimension, String)>,
}

impl Metric {
    /// One more of something.
    #[must_use]
    pub fn count(name: Name) -> Self {
        Self { name, unit: Unit::Count, value: json!(1), dimension: None }
    }

    #[must_use]
    pub fn seconds(name: Name, seconds: u64) -> Self {
        Self { name, unit: Unit::Seconds, value: json!(seconds), dimension: None }
    }

    #[must_use]
    pub fn percent(name: Name, percent: f64) -> Self {
        Self { name, unit: Unit::Percent, value: json!(percent), dimension: None }
    }

    /// A plain number.
    #[must_use]
    pub fn number(name: Name, number: u8) -> Self {
        Self { name, unit: Unit::None, value: json!(number), dimension: None }
    }

    #[must_use]
    pub fn by(self, dimension: Dimension, value: impl Into<String>) -> Self {
        Self { dimension: Some((dimension, value.into())), ..self }
    }

    /// Writes the observation to the log.
    pub fn emit(&self, now: Timestamp) {
        println!("{}", self.line(NAMESPACE.get().map_or("TwoStep", String::as_str), now));
    }

    fn line(&self, namespace: &str, now: Timestamp) -> Value {
        let name: &str = self.name.into();
        let unit: &str = self.unit.into();
        let dimensions: Vec<&str> = self.dimension.iter().map(|(dimension, _)| dimension.into()).collect();
        let mut line = json!({
            "_aws": {
                "Timestamp": now.0 * 1_000,
                "CloudWatchMetrics": [{
                    "Namespace": namespace,
                    "Dimensions": [dimensions],
                    "Metrics": [{ "Name": name, "Unit": unit }],
                }],
            },
        });
        line[name] = self.value.clone();
        if let Some(request_id) = telemetry::request_id() {
            line["request_id"] = json!(request_id);
        }
        if let Some((dimension, value)) = &self.dimension {
            line[<&str>::from(dimension)] = json!(value);
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000);

    #[test]
    fn a_line_has_the_embedded_metric_format() {
        let expected = json!({"_aws": {"Timestamp": 1_800_000_000_000_i64, "CloudWatchMetrics": [{"Namespace": "TwoStep/prod",
            "Dimensions": [[]], "Metrics": [{"Name": "SmsAccepted", "Unit": "Count"}]}]}, "SmsAccepted": 1});
        assert_eq!(Metric::count(Name::SmsAccepted).line("TwoStep/prod", NOW), expected);
    }

    #[test]
    fn a_dimension_has_its_value_beside_it() {
        let line = Metric::count(Name::SmsAcceptedByCountry).by(Dimension::Country, "ES").line("TwoStep/prod", NOW);
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["Country"]]));
        assert_eq!((&line["Country"], &line["SmsAcceptedByCountry"]), (&json!("ES"), &json!(1)));
    }
}
