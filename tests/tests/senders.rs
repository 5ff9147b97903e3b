//! Two senders, in-process: who is asked, what each gets, and what is counted, under each fault.

use serde_json::{Value, json};
use twostep_crypto::opaque_token::OpaqueToken;
use twostep_domain::{
    account::Role,
    challenge::{Delivery, DeliveryFailure},
    country::Country,
    ids::UserId,
    one_time_code::OneTimeCode,
    phone::PhoneNumber,
    sender::SenderKind,
    settings::{SenderSettings, WebhookSender},
    spending::Counts,
    test_number::TestNumber,
    time::Clock,
};
use twostep_runtime::entropy;
use twostep_tests::{PASSWORD, bench::Bench, fresh_email, fresh_phone, post::Post};

async fn office(order: &[SenderKind]) -> (Bench, Post, OpaqueToken) {
    let bench = Bench::start().await;
    let post = Post::of(&bench, "lifted").await;
    let token = OpaqueToken::random(&mut entropy::system());
    let hook = WebhookSender { url: post.hook.clone(), id: "hook".into(), report_token_hash: token.hash() };
    let sender = SenderSettings { order: order.to_vec(), webhook: Some(hook) };
    bench.change_settings(|settings| settings.sender = sender).await;
    (bench, post, token)
}

async fn usage(bench: &Bench) -> Counts {
    let us = Country::parse("US").unwrap();
    let spending = &bench.cases.spending;
    let ledger = spending.ledger.load().await.unwrap();
    let days = spending.counters.by_day_and_country(ledger.as_ref(), bench.clock.now()).await.unwrap();
    let mut counts = Counts::default();
    for (_, _, of_day) in days.into_iter().filter(|(_, country, _)| *country == us) {
        counts.add(&of_day);
    }
    counts
}

/// Which senders delivered to `phone`, in order.
async fn senders_of(post: &Post, phone: &str) -> Vec<&'static str> {
    let sent = post.provider.inbox(phone).await;
    sent.iter().rev().map(|sms| if sms["api"] == "hook" { "webhook" } else { "clickatell" }).collect()
}

const CLICKATELL_FIRST: [SenderKind; 2] = [SenderKind::Clickatell, SenderKind::Webhook];
const HOOK_FIRST: [SenderKind; 2] = [SenderKind::Webhook, SenderKind::Clickatell];

#[tokio::test]
async fn the_next_sender_is_tried_only_if_the_one_before_certainly_sent_nothing() {
    for (order, first_channel, first, second) in
        [(CLICKATELL_FIRST, "sms", "clickatell", "webhook"), (HOOK_FIRST, "hook", "webhook", "clickatell")]
    {
        let (bench, post, _) = office(&order).await;
        for (mode, expected, delivery, failure) in [
            ("none", vec![first], Delivery::Sent, None),
            ("unavailable_503", vec![second], Delivery::Sent, None),
            ("rate_limited", vec![second], Delivery::Sent, None),
            ("bad_key", vec![second], Delivery::Sent, None),
            ("no_credit", vec![second], Delivery::Sent, None),
            ("unknown_error_999", vec![second], Delivery::Sent, None),
            ("invalid_destination", vec![], Delivery::Failed, Some(DeliveryFailure::NumberRefused)),
            ("opted_out", vec![], Delivery::Failed, Some(DeliveryFailure::NumberRefused)),
            ("connection_reset", vec![], Delivery::Unknown, None),
            ("html_502", vec![], Delivery::Unknown, None),
            ("drop_after_accept", vec![first], Delivery::Unknown, None),
        ] {
            let phone = fresh_phone();
            let before = usage(&bench).await.messages;
            post.fault(json!({ "mode": mode, "channel": first_channel, "to": phone })).await;
            let challenge = bench.start_registration(&phone).await.unwrap();
            let sent = post.send_present(&bench, &challenge).await;
            assert_eq!(senders_of(&post, &phone).await, expected, "{first}: {mode}");
            assert_eq!((sent.delivery, sent.failure), (delivery, failure), "{first}: {mode}");
            let counted = usage(&bench).await.messages - before;
            assert_eq!(counted, u64::from(delivery != Delivery::Failed), "{first}: {mode}: once, with any sender");
        }
    }
}

#[tokio::test]
async fn a_message_that_all_senders_put_off_waits_and_one_that_all_refuse_fails() {
    let (bench, post, _) = office(&CLICKATELL_FIRST).await;
    let phone = fresh_phone();
    let challenge = bench.start_registration(&phone).await.unwrap();
    let present = bench.stored(&challenge).await;
    post.fault(json!({ "mode": "unavailable_503" })).await;
    assert!(!post.send(&present, 1).await, "it stays on the queue");
    assert_eq!(bench.stored(&challenge).await.delivery, Delivery::Deferred);
    assert_eq!(usage(&bench).await.messages, 0);

    // One refuses, and the other can take it later.
    post.fault(json!({ "mode": "no_credit", "channel": "sms" })).await;
    assert!(post.send(&present, 2).await);
    assert_eq!(senders_of(&post, &phone).await, ["webhook"]);

    post.fault(json!({ "mode": "no_credit" })).await;
    let refused = bench.start_registration(&fresh_phone()).await.unwrap();
    let refused = post.send_present(&bench, &refused).await;
    assert_eq!((refused.delivery, refused.failure), (Delivery::Failed, Some(DeliveryFailure::AccountRefused)));
    let counted = usage(&bench).await;
    assert_eq!(counted.messages, 1);
    let by = |counts: &std::collections::BTreeMap<String, u64>, sender: &str| counts.get(sender).copied().unwrap_or(0);
    assert_eq!((by(&counted.sent_by, "webhook"), by(&counted.sent_by, "clickatell")), (1, 0));
    assert_eq!((by(&counted.refused_by, "webhook"), by(&counted.refused_by, "clickatell")), (1, 2));
}

#[tokio::test]
async fn a_hook_alone_needs_no_clickatell_key() {
    let (bench, post, _) = office(&[SenderKind::Webhook]).await;
    bench.change_settings(|settings| settings.clickatell.key_hint = None).await;
    let phone = fresh_phone();
    let challenge = bench.start_registration(&phone).await.unwrap();
    assert_eq!(post.send_present(&bench, &challenge).await.delivery, Delivery::Sent);
    assert_eq!(senders_of(&post, &phone).await, ["webhook"]);
    let sent = post.provider.inbox(&phone).await.remove(0);
    assert!(sent["content"].as_str().unwrap().contains(&bench.code(&challenge).await));
}

#[tokio::test]
async fn each_sender_reports_on_its_own_messages_alone() {
    let (bench, post, token) = office(&HOOK_FIRST).await;
    let phone = fresh_phone();
    let challenge = bench.start_registration(&phone).await.unwrap();
    post.send_present(&bench, &challenge).await;
    let sms = post.provider.inbox(&phone).await.remove(0);
    let (id, reference) = (sms["api_message_id"].as_str().unwrap(), sms["client_message_id"].as_str().unwrap());
    let delivery = async || bench.stored(&challenge).await.delivery;

    let reporter = async |token: &str| post.reporter(token).await;
    assert_eq!(reporter(&token.expose()).await, Some(SenderKind::Webhook));
    assert_eq!(reporter("wrong").await, None);
    assert_eq!(reporter(&OpaqueToken::random(&mut entropy::system()).expose()).await, None);

    post.report(id, None, 4).await;
    assert_eq!(delivery().await, Delivery::Sent, "Clickatell's token names another message");
    post.report_by_hook(&json!({ "message_id": "another", "status": "delivered" })).await;
    post.report_by_hook(&json!({ "message_id": id, "status": "lost" })).await;
    assert_eq!(delivery().await, Delivery::Sent);
    post.report_by_hook(&json!({ "message_id": id, "status": "failed" })).await;
    assert_eq!(delivery().await, Delivery::Failed);
    post.report_by_hook(&json!({ "message_id": id, "status": "delivered" })).await;
    assert_eq!(delivery().await, Delivery::Delivered, "a report of success is the last word");

    // The hook refuses a message, Clickatell sends it, and the hook knows its reference.
    let other = fresh_phone();
    post.fault(json!({ "mode": "no_credit", "channel": "hook" })).await;
    let challenge = bench.start_registration(&other).await.unwrap();
    let sent = post.send_present(&bench, &challenge).await;
    let own = post.provider.inbox(&other).await.remove(0);
    assert_ne!(own["client_message_id"], reference);
    for id in [&own["api_message_id"], &own["client_message_id"]] {
        let report = json!({ "message_id": id, "reference": own["client_message_id"], "status": "failed" });
        post.report_by_hook(&report).await;
    }
    assert_eq!((sent.delivery, bench.stored(&challenge).await.delivery), (Delivery::Sent, Delivery::Sent));
}

#[tokio::test]
async fn what_the_hook_gets_is_signed_for_it() {
    let (bench, post, _) = office(&HOOK_FIRST).await;
    let phone = fresh_phone();
    let challenge = bench.start_registration(&phone).await.unwrap();
    // Without its headers, the hook of the sandbox answers 401, which makes Clickatell send.
    post.send_present(&bench, &challenge).await;
    assert_eq!(senders_of(&post, &phone).await, ["webhook"]);
    let sms: Value = post.provider.inbox(&phone).await.remove(0);
    assert_eq!(sms["to"], phone[1..]);
}

#[tokio::test]
async fn a_test_number_has_a_fixed_code_and_gets_no_message() {
    let (bench, post, _) = office(&CLICKATELL_FIRST).await;
    let phone = fresh_phone();
    let number = PhoneNumber::parse(&phone).unwrap();
    let code = OneTimeCode::parse("424242").unwrap();
    bench.change_settings(|settings| settings.test_numbers = vec![TestNumber::new(number, &code)]).await;
    let challenge = bench.start_registration(&phone).await.unwrap();
    assert_eq!(post.send_present(&bench, &challenge).await.delivery, Delivery::Sent);
    assert!(post.provider.inbox(&phone).await.is_empty());
    let counted = usage(&bench).await;
    assert_eq!((counted.messages, counted.spent, counted.tests), (0, 0, 1));
    assert!(bench.verify(&challenge, "424243").await.is_err());
    let verified = bench.verify(&challenge, "424242").await.unwrap();
    let session = bench.complete(&verified, &fresh_email()).await.unwrap();

    bench.clock.advance(3600);
    let login = bench.start_login(&phone).await.unwrap();
    assert_eq!(bench.verify(&login, "424242").await.unwrap()["outcome"], "signed_in");
    // Other numbers have no such code.
    let other = bench.start_registration(&fresh_phone()).await.unwrap();
    assert!(bench.verify(&other, "424242").await.is_err());

    // An admin's account doesn't accept the code that all testers know.
    let key = bench.admin_key().await;
    let id = UserId::from_stored(session["user"]["id"].as_str().unwrap());
    bench.cases.users.set_role(&key, &id, Role::Admin).await.unwrap();
    bench.clock.advance(3600);
    let login = bench.start_login(&phone).await.unwrap();
    assert!(bench.verify(&login, "424242").await.is_err());
    let registration = bench.start_registration(&phone).await.unwrap();
    assert!(bench.verify(&registration, "424242").await.is_err());

    let (admin, _) = bench.register_two_step(&fresh_email(), PASSWORD, &fresh_phone()).await;
    bench
        .cases
        .users
        .set_role(&key, &UserId::from_stored(admin["user"]["id"].as_str().unwrap()), Role::Admin)
        .await
        .unwrap();
    bench.cases.users.delete(&key, &id).await.unwrap();
    let change = bench.start_phone_change(&admin, &phone).await.unwrap();
    assert!(bench.verify(&change, "424242").await.is_err(), "nor does an admin take the number");
}
