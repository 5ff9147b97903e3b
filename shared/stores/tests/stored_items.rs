//! Items that 0.1.0 wrote are read, and so are items of a later version with attributes that this one does not know.
//!
//! `items/0.1.0.json` was written by a running 0.1.0. Add a file for each version whose items differ.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use twostep_domain::{
    account::{AccountSnapshot, PhoneOwner, User},
    authentication_method::Method,
    challenge::{Challenge, Delivery},
    failed_attempts::FailedAttempts,
    ids::UserId,
    recipient::Channel,
    session::Session,
    settings::Settings,
    spending::{Level, Limits, Scope},
    time::Timestamp,
};
use twostep_stores::{
    sent_messages::SentMessage,
    settings::StoredSettings,
    spending::{breaker, counters},
    table::{self, Item},
};

fn item(name: &str) -> Item {
    let items: Value = serde_json::from_str(include_str!("items/0.1.0.json")).expect("JSON");
    let attributes = items[name].as_object().unwrap_or_else(|| panic!("an item {name}"));
    attributes.iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
}

/// DynamoDB's JSON, as far as the items use it.
fn attribute(value: &Value) -> AttributeValue {
    let (kind, value) = value.as_object().and_then(|value| value.iter().next()).expect("an attribute");
    match (kind.as_str(), value) {
        ("S", Value::String(text)) => AttributeValue::S(text.clone()),
        ("N", Value::String(number)) => AttributeValue::N(number.clone()),
        ("BOOL", Value::Bool(value)) => AttributeValue::Bool(*value),
        ("NULL", _) => AttributeValue::Null(true),
        ("L", Value::Array(items)) => AttributeValue::L(items.iter().map(attribute).collect()),
        ("M", Value::Object(fields)) => {
            AttributeValue::M(fields.iter().map(|(name, value)| (name.clone(), attribute(value))).collect())
        }
        other => panic!("{other:?}"),
    }
}

/// The item as 0.1.0 wrote it and as a later version could write it. Both must be read alike.
fn read<T: DeserializeOwned + Serialize>(name: &str) -> T {
    let old = item(name);
    let mut future = old.clone();
    future.insert("added_later".into(), AttributeValue::M(Item::from([("a".into(), AttributeValue::Bool(true))])));
    let read: T = table::read("t", old).unwrap_or_else(|error| panic!("{name} of 0.1.0: {error}"));
    let of_future: T = table::read("t", future).unwrap_or_else(|error| panic!("{name} of a later version: {error}"));
    assert_eq!(table::write(&read), table::write(&of_future), "{name}");
    read
}

#[test]
fn accounts_and_their_owners_are_read() {
    let user: User = read("user");
    assert_eq!(user.email.as_written(), "grace@example.com");
    assert_eq!(user.phone_verified_at, Some(Timestamp(1_800_000_000)));
    assert_eq!((user.recovery_codes.len(), user.devices.len(), user.epoch), (10, 1, 1));
    assert!(user.password.is_some() && user.kept_session.is_some() && user.two_step);
    assert_eq!((user.email_verified_at, user.last_used_at), (None, None), "0.1.0 recorded neither");
    let owner: PhoneOwner = read("phone_owner");
    assert_eq!((owner.account, owner.last_used_at), (user.snapshot(), None));
    let owner: AccountSnapshot = read("email_owner");
    assert_eq!(owner.user_id, user.id);
}

#[test]
fn challenges_and_sessions_are_read() {
    let challenge: Challenge = read("challenge");
    assert_eq!((challenge.delivery, challenge.sends.len()), (Delivery::Pending, 1));
    assert_eq!(challenge.channel, Channel::Sms);
    let session: Session = read("session");
    assert_eq!(session.amr, [Method::Pwd, Method::Sms, Method::Mfa]);
    assert_eq!(session.user_id, UserId::from_stored("CwWBz_ZfzdNim2Thr5VNlA"));
    let message: SentMessage = read("sent_message");
    assert_eq!(message.country.map(String::from).as_deref(), Some("US"));
}

#[test]
fn settings_are_read_with_defaults_for_what_was_added_later() {
    let stored: StoredSettings = read("settings");
    assert!(stored.settings.allowed_countries == twostep_domain::country::AllowedCountries::All);
    assert_eq!(stored.settings.limits.client_ip_hour, 10);
    assert_eq!((stored.settings.email_per_hour, stored.settings.phone_idle_days), (500, 180));
    let mut first = item("settings");
    for later in ["budgets", "prices", "limits", "breaker"] {
        first.remove(later).expect(later);
    }
    let before_money: StoredSettings = table::read("t", first).expect("the first settings had no money");
    let limits = Limits::default();
    assert_eq!(before_money.settings, Settings { limits, ..stored.settings });
}

#[test]
fn counters_limits_and_the_breaker_are_read() {
    let attempts: FailedAttempts = read("failed_attempts");
    assert!(attempts.release().is_some(), "it holds an attempt");
    let counts = counters::read(&item("counter"));
    assert!(counts.verified > 0, "{counts:?}");
    let breaker = breaker::read(item("breaker")).expect("the breaker");
    let spain = Scope::Country(twostep_domain::country::Country::parse("ES").expect("a country"));
    assert_eq!(breaker.trip(&spain, Timestamp(1_800_000_001)).map(|trip| trip.level), Some(Level::VerifiedNumbersOnly));
}
