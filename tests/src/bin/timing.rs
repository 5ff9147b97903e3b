//! Checks whether response times reveal who has an account: 300 interleaved pairs of phone and password sign-ins, for a known
//! and an unknown account, compared with the Mann–Whitney U test. This is a benchmark, not a test, because the result is
//! meaningless on a busy machine. Run it alone, with `make timing`.

use std::{process::ExitCode, time::Duration};

use serde_json::json;
use tokio::time::Instant;
use twostep_tests::{Answer, OTHER_PASSWORD, PASSWORD, Stack, fresh_email, fresh_phone};

const PAIRS: usize = 300;

#[tokio::main]
async fn main() -> ExitCode {
    let stack = Stack::start(&[("CONCURRENCY", "1")]).await;
    let client = stack.client();
    let mut phones = Vec::new();
    let mut addresses = Vec::new();
    for _ in 0..PAIRS {
        let (phone, email) = (fresh_phone(), fresh_email());
        client.register(&phone).await;
        client.register_password(&email, PASSWORD).await;
        phones.push(phone);
        addresses.push(email);
    }
    // The preparation is complete, and every function is warm.
    client.start("/login/phone", &fresh_phone()).await;
    client.log_in(&fresh_email(), OTHER_PASSWORD).await;
    let mut differs = false;
    for (what, known) in [("sign-in by phone", &phones), ("sign-in by password", &addresses)] {
        let by_phone = what.ends_with("phone");
        let ask = async |name: &str| -> (Duration, Answer) {
            let body =
                if by_phone { json!({"phone": name}) } else { json!({"email": name, "password": OTHER_PASSWORD}) };
            let path = if by_phone { "/login/phone" } else { "/login/password" };
            let began = Instant::now();
            let answer = client.post(path, body).await;
            (began.elapsed(), answer)
        };
        let (mut of_known, mut of_unknown) = (Vec::new(), Vec::new());
        for (index, name) in known.iter().enumerate() {
            let unknown = if by_phone { fresh_phone() } else { fresh_email() };
            // Alternate the order, because the second request can find warmer caches.
            let first_is_known = index % 2 == 0;
            let (first, second) = if first_is_known { (name, &unknown) } else { (&unknown, name) };
            let ((first, one), (second, other)) = (ask(first).await, ask(second).await);
            assert_eq!(one.status, other.status, "the responses must be the same");
            let (known, unknown) = if first_is_known { (first, second) } else { (second, first) };
            of_known.push(known.as_secs_f64());
            of_unknown.push(unknown.as_secs_f64());
        }
        let p = mann_whitney(&of_known, &of_unknown);
        let ratio = median(&mut of_known) / median(&mut of_unknown);
        println!("{what}: {PAIRS} pairs, median of known / unknown = {ratio:.3}, p = {p:.3}");
        differs |= p <= 0.01;
    }
    if differs {
        println!("The times differ. On an idle machine, that would reveal who has an account.");
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// The two-sided p-value of the U test, by normal approximation (Mann & Whitney, 1947). Accurate for hundreds of samples.
#[expect(clippy::cast_precision_loss, reason = "hundreds fit an f64 exactly")]
fn mann_whitney(one: &[f64], other: &[f64]) -> f64 {
    let smaller = |a: f64, b: f64| if a < b { 1.0 } else { f64::from(u8::from(a.total_cmp(&b).is_eq())) / 2.0 };
    let u: f64 = one.iter().map(|a| other.iter().map(|b| smaller(*a, *b)).sum::<f64>()).sum();
    let (n, m) = (one.len() as f64, other.len() as f64);
    let z = (u - n * m / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt();
    complementary_error(z.abs() / std::f64::consts::SQRT_2)
}

/// Abramowitz & Stegun, 7.1.26. The error is at most 1.5e-7.
fn complementary_error(x: f64) -> f64 {
    const TERMS: [f64; 5] = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let t = 1.0 / (1.0 + 0.327_591_1 * x);
    let polynomial = TERMS.iter().fold(0.0, |sum, term| (sum + term) * t);
    polynomial * (-x * x).exp()
}
