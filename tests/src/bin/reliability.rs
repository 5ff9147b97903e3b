//! Registrations while everything around them fails. Run it with `make reliability`. `SIGN_INS` (default 2000) says how many.

use twostep_tests::reliability::{Weather, run};

#[tokio::main]
async fn main() {
    let count = std::env::var("SIGN_INS").ok().and_then(|count| count.parse().ok()).unwrap_or(2_000);
    for weather in [Weather::Rain, Weather::Storm] {
        println!("{} registrations, {weather:?}:", count / 2);
        let figures = run(count / 2, weather).await;
        println!("{figures}");
        figures.check(weather);
    }
}
