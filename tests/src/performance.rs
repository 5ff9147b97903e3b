//! What `make bench` and `make bench-peers` measure on a running stack. Linux only.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::{Instant, sleep};
use twostep_local::settings::Settings;

use crate::{Client, SignedIn, Stack, fresh_phone, function_process::cpu_time};

/// The functions that a sign-in by phone runs.
pub const OF_A_SIGN_IN: [&str; 6] =
    ["phone-login", "queue-sms", "send-sms", "sms-status", "verify-code", "count-codes"];

/// How long each request of a kind took.
pub type Times = BTreeMap<&'static str, Vec<Duration>>;

/// How much CPU time the only process of each function had used.
pub struct CpuUsed(BTreeMap<&'static str, (u32, Duration)>);

impl CpuUsed {
    pub async fn until_now(stack: &Stack, functions: &[&'static str]) -> Self {
        let mut used = BTreeMap::new();
        for function in functions {
            let process = only_process(stack, function).await;
            used.insert(*function, (process, cpu_time(process)));
        }
        Self(used)
    }

    /// What each function has used since.
    ///
    /// # Panics
    /// If a function has another process now.
    pub async fn since(self, stack: &Stack) -> BTreeMap<&'static str, Duration> {
        let mut used = BTreeMap::new();
        for (function, (process, earlier)) in self.0 {
            assert_eq!(only_process(stack, function).await, process, "{function} was restarted");
            used.insert(function, cpu_time(process).saturating_sub(earlier));
        }
        used
    }
}

/// The process of a function in a stack with `CONCURRENCY=1`.
///
/// # Panics
/// If there is none, or more than one.
pub async fn only_process(stack: &Stack, function: &str) -> u32 {
    let processes = stack.instances_of(function).await;
    assert_eq!(processes.len(), 1, "{function} has one process, because CONCURRENCY is 1");
    processes[0]
}

/// What the stack's functions get, for processes that are started beside it.
///
/// # Panics
/// If a variable of the stack is malformed.
#[must_use]
pub fn settings(stack: &Stack) -> Settings {
    Settings {
        api_port: stack.api_port,
        sandbox_port: stack.sandbox_port,
        ses_port: stack.sandbox_port,
        dynamodb_port: stack.dynamodb_port,
        secrets_port: stack.secrets_port,
        sqs_port: stack.sqs_port,
        ..Settings::read().expect("settings")
    }
}

/// New numbers with an account each.
pub async fn registered(client: &Client, count: usize) -> Vec<String> {
    let mut phones = Vec::new();
    for _ in 0..count {
        let phone = fresh_phone();
        client.register(&phone).await;
        phones.push(phone);
    }
    phones
}

/// A sign-in by phone. "send" is the time until the provider has the message.
///
/// # Panics
/// If it fails.
pub async fn sign_in(client: &Client, phone: &str, times: &mut Times) -> SignedIn {
    let challenge = timed(times, "start", client.start("/login/phone", phone)).await.expect(202);
    let started = Instant::now();
    while client.inbox(phone).await.len() < 2 {
        sleep(Duration::from_millis(1)).await;
    }
    times.entry("send").or_default().push(started.elapsed());
    let code = client.nth_code(phone, 2).await;
    let verified = timed(times, "verify", client.verify(&challenge, &code)).await.expect(200);
    SignedIn::from_session(&verified)
}

pub async fn timed<T>(times: &mut Times, what: &'static str, request: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let answer = request.await;
    times.entry(what).or_default().push(began.elapsed());
    answer
}

/// # Panics
/// If there are no times.
#[must_use]
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[must_use]
pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

#[expect(clippy::cast_precision_loss, reason = "these numbers are small")]
#[must_use]
pub fn as_f64(number: usize) -> f64 {
    number as f64
}
