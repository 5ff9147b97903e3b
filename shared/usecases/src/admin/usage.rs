//! Messages, money and sign-ins of the last 30 days, and the breaker.

use std::sync::Arc;

use twostep_domain::{
    country::Country,
    settings::Settings,
    spending::{Breaker, Counts},
    time::{Clock, Timestamp},
};
use twostep_runtime::config::ConfigError;
use twostep_stores::{
    CachedSettings, Tables,
    spending::{BreakerStore, CounterStore, LedgerStore},
};

use crate::outage::Outage;

pub struct ReadUsage {
    clock: Arc<dyn Clock>,
    settings: Arc<CachedSettings>,
    counters: CounterStore,
    ledger: LedgerStore,
    breaker: Arc<BreakerStore>,
}

pub struct Usage {
    pub settings: Settings,
    /// By day and country, the newest day first.
    pub days: Vec<(Timestamp, Country, Counts)>,
    pub breaker: Arc<Breaker>,
    pub now: Timestamp,
}

impl ReadUsage {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: tables.clock(),
            settings: tables.settings()?,
            counters: tables.counters()?,
            ledger: tables.ledger()?,
            breaker: tables.breaker()?,
        })
    }

    /// # Errors
    /// [`Outage`]
    pub async fn read(&self) -> Result<Usage, Outage> {
        let now = self.clock.now();
        let (ledger, breaker, stored) =
            tokio::try_join!(self.ledger.load(), self.breaker.fresh(), self.settings.store().load())?;
        let days = self.counters.by_day_and_country(ledger.as_ref(), now).await?;
        let settings = stored.settings;
        Ok(Usage { settings, days, breaker, now })
    }
}

impl Usage {
    /// The sum of all days.
    #[must_use]
    pub fn total(&self) -> Counts {
        let mut total = Counts::default();
        for (_, _, counts) in &self.days {
            total.add(counts);
        }
        total
    }
}
