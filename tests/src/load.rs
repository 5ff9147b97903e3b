//! Registrations in numbers that no laptop was made for: what is answered, and whether every promised message comes.

use std::{collections::BTreeMap, fmt, time::Duration};

use tokio::{task::JoinSet, time::Instant};

use crate::{Stack, fresh_phone, http_for};

/// How long the messages of a whole run may take after the last answer.
const DELIVERY: Duration = Duration::from_secs(240);

/// An answer that takes longer counts as none: the gateway waits for 30 seconds at most, and a busy machine for the rest.
const LONGEST_ANSWER: Duration = Duration::from_secs(120);

#[derive(Default)]
pub struct Figures {
    /// How often each status was answered; 0 stands for no answer.
    pub statuses: BTreeMap<u16, usize>,
    /// The answers that promise a message.
    pub promised: usize,
    pub longest: Duration,
    pub took: Duration,
    median: Duration,
}

impl Figures {
    /// What the gateway does not document: anything but an accepted start, a throttle, or an exhausted concurrency.
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

/// Starts `count` registrations, `rate` of them each second, whether or not the earlier ones were answered.
pub async fn steady(stack: &Stack, count: usize, rate: usize) -> Figures {
    let pause = Duration::from_secs(1) / u32::try_from(rate).unwrap_or(u32::MAX);
    run(stack, count, pause).await
}

/// Starts `count` registrations at the same moment, each over a connection of its own.
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

/// Waits until `promised` messages are in the inbox, and gives how many are there in the end.
pub async fn arrived(stack: &Stack, promised: usize) -> usize {
    let client = stack.client();
    let end = Instant::now() + DELIVERY;
    loop {
        let count = client.all_messages().await.len();
        if count >= promised || Instant::now() >= end {
            return count;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
