//! Clickatell's two POST APIs behind one client.
//!
//! The HTTP status is not to be trusted (errors come with 200, acceptances with 202), so the body is read first, and an
//! answer is one of three: accepted, refused, or unknown. Unknown codes and fields never fail the reading.
//! Source: docs.clickatell.com, "SMS API" and "One API"; guides.clickatell.com, "Send messages".

use std::{fmt, time::Duration};

use reqwest::header::{AUTHORIZATION, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::{
    phone::PhoneNumber,
    secrets::{CachedSecret, SecretError},
    spending::Failure,
};

/// Which API the key is for; a key works with the API that its integration was made for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    #[default]
    Rest,
    One,
}

/// The Clickatell secret, as the admin pastes it.
#[derive(Clone, Deserialize)]
pub struct Account {
    pub api_key: SecretString,
    #[serde(default)]
    pub api: Api,
    /// A two-way number; the USA demands one.
    #[serde(default)]
    pub from: Option<String>,
}

/// The Clickatell secret, read when it is first needed.
pub type CachedAccount = CachedSecret<Account>;

impl Account {
    /// # Errors
    /// [`SecretError::Malformed`] unless it is JSON with at least an `api_key`.
    pub fn parse(secret: &SecretString) -> Result<Self, SecretError> {
        serde_json::from_str(secret.expose_secret()).map_err(|_| SecretError::Malformed("not a Clickatell account"))
    }

    #[must_use]
    pub fn same_key(&self, other: &Self) -> bool {
        self.api_key.expose_secret() == other.api_key.expose_secret() && self.api == other.api
    }

    /// The text that [`Account::parse`] reads.
    #[must_use]
    pub fn write(&self) -> SecretString {
        let account =
            serde_json::json!({ "api_key": self.api_key.expose_secret().trim(), "api": self.api, "from": self.from });
        account.to_string().into()
    }
}

pub struct Message<'a> {
    pub to: &'a PhoneNumber,
    pub content: &'a str,
    /// Our own name for the message; Clickatell keeps it for reports and gives it back in callbacks, but does not
    /// recognise a repetition by it.
    pub client_message_id: &'a str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Accepted {
        message_id: String,
    },
    /// Not sent and not charged.
    Refused {
        code: String,
        fault: Fault,
    },
    /// Not sent; the same message may be sent later.
    Later {
        reason: &'static str,
    },
    /// Perhaps sent. Sending again could send twice.
    Unknown {
        reason: &'static str,
    },
}

/// A provider's error code, which is digits, or a word for what kept it from answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureCode {
    Code(u32),
    Said(&'static str),
    /// The provider was not asked.
    Ours(Failure),
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "Clickatell returned error {code}."),
            Self::Said(reason) => write!(f, "Clickatell: {}.", reason.replace('_', " ")),
            Self::Ours(failure) => write!(f, "Not sent: {}.", failure.as_str().replace('_', " ")),
        }
    }
}

impl Outcome {
    /// Why it was not sent; `None` when it was.
    #[must_use]
    pub fn failure(&self) -> Option<FailureCode> {
        match self {
            Self::Accepted { .. } => None,
            Self::Refused { code, .. } => {
                Some(code.parse().map_or(FailureCode::Said("refused without a code"), FailureCode::Code))
            }
            Self::Later { reason } | Self::Unknown { reason } => Some(FailureCode::Said(reason)),
        }
    }

    /// Whether the key itself was refused.
    #[must_use]
    pub fn is_bad_key(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if matches!(code.as_str(), "1" | "108" | "401" | "403" | "key"))
    }
}

/// What Clickatell says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyCheck {
    Accepted,
    Rejected,
    /// No answer, or none that says either.
    Unavailable,
}

/// Whose fault a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The number, or what its owner decided.
    Recipient,
    /// The account: key, balance, configuration. Somebody must act.
    Account,
}

pub struct Client {
    http: reqwest::Client,
    base_url: String,
}

impl Client {
    pub const PRODUCTION: &str = "https://platform.clickatell.com";

    const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
    const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);

    /// # Errors
    /// When no TLS client can be made on this machine.
    #[expect(clippy::disallowed_methods, reason = "the one place that makes a client, with time limits")]
    pub fn new(base_url: String) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(Self::CONNECT_TIMEOUT)
            .timeout(Self::TOTAL_TIMEOUT)
            // A connection kept over a freeze of the function may be dead, and a message sent into it is of unknown fate.
            .pool_max_idle_per_host(0)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { http, base_url })
    }

    /// Tries a key with the balance query, which costs nothing.
    pub async fn check_key(&self, account: &Account) -> KeyCheck {
        let Some(key) = key_header(account) else { return KeyCheck::Rejected };
        let path = match account.api {
            Api::Rest => "/public-client/balance",
            Api::One => "/v1/balance",
        };
        let request = self.http.get(format!("{}{path}", self.base_url)).header(AUTHORIZATION, key);
        let Ok(response) = request.header("accept", "application/json").send().await else {
            return KeyCheck::Unavailable;
        };
        let status = response.status().as_u16();
        let Ok(body) = response.bytes().await else { return KeyCheck::Unavailable };
        read_balance(status, &body)
    }

    /// Sends once. Never an `Err`: what can go wrong is part of the [`Outcome`].
    pub async fn send(&self, account: &Account, message: &Message<'_>) -> Outcome {
        let Some(key) = key_header(account) else {
            return Outcome::Refused { code: "key".into(), fault: Fault::Account };
        };
        let path = match account.api {
            Api::Rest => "/messages",
            Api::One => "/v1/message",
        };
        let body = request_body(account, message);
        let request = self.http.post(format!("{}{path}", self.base_url)).header(AUTHORIZATION, key).json(&body);
        let response = match request.header("accept", "application/json").send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Outcome::Later { reason: "not_reached" },
            Err(error) if error.is_timeout() => return Outcome::Unknown { reason: "timeout" },
            Err(_) => return Outcome::Unknown { reason: "connection_lost" },
        };
        let status = response.status().as_u16();
        match response.bytes().await {
            Ok(body) => read_answer(account.api, status, &body),
            Err(_) => Outcome::Unknown { reason: "connection_lost" },
        }
    }
}

/// The raw key, as Clickatell wants it; keys are pasted with spaces around them.
fn key_header(account: &Account) -> Option<HeaderValue> {
    let mut key = HeaderValue::from_str(account.api_key.expose_secret().trim()).ok()?;
    key.set_sensitive(true);
    Some(key)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BalanceAnswer {
    balance: Option<serde_json::Value>,
    error_code: Option<serde_json::Value>,
    error: Option<serde_json::Value>,
}

fn read_balance(status: u16, body: &[u8]) -> KeyCheck {
    let answer = serde_json::from_slice::<BalanceAnswer>(body).ok();
    let code = answer.as_ref().and_then(|answer| error_code(answer.error_code.as_ref(), answer.error.as_ref()));
    match (status, code.as_deref(), answer.and_then(|answer| answer.balance)) {
        (401 | 403, ..) | (_, Some("1" | "108"), _) => KeyCheck::Rejected,
        (200, None, Some(_)) => KeyCheck::Accepted,
        _ => KeyCheck::Unavailable,
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Request<'a> {
    #[serde(rename_all = "camelCase")]
    Rest {
        to: [&'a str; 1],
        content: &'a str,
        client_message_id: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<&'a str>,
    },
    One {
        messages: [OneMessage<'a>; 1],
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OneMessage<'a> {
    channel: &'static str,
    to: &'a str,
    content: &'a str,
    client_message_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
}

fn request_body<'a>(account: &'a Account, message: &Message<'a>) -> Request<'a> {
    let (to, content, client_message_id) = (message.to.digits(), message.content, message.client_message_id);
    let from = account.from.as_deref();
    match account.api {
        Api::Rest => Request::Rest { to: [to], content, client_message_id, from },
        Api::One => Request::One { messages: [OneMessage { channel: "sms", to, content, client_message_id, from }] },
    }
}

/// Both answers in one: REST puts `errorCode` and `error` side by side, One API an object under `error`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    messages: Option<Vec<Item>>,
    error_code: Option<serde_json::Value>,
    error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    api_message_id: Option<String>,
    accepted: Option<bool>,
    error_code: Option<serde_json::Value>,
    error: Option<serde_json::Value>,
}

fn read_answer(api: Api, status: u16, body: &[u8]) -> Outcome {
    let Ok(answer) = serde_json::from_slice::<Answer>(body) else {
        return without_body(status);
    };
    if let Some(code) = error_code(answer.error_code.as_ref(), answer.error.as_ref()) {
        return refusal(api, status, code);
    }
    match answer.messages.as_deref() {
        Some([Item { api_message_id: Some(id), accepted: Some(true), .. }]) if !id.is_empty() => {
            Outcome::Accepted { message_id: id.clone() }
        }
        Some([item]) if item.accepted == Some(false) => {
            let code = error_code(item.error_code.as_ref(), item.error.as_ref()).unwrap_or_else(|| "none".to_owned());
            refusal(api, status, code)
        }
        _ => without_body(status),
    }
}

fn without_body(status: u16) -> Outcome {
    match status {
        // 429 means that the request was turned away before anything was done with it.
        429 => Outcome::Later { reason: "rate_limited" },
        401 | 403 => Outcome::Refused { code: status.to_string(), fault: Fault::Account },
        _ => Outcome::Unknown { reason: "answer_not_understood" },
    }
}

/// The code of an error as text: `105`, `"105"`, `{"code":25}` and a bare message all occur.
fn error_code(code: Option<&serde_json::Value>, error: Option<&serde_json::Value>) -> Option<String> {
    use serde_json::Value;
    match (code, error) {
        (Some(Value::Number(code)), _) => Some(code.to_string()),
        (Some(Value::String(code)), _) => Some(digits_only(code)),
        (_, Some(Value::Object(error))) => Some(match error.get("code") {
            Some(Value::Number(code)) => code.to_string(),
            Some(Value::String(code)) => digits_only(code),
            _ => "none".to_owned(),
        }),
        (_, None | Some(Value::Null)) => None,
        (_, Some(_)) => Some("none".to_owned()),
    }
}

/// Codes are kept and logged, so nothing but digits passes: a provider's words may name a number.
fn digits_only(code: &str) -> String {
    let is_code = (1..=6).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit());
    if is_code { code.to_owned() } else { "none".to_owned() }
}

fn refusal(api: Api, status: u16, code: String) -> Outcome {
    let number = code.parse::<u32>().unwrap_or(0);
    match (api, number) {
        (Api::One, 19) => Outcome::Later { reason: "provider_unavailable" },
        _ if status == 503 => Outcome::Later { reason: "provider_unavailable" },
        (Api::One, 43) => Outcome::Later { reason: "rate_limited" },
        // "Internal error": nobody can say how far it got.
        (Api::One, 18) | (Api::Rest, 901) => Outcome::Unknown { reason: "provider_error" },
        (Api::One, 1 | 2 | 3 | 7 | 20 | 38 | 39 | 45 | 46) | (Api::Rest, 1 | 7 | 106 | 108 | 301 | 607) => {
            Outcome::Refused { code, fault: Fault::Account }
        }
        _ if status == 429 => Outcome::Later { reason: "rate_limited" },
        _ => Outcome::Refused { code, fault: Fault::Recipient },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(api: Api) -> Account {
        Account { api_key: "key==".to_owned().into(), api, from: None }
    }

    fn rest(status: u16, body: &str) -> Outcome {
        read_answer(Api::Rest, status, body.as_bytes())
    }

    fn one(status: u16, body: &str) -> Outcome {
        read_answer(Api::One, status, body.as_bytes())
    }

    fn refused(code: &str, fault: Fault) -> Outcome {
        Outcome::Refused { code: code.into(), fault }
    }

    #[test]
    fn requests_have_the_form_of_each_api() {
        let to = PhoneNumber::parse("+14155552671").unwrap();
        let message = Message { to: &to, content: "hello", client_message_id: "abc-1" };
        let rest = serde_json::to_value(request_body(&account(Api::Rest), &message)).unwrap();
        assert_eq!(rest, serde_json::json!({"to":["14155552671"],"content":"hello","clientMessageId":"abc-1"}));
        let mut two_way = account(Api::One);
        two_way.from = Some("12025550100".into());
        let one = serde_json::to_value(request_body(&two_way, &message)).unwrap();
        let expected = serde_json::json!({"messages":[{"channel":"sms","to":"14155552671","content":"hello","clientMessageId":"abc-1","from":"12025550100"}]});
        assert_eq!(one, expected);
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
            refused("108", Fault::Account)
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
            refused("none", Fault::Recipient)
        );
        assert_eq!(rest(200, r#"{"messages":[],"errorCode":999,"error":"New."}"#), refused("999", Fault::Recipient));
        assert_eq!(
            one(
                400,
                r#"{"messages":[{"error":{"code":25,"description":"…"},"accepted":false,"to":"1"}],"error":null}"#
            ),
            refused("25", Fault::Recipient)
        );
        assert_eq!(
            one(401, r#"{"error":{"code":1,"description":"Invalid or missing integration API Key"}}"#),
            refused("1", Fault::Account)
        );
        assert_eq!(
            one(402, r#"{"messages":[{"error":{"code":20,"description":"…"},"accepted":false}]}"#),
            refused("20", Fault::Account)
        );
        assert_eq!(one(400, r#"{"error":{"code":"x+14155552671"}}"#), refused("none", Fault::Recipient));
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
