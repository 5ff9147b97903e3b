//! Responses of both APIs. The HTTP status is not reliable (errors come with 200, acceptances with 202), so the body is
//! read first. Unknown codes and fields never make a response unreadable.

use serde::Deserialize;
use serde_json::Value;
use twostep_domain::settings::ClickatellApi;

use super::{
    codes::{self, Meaning},
    key_check::KeyCheck,
};
use crate::{Fault, Outcome};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BalanceAnswer {
    balance: Option<Value>,
    error_code: Option<Value>,
    error: Option<Value>,
}

pub(super) fn read_balance(status: u16, body: &[u8]) -> KeyCheck {
    let answer = serde_json::from_slice::<BalanceAnswer>(body).ok();
    let error = answer.as_ref().and_then(|answer| Said::read(answer.error_code.as_ref(), answer.error.as_ref()));
    match (status, error.as_ref().map(|error| error.code), answer.as_ref().and_then(|answer| answer.balance.as_ref())) {
        (401 | 403, ..) | (_, Some(Some(1 | 108)), _) => KeyCheck::Rejected,
        (200, None, Some(_)) => KeyCheck::Accepted,
        _ => KeyCheck::Unavailable,
    }
}

/// Both responses in one: REST puts `errorCode` and `error` side by side, One API an object under `error`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    messages: Option<Vec<Item>>,
    error_code: Option<Value>,
    error: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    api_message_id: Option<String>,
    accepted: Option<bool>,
    error_code: Option<Value>,
    error: Option<Value>,
}

pub(super) fn read(api: ClickatellApi, status: u16, body: &[u8]) -> Outcome {
    let Ok(answer) = serde_json::from_slice::<Answer>(body) else {
        return without_body(status);
    };
    if let Some(error) = Said::read(answer.error_code.as_ref(), answer.error.as_ref()) {
        return refusal(api, status, &error);
    }
    match answer.messages.as_deref() {
        Some([Item { api_message_id: Some(id), accepted: Some(true), .. }]) if !id.is_empty() => {
            Outcome::Accepted { message_id: id.clone() }
        }
        Some([item]) if item.accepted == Some(false) => {
            let error = Said::read(item.error_code.as_ref(), item.error.as_ref()).unwrap_or_default();
            refusal(api, status, &error)
        }
        _ => without_body(status),
    }
}

fn without_body(status: u16) -> Outcome {
    match status {
        // With 429 the request was turned away before anything was done with it.
        429 => Outcome::Later { reason: "rate_limited" },
        401 | 403 => Outcome::Refused { code: status.to_string(), fault: Fault::Key },
        _ => Outcome::Unknown { reason: "answer_not_understood" },
    }
}

/// What an error says: `105`, `"105"`, `{"code":25,"description":"…"}` and bare words all occur. The words serve to find the
/// code and go no further, because they may name a number.
#[derive(Default)]
struct Said<'a> {
    code: Option<u32>,
    words: Option<&'a str>,
}

impl<'a> Said<'a> {
    /// `None` if there is no error.
    fn read(code: Option<&Value>, error: Option<&'a Value>) -> Option<Self> {
        let number = |code: &Value| match code {
            Value::String(digits) => digits.parse().ok(),
            code => code.as_u64().and_then(|code| code.try_into().ok()),
        };
        match (code, error) {
            (None | Some(Value::Null), None | Some(Value::Null)) => None,
            (_, Some(Value::Object(error))) => {
                let words = error.get("description").and_then(Value::as_str);
                Some(Self { code: error.get("code").and_then(number), words })
            }
            (code, error) => Some(Self { code: code.and_then(number), words: error.and_then(Value::as_str) }),
        }
    }
}

fn refusal(api: ClickatellApi, status: u16, error: &Said<'_>) -> Outcome {
    let (code, meaning) = codes::error(api, error.code, error.words);
    let refused = |fault| Outcome::Refused { code: if code == 0 { "none".into() } else { code.to_string() }, fault };
    match meaning {
        Some(Meaning::Later(reason)) => Outcome::Later { reason },
        Some(Meaning::Refused(fault)) => refused(fault),
        _ if status == 503 => Outcome::Later { reason: "provider_unavailable" },
        Some(Meaning::Unknown) => Outcome::Unknown { reason: "provider_error" },
        None if status == 429 => Outcome::Later { reason: "rate_limited" },
        None => refused(Fault::Account),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rest(status: u16, body: &str) -> Outcome {
        read(ClickatellApi::Rest, status, body.as_bytes())
    }

    fn one(status: u16, body: &str) -> Outcome {
        read(ClickatellApi::One, status, body.as_bytes())
    }

    fn refused(code: &str, fault: Fault) -> Outcome {
        Outcome::Refused { code: code.into(), fault }
    }

    #[test]
    fn an_accepted_message_has_an_id() {
        let accepted = Outcome::Accepted { message_id: "af75".into() };
        assert_eq!(
            rest(
                202,
                r#"{"messages":[{"apiMessageId":"af75","accepted":true,"to":"1","errorCode":null,"error":null,"errorDescription":null}],"errorCode":null,"error":null,"errorDescription":null}"#
            ),
            accepted
        );
        assert_eq!(rest(202, r#"{"messages":[{"apiMessageId":"af75","accepted":true,"to":"1"}]}"#), accepted);
        assert_eq!(
            one(
                202,
                r#"{"messages":[{"apiMessageId":"af75","accepted":true,"to":"1","error":null}],"error":null,"new":[]}"#
            ),
            accepted
        );
    }

    #[test]
    fn a_refusal_is_one_whatever_the_status() {
        assert_eq!(
            rest(
                200,
                r#"{"messages":[],"errorCode":108,"error":"Invalid or missing integration API Key.","errorDescription":"…"}"#
            ),
            refused("108", Fault::Key)
        );
        assert_eq!(
            rest(
                202,
                r#"{"messages":[{"apiMessageId":null,"accepted":false,"to":"1","errorCode":105,"error":"Invalid destination address."}]}"#
            ),
            refused("105", Fault::Recipient)
        );
        assert_eq!(
            rest(
                202,
                r#"{"messages":[{"apiMessageId":null,"accepted":false,"to":"1","error":"Invalid destination address."}],"error":null}"#
            ),
            refused("105", Fault::Recipient)
        );
        assert_eq!(rest(200, r#"{"messages":[],"errorCode":999,"error":"New."}"#), refused("999", Fault::Account));
        assert_eq!(rest(200, r#"{"messages":[],"error":"New +14155552671"}"#), refused("none", Fault::Account));
        assert_eq!(
            one(
                400,
                r#"{"messages":[{"error":{"code":25,"description":"…"},"accepted":false,"to":"1"}],"error":null}"#
            ),
            refused("25", Fault::Recipient)
        );
        assert_eq!(
            one(401, r#"{"error":{"code":1,"description":"Invalid or missing integration API Key"}}"#),
            refused("1", Fault::Key)
        );
        assert_eq!(
            one(402, r#"{"messages":[{"error":{"code":20,"description":"…"},"accepted":false}]}"#),
            refused("20", Fault::Account)
        );
        assert_eq!(one(400, r#"{"error":{"code":"x+14155552671"}}"#), refused("none", Fault::Account));
    }

    #[test]
    fn what_may_be_tried_again_is_told_from_what_may_not() {
        assert_eq!(
            one(503, r#"{"error":{"code":19,"description":"Internal error, please retry"}}"#),
            Outcome::Later { reason: "provider_unavailable" }
        );
        assert_eq!(
            one(400, r#"{"error":{"code":43,"description":"Rate limit"}}"#),
            Outcome::Later { reason: "rate_limited" }
        );
        assert_eq!(
            rest(503, r#"{"messages":[],"errorCode":901,"error":"Internal error, please retry"}"#),
            Outcome::Later { reason: "provider_unavailable" }
        );
        assert_eq!(
            rest(200, r#"{"messages":[],"errorCode":901,"error":"Internal error"}"#),
            Outcome::Unknown { reason: "provider_error" }
        );
        // A definite code counts, whatever the status.
        assert_eq!(
            rest(503, r#"{"messages":[],"errorCode":108,"error":"Invalid or missing integration API Key."}"#),
            refused("108", Fault::Key)
        );
        assert_eq!(rest(503, r#"{"messages":[],"errorCode":105}"#), refused("105", Fault::Recipient));
        assert_eq!(rest(429, "slow down"), Outcome::Later { reason: "rate_limited" });
        assert_eq!(one(500, r#"{"error":{"code":18}}"#), Outcome::Unknown { reason: "provider_error" });
    }

    #[test]
    fn a_key_is_judged_by_the_balance_query() {
        assert_eq!(read_balance(200, br#"{"balance":1267.92865,"currency":"ZAR"}"#), KeyCheck::Accepted);
        assert_eq!(read_balance(401, b""), KeyCheck::Rejected);
        assert_eq!(
            read_balance(200, br#"{"messages":[],"errorCode":108,"error":"Invalid or missing integration API Key."}"#),
            KeyCheck::Rejected
        );
        assert_eq!(read_balance(401, br#"{"error":{"code":1}}"#), KeyCheck::Rejected);
        for (status, body) in [(502, "<html>"), (503, r#"{"error":{"code":19}}"#), (200, "{}"), (200, "")] {
            assert_eq!(read_balance(status, body.as_bytes()), KeyCheck::Unavailable, "{status} {body}");
        }
    }

    #[test]
    fn everything_else_is_unknown() {
        let unknown = Outcome::Unknown { reason: "answer_not_understood" };
        for body in [
            "",
            "<html>Bad gateway</html>",
            "[]",
            "{}",
            r#"{"messages":[]}"#,
            r#"{"messages":[{"accepted":true}]}"#,
            r#"{"messages":[{"accepted":true,"apiMessageId":""}]}"#,
            r#"{"messages":[{"accepted":true,"apiMessageId":"a"},{"accepted":true,"apiMessageId":"b"}]}"#,
        ] {
            assert_eq!(rest(502, body), unknown, "{body}");
            assert_eq!(rest(202, body), unknown, "{body}");
        }
    }
}
