//! A code once more, and where its message is.

use super::Service;
use crate::{
    challenge::{Challenge, ChallengeId, ChallengeStore, Payload, Saved},
    http::{ChallengeBody, Problem},
    keys::KeyRing,
    metrics::{self, Metric},
    table::TableError,
};

impl Service {
    /// # Errors
    /// [`Problem::UnknownChallenge`].
    pub async fn challenge(&self, id: &str) -> Result<ChallengeBody, Problem> {
        let id = ChallengeId::parse(id)?;
        let ring = self.keys.get().await?;
        let challenge = named(&ring, &id, self.challenges.load(id.key()).await?)?;
        let payload: Payload = ring.open(challenge.key.as_str(), &challenge.sealed)?;
        Ok(self.challenge_body(&ring, &challenge, &payload))
    }

    /// # Errors
    /// [`Problem`] as the contract says for `POST /codes/{challenge_id}/resend`.
    pub async fn resend(&self, id: &str) -> Result<ChallengeBody, Problem> {
        let id = ChallengeId::parse(id)?;
        let ring = self.keys.get().await?;
        let mut found = self.challenges.load(id.key()).await?;
        for _ in 0..ChallengeStore::ROUNDS {
            let challenge = named(&ring, &id, found)?;
            let next = challenge.resend(self.now(), &self.policy).map_err(|refusal| self.refuse(refusal))?;
            match self.challenges.save(&next).await? {
                Saved::Won => {
                    let payload: Payload = ring.open(next.key.as_str(), &next.sealed)?;
                    metrics::emit(Metric::CodesAsked(payload.purpose), self.now());
                    return Ok(self.challenge_body(&ring, &next, &payload));
                }
                Saved::Lost(winner) => found = winner.map(|boxed| *boxed),
                Saved::Refused { .. } => unreachable!("nothing was saved along"),
            }
        }
        Err(TableError::Contended { table: "codes" }.into())
    }
}

/// The challenge, if `id` is that of its present code.
pub(super) fn named(ring: &KeyRing, id: &ChallengeId, found: Option<Challenge>) -> Result<Challenge, Problem> {
    found.filter(|challenge| id.names(&ring.pepper, &challenge.key, challenge.issue)).ok_or(Problem::UnknownChallenge)
}
