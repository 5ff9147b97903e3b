//! Delivery reports: what Clickatell's callbacks say about a message.
//!
//! Source: Clickatell, "REST API status callback" and "One API client callbacks".

use serde::Deserialize;
use serde_json::Value;
use twostep_domain::{challenge::Reported, settings::ClickatellApi};

use super::codes;

#[derive(Debug, PartialEq, Eq)]
pub struct DeliveryReport {
    pub message_id: String,
    /// Our own reference of the message, returned.
    pub reference: Option<String>,
    /// How far the message got; `None` if the status says nothing about that.
    pub delivery: Option<Reported>,
}

impl DeliveryReport {
    /// Reads the reports of both APIs, in both ways of sending them: query parameters of a GET, or JSON in a POST. What is
    /// not understood is left out; an error would only make Clickatell repeat it.
    pub fn read<'a>(query: impl Fn(&str) -> Option<&'a str>, body: &[u8]) -> Vec<Self> {
        let Some(id) = query("messageId") else { return from_json(body) };
        let status = query("statusCode").and_then(|code| code.parse().ok());
        let reference = query("clientMessageId").map(str::to_owned);
        vec![Self {
            message_id: id.to_owned(),
            reference,
            delivery: status.and_then(|status| codes::status(ClickatellApi::Rest, status)),
        }]
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusReport {
    message_id: String,
    client_message_id: Option<String>,
    status_code: Option<Number>,
}

impl StatusReport {
    fn report(self, api: ClickatellApi) -> DeliveryReport {
        let status = self.status_code.and_then(|code| code.value());
        let delivery = status.and_then(|status| codes::status(api, status));
        DeliveryReport { message_id: self.message_id, reference: self.client_message_id, delivery }
    }
}

/// Clickatell documents numbers; its users have seen text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(u32),
    Text(String),
}

impl Number {
    fn value(&self) -> Option<u32> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
        }
    }
}

fn from_json(body: &[u8]) -> Vec<DeliveryReport> {
    let Ok(callback) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    let status = |value: &Value| StatusReport::deserialize(value).ok();
    match callback.get("event") {
        Some(event) => {
            let updates = event["messageStatusUpdate"].as_array().into_iter().flatten();
            updates.filter_map(status).map(|status| status.report(ClickatellApi::One)).collect()
        }
        None => status(&callback).map(|status| status.report(ClickatellApi::Rest)).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use twostep_domain::challenge::DeliveryFailure;

    use super::*;

    fn read(body: &str) -> Vec<(String, Option<Reported>)> {
        from_json(body.as_bytes()).into_iter().map(|report| (report.message_id, report.delivery)).collect()
    }

    #[test]
    fn the_same_number_means_different_things_in_the_two_apis() {
        let rest = r#"{"integrationName":"otp","messageId":"a","clientMessageId":null,"statusCode":4,"status":"RECEIVED_BY_RECIPIENT","timestamp":1516217711000}"#;
        assert_eq!(read(rest), vec![("a".into(), Some(Reported::Delivered))]);
        let one = r#"{"integrationId":"f","event":{"messageStatusUpdate":[{"channel":"sms","messageId":"b","statusCode":4},{"messageId":"c","statusCode":"5"}]}}"#;
        assert_eq!(read(one), vec![("b".into(), Some(Reported::Sent)), ("c".into(), Some(Reported::Delivered))]);
        assert_eq!(
            read(r#"{"messageId":"a","statusCode":5}"#),
            vec![("a".into(), Some(Reported::Failed(DeliveryFailure::NotDelivered)))]
        );
    }

    #[test]
    fn what_is_new_or_strange_is_no_read() {
        assert_eq!(read(r#"{"messageId":"a","statusCode":77}"#), vec![("a".into(), None)]);
        assert_eq!(read(r#"{"event":{"moText":[]}}"#), vec![]);
        for malformed in ["", "[]", "{}", "x", r#"{"messageId":7}"#] {
            assert_eq!(read(malformed), vec![], "{malformed}");
        }
    }

    #[test]
    fn a_report_can_come_as_query_parameters() {
        let query = |name: &str| match name {
            "messageId" => Some("a"),
            "statusCode" => Some("4"),
            "clientMessageId" => Some("key-1"),
            _ => None,
        };
        let expected = DeliveryReport {
            message_id: "a".into(),
            reference: Some("key-1".into()),
            delivery: Some(Reported::Delivered),
        };
        assert_eq!(DeliveryReport::read(query, b""), [expected]);
    }
}
