//! SMS pumping: attacks that make the operator pay for messages.

use serde_json::{Value, json};
use tokio::task::JoinSet;
use twostep_tests::fresh_phone;

use crate::{
    Seen, seen,
    world::{Event, PASSWORD, World},
};

const DAY: i64 = 24 * 60 * 60;

/// Moves the clock to 00:10 of a new day and resets the settings to a deployment's defaults, with `change` applied.
async fn a_new_day(world: &World, change: Value) -> Bill {
    let midnight = world.stack.now().rem_euclid(DAY);
    world.stack.advance(2 * DAY - midnight + 600);
    let limits = json!({"address_hour": 60, "address_day": 300, "prefix_hour": 20, "number_day": 15});
    let mut settings = json!({
        "allowed_countries": ["*"],
        "limits": limits,
        "breaker": {"mode": "enforce", "floor": 20, "share_percent": 30},
        "budgets": budgets(200, 1_000),
    });
    for (name, value) in change.as_object().into_iter().flatten() {
        settings[name] = value.clone();
    }
    world.put_settings(settings).await.expect(200);
    Bill { spent: spent(world).await, messages: messages(world).await, requests: 0 }
}

fn budgets(hour: u64, day: u64) -> Value {
    let of = |most: u64| json!({ "messages": most });
    json!({"all": {"hour": of(hour), "day": of(day), "month": of(1_000_000)}})
}

/// How many messages to numbers there are. Emails cost nothing.
async fn messages(world: &World) -> usize {
    world.client.all_messages("sms").await.len()
}

async fn spent(world: &World) -> u64 {
    world.usage().await["total"]["spent"].as_u64().expect("an amount")
}

/// The cost of an attack for both sides.
struct Bill {
    spent: u64,
    messages: usize,
    requests: usize,
}

impl Bill {
    async fn ask(&mut self, world: &World, phone: &str, from: &str) -> String {
        self.requests += 1;
        ask(world, phone, from).await
    }

    /// The messages that were sent, checked against the usage.
    async fn settle(&self, world: &World) -> (usize, String) {
        let messages = messages(world).await - self.messages;
        let spent = spent(world).await - self.spent;
        assert_eq!(spent, messages as u64 * 50_000, "the usage must match the messages");
        (messages, format!("{} requests for the attacker, {} for the operator", self.requests, money(spent)))
    }
}

/// Requests a code for a new number and returns the outcome of its message.
async fn ask(world: &World, phone: &str, from: &str) -> String {
    let answer = world.start("/v1/register/phone", phone, from).await;
    if answer.status != 202 {
        return answer.body["code"].as_str().unwrap_or_default().to_owned();
    }
    world.outcome(&answer.body).await
}

fn money(micros: u64) -> String {
    format!("{}.{:02} USD", micros / 1_000_000, micros % 1_000_000 / 10_000)
}

/// A Spanish mobile number, each in its own range.
fn spread(index: usize) -> String {
    format!("+346{:02}{:02}0000", 10 + index / 100 % 80, index % 100)
}

/// Patterns of mobile numbers by country. `#` is a free digit.
const COUNTRIES: [(&str, &str); 12] = [
    ("GB", "+447400######"),
    ("DE", "+4915112######"),
    ("FR", "+336123#####"),
    ("ES", "+346123#####"),
    ("IT", "+39312345####"),
    ("NL", "+316123#####"),
    ("SE", "+46701#####0"),
    ("PL", "+485123#####"),
    ("PT", "+3519123#####"),
    ("BE", "+324701#####"),
    ("AT", "+436641######"),
    ("CH", "+41781######"),
];

fn number_in(country: usize, index: usize) -> String {
    let pattern = COUNTRIES[country].1;
    let free = pattern.matches('#').count();
    // Vary the first free digits, so that each number is in its own range where the pattern allows it.
    let digits = format!("{index:03}{}", "1".repeat(free.saturating_sub(3)));
    let mut digits = digits.chars();
    pattern.chars().map(|c| if c == '#' { digits.next().unwrap_or('1') } else { c }).collect()
}

pub async fn a_range(world: &'static World) -> Seen {
    let mut bill = a_new_day(world, json!({})).await;
    for address in 0..20 {
        let mut race = JoinSet::new();
        for index in address * 10..address * 10 + 10 {
            race.spawn_local(async move { ask(world, &format!("+1415555{}", 2_000 + index), &from(address)).await });
        }
        bill.requests += race.join_all().await.len();
    }
    let (messages, cost) = bill.settle(world).await;
    assert_eq!(messages, 20);
    seen(
        "registrations of consecutive numbers, ten from each client IP",
        200,
        format!("{messages} messages, the limit of the range; {cost}"),
    )
}

fn from(index: usize) -> String {
    format!("198.51.{}.{}", index / 250, index % 250 + 1)
}

pub async fn numbers_that_cost_more(world: &'static World) -> Seen {
    let bill = a_new_day(world, json!({"allowed_countries": ["US", "GB"]})).await;
    let numbers = [
        ("premium", "+449012345678"),
        ("satellite", "+881612345678"),
        ("VoIP", "+445612345678"),
        ("toll-free", "+18005551234"),
        ("fixed-line", "+442079460958"),
        ("shared cost", "+448431234567"),
        ("international freephone", "+80012345678"),
        ("a country not allowed", "+34612345678"),
        ("a country not allowed that shares +1", "+18762101234"),
    ];
    for (kind, number) in numbers {
        for route in ["/v1/register/phone", "/v1/login/phone"] {
            let answer = world.start(route, number, &from(400)).await;
            assert_eq!(answer.status, 400, "{kind}: {}", answer.body);
            let code = answer.body["code"].as_str().unwrap_or_default();
            assert!(matches!(code, "phone_not_allowed" | "invalid_phone"), "{kind}: {code}");
        }
    }
    let (messages, _) = bill.settle(world).await;
    assert_eq!(messages, 0);
    seen(
        "premium, satellite, VoIP, toll-free, fixed-line and shared-cost numbers; countries that aren't allowed",
        format!("{} on 2 routes", numbers.len()),
        "`phone_not_allowed` or `invalid_phone`; no message",
    )
}

pub async fn twice_the_budget(world: &'static World) -> Seen {
    const BUDGET: usize = 30;
    let record = json!({"mode": "record_only", "floor": 20, "share_percent": 30});
    let mut bill = a_new_day(world, json!({"budgets": budgets(30, 1_000), "breaker": record})).await;
    // In parallel, to test the budget check under concurrency.
    let mut race = JoinSet::new();
    for index in 0..BUDGET * 2 {
        race.spawn_local(async move { ask(world, &spread(1_000 + index), &from(500 + index)).await });
    }
    let ends = race.join_all().await;
    bill.requests = ends.len();
    let delivered = ends.iter().filter(|end| *end == "sent").count();
    assert!(ends.iter().all(|end| matches!(end.as_str(), "sent" | "budget_spent" | "sms_budget_spent")), "{ends:?}");
    let (messages, cost) = bill.settle(world).await;
    assert_eq!((messages, delivered), (BUDGET, BUDGET));
    world.stack.advance(31);
    let answer = world.start("/v1/register/phone", &spread(1_999), &from(800)).await;
    answer.expect_problem(503, "sms_budget_spent");
    let usage = world.usage().await;
    assert_eq!(
        (&usage["breaker"]["step"], &usage["breaker"]["cause"]),
        (&json!("closed"), &json!("budget_of_the_hour"))
    );
    seen(
        "parallel registrations, twice the hourly budget of 30, from distinct numbers and client IPs",
        BUDGET * 2,
        format!("{messages} messages, exactly the budget; then `sms_budget_spent`; {cost}"),
    )
}

pub async fn one_number(world: &'static World) -> Seen {
    let mut bill = a_new_day(world, json!({})).await;
    let phone = fresh_phone();
    // A number with an account also gets messages for sign-ins.
    let email = world.register_two_step(&phone).await;
    for step in 0..DAY / 600 - 2 {
        let index = 1_000 + usize::try_from(step).unwrap_or(0);
        let end = bill.ask(world, &phone, &from(index)).await;
        assert!(!end.is_empty());
        bill.requests += 1;
        let sign_in = Event::new("POST", "/v1/login/password").body(json!({"email": email, "password": PASSWORD}));
        let answer = world.send(sign_in).await;
        if answer.status == 202 {
            world.outcome(&answer.body).await;
        }
        world.stack.advance(600);
    }
    let (messages, cost) = bill.settle(world).await;
    assert_eq!(messages, 13);
    seen(
        "a registration and a password sign-in for one number every ten minutes for a day, each from a new client IP",
        bill.requests,
        format!(
            "{messages} messages: a third of the number's daily limit of 15 for registrations, half of it for second steps; {cost}"
        ),
    )
}

pub async fn many_countries(world: &'static World) -> Seen {
    const BUDGET: usize = 60;
    let mut bill = a_new_day(world, json!({"budgets": budgets(60, 1_000)})).await;
    let (mut request, mut served) = (0, std::collections::BTreeSet::new());
    for index in 0..8 {
        for (country, (name, _)) in COUNTRIES.iter().enumerate() {
            let end = bill.ask(world, &number_in(country, index), &from(2_000 + request)).await;
            request += 1;
            if end == "sent" {
                served.insert(*name);
            }
        }
    }
    let (messages, cost) = bill.settle(world).await;
    assert_eq!(served.len(), COUNTRIES.len(), "every country's numbers must be valid: {served:?}");
    assert_eq!(messages, BUDGET);
    seen(
        "registrations in twelve countries, below each breaker threshold, with an hourly budget of 60",
        bill.requests,
        format!("{messages} messages, exactly the budget; {cost}"),
    )
}

pub async fn slowly(world: &'static World) -> Seen {
    let mut bill = a_new_day(world, json!({})).await;
    for step in 0..90 {
        bill.ask(world, &spread(3_000 + step), &from(3_000 + step)).await;
        world.stack.advance(15 * 60);
    }
    let (messages, _) = bill.settle(world).await;
    assert!((1..=20).contains(&messages), "{messages}");
    seen(
        "a registration of a new number in one country every 15 minutes for a day, each in its own range",
        bill.requests,
        format!(
            "at most 20 messages: after hours without an answer, only single ones get through; {} requests for the attacker",
            bill.requests
        ),
    )
}

pub async fn one_country(world: &'static World) -> Seen {
    let mut bill = a_new_day(world, json!({})).await;
    // An hour of two registrations a minute. Then people come back.
    for index in 0..120 {
        bill.ask(world, &spread(6_000 + index), &from(8_000 + index)).await;
        world.stack.advance(30);
    }
    let (messages, _) = bill.settle(world).await;
    assert!(messages < 60, "{messages}");
    world.stack.advance(15 * 60);
    for index in 0..5 {
        let phone = spread(6_200 + index);
        let answer = world.start("/v1/register/phone", &phone, &from(8_200 + index)).await.expect(202);
        assert_eq!(world.outcome(&answer).await, "sent");
        world.verify(&answer, &world.code(&phone, 1).await).await.expect(200);
    }
    seen(
        "two registrations a minute in one country for an hour, each in its own range; then five users, 15 minutes later",
        format!("{} + 5", bill.requests),
        "fewer than 60 messages; the country is open to the users",
    )
}

pub async fn rotating_addresses(world: &'static World) -> Seen {
    const BUDGET: usize = 50;
    let record = json!({"mode": "record_only", "floor": 20, "share_percent": 30});
    let mut bill = a_new_day(world, json!({"budgets": budgets(50, 1_000), "breaker": record})).await;
    for index in 0..120 {
        bill.ask(world, &spread(4_000 + index), &format!("2001:db8:{index:x}::1")).await;
    }
    let (messages, cost) = bill.settle(world).await;
    assert_eq!(messages, BUDGET);
    seen(
        "registrations of distinct numbers, each from its own /64, with an hourly budget of 50 and a breaker in `record_only` mode",
        bill.requests,
        format!("{messages} messages, exactly the budget; {cost}"),
    )
}

pub async fn verifying_to_look_good(world: &'static World) -> Seen {
    let mut bill = a_new_day(world, json!({})).await;
    // The attacker owns a range, verifies every code, creates accounts and signs in to them repeatedly.
    let mut accounts = Vec::new();
    for index in 0..40 {
        let phone = format!("+14155557{index:03}");
        bill.requests += 1;
        let answer = world.start("/v1/register/phone", &phone, &from(5_000 + index)).await;
        if answer.status != 202 || world.outcome(&answer.body).await != "sent" {
            continue;
        }
        let verified = world.verify(&answer.body, &world.code(&phone, 1).await).await.expect(200);
        let body = json!({
            "registration_token": verified["registration_token"],
            "name": "Mallory",
            "email": crate::world::new_email(world),
        });
        world.send(Event::new("POST", "/v1/register/complete").body(body)).await.expect(201);
        accounts.push(phone);
    }
    for (index, phone) in accounts.iter().enumerate() {
        bill.requests += 1;
        world.start("/v1/login/phone", phone, &from(6_000 + index)).await;
    }
    // When another country's message has arrived, a further one to the range would have arrived too.
    assert_eq!(bill.ask(world, "+447911123456", &from(7_000)).await, "sent");
    let (messages, cost) = bill.settle(world).await;
    let in_range = messages - 1;
    assert_eq!(in_range, 20);
    let usage = world.usage().await;
    assert!(
        usage["breaker"]["prefixes"].as_object().is_some_and(serde_json::Map::is_empty),
        "the breaker must not trip"
    );
    seen(
        "registrations in the attacker's range with every code verified, then sign-ins to those accounts",
        bill.requests,
        format!("{in_range} messages to the range, its hourly limit; {cost}"),
    )
}
