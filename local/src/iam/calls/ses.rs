//! SES API version 2 (REST, JSON): sending an email. `ses:SendEmail` covers messages that SES composes,
//! `ses:SendRawEmail` covers raw messages.

use serde_json::Value;

use super::texts;
use crate::{
    arn,
    iam::{condition::ConditionKey, request::Request},
};

pub const CONDITION_KEYS: [ConditionKey; 5] = [
    ConditionKey::single("ses:ApiVersion"),
    ConditionKey::single("ses:FeedbackAddress"),
    ConditionKey::single("ses:FromAddress"),
    ConditionKey::single("ses:FromDisplayName"),
    ConditionKey::many("ses:Recipients"),
];

/// IAM must allow the sender's identity and, if the call names one, the configuration set.
pub fn requests(method: &str, path: &str, body: &Value) -> Option<Vec<Request>> {
    if (method, path) != ("POST", "/v2/email/outbound-emails") {
        return None;
    }
    let content = &body["Content"];
    let action = match (!content["Simple"].is_null(), !content["Raw"].is_null()) {
        (true, false) => "ses:SendEmail",
        (false, true) => "ses:SendRawEmail",
        _ => return None,
    };
    let (name, address) = mailbox(body["FromEmailAddress"].as_str()?);
    let own = arn::regional("ses", &format!("identity/{address}"));
    let identity = body["FromEmailAddressIdentityArn"].as_str().unwrap_or(&own);
    let set = body["ConfigurationSetName"].as_str();
    let set = set.map(|set| arn::regional("ses", &format!("configuration-set/{set}")));
    let recipients = ["ToAddresses", "CcAddresses", "BccAddresses"].map(|kind| texts(&body["Destination"][kind]));
    let request = |resource: &str| {
        let mut request = Request::new(action, resource)
            .with("ses:ApiVersion", ["2"])
            .with("ses:FromAddress", [address])
            .with("ses:Recipients", recipients.concat());
        if let Some(name) = name {
            request = request.with("ses:FromDisplayName", [name]);
        }
        if let Some(feedback) = body["FeedbackForwardingEmailAddress"].as_str() {
            request = request.with("ses:FeedbackAddress", [feedback]);
        }
        request
    };
    Some(std::iter::once(identity).chain(set.as_deref()).map(request).collect())
}

/// Parses `Ada <ada@example.com>` or an email address alone.
fn mailbox(text: &str) -> (Option<&str>, &str) {
    match text.split_once('<') {
        Some((name, address)) => (Some(name.trim().trim_matches('"')), address.trim_end_matches([' ', '>'])),
        None => (None, text.trim()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sending_needs_the_identity_and_the_configuration_set() {
        let email = json!({
            "FromEmailAddress": "Example <codes@example.com>",
            "Destination": { "ToAddresses": ["ada@example.org"] },
            "ConfigurationSetName": "twostep",
            "Content": { "Simple": {} },
        });
        let requests = super::requests("POST", "/v2/email/outbound-emails", &email).unwrap();
        let resources: Vec<_> = requests.iter().map(|request| (&*request.action, &*request.resource)).collect();
        let expected = [
            ("ses:SendEmail", "arn:aws:ses:us-east-1:123456789012:identity/codes@example.com"),
            ("ses:SendEmail", "arn:aws:ses:us-east-1:123456789012:configuration-set/twostep"),
        ];
        assert_eq!(resources, expected);
        let context = &requests[0].context;
        assert_eq!(context.get("ses:FromAddress"), ["codes@example.com"]);
        assert_eq!(context.get("ses:FromDisplayName"), ["Example"]);
        assert_eq!(context.get("ses:Recipients"), ["ada@example.org"]);
    }

    #[test]
    fn raw_emails_are_another_action_and_other_paths_are_unknown() {
        let email = json!({ "FromEmailAddress": "codes@example.com", "Content": { "Raw": {} } });
        let raw = requests("POST", "/v2/email/outbound-emails", &email).unwrap();
        assert_eq!(raw[0].action, "ses:SendRawEmail");
        assert_eq!(requests("GET", "/v2/email/account", &Value::Null), None);
    }
}
