//! Load test: many simultaneous registrations. Run it with `make load`. Prints the responses and their times, and
//! checks that every promised message arrives. `REGISTRATIONS` (default 10000), `RATE` (200 per second) and `AT_ONCE`
//! (200) configure it.

use std::process::ExitCode;

use twostep_tests::{Stack, load};

#[tokio::main]
async fn main() -> ExitCode {
    let number =
        |name: &str, default: usize| std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default);
    let stack = Stack::start(&[("CONCURRENCY", "4"), ("LOG_LEVEL", "warn")]).await;
    let (registrations, rate) = (number("REGISTRATIONS", 10_000), number("RATE", 200));
    println!("{registrations} registrations, {rate} per second:");
    let steady = load::steady(&stack, registrations, rate).await;
    println!("{steady}");
    let at_once = number("AT_ONCE", 200);
    println!("{at_once} at once:");
    let burst = load::burst(&stack, at_once).await;
    println!("{burst}");
    let promised = steady.promised + burst.promised;
    let arrived = load::arrived(&stack, promised).await;
    println!("{arrived} of {promised} promised messages arrived.");
    let is_sound = [&steady, &burst].iter().all(|figures| figures.undocumented().is_empty());
    if is_sound && arrived == promised { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
