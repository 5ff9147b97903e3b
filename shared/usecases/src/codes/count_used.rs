//! Count codes that came back, for the usage and the breaker.
//!
//! The stream of the `codes` table brings each used code here, so that no user waits for the counting. A code is counted
//! once, however often the stream brings it.

use twostep_domain::challenge::{Challenge, state_machine::State};
use twostep_runtime::config::ConfigError;
use twostep_stores::{TableError, Tables, spending::AnswerStore};

pub struct CountUsedCodes {
    answers: AnswerStore,
}

impl CountUsedCodes {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables) -> Result<Self, ConfigError> {
        Ok(Self { answers: tables.answers()? })
    }

    /// Counts the code of `challenge`, if it was used.
    ///
    /// # Errors
    /// [`TableError`]: the stream must bring it again.
    pub async fn count(&self, challenge: &Challenge) -> Result<(), TableError> {
        match (&challenge.asked, challenge.state) {
            (Some(asked), State::Used) => self.answers.count(&challenge.key, asked).await,
            // An earlier version asked, or no message was sent.
            _ => Ok(()),
        }
    }
}
