//! A sender behind an HTTP hook: any provider, by a few lines of the operator's own. `docs/senders.md` is its contract.

use serde::{Deserialize, Serialize};
use twostep_crypto::standard_webhooks::SigningSecret;
use twostep_domain::{
    challenge::{DeliveryFailure, Reported},
    country::Country,
    target::TargetUrl,
    time::Timestamp,
};

use crate::{
    Fault, Message, Outcome,
    outbound::{NoReply, Outbound, Reply},
};

/// What the hook gets.
#[derive(Serialize)]
struct Body<'a> {
    to: &'a str,
    content: &'a str,
    /// Our own name of the message. It comes once, and again only if the hook said "later".
    reference: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    country: Option<Country>,
}

#[derive(Deserialize)]
struct Accepted {
    message_id: String,
}

#[derive(Default, Deserialize)]
struct Refused {
    #[serde(default)]
    code: String,
}

/// Sends once. Everything that can go wrong is part of the [`Outcome`].
pub async fn send(
    outbound: &Outbound,
    url: &TargetUrl,
    secret: &SigningSecret,
    message: &Message<'_>,
    now: Timestamp,
) -> Outcome {
    let country = Country::of_mobile(message.to);
    let body = Body { to: message.to.e164(), content: message.content, reference: message.reference, country };
    let Ok(body) = serde_json::to_string(&body) else { return Outcome::Unknown { reason: "answer_not_understood" } };
    let signed = secret.sign(message.reference, now, &body);
    match outbound.post(url, &signed, body).await {
        Ok(reply) => read(&reply),
        Err(NoReply::NotReached) => Outcome::Later { reason: "not_reached" },
        Err(error) => Outcome::Unknown { reason: error.as_str() },
    }
}

fn read(reply: &Reply) -> Outcome {
    /// As long as an id can be in our table.
    const LONGEST_ID: usize = 200;
    match reply.status {
        200..=299 => match serde_json::from_slice::<Accepted>(&reply.body) {
            Ok(Accepted { message_id }) if (1..=LONGEST_ID).contains(&message_id.len()) => {
                Outcome::Accepted { message_id }
            }
            // It was taken, and no report will find it.
            _ => Outcome::Unknown { reason: "answer_not_understood" },
        },
        // The hook was not asked: another address or a sign-in page answered.
        300..=399 => Outcome::Later { reason: "redirected" },
        429 | 503 => Outcome::Later { reason: "provider_unavailable" },
        401 | 403 => Outcome::Refused { code: reply.status.to_string(), fault: Fault::Key },
        400..=499 => {
            let Refused { code } = serde_json::from_slice(&reply.body).unwrap_or_default();
            let fault = match code.as_str() {
                "invalid_number" | "opted_out" => Fault::Recipient,
                _ => Fault::Account,
            };
            Outcome::Refused { code: reply.status.to_string(), fault }
        }
        _ => Outcome::Unknown { reason: "provider_error" },
    }
}

/// What the hook reports of a message later.
#[derive(Debug, PartialEq, Eq)]
pub struct Report {
    pub message_id: String,
    pub delivery: Reported,
}

#[derive(Deserialize)]
struct ReportBody {
    message_id: String,
    status: String,
}

impl Report {
    /// `None` for anything that says nothing of how far a message got.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        let ReportBody { message_id, status } = serde_json::from_slice(body).ok()?;
        let delivery = match status.as_str() {
            "sent" => Reported::Sent,
            "delivered" => Reported::Delivered,
            "failed" => Reported::Failed(DeliveryFailure::NotDelivered),
            _ => return None,
        };
        Some(Self { message_id, delivery })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: u16, body: &str) -> Outcome {
        read(&Reply { status, body: body.as_bytes().to_vec(), retry_after: None })
    }

    #[test]
    fn an_answer_says_whether_the_message_was_taken() {
        let accepted = Outcome::Accepted { message_id: "m1".into() };
        assert_eq!(outcome(200, r#"{"message_id":"m1"}"#), accepted);
        assert_eq!(outcome(202, r#"{"message_id":"m1","more":1}"#), accepted);
        let unknown = Outcome::Unknown { reason: "answer_not_understood" };
        for body in ["", "{}", "<html>", r#"{"message_id":""}"#, r#"{"message_id":1}"#] {
            assert_eq!(outcome(200, body), unknown, "{body}");
        }
        assert_eq!(outcome(200, &format!(r#"{{"message_id":"{}"}}"#, "x".repeat(201))), unknown);
    }

    #[test]
    fn a_refusal_is_of_the_number_only_if_the_hook_says_so() {
        let refused = |status: u16, fault| Outcome::Refused { code: status.to_string(), fault };
        for code in ["invalid_number", "opted_out"] {
            assert_eq!(outcome(422, &format!(r#"{{"code":"{code}"}}"#)), refused(422, Fault::Recipient));
            assert_eq!(outcome(400, &format!(r#"{{"code":"{code}"}}"#)), refused(400, Fault::Recipient));
        }
        assert_eq!(outcome(422, ""), refused(422, Fault::Account));
        assert_eq!(outcome(402, r#"{"code":"no_credit"}"#), refused(402, Fault::Account));
        assert_eq!(outcome(404, "<html>"), refused(404, Fault::Account));
        assert_eq!(outcome(401, ""), refused(401, Fault::Key));
    }

    #[test]
    fn only_what_was_certainly_not_taken_is_sent_later() {
        for status in [301, 307, 429, 503] {
            assert!(matches!(outcome(status, ""), Outcome::Later { .. }), "{status}");
        }
        for status in [500, 502, 504] {
            assert_eq!(outcome(status, ""), Outcome::Unknown { reason: "provider_error" }, "{status}");
        }
    }

    #[test]
    fn a_report_moves_a_message() {
        let read = |status: &str| {
            Report::read(format!(r#"{{"message_id":"m1","status":"{status}","at":1}}"#).as_bytes())
                .map(|report| report.delivery)
        };
        assert_eq!(read("delivered"), Some(Reported::Delivered));
        assert_eq!(read("failed"), Some(Reported::Failed(DeliveryFailure::NotDelivered)));
        assert_eq!((read("sent"), read("lost")), (Some(Reported::Sent), None));
        assert_eq!(Report::read(b"[]"), None);
    }
}
