//! Tests budgets, rate limits and the breaker for concurrency and time, against the embedded DynamoDB.

use std::sync::Arc;

use serde_json::json;
use tokio::task::JoinSet;
use twostep_domain::{
    account::PhoneTrust,
    challenge::{DeliveryFailure, PurposeName},
    country::Country,
    phone::PhoneNumber,
    rate_limit::RateLimit,
    settings::Settings,
    spending::{Allowance, Budget, Budgets, Level, MessageEvent, Mode, Scope},
    time::{Clock, DAY, HOUR},
};
use twostep_http::Problem;
use twostep_stores::{SlidingWindowStore, sliding_window::LimitError};
use twostep_tests::{bench::Bench, fresh_phone};
use twostep_usecases::messages::{MessageIntent, Reservation, ReserveError};

const HOURS: i64 = 60 * 60;
const DAYS: i64 = 24 * HOURS;

/// The spending of one process, and the operator's settings.
struct Desk {
    bench: Bench,
    settings: Settings,
}

impl Desk {
    async fn open(change: impl FnOnce(&mut Settings)) -> Arc<Self> {
        let bench = Bench::deployed().await;
        let mut settings = bench.cases.settings.store().load().await.unwrap().settings;
        change(&mut settings);
        Arc::new(Self { bench, settings })
    }

    async fn reserve(&self, phone: &str, trust: PhoneTrust) -> Result<Reservation, DeliveryFailure> {
        let purpose = if trust == PhoneTrust::New { PurposeName::Register } else { PurposeName::SecondStep };
        self.reserve_for(purpose, phone, trust).await
    }

    async fn reserve_for(
        &self,
        purpose: PurposeName,
        phone: &str,
        trust: PhoneTrust,
    ) -> Result<Reservation, DeliveryFailure> {
        let ring = self.bench.ring().await;
        let phone = PhoneNumber::parse(phone).unwrap();
        let intent = MessageIntent { phone: &phone, purpose, trust, settings: &self.settings, pepper: &ring.pepper };
        let reserved = self.bench.cases.spending.reserve(&intent).await;
        if let Ok(reservation) = &reserved {
            self.bench.cases.spending.watch(reservation, &self.settings).await;
        }
        reserved.map_err(|error| match error {
            ReserveError::Refused(failure) => failure,
            ReserveError::Table(error) => panic!("{error}"),
        })
    }

    /// How many of `count` messages to distinct new numbers in distinct ranges can be reserved.
    async fn reserve_many(self: &Arc<Self>, count: usize) -> (usize, Vec<DeliveryFailure>) {
        let mut set = JoinSet::new();
        for index in 0..count {
            let desk = Arc::clone(self);
            set.spawn(async move { desk.reserve(&spread(index), PhoneTrust::New).await.map(|_| ()) });
        }
        let outcomes = set.join_all().await;
        let refused: Vec<DeliveryFailure> = outcomes.iter().filter_map(|outcome| outcome.err()).collect();
        (outcomes.len() - refused.len(), refused)
    }

    async fn level(&self, scope: &Scope) -> Level {
        // Expire the caches.
        self.bench.clock.advance(30);
        let breaker = self.bench.cases.spending.breaker.get().await.unwrap();
        breaker.trip(scope, self.bench.clock.now()).map_or(Level::Normal, |trip| trip.level)
    }
}

/// A number, each in its own range.
fn spread(index: usize) -> String {
    format!("+346{:02}{:02}0000", 10 + index / 100 % 80, index % 100)
}

fn in_spain() -> Scope {
    Scope::Country(Country::parse("ES").unwrap())
}

fn messages(most: u64) -> Allowance {
    Allowance { messages: Some(most), spend: None }
}

fn patient(settings: &mut Settings) {
    settings.breaker.mode = Mode::RecordOnly;
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_reservations_for_twice_the_budget_get_exactly_the_budget() {
    let desk = Desk::open(|settings| {
        patient(settings);
        settings.budgets = Budgets::of_messages(40, 1_000, 1_000);
    })
    .await;
    let (reserved, refused) = desk.reserve_many(80).await;
    assert_eq!(reserved, 40);
    assert!(refused.iter().all(|failure| *failure == DeliveryFailure::BudgetSpent));
    assert_eq!(desk.level(&Scope::All).await, Level::Closed);
    assert_eq!(desk.reserve_many(3).await.0, 0);
    desk.bench.clock.advance(HOURS);
    assert_eq!(desk.level(&Scope::All).await, Level::Normal, "it must reset by itself");
    assert_eq!(desk.reserve_many(3).await.0, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_of_money_applies_with_prices_by_country() {
    let desk = Desk::open(|settings| {
        patient(settings);
        settings.prices.countries.insert(Country::parse("ES").unwrap(), 90_000);
        settings.budgets.all.day = Allowance { messages: None, spend: Some(1_000_000) };
    })
    .await;
    assert_eq!(desk.reserve_many(30).await.0, 11, "11 × 0.09 fit into 1.00, 12 don't");
    desk.reserve("+14155552671", PhoneTrust::New).await.expect_err("0.05 more does not fit either");
}

#[tokio::test]
async fn a_country_can_have_its_own_budget() {
    let desk = Desk::open(|settings| {
        let few = Budget { hour: messages(2), ..Budget::default() };
        settings.budgets.countries.insert(Country::parse("ES").unwrap(), few);
        settings.budgets.country = Budget { day: messages(3), ..Budget::default() };
    })
    .await;
    assert_eq!(desk.reserve_many(5).await.0, 2);
    for _ in 0..3 {
        let _ = desk.reserve(&fresh_phone(), PhoneTrust::New).await.expect("other countries aren't affected");
    }
    assert_eq!(desk.reserve(&fresh_phone(), PhoneTrust::New).await.err(), Some(DeliveryFailure::BudgetSpent));
}

#[tokio::test]
async fn a_message_that_was_not_sent_is_released_everywhere() {
    let desk = Desk::open(|settings| {
        settings.budgets = Budgets::of_messages(1, 1, 1);
        settings.limits.prefix_hour = 1;
        settings.limits.number_day = 3;
    })
    .await;
    let phone = fresh_phone();
    for _ in 0..3 {
        let reservation = desk.reserve(&phone, PhoneTrust::New).await.expect("the last attempt was released");
        desk.bench.cases.spending.release(reservation).await;
    }
    let _kept = desk.reserve(&phone, PhoneTrust::New).await.unwrap();
    assert_eq!(desk.reserve(&phone, PhoneTrust::New).await.err(), Some(DeliveryFailure::NumberLimit));
    assert_eq!(desk.reserve(&fresh_phone(), PhoneTrust::New).await.err(), Some(DeliveryFailure::PrefixLimit));
    assert_eq!(desk.reserve(&spread(0), PhoneTrust::New).await.err(), Some(DeliveryFailure::BudgetSpent));
    let counted = desk.bench.cases.spending.counters.by_day_and_country(desk.bench.clock.now()).await.unwrap();
    assert_eq!(counted.iter().map(|(.., counts)| counts.messages).sum::<u64>(), 1, "refused messages aren't counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_is_exact_in_every_window_and_under_concurrency() {
    let bench = Bench::deployed().await;
    let store = SlidingWindowStore::new(bench.tables.clone(), "counters".into());
    let limits = [RateLimit { most: 10, window: HOUR }, RateLimit { most: 25, window: DAY }];
    let take = async || {
        let (store, now) = (store.clone(), bench.clock.now());
        let mut set = JoinSet::new();
        for _ in 0..30 {
            let store = store.clone();
            set.spawn(async move { store.reserve("key", &limits, now).await });
        }
        set.join_all().await.iter().filter(|outcome| outcome.is_ok()).count()
    };
    assert_eq!(take().await, 10);
    bench.clock.advance(HOURS - 1);
    assert_eq!(take().await, 0, "the window slides");
    bench.clock.advance(1);
    assert_eq!(take().await, 10);
    bench.clock.advance(HOURS);
    assert_eq!(take().await, 5, "the day's");
    match store.reserve("key", &limits, bench.clock.now()).await {
        Err(LimitError::Reached(until)) => assert_eq!(bench.clock.now().until(until).as_secs(), 22 * 3_600),
        other => panic!("{other:?}"),
    }
    bench.clock.advance(22 * HOURS);
    assert_eq!(take().await, 10, "entries older than a day don't count");
    store.reserve("other key", &limits, bench.clock.now()).await.expect("other keys aren't affected");
    for _ in 0..9 {
        bench.clock.advance(DAYS);
        assert_eq!(take().await, 10, "old entries are dropped and new ones counted");
    }
}

#[tokio::test]
async fn unverified_codes_in_a_country_trip_the_breaker_which_resets_by_itself() {
    let desk = Desk::open(|_| {}).await;
    assert_eq!(desk.reserve_many(19).await.0, 19);
    assert_eq!(desk.level(&in_spain()).await, Level::Normal);
    let _ = desk.reserve(&spread(19), PhoneTrust::New).await.expect("the twentieth trips the breaker and is sent");
    assert_eq!(desk.level(&in_spain()).await, Level::VerifiedNumbersOnly);
    assert_eq!(desk.reserve(&spread(20), PhoneTrust::New).await.err(), Some(DeliveryFailure::HeldBack));
    let _ = desk.reserve("+14155552671", PhoneTrust::New).await.expect("other countries aren't affected");
    for index in 21..41 {
        assert_eq!(desk.level(&in_spain()).await, Level::VerifiedNumbersOnly);
        let _ =
            desk.reserve(&spread(index), PhoneTrust::Verified).await.expect("verified numbers aren't held back yet");
    }
    assert_eq!(desk.level(&in_spain()).await, Level::Closed, "verified numbers trip the next level");
    assert_eq!(desk.reserve(&spread(41), PhoneTrust::Verified).await.err(), Some(DeliveryFailure::HeldBack));
    let _ = desk.reserve(&spread(42), PhoneTrust::Established).await.expect("established numbers are never held back");
    desk.bench.clock.advance(DAYS);
    assert_eq!(desk.level(&in_spain()).await, Level::Normal);
    let _ = desk.reserve(&spread(43), PhoneTrust::New).await.unwrap();
}

#[tokio::test]
async fn verified_codes_prevent_a_trip_and_raise_the_threshold() {
    let desk = Desk::open(|settings| settings.breaker.share_percent = 100).await;
    let spain = Country::parse("ES").unwrap();
    let verified = async |times: usize| {
        for index in 0..times {
            let prefix = Scope::Prefix(spread(index)[1..8].to_owned());
            let event = MessageEvent::Verified { signs_in: true, trust: PhoneTrust::New };
            let now = desk.bench.clock.now();
            desk.bench.cases.spending.counters.count(spain, Some(&prefix), event, now).await.unwrap();
        }
    };
    for round in 0..3 {
        assert_eq!(desk.reserve_many(19).await.0, 19, "round {round}");
        verified(19).await;
    }
    assert_eq!(desk.level(&in_spain()).await, Level::Normal);
    desk.bench.clock.advance(DAYS);
    // 57 codes were verified yesterday, so as many can stay unverified today, over the hours.
    for _ in 0..3 {
        assert_eq!(desk.reserve_many(18).await.0, 18);
        desk.bench.clock.advance(HOURS);
    }
    assert_eq!(desk.level(&in_spain()).await, Level::Normal);
    assert_eq!(desk.reserve_many(3).await.0, 3);
    assert_eq!(desk.level(&in_spain()).await, Level::VerifiedNumbersOnly);
}

#[tokio::test]
async fn a_breaker_in_record_only_mode_holds_nothing_back() {
    let desk = Desk::open(patient).await;
    assert_eq!(desk.reserve_many(50).await.0, 50);
    assert_eq!(desk.level(&in_spain()).await, Level::VerifiedNumbersOnly, "the trip is recorded");
    assert_eq!(desk.reserve_many(1).await.0, 1);
}

#[tokio::test]
async fn a_range_has_a_limit_that_established_numbers_ignore() {
    let desk = Desk::open(patient).await;
    let phone = |index: usize| format!("+141555520{index:02}");
    for index in 0..20 {
        let _ = desk.reserve(&phone(index), PhoneTrust::Verified).await.unwrap();
    }
    assert_eq!(desk.reserve(&phone(20), PhoneTrust::Verified).await.err(), Some(DeliveryFailure::PrefixLimit));
    let _ =
        desk.reserve(&phone(21), PhoneTrust::Established).await.expect("established numbers aren't limited by range");
}

#[tokio::test]
async fn a_spent_budget_and_unreadable_counters_stop_starts_but_not_verifications() {
    let desk = Desk::open(|settings| settings.budgets = Budgets::of_messages(1, 1_000, 1_000)).await;
    let bench = &desk.bench;
    let phone = fresh_phone();
    bench.register(&phone, "ada@example.org").await;
    bench.clock.advance(120);
    let login = bench.start_login(&phone).await.unwrap();
    let code = bench.code(&login).await;
    let _ = desk.reserve(&spread(0), PhoneTrust::New).await.unwrap();
    desk.reserve(&spread(1), PhoneTrust::New).await.expect_err("the budget is spent");
    bench.clock.advance(30);
    // A spent budget closes for five minutes at a time.
    let spent = Problem::SmsBudgetSpent { retry_after: 270 };
    assert_eq!(bench.start_registration(&fresh_phone()).await, Err(spent));
    assert_eq!(bench.start_login(&phone).await, Err(spent), "a known number");
    assert_eq!(bench.start_login(&fresh_phone()).await, Err(spent), "an unknown number");

    let table = serde_json::from_value(json!({"TableName": "counters"})).unwrap();
    bench.database.delete_table(table).unwrap();
    bench.clock.advance(30);
    for outcome in [bench.start_registration(&fresh_phone()).await, bench.start_login(&phone).await] {
        assert_eq!(outcome, Err(Problem::Unavailable));
    }
    let ring = bench.ring().await;
    let number = PhoneNumber::parse(&spread(2)).unwrap();
    let intent = MessageIntent {
        phone: &number,
        purpose: PurposeName::SecondStep,
        trust: PhoneTrust::Established,
        settings: &desk.settings,
        pepper: &ring.pepper,
    };
    assert!(
        matches!(desk.bench.cases.spending.reserve(&intent).await, Err(ReserveError::Table(_))),
        "a message that can't be charged isn't sent"
    );
    bench.verify(&login, &code).await.expect("a sent code still works");
}

#[tokio::test]
async fn registrations_cannot_use_up_the_messages_of_a_number_s_owner() {
    let desk = Desk::open(|settings| settings.limits.prefix_hour = 1_000).await;
    let phone = fresh_phone();
    let sent = async |purpose, trust| {
        let mut sent = 0;
        while let Ok(_reservation) = desk.reserve_for(purpose, &phone, trust).await {
            sent += 1;
        }
        sent
    };
    assert_eq!(sent(PurposeName::Register, PhoneTrust::New).await, 5);
    assert_eq!(sent(PurposeName::Login, PhoneTrust::Verified).await, 5, "messages for a phone sign-in are left");
    assert_eq!(sent(PurposeName::SecondStep, PhoneTrust::Verified).await, 5, "messages for a second step are left");
    desk.bench.clock.advance(DAYS);
    assert_eq!(sent(PurposeName::SecondStep, PhoneTrust::Verified).await, 15);
}

#[tokio::test]
async fn a_registration_s_result_does_not_reveal_whether_a_number_has_an_account() {
    let mut fates = Vec::new();
    for holder in [None, Some(PhoneTrust::Verified), Some(PhoneTrust::Established)] {
        let desk = Desk::open(|_| {}).await;
        let ring = desk.bench.ring().await;
        let phone = "+14155552000";
        for _ in 0..10 {
            if let Some(trust) = holder {
                let _ = desk.reserve_for(PurposeName::Login, phone, trust).await;
            } else {
                let number = PhoneNumber::parse(phone).unwrap();
                let (settings, pepper) = (&desk.settings, &ring.pepper);
                let (purpose, trust) = (PurposeName::Login, PhoneTrust::New);
                let intent = MessageIntent { phone: &number, purpose, trust, settings, pepper };
                desk.bench.cases.spending.reserve_decoy(&intent).await.unwrap();
            }
        }
        let mut fate = vec![desk.reserve(phone, PhoneTrust::New).await.err()];
        for index in 1..30 {
            fate.push(desk.reserve(&format!("+141555520{index:02}"), PhoneTrust::New).await.err());
        }
        fates.push(fate);
    }
    assert_eq!(fates[0][0], Some(DeliveryFailure::NumberLimit));
    assert_eq!(
        fates[0].iter().filter(|fate| **fate == Some(DeliveryFailure::PrefixLimit)).count(),
        19,
        "ten of twenty must be left"
    );
    assert_eq!(fates[0], fates[1]);
    assert_eq!(fates[0], fates[2]);
}

#[tokio::test]
async fn a_refused_sign_in_counts_the_same_with_and_without_an_account() {
    let desk = Desk::open(|settings| settings.budgets = Budgets::of_messages(0, 0, 0)).await;
    let phone = "+14155552000";
    for _ in 0..10 {
        assert!(desk.reserve_for(PurposeName::Login, phone, PhoneTrust::Verified).await.is_err());
    }
    assert_eq!(desk.reserve(phone, PhoneTrust::New).await.err(), Some(DeliveryFailure::NumberLimit));
    assert_eq!(desk.reserve("+14155552001", PhoneTrust::New).await.err(), Some(DeliveryFailure::BudgetSpent));
}

#[tokio::test]
async fn a_message_beyond_the_budget_does_not_close_it_for_cheaper_ones() {
    let desk = Desk::open(|settings| {
        settings.prices.countries.insert(Country::parse("US").unwrap(), 8_000);
        settings.budgets.all.hour = Allowance { messages: None, spend: Some(60_000) };
    })
    .await;
    let _ = desk.reserve(&spread(0), PhoneTrust::New).await.unwrap();
    assert_eq!(desk.reserve(&spread(1), PhoneTrust::New).await.err(), Some(DeliveryFailure::BudgetSpent));
    assert_eq!(desk.level(&Scope::All).await, Level::Normal);
    let _ = desk.reserve("+14155552671", PhoneTrust::New).await.expect("0.008 of the 0.01 that are left");
    assert_eq!(desk.reserve("+14155552672", PhoneTrust::New).await.err(), Some(DeliveryFailure::BudgetSpent));
    assert_eq!(desk.level(&Scope::All).await, Level::Closed, "the rest of the budget is too small for any message");
}
