//! Tests the path of a message in-process, against the embedded DynamoDB, the stand-in of SQS and the sandbox of Clickatell:
//! queued, sent at most once, put off, refused, reported.

use serde_json::{Value, json};
use twostep_domain::{
    challenge::{Challenge, Delivery, DeliveryFailure, Notice, Payload, Policy, Purpose, Sealed},
    country::Country,
    ids::{ChallengeKey, UserId},
    language::Language,
    one_time_code::OneTimeCode,
    phone::PhoneNumber,
    recipient::Channel,
    settings::Settings,
    spending::{Allowance, Counts},
    time::{Clock, Timestamp},
};
use twostep_runtime::{entropy, event_source::Record};
use twostep_stores::{SlidingWindowStore, challenges::SavedMessage, compare_and_swap::Swap};
use twostep_tests::{
    backend::{Backend, Fault, Mode},
    bench::Bench,
    fresh_email, fresh_phone,
    post::Post,
};
use twostep_usecases::messages::queue::QueuedMessage;

const DAY: i64 = 24 * 60 * 60;

async fn office(limits: &'static str) -> (Bench, Post) {
    let bench = if limits == "deployed" { Bench::deployed().await } else { Bench::start().await };
    let post = Post::of(&bench, limits).await;
    (bench, post)
}

async fn change_settings(bench: &Bench, change: impl FnOnce(&mut Settings)) {
    let store = bench.cases.settings.store();
    let stored = store.load().await.unwrap();
    let mut settings = stored.settings.clone();
    change(&mut settings);
    let next = stored.with(settings);
    assert!(matches!(store.save(&next).await.unwrap(), Swap::Saved(_)));
}

/// What today's usage of the USA says.
async fn usage(bench: &Bench) -> Counts {
    let us = Country::parse("US").unwrap();
    let spending = &bench.cases.spending;
    let ledger = spending.ledger.load().await.unwrap();
    let days = spending.counters.by_day_and_country(ledger.as_ref(), bench.clock.now()).await.unwrap();
    let mut counts = Counts::default();
    for (_, country, of_day) in days {
        assert_eq!(country, us);
        counts.add(&of_day);
    }
    counts
}

fn failed(counts: &Counts, failure: DeliveryFailure) -> u64 {
    counts.failed.get(failure.as_str()).copied().unwrap_or(0)
}

async fn inbox(post: &Post, phone: &str) -> Vec<Value> {
    post.provider.inbox(phone).await
}

#[tokio::test]
async fn each_record_of_the_stream_becomes_an_entry_that_names_its_message_and_nothing_else() {
    let (_, post) = office("lifted").await;
    let record = |number: u64| Record {
        sequence_number: Some(number.to_string()),
        entry: Some(SavedMessage { challenge: ChallengeKey::from_stored(format!("key{number}")), send_number: 1 }),
    };
    let malformed = Record { sequence_number: Some("0".into()), entry: None };
    let failed = post.queue(std::iter::once(malformed).chain((1..=12).map(record)).collect()).await;
    assert!(failed.is_empty(), "a malformed record does not come again: {failed:?}");
    let entries = post.entries();
    assert_eq!((entries.len(), &*entries[0]), (12, r#"{"challenge":"key1","send_number":1}"#));
}

#[tokio::test]
async fn a_message_is_sent_once_however_often_its_entry_is_received() {
    let (bench, post) = office("lifted").await;
    let phone = fresh_phone();
    let challenge = bench.start_registration(&phone).await.unwrap();
    let first = bench.stored(&challenge).await;
    let twice = tokio::join!(post.send(&first, 1), post.send(&first, 1));
    assert!(post.send(&first, 2).await, "{twice:?}");
    assert_eq!(inbox(&post, &phone).await.len(), 1);
    assert_eq!(bench.stored(&challenge).await.delivery, Delivery::Sent);
    let counted = usage(&bench).await;
    assert_eq!(counted.messages, 1, "a receive that lost the race takes its reservation back");
}

#[tokio::test]
async fn what_the_provider_puts_off_is_tried_again_and_is_neither_charged_nor_lost() {
    let (bench, post) = office("lifted").await;
    for mode in ["unavailable_503", "rate_limited"] {
        let phone = fresh_phone();
        let challenge = bench.start_registration(&phone).await.unwrap();
        let first = bench.stored(&challenge).await;
        let before = usage(&bench).await.messages;
        post.fault(json!({"mode": mode, "to": phone, "count": 2})).await;
        for times in 1..=2 {
            assert!(!post.send(&first, times).await, "{mode}: the entry stays on the queue");
            let deferred = bench.stored(&challenge).await;
            assert_eq!((deferred.delivery, deferred.asked), (Delivery::Deferred, None), "nobody was asked");
            assert_eq!(usage(&bench).await.messages, before);
        }
        post.fault(json!({"mode": "none"})).await;
        assert!(post.send(&first, 3).await);
        assert_eq!((inbox(&post, &phone).await.len(), usage(&bench).await.messages), (1, before + 1), "{mode}");
        assert!(bench.stored(&challenge).await.asked.is_some(), "the code that comes back is counted by it");
        let verified = usage(&bench).await.verified;
        bench.answer(&challenge).await;
        assert_eq!(usage(&bench).await.verified, verified + 1, "{mode}");
    }
}

#[tokio::test]
async fn a_message_that_waits_until_its_code_has_expired_fails_with_a_reason_that_page_and_usage_show() {
    let (bench, post) = office("lifted").await;
    let phone = fresh_phone();
    post.fault(json!({"mode": "unavailable_503", "to": phone})).await;
    let challenge = bench.start_registration(&phone).await.unwrap();
    let first = bench.stored(&challenge).await;
    assert!(!post.send(&first, 1).await);
    bench.clock.advance(300);
    let shown = bench.show(&challenge).await.unwrap();
    assert_eq!((&shown["delivery"], &shown["failure"]), (&json!("failed"), &json!("not_sent_in_time")));
    assert!(post.send(&first, 2).await, "the entry is done with");
    let stored = bench.stored(&challenge).await;
    assert_eq!((stored.delivery, stored.failure), (Delivery::Failed, Some(DeliveryFailure::NotSentInTime)));
    let counted = usage(&bench).await;
    assert_eq!((failed(&counted, DeliveryFailure::NotSentInTime), counted.messages), (1, 0));
    assert!(inbox(&post, &phone).await.is_empty());
}

#[tokio::test]
async fn a_message_whose_code_was_used_or_replaced_while_it_waited_is_not_sent() {
    let (bench, post) = office("lifted").await;
    let phone = fresh_phone();
    post.fault(json!({"mode": "unavailable_503", "to": phone})).await;
    let challenge = bench.start_registration(&phone).await.unwrap();
    let first = bench.stored(&challenge).await;
    assert!(!post.send(&first, 1).await);
    bench.clock.advance(60);
    bench.start_registration(&phone).await.unwrap();
    let again = bench.stored(&challenge).await.send_number;
    post.fault(json!({"mode": "none"})).await;
    assert!(post.send(&first, 2).await, "a newer message has taken its place");
    assert!(inbox(&post, &phone).await.is_empty());
    bench.verify(&challenge, &bench.code(&challenge).await).await.unwrap();
    let second = Challenge { send_number: again, ..first };
    assert!(post.send(&second, 1).await, "the code has been used");
    assert!(inbox(&post, &phone).await.is_empty());
    assert_eq!(usage(&bench).await.failed.len(), 0, "no message failed");
}

#[tokio::test]
async fn a_message_that_can_never_be_sent_fails_at_once_and_leaves_the_queue() {
    let (bench, post) = office("lifted").await;
    let challenge = bench.start_registration(&fresh_phone()).await.unwrap();
    let stored = bench.stored(&challenge).await;
    let broken = Challenge { sealed: Sealed("sample.AAAA".into()), ..stored.clone() };
    assert!(matches!(bench.cases.challenges.save(&broken).await.unwrap(), Swap::Saved(_)));
    assert!(post.send(&stored, 1).await);
    assert_eq!(bench.stored(&challenge).await.failure, Some(DeliveryFailure::Unreadable));

    let malformed = json!({"TableName": "codes", "Item": {"id": {"S": "malformed"}, "delivery": {"S": "pending"}}});
    bench.database.put_item(serde_json::from_value(malformed).unwrap()).unwrap();
    for key in ["malformed", "missing"] {
        assert!(post.send(&Challenge { key: ChallengeKey::from_stored(key), ..stored.clone() }, 1).await, "{key}");
    }
    assert!(post.take(None, 1).await, "an entry that names nothing");

    change_settings(&bench, |settings| settings.site_host = String::new()).await;
    bench.clock.advance(31);
    let challenge = bench.start_registration(&fresh_phone()).await.unwrap();
    assert_eq!(post.send_present(&bench, &challenge).await.failure, Some(DeliveryFailure::SiteNotSet));
    assert_eq!(failed(&usage(&bench).await, DeliveryFailure::SiteNotSet), 1);
}

#[tokio::test]
async fn while_secrets_and_settings_cannot_be_read_those_in_memory_are_used() {
    let (bench, post) = office("lifted").await;
    let first = bench.start_registration(&fresh_phone()).await.unwrap();
    assert_eq!(post.send_present(&bench, &first).await.delivery, Delivery::Sent);
    // The secrets are gone, and all values in memory are too old.
    for secret in ["twostep/keys", "twostep/clickatell"] {
        let delete = bench.secrets.delete_secret().secret_id(secret).force_delete_without_recovery(true);
        delete.send().await.unwrap();
    }
    bench.clock.advance(299);
    let second = bench.start_registration(&fresh_phone()).await.unwrap();
    bench.clock.advance(2);
    assert_eq!(post.send_present(&bench, &second).await.delivery, Delivery::Sent);
}

#[tokio::test]
async fn a_delivery_report_that_is_faster_than_the_note_of_its_message_counts_like_any_other() {
    let (bench, post) = office("lifted").await;
    for (reference, status, delivery) in [
        (true, 4, Delivery::Delivered),
        (false, 4, Delivery::Delivered),
        (true, 7, Delivery::Failed),
        (false, 7, Delivery::Failed),
    ] {
        let phone = fresh_phone();
        let challenge = bench.start_registration(&phone).await.unwrap();
        let before = usage(&bench).await;
        // The message is accepted, and its answer takes longer than the report.
        post.fault(json!({"mode": "late_answer", "to": phone})).await;
        let sent = async { post.send_present(&bench, &challenge).await };
        let reported = async {
            let message = loop {
                if let Some(message) = inbox(&post, &phone).await.pop() {
                    break message;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            };
            let text = |name: &str| message[name].as_str().unwrap().to_owned();
            let own = text("client_message_id");
            post.report(&text("api_message_id"), reference.then_some(own.as_str()), status).await;
        };
        let (sent, ()) = tokio::join!(sent, reported);
        assert_eq!(sent.delivery, delivery, "with reference: {reference}");
        let after = usage(&bench).await;
        let counts = |counts: &Counts| (counts.delivered, failed(counts, DeliveryFailure::NotDelivered));
        let expected = if delivery == Delivery::Delivered { (1, 0) } else { (0, 1) };
        let new = (counts(&after).0 - counts(&before).0, counts(&after).1 - counts(&before).1);
        assert_eq!(new, expected, "with reference: {reference}");
        let unchanged = usage(&bench).await;
        let id = inbox(&post, &phone).await[0]["api_message_id"].as_str().unwrap().to_owned();
        post.report(&id, None, status).await;
        assert_eq!(counts(&usage(&bench).await), counts(&unchanged), "a repeated report counts once");
        if delivery == Delivery::Failed {
            post.report(&id, None, 4).await;
            assert_eq!(bench.stored(&challenge).await.delivery, Delivery::Delivered, "it arrived after all");
            assert_eq!(counts(&usage(&bench).await), (counts(&before).0 + 1, counts(&before).1));
        }
    }
}

#[tokio::test]
async fn a_failure_of_the_account_is_not_blamed_on_the_number() {
    let (bench, post) = office("lifted").await;
    for (status, failure) in [
        (12, DeliveryFailure::AccountRefused),
        (14, DeliveryFailure::AccountRefused),
        (9, DeliveryFailure::NotDelivered),
    ] {
        let phone = fresh_phone();
        let challenge = bench.start_registration(&phone).await.unwrap();
        post.send_present(&bench, &challenge).await;
        let id = inbox(&post, &phone).await[0]["api_message_id"].as_str().unwrap().to_owned();
        post.report(&id, None, status).await;
        assert_eq!(bench.stored(&challenge).await.failure, Some(failure), "status {status}");
    }
}

#[tokio::test]
async fn a_new_sender_serves_within_30_seconds_and_at_once_if_the_old_one_is_refused() {
    let (bench, post) = office("lifted").await;
    let first = bench.start_registration(&fresh_phone()).await.unwrap();
    assert_eq!(post.send_present(&bench, &first).await.delivery, Delivery::Sent);
    let change = async |from: &str| {
        let account = json!({"api_key": twostep_local::clickatell::API_KEY, "api": "rest", "from": from}).to_string();
        bench.secrets.put_secret_value().secret_id("twostep/clickatell").secret_string(account).send().await.unwrap();
    };
    change("14155550100").await;
    let phone = fresh_phone();
    let refused = bench.start_registration(&phone).await.unwrap();
    post.fault(json!({"mode": "error_with_200", "to": phone, "count": 1})).await;
    assert_eq!(post.send_present(&bench, &refused).await.delivery, Delivery::Sent);
    assert_eq!(inbox(&post, &phone).await[0]["from"], "14155550100");

    change("14155550101").await;
    bench.clock.advance(31);
    let phone = fresh_phone();
    let later = bench.start_registration(&phone).await.unwrap();
    assert_eq!(post.send_present(&bench, &later).await.delivery, Delivery::Sent);
    assert_eq!(inbox(&post, &phone).await[0]["from"], "14155550101");
}

/// Saves a notice to `phone` as the change of a number does.
async fn save_notice(bench: &Bench, phone: &str, user: Option<&UserId>) -> Challenge {
    let (ring, rng, now) = (bench.ring().await, &mut entropy::system(), bench.clock.now());
    let key = ChallengeKey::random(rng);
    let payload = Payload {
        code: OneTimeCode::random(rng),
        to: PhoneNumber::parse(phone).unwrap().into(),
        language: Language::English,
        weighed: true,
        purpose: Purpose::Notice { about: Notice::PhoneRemoved, user: user.cloned() },
    };
    let sealed = ring.seal(key.as_str(), &payload, now, rng);
    let notice = Challenge::notice(&key, Channel::Sms, sealed, now, &Policy::default());
    let Swap::Saved(saved) = bench.cases.challenges.save(&notice).await.unwrap() else { panic!("a new key") };
    saved
}

async fn find(bench: &Bench, challenge: &Challenge) -> Challenge {
    bench.cases.challenges.find(&challenge.key).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_former_number_is_told_while_the_budget_is_spent() {
    let (bench, post) = office("deployed").await;
    change_settings(&bench, |settings| settings.budgets.all.hour = Allowance::of_messages(1)).await;
    let challenge = bench.start_registration(&fresh_phone()).await.unwrap();
    assert_eq!(post.send_present(&bench, &challenge).await.delivery, Delivery::Sent);
    let refused = bench.another_process().start_registration(&fresh_phone()).await;
    if let Ok(refused) = refused {
        assert_eq!(post.send_present(&bench, &refused).await.failure, Some(DeliveryFailure::BudgetSpent));
    }
    let (phone, user) = (fresh_phone(), UserId::from_stored("ada"));
    let notice = save_notice(&bench, &phone, Some(&user)).await;
    assert!(post.send(&notice, 1).await);
    assert_eq!(find(&bench, &notice).await.delivery, Delivery::Sent);
    assert!(inbox(&post, &phone).await[0]["content"].as_str().unwrap().contains("Example"));
    assert_eq!(usage(&bench).await.messages, 2, "the usage shows what is paid for");
}

#[tokio::test]
async fn a_notice_waits_within_the_day_when_its_account_has_used_its_share_of_the_reserve() {
    let (bench, post) = office("deployed").await;
    change_settings(&bench, |settings| {
        settings.budgets.all.hour = Allowance::of_messages(1);
        settings.limits.prefix_hour = 1_000;
    })
    .await;
    let challenge = bench.start_registration(&fresh_phone()).await.unwrap();
    post.send_present(&bench, &challenge).await;
    let user = UserId::from_stored("ada");
    for _ in 0..3 {
        let notice = save_notice(&bench, &fresh_phone(), Some(&user)).await;
        assert!(post.send(&notice, 1).await);
        assert_eq!(find(&bench, &notice).await.delivery, Delivery::Sent);
    }
    let phone = fresh_phone();
    let fourth = save_notice(&bench, &phone, Some(&user)).await;
    assert!(!post.send(&fourth, 1).await, "it waits");
    assert_eq!(find(&bench, &fourth).await.delivery, Delivery::Pending);
    let others = save_notice(&bench, &fresh_phone(), Some(&UserId::from_stored("grace"))).await;
    assert!(post.send(&others, 1).await, "another account has a share of its own");
    // In the next hour there is room in the budget.
    bench.clock.advance(2 * 60 * 60);
    assert!(post.send(&fourth, 20).await);
    assert_eq!(inbox(&post, &phone).await.len(), 1);
}

#[tokio::test]
async fn a_notice_that_could_not_be_sent_within_a_day_fails_with_the_reason() {
    let (bench, post) = office("deployed").await;
    change_settings(&bench, |settings| settings.budgets.all.month = Allowance::of_messages(0)).await;
    let notice = save_notice(&bench, &fresh_phone(), Some(&UserId::from_stored("ada"))).await;
    assert!(!post.send(&notice, 1).await);
    bench.clock.advance(DAY - 60);
    assert!(post.send(&notice, 100).await);
    let stored = find(&bench, &notice).await;
    assert_eq!((stored.delivery, stored.failure), (Delivery::Failed, Some(DeliveryFailure::BudgetSpent)));
}

#[tokio::test]
async fn removing_a_number_saves_a_notice_of_its_account() {
    let (bench, post) = office("lifted").await;
    let former = fresh_phone();
    let session = bench.register(&former, &fresh_email()).await;
    let change = bench.start_phone_change(&session, &fresh_phone()).await.unwrap();
    bench.verify(&change, &bench.code(&change).await).await.unwrap();
    let scan = serde_json::from_value(json!({ "TableName": "codes" })).unwrap();
    let items = serde_json::to_value(bench.database.scan(scan).unwrap()).unwrap();
    let notice = items["Items"].as_array().unwrap().iter().find(|item| item["issue"]["N"] == "0").expect("a notice");
    let key = ChallengeKey::from_stored(notice["id"]["S"].as_str().unwrap());
    let stored = bench.cases.challenges.find(&key).await.unwrap().unwrap();
    assert_eq!(stored.expires_at, bench.clock.now().plus(twostep_domain::time::DAY));
    let payload: Payload = bench.ring().await.open(key.as_str(), &stored.sealed, bench.clock.now()).unwrap();
    let Purpose::Notice { user: Some(user), .. } = payload.purpose else { panic!("a notice of an account") };
    assert_eq!(user.as_str(), session["user"]["id"].as_str().unwrap());
    assert!(post.send(&stored, 1).await);
    assert_eq!(inbox(&post, &former).await.len(), 1);
}

#[tokio::test]
async fn an_attempt_that_the_queue_knows_to_have_sent_nothing_is_taken_back() {
    let (bench, post) = office("lifted").await;
    let phone = fresh_phone();
    let challenge = bench.start_registration(&phone).await.unwrap();
    let stored = bench.stored(&challenge).await;
    let handed_over = stored.hand_over(stored.send_number, 42, None, bench.clock.now()).unwrap();
    assert!(matches!(bench.cases.challenges.save(&handed_over).await.unwrap(), Swap::Saved(_)));
    let entry =
        |void_attempt| QueuedMessage { challenge: stored.key.clone(), send_number: stored.send_number, void_attempt };
    for void_attempt in [None, Some(41)] {
        assert!(post.take(Some(entry(void_attempt)), 2).await);
        assert!(inbox(&post, &phone).await.is_empty(), "it may have been sent: {void_attempt:?}");
    }
    assert!(post.take(Some(entry(Some(42))), 2).await);
    assert!(post.take(Some(entry(Some(42))), 3).await);
    assert_eq!(inbox(&post, &phone).await.len(), 1);
}

#[tokio::test]
async fn a_limit_counts_once_although_the_response_is_lost_and_the_write_repeated() {
    let bench = Bench::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(dynoxide::server::serve_on(listener, bench.database.clone()));
    let backend = Backend::before(port).await;
    let config = bench.tables.config().to_builder().endpoint_url(backend.url()).build();
    let windows = SlidingWindowStore::new(aws_sdk_dynamodb::Client::from_conf(config), "counters".to_owned());
    let limit = twostep_domain::rate_limit::RateLimit { most: 3, window: twostep_domain::time::HOUR };
    for _ in 0..3 {
        let fault = Fault { function: "", call: "UpdateItem counters", mode: Mode::LoseAnswer, skip: 0, count: 1 };
        backend.inject(fault);
        windows.reserve("one", &[limit], Timestamp(1_000)).await.unwrap();
    }
    assert_eq!(backend.lost(), 3);
    assert!(windows.reserve("one", &[limit], Timestamp(1_000)).await.is_err(), "three were counted, not two");
}
