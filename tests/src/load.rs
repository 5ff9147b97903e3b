//! Registrations far beyond a laptop's capacity: counts the responses and checks that every promised message arrives.

use std::{collections::BTreeMap, fmt, time::Duration};

use tokio::{task::JoinSet, time::Instant};

use crate::{Stack, fresh_phone, http_for};

/// How long all messages of a run may take after the last response.
const DELIVERY: Duration = Duration::from_secs(240);

/// A response that takes longer counts as none. The gateway waits at most 30 seconds; the rest is for a busy machine.
const LONGEST_ANSWER: Duration = Duration::from_secs(120);

#[derive(Default)]
pub struct Figures {
    /// How many responses had each status; 0 stands for no response.
    pub statuses: BTreeMap<u16, usize>,
    /// How many responses promise a message.
    pub promised: usize,
    pub longest: Duration,
    pub took: Duration,
    median: Duration,
}

impl Figures {
    /// Statuses that the gateway doesn't document. Only an accepted start, a throttle and exhausted concurrency are
    /// expected.
    #[must_use]
    pub fn undocumented(&self) -> Vec<u16> {
        self.statuses.keys().copied().filter(|status| ![202, 429, 503].contains(status)).collect()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        for (status, count) in &self.statuses {
            writeln!(formatter, "  {status}  {count}")?;
        }
        write!(formatter, "  in {:.1?}, median {:.0?}, longest {:.1?}", self.took, self.median, self.longest)
    }
}

/// Starts `count` registrations at `rate` per second, whether or not earlier ones have been answered.
pub async fn steady(stack: &Stack, count: usize, rate: usize) -> Figures {
    let pause = Duration::from_secs(1) / u32::try_from(rate).unwrap_or(u32::MAX);
    run(stack, count, pause).await
}

/// Starts `count` registrations at once, each on its own connection.
pub async fn burst(stack: &Stack, count: usize) -> Figures {
    run(stack, count, Duration::ZERO).await
}

async fn run(stack: &Stack, count: usize, pause: Duration) -> Figures {
    let (client, url) = (http_for(LONGEST_ANSWER), format!("http://localhost:{}/v1/register/phone", stack.api_port));
    let mut answers = JoinSet::new();
    let began = Instant::now();
    for index in 0..count {
        let pause = pause * u32::try_from(index).unwrap_or(u32::MAX);
        let body = serde_json::json!({ "phone": fresh_phone() }).to_string();
        let request = client.post(&url).header("content-type", "application/json").body(body);
        answers.spawn(async move {
            tokio::time::sleep_until(began + pause).await;
            let sent = Instant::now();
            let status = request.send().await.map_or(0, |answer| answer.status().as_u16());
            (status, sent.elapsed())
        });
    }
    let answers = answers.join_all().await;
    let mut figures = Figures { took: began.elapsed(), ..Figures::default() };
    let mut times: Vec<Duration> = answers.iter().map(|(_, time)| *time).collect();
    times.sort();
    figures.median = times.get(times.len() / 2).copied().unwrap_or_default();
    figures.longest = times.last().copied().unwrap_or_default();
    for (status, _) in answers {
        *figures.statuses.entry(status).or_default() += 1;
    }
    figures.promised = figures.statuses.get(&202).copied().unwrap_or(0);
    figures
}

/// Waits until `promised` messages are in the inbox. Returns how many are there at the end.
pub async fn arrived(stack: &Stack, promised: usize) -> usize {
    let client = stack.client();
    let end = Instant::now() + DELIVERY;
    loop {
        let count = client.all_messages("sms").await.len();
        if count >= promised || Instant::now() >= end {
            return count;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
