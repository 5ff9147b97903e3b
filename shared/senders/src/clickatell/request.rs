//! Request bodies of both APIs.

use serde::Serialize;
use twostep_domain::settings::ClickatellApi;

use super::account::Account;
use crate::Message;

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Body<'a> {
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
pub(super) struct OneMessage<'a> {
    channel: &'static str,
    to: &'a str,
    content: &'a str,
    client_message_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
}

pub(super) fn body<'a>(account: &'a Account, message: &Message<'a>) -> Body<'a> {
    let (to, content, client_message_id) = (message.to.digits(), message.content, message.reference);
    let from = account.from.as_deref();
    match account.api {
        ClickatellApi::Rest => Body::Rest { to: [to], content, client_message_id, from },
        ClickatellApi::One => {
            Body::One { messages: [OneMessage { channel: "sms", to, content, client_message_id, from }] }
        }
    }
}

#[cfg(test)]
mod tests {
    use twostep_domain::phone::PhoneNumber;

    use super::*;

    fn account(api: ClickatellApi) -> Account {
        Account { api_key: "key==".to_owned().into(), api, from: None }
    }

    #[test]
    fn requests_have_the_form_of_each_api() {
        let to = PhoneNumber::parse("+14155552671").unwrap();
        let message = Message { to: &to, content: "hello", reference: "abc-1" };
        let rest = serde_json::to_value(body(&account(ClickatellApi::Rest), &message)).unwrap();
        assert_eq!(rest, serde_json::json!({"to":["14155552671"],"content":"hello","clientMessageId":"abc-1"}));
        let mut two_way = account(ClickatellApi::One);
        two_way.from = Some("12025550100".into());
        let one = serde_json::to_value(body(&two_way, &message)).unwrap();
        let expected = serde_json::json!({"messages":[{"channel":"sms","to":"14155552671","content":"hello","clientMessageId":"abc-1","from":"12025550100"}]});
        assert_eq!(one, expected);
    }
}
