//! Counts the DynamoDB reads and writes of each kind of sign-in on a running stack. Run it with `make costs`.

use std::collections::BTreeMap;

use twostep_tests::{
    Client, PASSWORD, SignedIn, Stack,
    backend::{Backend, Call, Units},
    fresh_email, fresh_phone,
    stack::free_ports,
};

const TIMES: usize = 10;

#[tokio::main]
async fn main() {
    let [dynamodb] = free_ports();
    let backend = Backend::before(dynamodb).await;
    let environment = [
        ("CONCURRENCY", "1"),
        ("LIMITS", "deployed"),
        ("DYNAMODB_PORT", &*dynamodb.to_string()),
        ("AWS_ENDPOINT_URL_DYNAMODB", &backend.url()),
    ];
    let stack = Stack::start(&environment).await;
    let client = stack.client();
    let [mut by_phone, mut by_both, mut by_password, mut refreshes]: [Vec<Call>; 4] = Default::default();
    for _ in 0..TIMES {
        // After a day, the rate limits are far away, and the number is established. The first sign-ins of a day and of half
        // an hour are not measured: they find old caches and counters.
        let (phone, second, email) = (fresh_phone(), fresh_phone(), fresh_email());
        let (early, earlier) = (fresh_phone(), fresh_phone());
        client.register(&early).await;
        let (early_own, _) = client.register_two_step(&earlier, PASSWORD).await;
        client.register_password(&email, PASSWORD).await;
        let session = client.register(&phone).await;
        let (own, _) = client.register_two_step(&second, PASSWORD).await;
        stack.advance(25 * 60 * 60);
        let late = client.profile(&session.access_token).await;
        assert_eq!(late.status, 401, "a day has passed");
        // Two more writes record the first use of an account in a day.
        sign_in_by_phone(&client, &phone).await;
        client.log_in(&email, PASSWORD).await;
        client.log_in_two_step(&own, PASSWORD, &second).await;
        stack.advance(20 * 60);
        sign_in_by_phone(&client, &early).await;
        client.log_in_two_step(&early_own, PASSWORD, &earlier).await;
        settled(&backend).await;

        add(&mut by_phone, &backend, sign_in_by_phone(&client, &phone)).await;
        add(&mut by_password, &backend, async { SignedIn::from_session(&client.log_in(&email, PASSWORD).await.body) })
            .await;
        add(&mut refreshes, &backend, async {
            SignedIn::from_session(&client.refresh(&session.refresh_token).await.expect(200))
        })
        .await;
        add(&mut by_both, &backend, client.log_in_two_step(&own, PASSWORD, &second)).await;
    }
    println!("| for 1,000 | calls | reads | writes |\n|---|---|---|---|");
    for (what, calls) in [
        ("sign-ins by phone (start, send, delivery reports, code)", &by_phone),
        ("sign-ins by password and code", &by_both),
        ("sign-ins by password alone", &by_password),
        ("refreshes", &refreshes),
    ] {
        let units = calls.iter().fold(Units::default(), |sum, call| sum + call.units);
        let for_a_thousand = |units: usize| units * 1_000 / TIMES;
        let [calls, reads, writes] = [units.calls, units.reads, units.writes].map(for_a_thousand);
        println!("| {what} | {calls} | {reads} | {writes} |");
    }
    println!("\n| calls of {TIMES} sign-ins by phone | function | times |\n|---|---|---|");
    let mut times: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for Call { function, call, .. } in &by_phone {
        *times.entry((function, call)).or_default() += 1;
    }
    for ((function, call), times) in times {
        println!("| {call} | {function} | {times} |");
    }
}

async fn sign_in_by_phone(client: &Client, phone: &str) -> SignedIn {
    let earlier = client.inbox(phone).await.len();
    let challenge = client.start("/login/phone", phone).await.expect(202);
    let code = client.nth_code(phone, earlier + 1).await;
    SignedIn::from_session(&client.verify(&challenge, &code).await.expect(200))
}

async fn add<T>(sum: &mut Vec<Call>, backend: &Backend, done: impl Future<Output = T>) -> T {
    let outcome = done.await;
    sum.extend(settled(backend).await);
    outcome
}

/// The calls until there were none for two seconds, because delivery reports arrive late.
async fn settled(backend: &Backend) -> Vec<Call> {
    let mut sum = Vec::new();
    let mut quiet = 0;
    while quiet < 20 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let calls = backend.calls();
        quiet = if calls.is_empty() { quiet + 1 } else { 0 };
        sum.extend(calls);
    }
    sum
}
