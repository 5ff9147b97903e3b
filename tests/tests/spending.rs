//! Tests budgets, rate limits and the breaker for concurrency and time, against the embedded DynamoDB.

use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use twostep_crypto::KeyRing;
use twostep_domain::{
    account::PhoneTrust,
    challenge::{DeliveryFailure, PurposeName},
    country::Country,
    phone::PhoneNumber,
    rate_limit::RateLimit,
    settings::Settings,
    spending::{Allowance, Budget, Budgets, Cause, Level, Mode, Period, Scope, Trip},
    time::{Clock, DAY, HOUR},
};
use twostep_http::Problem;
use twostep_stores::{SlidingWindowStore, sliding_window::LimitError};
use twostep_tests::{PASSWORD, bench::Bench, fresh_phone};
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
        let reserved = self.bench.cases.spending.reserve(&self.intent(purpose, &phone, trust, &ring)).await;
        reserved.map_err(|error| match error {
            ReserveError::Refused(failure) => failure,
            ReserveError::Table(error) => panic!("{error}"),
        })
    }

    fn intent<'a>(
        &'a self,
        purpose: PurposeName,
        phone: &'a PhoneNumber,
        trust: PhoneTrust,
        ring: &'a KeyRing,
    ) -> MessageIntent<'a> {
        MessageIntent {
            phone,
            purpose,
            trust,
            settings: &self.settings,
            pepper: &ring.pepper,
            messages_before: 0,
            asked: None,
            weighed: true,
        }
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

    /// How many messages the usage shows.
    async fn messages(&self) -> u64 {
        let spending = &self.bench.cases.spending;
        let (ledger, now) = (spending.ledger.load().await.unwrap(), self.bench.clock.now());
        let counted = spending.counters.by_day_and_country(ledger.as_ref(), now).await.unwrap();
        counted.iter().map(|(.., counts)| counts.messages).sum()
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
    let profile = async || desk.reserve_for(PurposeName::Profile, &phone, PhoneTrust::New).await;
    for _ in 0..3 {
        let reservation = profile().await.expect("the last attempt was released");
        desk.bench.cases.spending.release(reservation).await;
    }
    let _kept = profile().await.unwrap();
    assert_eq!(profile().await.err(), Some(DeliveryFailure::NumberLimit));
    assert_eq!(desk.reserve(&fresh_phone(), PhoneTrust::New).await.err(), Some(DeliveryFailure::PrefixLimit));
    assert_eq!(desk.reserve(&spread(0), PhoneTrust::New).await.err(), Some(DeliveryFailure::BudgetSpent));
    assert_eq!(desk.messages().await, 1, "refused messages aren't counted");
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

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_follows_the_clock_and_keeps_the_days_for_the_usage() {
    let desk = Desk::open(|settings| {
        patient(settings);
        settings.budgets = Budgets::of_messages(3, 4, 5);
    })
    .await;
    let take = async || desk.reserve_many(10).await.0;
    assert_eq!(take().await, 3, "the hour's");
    desk.bench.clock.advance(HOURS);
    assert_eq!(take().await, 1, "the day's");
    desk.bench.clock.advance(-HOURS);
    assert_eq!(take().await, 0, "a clock that is behind");
    desk.bench.clock.advance(2 * DAYS);
    assert_eq!(take().await, 1, "the month's");
    assert_eq!(desk.messages().await, 5);
    desk.bench.clock.advance(40 * DAYS);
    assert_eq!(desk.reserve_many(1).await.0, 1, "another month");
    desk.bench.clock.advance(-20 * DAYS);
    assert_eq!(desk.reserve_many(3).await.0, 2, "the hour has two left, whatever the clock says");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_stays_exact_while_hours_and_days_begin_under_load() {
    let desk = Desk::open(|settings| {
        patient(settings);
        settings.budgets = Budgets::of_messages(7, 1_000, 1_000);
    })
    .await;
    // From the last second before midnight.
    let to_midnight = DAYS - desk.bench.clock.now().0.rem_euclid(DAYS) - 1;
    desk.bench.clock.advance(to_midnight);
    assert_eq!(desk.reserve_many(30).await.0, 7);
    desk.bench.clock.advance(1);
    for _ in 0..3 {
        assert_eq!(desk.reserve_many(30).await.0, 7, "the first message of an hour is one of thirty");
        desk.bench.clock.advance(HOURS);
    }
}

#[tokio::test]
async fn counters_of_0_1_0_go_into_the_ledger() {
    let desk = Desk::open(|settings| {
        patient(settings);
        settings.budgets = Budgets::of_messages(10, 10, 10);
    })
    .await;
    let (now, tables) = (desk.bench.clock.now(), &desk.bench.tables);
    for (period, start) in Period::ALL.map(|period| (period, period.start(now))) {
        for scope in ["all", "ES"] {
            let id = format!("tally#{scope}#{}#{}", period.as_str(), start.0);
            let put = tables.put_item().table_name("counters").item("id", AttributeValue::S(id));
            let count = |most: i64| AttributeValue::N(most.to_string());
            put.item("messages", count(8)).item("spent", count(400_000)).send().await.unwrap();
        }
    }
    let index = format!("tally-countries#{}", Period::Day.start(now).0);
    let put = tables.put_item().table_name("counters").item("id", AttributeValue::S(index));
    put.item("countries", AttributeValue::Ss(vec!["ES".into()])).send().await.unwrap();
    assert_eq!(desk.reserve_many(5).await.0, 2);
    assert_eq!(desk.messages().await, 10);
}

/// A site with the limits of a deployment, and its visitors. Each comes from an address and a range of their own.
struct Site {
    bench: Bench,
    visitors: usize,
}

impl Site {
    async fn open() -> Self {
        let bench = Bench::deployed().await;
        bench.change_settings(|settings| settings.budgets = Budgets::of_messages(100_000, 100_000, 100_000)).await;
        Self { bench, visitors: 0 }
    }

    fn wait(&self, seconds: i64) {
        self.bench.clock.advance(seconds);
    }

    /// A new visitor asks for a code, and it is sent.
    async fn ask(&mut self) -> Result<Value, String> {
        self.visitors += 1;
        let index = self.visitors;
        self.ask_as(&spread(index), &format!("198.18.{}.{}", index / 250, index % 250 + 1)).await
    }

    async fn ask_as(&self, phone: &str, from: &str) -> Result<Value, String> {
        self.bench.come_from(from);
        let challenge = self.bench.start_registration(phone).await.map_err(|problem| problem.code().to_owned())?;
        self.bench.send(&challenge).await.map_err(|failure| failure.as_str().to_owned())?;
        Ok(challenge)
    }

    async fn trip(&self, scope: &Scope) -> Option<Trip> {
        let breaker = self.bench.cases.spending.breaker.fresh().await.unwrap();
        breaker.trip(scope, self.bench.clock.now()).copied()
    }

    /// `count` people who never answer. Gives how many got a message.
    async fn pump(&mut self, count: usize, pause: i64) -> usize {
        let mut sent = 0;
        for _ in 0..count {
            sent += usize::from(self.ask().await.is_ok());
            self.wait(pause);
        }
        sent
    }
}

#[tokio::test]
async fn sixty_registrations_in_a_minute_of_which_most_are_completed_close_nothing_all_day() {
    let mut site = Site::open().await;
    let mut asked = Vec::new();
    for _ in 0..60 {
        asked.push(site.ask().await.expect("growth is no attack"));
        site.wait(1);
    }
    for (index, challenge) in asked.iter().enumerate() {
        site.wait(3);
        if index % 20 >= 3 {
            site.bench.answer(challenge).await;
        }
    }
    for _ in 0..12 {
        let challenge = site.ask().await.expect("open all day");
        site.bench.answer(&challenge).await;
        assert_eq!(site.trip(&in_spain()).await, None);
        site.wait(30 * 60);
    }
}

#[tokio::test]
async fn a_site_that_grows_fivefold_in_a_day_closes_nothing() {
    let mut site = Site::open().await;
    // A day of 30 verified users, then one of 150 visitors, 80 % of which complete. `domain` has the same with 80 and 400.
    for (visitors, completed) in [(30, [true; 5]), (150, [true, true, false, true, true])] {
        for index in 0..visitors {
            let challenge = site.ask().await.expect("growth is no attack");
            site.wait(20);
            if completed[index % 5] {
                site.bench.answer(&challenge).await;
            }
            site.wait(DAYS / i64::try_from(visitors).unwrap() - 20);
        }
        assert_eq!(site.trip(&in_spain()).await, None);
    }
}

#[tokio::test]
async fn visitors_who_ask_twice_and_then_enter_the_code_close_nothing() {
    let mut site = Site::open().await;
    let mut asked = Vec::new();
    for _ in 0..24 {
        asked.push(site.ask().await.unwrap());
    }
    site.wait(61);
    for challenge in &asked {
        site.bench.resend(challenge).await.expect("once more");
        site.bench.send(challenge).await.expect("once more");
    }
    for challenge in &asked {
        site.bench.answer(challenge).await;
    }
    for _ in 0..20 {
        site.wait(60);
        site.ask().await.expect("nothing is closed");
    }
}

#[tokio::test]
async fn one_address_and_one_range_cannot_close_a_country() {
    let mut site = Site::open().await;
    site.bench.change_settings(|settings| settings.limits.prefix_hour = 100).await;
    for index in 0..30 {
        let challenge = site.ask_as(&spread(1_000 + index), "203.0.113.9").await.expect("below the address limit");
        site.wait(61);
        site.bench.resend(&challenge).await.expect("below the address limit");
        site.bench.send(&challenge).await.expect("below the address limit");
        site.ask_as(&format!("+3461234{index:04}"), &format!("198.19.0.{index}")).await.ok();
    }
    site.wait(5 * 60);
    assert!(site.ask().await.is_ok(), "a stranger's address and range close nothing for others");
    let breaker = site.bench.cases.spending.breaker.fresh().await.unwrap();
    let latest = |scope| breaker.latest(&scope, Level::VerifiedNumbersOnly).map(|trip| trip.cause);
    assert_eq!(latest(in_spain()), None);
    assert_eq!(latest(Scope::Prefix("3461234".into())), Some(Cause::UnansweredInAnHour), "the range itself was closed");
}

#[tokio::test]
async fn an_attack_is_stopped_and_registrations_open_again_within_15_minutes() {
    let mut site = Site::open().await;
    let sent = site.pump(90, 20).await;
    assert!(sent < 60, "{sent} of 90 in half an hour");
    while site.ask().await.is_ok() {}
    assert!(site.trip(&in_spain()).await.is_some());
    assert_eq!(site.ask().await.err().as_deref(), Some("sms_budget_spent"), "before anything is written");
    let elsewhere = site.ask_as("+14155552671", "198.18.9.9").await;
    assert!(elsewhere.is_ok(), "other countries aren't affected: {elsewhere:?}");
    site.wait(15 * 60);
    for _ in 0..10 {
        let challenge = site.ask().await.expect("open again");
        site.bench.answer(&challenge).await;
    }
}

#[tokio::test]
async fn codes_that_come_back_end_a_trip() {
    let mut site = Site::open().await;
    assert_eq!(site.pump(25, 1).await, 25);
    site.wait(5 * 60);
    let mut late = Vec::new();
    for _ in 0..8 {
        late.push(site.ask().await.expect("not closed yet"));
    }
    site.wait(60);
    assert!(site.ask().await.is_err());
    let trip = site.trip(&in_spain()).await.expect("twenty-five did not answer");
    for challenge in &late {
        site.bench.answer(challenge).await;
    }
    site.wait(6);
    assert!(site.bench.clock.now() < trip.until);
    assert!(site.ask().await.is_ok(), "eight answered meanwhile");
    assert_eq!(site.trip(&in_spain()).await, None);
}

#[tokio::test]
async fn a_breaker_in_record_only_mode_holds_nothing_back() {
    let mut site = Site::open().await;
    site.bench.change_settings(patient).await;
    assert_eq!(site.pump(50, 20).await, 50);
    assert!(site.trip(&in_spain()).await.is_some(), "the trip is recorded");
    assert_eq!(site.pump(1, 0).await, 1);
}

#[tokio::test]
async fn numbers_verified_lately_trip_a_level_of_their_own() {
    let desk = Desk::open(|_| {}).await;
    for index in 0..20 {
        let _ = desk.reserve(&spread(index), PhoneTrust::Verified).await.unwrap();
    }
    desk.bench.clock.advance(6 * 60);
    assert_eq!(desk.reserve(&spread(20), PhoneTrust::Verified).await.err(), Some(DeliveryFailure::HeldBack));
    assert_eq!(desk.level(&in_spain()).await, Level::Closed);
    let _ = desk.reserve(&spread(21), PhoneTrust::New).await.expect("sign-ins don't affect registrations");
    let _ = desk.reserve(&spread(22), PhoneTrust::Established).await.expect("no trip holds established numbers back");
}

#[tokio::test]
async fn a_thousand_own_numbers_aged_a_day_cannot_spend_the_budget() {
    let desk = Desk::open(|settings| settings.budgets = Budgets::of_messages(10_000, 10_000, 10_000)).await;
    let number = |index: usize| format!("+141555{index:05}");
    let mut sent = 0;
    for index in 0..300 {
        sent += usize::from(desk.reserve(&number(20_000 + index), PhoneTrust::Established).await.is_ok());
        desk.bench.clock.advance(1);
    }
    assert_eq!(sent, 60, "of one range that nobody answers");
    let other_range = desk.reserve("+14155660001", PhoneTrust::Established).await;
    assert!(other_range.is_ok(), "owners elsewhere aren't affected");
    desk.bench.clock.advance(HOURS);
    let _ = desk.reserve(&number(20_400), PhoneTrust::Established).await.expect("an hour later");
}

#[tokio::test]
async fn what_a_stranger_can_ask_for_does_not_depend_on_what_the_owner_did() {
    let mut fates = Vec::new();
    for owner_signs_in in [false, true] {
        let bench = Bench::deployed().await;
        let phone = "+14155552071";
        bench.register(phone, "ada@example.org").await;
        bench.clock.advance(2 * DAYS);
        if owner_signs_in {
            for index in 0..3 {
                bench.come_from(&format!("198.18.0.{index}"));
                let challenge = bench.start_login(phone).await.unwrap();
                bench.send(&challenge).await.unwrap();
                bench.answer(&challenge).await;
            }
        }
        // A stranger asks for this number, and for others of its range.
        let mut fate = Vec::new();
        for minutes in [0, 2, 5, 10, 40, 60, 60, 60, 60] {
            bench.clock.advance(minutes * 60);
            bench.come_from("203.0.113.7");
            fate.push(match bench.start_registration(phone).await {
                Ok(challenge) => bench.send(&challenge).await.err().map_or("sent", DeliveryFailure::as_str),
                Err(problem) => problem.code(),
            });
        }
        for index in 0..25 {
            let challenge = bench.start_registration(&format!("+14155552{index:03}")).await.unwrap();
            fate.push(bench.send(&challenge).await.err().map_or("sent", DeliveryFailure::as_str));
        }
        fates.push(fate);
    }
    assert_eq!(fates[0], fates[1]);
    assert_eq!(fates[0].iter().filter(|fate| **fate == "number_limit").count(), 4, "{:?}", fates[0]);
    assert!(fates[0].contains(&"prefix_limit"), "{:?}", fates[0]);
}

#[tokio::test]
async fn an_address_counts_the_messages_that_were_asked_for_and_no_others() {
    let bench = Bench::deployed().await;
    bench
        .change_settings(|settings| {
            settings.limits.client_ip_hour = 5;
            settings.limits.prefix_hour = 100;
        })
        .await;
    bench.come_from("203.0.113.7");
    let first = bench.start_registration(&spread(0)).await.unwrap();
    for _ in 0..20 {
        let again = bench.start_registration(&spread(0)).await.expect("it sends nothing, so it counts nothing");
        assert_eq!(again["challenge_id"], first["challenge_id"]);
    }
    bench.clock.advance(61);
    bench.resend(&first).await.expect("the second");
    for _ in 0..10 {
        assert!(matches!(bench.resend(&first).await, Err(Problem::TooManyCodes { .. })), "refused, so not counted");
    }
    for index in 1..4 {
        bench.start_registration(&spread(index)).await.expect("the third to fifth");
    }
    bench.clock.advance(200);
    assert!(matches!(bench.start_registration(&spread(4)).await, Err(Problem::TooManyRequests { .. })));
    let another = bench.start_login(&spread(5)).await;
    assert!(matches!(another, Err(Problem::TooManyRequests { .. })), "every route counts: {another:?}");
    bench.come_from("203.0.113.8");
    let there = bench.start_registration(&spread(4)).await.unwrap();
    bench.clock.advance(61);
    bench.come_from("203.0.113.7");
    assert!(matches!(bench.resend(&there).await, Err(Problem::TooManyRequests { .. })), "resends count");
    let present = bench.start_registration(&spread(4)).await;
    assert!(matches!(present, Err(Problem::TooManyRequests { .. })), "it would be sent again");
    bench.clock.advance(HOURS);
    bench.start_registration(&spread(6)).await.expect("an hour later");
}

#[tokio::test]
async fn the_default_address_limits_fit_an_office() {
    let bench = Bench::deployed().await;
    bench.come_from("203.0.113.7");
    for index in 0..60 {
        bench.start_registration(&spread(index)).await.expect("sixty an hour");
    }
    assert!(matches!(bench.start_registration(&spread(60)).await, Err(Problem::TooManyRequests { .. })));
    let limits = twostep_domain::spending::Limits::default();
    assert_eq!((limits.client_ip_hour, limits.client_ip_day), (60, 300));
}

#[tokio::test]
async fn accounts_that_are_a_day_old_get_few_messages_in_a_range_that_nobody_answers() {
    for one_address in [true, false] {
        let bench = Bench::deployed().await;
        let mut users = Vec::new();
        for index in 0..26 {
            let email = format!("user{index}@example.org");
            bench.come_from(&format!("198.18.1.{index}"));
            let session = bench.register_password(&email, PASSWORD).await.unwrap();
            let challenge = bench.start_phone_change(&session, &format!("+141555511{index:02}")).await.unwrap();
            bench.verify(&challenge, &bench.code(&challenge).await).await.unwrap();
            users.push(email);
        }
        bench.clock.advance(2 * DAYS);
        let (mut sent, mut begun) = (0, Vec::new());
        for seconds in [0, 61, 121] {
            bench.clock.advance(seconds);
            for (index, email) in users.iter().enumerate() {
                bench.come_from(&if one_address { "203.0.113.7".to_owned() } else { format!("198.18.2.{index}") });
                if seconds == 0 {
                    begun.push(bench.log_in(email, PASSWORD, None).await.expect("a second step"));
                } else if bench.resend(&begun[index]).await.is_err() {
                    continue;
                }
                sent += usize::from(bench.send(&begun[index]).await.is_ok());
            }
        }
        assert_eq!(sent, 60, "of 78 asked for, from one address: {one_address}");
    }
}

#[tokio::test]
async fn second_steps_count_at_their_address_and_always_begin() {
    let bench = Bench::deployed().await;
    bench.change_settings(|settings| settings.limits.client_ip_hour = 3).await;
    let mut users = Vec::new();
    for index in 0..5 {
        let email = format!("user{index}@example.org");
        bench.come_from(&format!("198.18.1.{index}"));
        let session = bench.register_password(&email, PASSWORD).await.unwrap();
        let challenge = bench.start_phone_change(&session, &spread(index)).await.unwrap();
        let verified = bench.verify(&challenge, &bench.code(&challenge).await).await.unwrap();
        let recovery_code = verified["recovery_codes"][0].as_str().unwrap().to_owned();
        users.push((email, recovery_code));
    }
    bench.clock.advance(2 * DAYS);
    bench.come_from("203.0.113.7");
    let mut begun = Vec::new();
    for (email, _) in &users {
        begun.push(bench.log_in(email, PASSWORD, None).await.expect("a second step"));
    }
    let deliveries: Vec<_> = begun.iter().map(|challenge| challenge["delivery"].as_str().unwrap()).collect();
    assert_eq!(deliveries, ["pending", "pending", "pending", "failed", "failed"]);
    assert_eq!(begun[4]["failure"], "too_many_codes");
    let entered = bench.enter(&begun[4], json!({"recovery_code": users[4].1})).await.expect("another way in");
    assert!(entered["access_token"].is_string() || entered["session"].is_object(), "{entered}");
    let start = bench.start_registration(&spread(9)).await;
    assert!(matches!(start, Err(Problem::TooManyRequests { .. })), "they count like registrations: {start:?}");
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
    let intent = desk.intent(PurposeName::SecondStep, &number, PhoneTrust::Established, &ring);
    assert!(
        matches!(desk.bench.cases.spending.reserve(&intent).await, Err(ReserveError::Table(_))),
        "a message that can't be charged isn't sent"
    );
    bench.verify(&login, &code).await.expect("a sent code still works");
}

#[tokio::test]
async fn a_registration_s_result_does_not_reveal_whether_a_number_has_an_account() {
    let mut fates = Vec::new();
    for holder in [None, Some(PhoneTrust::Verified), Some(PhoneTrust::Established)] {
        let desk = Desk::open(|_| {}).await;
        let ring = desk.bench.ring().await;
        let phone = "+14155552000";
        for _ in 0..25 {
            if let Some(trust) = holder {
                let _ = desk.reserve_for(PurposeName::Login, phone, trust).await;
            } else {
                let number = PhoneNumber::parse(phone).unwrap();
                let intent = desk.intent(PurposeName::Login, &number, PhoneTrust::New, &ring);
                desk.bench.cases.spending.reserve_decoy(&intent).await.unwrap();
            }
        }
        let mut fate = Vec::new();
        for index in 0..30 {
            fate.push(desk.reserve(&format!("+141555520{index:02}"), PhoneTrust::New).await.err());
        }
        // What is left for numbers that were verified lately is the same too.
        fate.push(desk.reserve_for(PurposeName::Login, "+14155552099", PhoneTrust::Verified).await.err());
        fates.push(fate);
    }
    let refused = fates[0].iter().filter(|fate| **fate == Some(DeliveryFailure::PrefixLimit)).count();
    assert_eq!(refused, 10 + 1, "sign-ins leave all twenty for registrations");
    assert_eq!(fates[0], fates[1]);
    assert_eq!(fates[0], fates[2]);
}

#[tokio::test]
async fn a_refused_sign_in_counts_the_same_with_and_without_an_account() {
    let desk = Desk::open(|settings| settings.budgets = Budgets::of_messages(0, 0, 0)).await;
    let login = async || desk.reserve_for(PurposeName::Login, "+14155552000", PhoneTrust::Verified).await.err();
    for _ in 0..20 {
        assert_eq!(login().await, Some(DeliveryFailure::BudgetSpent));
    }
    assert_eq!(login().await, Some(DeliveryFailure::PrefixLimit), "as twenty decoys would have left it");
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
