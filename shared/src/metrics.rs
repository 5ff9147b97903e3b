//! Numbers for CloudWatch, as lines of the log in its embedded metric format: no agent, no call, nothing to wait for.
//! Source: Amazon CloudWatch, "Embedded metric format specification".
//!
//! A dimension says a kind, a reason or a country, never whose.

use serde_json::{Value, json};

use crate::{
    challenge::Purpose,
    clock::Timestamp,
    phone::Country,
    spending::{Failure, breaker::Step, tally::Period},
};

const NAMESPACE: &str = "TwoStep";

/// One observation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metric {
    /// A message was asked for and saved; decoys count like real ones.
    CodesAsked(Purpose),
    CodesVerified(Purpose),
    CodesWrong,
    CodesExpired,
    SmsAccepted(Country),
    SmsFailed(Failure),
    /// The provider did not say whether it sent a message.
    SmsUnknown,
    /// Seconds from the request to the handset.
    SmsDelivered(u64),
    LimitsHit(Limit),
    /// A used refresh token came back.
    RefreshTokensReused,
    /// How much of what all messages together may be is used, by number or by money, whichever is more.
    BudgetUsedPercent(Period, f64),
    BreakerStep(Step),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// What one address or account asks for: codes, accounts, tries at a password or the admin key.
    Requests,
    /// Messages for one number and purpose.
    Codes,
    /// Wrong codes for one number and purpose.
    Attempts,
    /// The breaker or a spent budget, at the request.
    Budget,
}

impl Limit {
    fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Codes => "codes",
            Self::Attempts => "attempts",
            Self::Budget => "budget",
        }
    }
}

/// Writes `metric` to the log.
pub fn emit(metric: Metric, now: Timestamp) {
    for line in lines(metric, now) {
        println!("{line}");
    }
}

/// Name, unit, value, and the dimension if there is one.
type Observation<'a> = (&'static str, &'static str, Value, Option<(&'static str, &'a str)>);

fn lines(metric: Metric, now: Timestamp) -> Vec<Value> {
    let one = |name, dimension| -> Observation<'_> { (name, "Count", json!(1), dimension) };
    let country;
    let observations = match metric {
        Metric::CodesAsked(purpose) => vec![one("CodesAsked", Some(("Purpose", purpose.as_str())))],
        Metric::CodesVerified(purpose) => vec![one("CodesVerified", Some(("Purpose", purpose.as_str())))],
        Metric::CodesWrong => vec![one("CodesWrong", None)],
        Metric::CodesExpired => vec![one("CodesExpired", None)],
        Metric::SmsAccepted(of) => {
            country = of;
            vec![one("SmsAccepted", None), one("SmsAcceptedByCountry", Some(("Country", country.as_str())))]
        }
        Metric::SmsFailed(failure) => vec![one("SmsFailed", Some(("Reason", failure.as_str())))],
        Metric::SmsUnknown => vec![one("SmsUnknown", None)],
        Metric::SmsDelivered(seconds) => {
            vec![one("SmsDelivered", None), ("DeliverySeconds", "Seconds", json!(seconds), None)]
        }
        Metric::LimitsHit(limit) => vec![one("LimitsHit", Some(("Limit", limit.as_str())))],
        Metric::RefreshTokensReused => vec![one("RefreshTokensReused", None)],
        Metric::BudgetUsedPercent(period, percent) => {
            vec![("BudgetUsedPercent", "Percent", json!(percent), Some(("Window", period.as_str())))]
        }
        Metric::BreakerStep(step) => vec![("BreakerStep", "None", json!(step.rank()), None)],
    };
    observations.into_iter().map(|observation| line(observation, now)).collect()
}

fn line((name, unit, value, dimension): Observation<'_>, now: Timestamp) -> Value {
    let dimensions: Vec<&str> = dimension.iter().map(|(name, _)| *name).collect();
    let mut line = json!({
        "_aws": {
            "Timestamp": now.0 * 1_000,
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [dimensions],
                "Metrics": [{ "Name": name, "Unit": unit }],
            }],
        },
    });
    line[name] = value;
    if let Some((name, value)) = dimension {
        line[name] = json!(value);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000);

    #[test]
    fn a_line_is_of_the_embedded_metric_format() {
        let spain = Country::parse("ES").unwrap();
        let [all, by_country] = &lines(Metric::SmsAccepted(spain), NOW)[..] else { panic!("two") };
        let expected = json!({"_aws": {"Timestamp": 1_800_000_000_000_i64, "CloudWatchMetrics": [{"Namespace": "TwoStep",
            "Dimensions": [[]], "Metrics": [{"Name": "SmsAccepted", "Unit": "Count"}]}]}, "SmsAccepted": 1});
        assert_eq!(*all, expected);
        assert_eq!(by_country["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["Country"]]));
        assert_eq!((&by_country["Country"], &by_country["SmsAcceptedByCountry"]), (&json!("ES"), &json!(1)));
    }

    #[test]
    fn every_dimension_and_metric_has_its_value_beside_it() {
        let metrics = [
            Metric::CodesAsked(Purpose::SecondStep),
            Metric::CodesVerified(Purpose::Login),
            Metric::CodesWrong,
            Metric::CodesExpired,
            Metric::SmsFailed(Failure::BudgetSpent),
            Metric::SmsUnknown,
            Metric::SmsDelivered(7),
            Metric::LimitsHit(Limit::Requests),
            Metric::RefreshTokensReused,
            Metric::BudgetUsedPercent(Period::Hour, 79.5),
            Metric::BreakerStep(Step::Closed),
        ];
        for line in metrics.into_iter().flat_map(|metric| lines(metric, NOW)) {
            let directive = &line["_aws"]["CloudWatchMetrics"][0];
            let name = directive["Metrics"][0]["Name"].as_str().unwrap();
            assert!(line[name].is_number(), "{line}");
            for dimension in directive["Dimensions"][0].as_array().unwrap() {
                assert!(line[dimension.as_str().unwrap()].is_string(), "{line}");
            }
        }
    }
}
