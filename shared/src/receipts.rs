//! Delivery receipts: what Clickatell's callbacks say of a message.
//!
//! A callback is no proof of anything: it can move the delivery state of a message that we sent, forward, and nothing
//! else. The same number means different things in the two APIs, so each has its own table.
//! Source: Clickatell, "REST API status callback" and "One API message status table".

use std::sync::Arc;

use lambda_http::{Request, RequestExt};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use subtle::ConstantTimeEq;

use crate::{
    aws,
    challenge::{Challenge, ChallengeStore, Delivery, store::SentMessage},
    clock::{Clock, SystemClock},
    config::{self, ConfigError},
    http::{self, Answer, Problem},
    metrics::{self, Metric},
    spending::{
        Failure,
        tally::{Fact, Tallies},
    },
    telemetry,
};

/// Everything `sms-status` needs.
pub struct Receipts {
    clock: Arc<dyn Clock>,
    challenges: ChallengeStore,
    tallies: Tallies,
    token: SecretString,
}

/// One piece of news.
#[derive(Debug, PartialEq, Eq)]
struct Receipt {
    message_id: String,
    /// Our own name for the message, given back.
    client_message_id: Option<String>,
    news: Option<Delivery>,
}

impl Receipts {
    /// # Errors
    /// [`ConfigError`], naming the variable that is missing or malformed.
    pub async fn init() -> Result<&'static Self, ConfigError> {
        telemetry::init(config::log_level()?);
        let tables = aws_sdk_dynamodb::Client::new(&aws::sdk_config().await);
        let receipts = Self {
            clock: Arc::new(SystemClock),
            challenges: ChallengeStore::new(tables.clone(), config::required("CODES_TABLE")?),
            tallies: Tallies::new(tables, config::required("COUNTERS_TABLE")?),
            token: config::callback_token()?,
        };
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
        for receipt in read(request) {
            self.record(&receipt).await?;
        }
        Ok(Answer::empty())
    }

    async fn record(&self, receipt: &Receipt) -> Result<(), Problem> {
        let Some(news) = receipt.news else { return Ok(()) };
        let known = self.challenges.find_message(&receipt.message_id).await?;
        // A receipt can be faster than the note that the message was sent; our own name for it serves as well.
        let named = || receipt.client_message_id.as_deref().and_then(SentMessage::from_reference);
        let Some(message) = known.or_else(named) else {
            tracing::info!("a receipt for an unknown message was ignored");
            return Ok(());
        };
        let Some(challenge) = self.challenges.load(&message.challenge).await? else { return Ok(()) };
        let now = self.clock.now();
        let record = |current: &Challenge| match news {
            Delivery::Failed => current.record_failure(message.send_number, Failure::NotDelivered, now),
            news => current.record_delivery(message.send_number, news, now),
        };
        let Some(recorded) = self.challenges.advance(challenge, record).await? else { return Ok(()) };
        let (metric, fact) = match news {
            Delivery::Delivered => {
                let asked = recorded.sends.last().copied().unwrap_or(now);
                (Metric::SmsDelivered(asked.until(now).as_secs()), Fact::Delivered)
            }
            Delivery::Failed => {
                let failure = Failure::NotDelivered;
                (Metric::SmsFailed(failure), Fact::Failed(failure.as_str()))
            }
            _ => return Ok(()),
        };
        metrics::emit(metric, now);
        if let Some(country) = message.country
            && let Err(error) = self.tallies.count(country, None, fact, now).await
        {
            tracing::warn!(%error, "a receipt was not counted");
        }
        Ok(())
    }
}

/// Both families and both ways of sending: JSON in a POST, parameters in a GET. What is not understood is no news; an
/// error would only make Clickatell repeat it.
fn read(request: &Request) -> Vec<Receipt> {
    let query = request.query_string_parameters();
    if let Some(id) = query.first("messageId") {
        let status = query.first("statusCode").and_then(|code| code.parse().ok());
        let reference = query.first("clientMessageId").map(str::to_owned);
        return vec![Receipt { message_id: id.to_owned(), client_message_id: reference, news: rest_news(status) }];
    }
    read_json(request.body())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusReport {
    message_id: String,
    client_message_id: Option<String>,
    status_code: Option<Number>,
}

impl StatusReport {
    fn receipt(self, news: fn(Option<u32>) -> Option<Delivery>) -> Receipt {
        let news = news(self.status_code.and_then(|code| code.value()));
        Receipt { message_id: self.message_id, client_message_id: self.client_message_id, news }
    }
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

fn read_json(body: &[u8]) -> Vec<Receipt> {
    let Ok(callback) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    let status = |value: &Value| StatusReport::deserialize(value).ok();
    match callback.get("event") {
        Some(event) => {
            let updates = event["messageStatusUpdate"].as_array().into_iter().flatten();
            updates.filter_map(status).map(|status| status.receipt(one_news)).collect()
        }
        None => status(&callback).map(|status| status.receipt(rest_news)).into_iter().collect(),
    }
}

fn rest_news(status: Option<u32>) -> Option<Delivery> {
    match status {
        Some(3 | 8) => Some(Delivery::Sent),
        Some(4) => Some(Delivery::Delivered),
        Some(1 | 5..=7 | 9 | 10 | 12..=14) => Some(Delivery::Failed),
        _ => None,
    }
}

fn one_news(status: Option<u32>) -> Option<Delivery> {
    match status {
        Some(4) => Some(Delivery::Sent),
        Some(5 | 6) => Some(Delivery::Delivered),
        Some(20..=29 | 60 | 61 | 80..=85 | 100) => Some(Delivery::Failed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn news(body: &str) -> Vec<(String, Option<Delivery>)> {
        read_json(body.as_bytes()).into_iter().map(|receipt| (receipt.message_id, receipt.news)).collect()
    }

    #[test]
    fn the_same_number_means_different_things_in_the_two_apis() {
        let rest = r#"{"integrationName":"otp","messageId":"a","clientMessageId":null,"statusCode":4,"status":"RECEIVED_BY_RECIPIENT","timestamp":1516217711000}"#;
        assert_eq!(news(rest), vec![("a".into(), Some(Delivery::Delivered))]);
        let one = r#"{"integrationId":"f","event":{"messageStatusUpdate":[{"channel":"sms","messageId":"b","statusCode":4},{"messageId":"c","statusCode":"5"}]}}"#;
        assert_eq!(news(one), vec![("b".into(), Some(Delivery::Sent)), ("c".into(), Some(Delivery::Delivered))]);
        assert_eq!(news(r#"{"messageId":"a","statusCode":5}"#), vec![("a".into(), Some(Delivery::Failed))]);
    }

    #[test]
    fn what_is_new_or_strange_is_no_news() {
        assert_eq!(news(r#"{"messageId":"a","statusCode":77}"#), vec![("a".into(), None)]);
        assert_eq!(news(r#"{"event":{"moText":[]}}"#), vec![]);
        for malformed in ["", "[]", "{}", "x", r#"{"messageId":7}"#] {
            assert_eq!(news(malformed), vec![], "{malformed}");
        }
    }
}
