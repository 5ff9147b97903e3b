//! Delivery receipts: what Clickatell's callbacks say of a message.
//!
//! A callback is no proof of anything: it can move the delivery state of a message that we sent, forward, and nothing
//! else. The same number means different things in the two APIs, so each has its own table.
//! Source: Clickatell, "REST API status callback" and "One API message status table".

use std::sync::Arc;

use lambda_http::{Request, RequestExt};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use subtle::ConstantTimeEq;

use crate::{
    aws,
    challenge::{Challenge, ChallengeStore, Delivery},
    clock::{Clock, SystemClock},
    config::{self, ConfigError},
    http::{self, Answer, Problem},
    telemetry,
};

/// Everything `sms-status` needs.
pub struct Receipts {
    clock: Arc<dyn Clock>,
    challenges: ChallengeStore,
    token: SecretString,
}

/// One piece of news.
#[derive(Debug, PartialEq, Eq)]
struct Receipt {
    message_id: String,
    news: Option<Delivery>,
}

impl Receipts {
    /// # Errors
    /// [`ConfigError`], naming the variable that is missing or malformed.
    pub async fn init() -> Result<&'static Self, ConfigError> {
        telemetry::init(config::log_level()?);
        let tables = aws_sdk_dynamodb::Client::new(&aws::sdk_config().await);
        let challenges = ChallengeStore::new(tables, config::required("CODES_TABLE")?);
        let receipts = Self { clock: Arc::new(SystemClock), challenges, token: config::callback_token()? };
        receipts.challenges.open_connection().await;
        Ok(Box::leak(Box::new(receipts)))
    }

    /// # Errors
    /// [`Problem::InvalidCallbackToken`]; [`Problem::Unavailable`] makes Clickatell repeat the callback.
    pub async fn take(&self, request: &Request) -> Result<Answer, Problem> {
        let token = http::segment_after(request, "status").unwrap_or_default();
        if !bool::from(token.as_bytes().ct_eq(self.token.expose_secret().as_bytes())) {
            return Err(Problem::InvalidCallbackToken);
        }
        for receipt in read(request)? {
            self.record(&receipt).await?;
        }
        Ok(Answer::empty())
    }

    async fn record(&self, receipt: &Receipt) -> Result<(), Problem> {
        let Some(news) = receipt.news else { return Ok(()) };
        let Some(message) = self.challenges.find_message(&receipt.message_id).await? else {
            tracing::info!("a receipt for an unknown message was ignored");
            return Ok(());
        };
        let Some(challenge) = self.challenges.load(&message.challenge).await? else { return Ok(()) };
        let record = |current: &Challenge| current.record_delivery(message.send_number, news, self.clock.now());
        self.challenges.advance(challenge, record).await?;
        Ok(())
    }
}

/// Both families and both ways of sending: JSON in a POST, parameters in a GET. A call that says nothing is the
/// portal's probe.
fn read(request: &Request) -> Result<Vec<Receipt>, Problem> {
    let query = request.query_string_parameters();
    if let (Some(id), Some(status)) = (query.first("messageId"), query.first("statusCode")) {
        return Ok(vec![rest_receipt(id.to_owned(), status.parse().ok())]);
    }
    let body: &[u8] = request.body();
    if body.is_empty() {
        return Ok(Vec::new());
    }
    read_json(body).ok_or(Problem::InvalidRequest)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Callback {
    message_id: Option<String>,
    status_code: Option<Number>,
    event: Option<OneEvent>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OneEvent {
    #[serde(default)]
    message_status_update: Vec<OneStatus>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OneStatus {
    message_id: String,
    status_code: Option<Number>,
}

/// Clickatell's documents show numbers; its consumers have seen text.
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

fn read_json(body: &[u8]) -> Option<Vec<Receipt>> {
    let callback: Callback = serde_json::from_slice(body).ok()?;
    if let Some(event) = callback.event {
        let updates = event.message_status_update.into_iter();
        return Some(
            updates
                .map(|update| one_receipt(update.message_id, update.status_code.and_then(|code| code.value())))
                .collect(),
        );
    }
    Some(vec![rest_receipt(callback.message_id?, callback.status_code.and_then(|code| code.value()))])
}

fn rest_receipt(message_id: String, status: Option<u32>) -> Receipt {
    let news = match status {
        Some(3 | 8) => Some(Delivery::Sent),
        Some(4) => Some(Delivery::Delivered),
        Some(1 | 5..=7 | 9 | 10 | 12..=14) => Some(Delivery::Failed),
        _ => None,
    };
    Receipt { message_id, news }
}

fn one_receipt(message_id: String, status: Option<u32>) -> Receipt {
    let news = match status {
        Some(4) => Some(Delivery::Sent),
        Some(5 | 6) => Some(Delivery::Delivered),
        Some(20..=29 | 60 | 61 | 80..=85 | 100) => Some(Delivery::Failed),
        _ => None,
    };
    Receipt { message_id, news }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(body: &str) -> Option<Vec<(String, Option<Delivery>)>> {
        read_json(body.as_bytes())
            .map(|receipts| receipts.into_iter().map(|receipt| (receipt.message_id, receipt.news)).collect())
    }

    #[test]
    fn the_same_number_means_different_things_in_the_two_apis() {
        let rest = r#"{"integrationName":"otp","messageId":"a","clientMessageId":null,"statusCode":4,"status":"RECEIVED_BY_RECIPIENT","timestamp":1516217711000}"#;
        assert_eq!(news(rest), Some(vec![("a".into(), Some(Delivery::Delivered))]));
        let one = r#"{"integrationId":"f","event":{"messageStatusUpdate":[{"channel":"sms","messageId":"b","statusCode":4},{"messageId":"c","statusCode":"5"}]}}"#;
        assert_eq!(news(one), Some(vec![("b".into(), Some(Delivery::Sent)), ("c".into(), Some(Delivery::Delivered))]));
        assert_eq!(news(r#"{"messageId":"a","statusCode":5}"#), Some(vec![("a".into(), Some(Delivery::Failed))]));
    }

    #[test]
    fn what_is_new_or_strange_is_no_news() {
        assert_eq!(news(r#"{"messageId":"a","statusCode":77}"#), Some(vec![("a".into(), None)]));
        assert_eq!(news(r#"{"event":{"moText":[]}}"#), Some(vec![]));
        for malformed in ["", "[]", "{}", "x", r#"{"messageId":7}"#] {
            assert_eq!(news(malformed), None, "{malformed}");
        }
    }
}
