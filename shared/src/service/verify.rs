//! Entering a code, and what a right one gives.
//!
//! A right code is used up in the same transaction that gives what it is worth, so it is worth something once, and it
//! is not lost when something fails half-way.

use aws_sdk_dynamodb::types::TransactWriteItem;
use lambda_http::Request;
use serde::{Deserialize, Serialize};

use super::{Service, codes::named};
use crate::{
    challenge::{Challenge, ChallengeId, ChallengeStore, Payload, Purpose, Refusal, Saved, rules::Verdict},
    clock::Timestamp,
    code::Code,
    entropy,
    http::{Problem, SessionBody, UserBody},
    keys::KeyRing,
    phone::PhoneNumber,
    sessions::{Method, SessionStore},
    table::TableError,
    users::{Holder, UserStore, holder_in},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyBody {
    code: String,
}

/// What a right code gives.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Verified {
    SignedIn(Box<SessionBody>),
    MayRegister(RegistrationBody),
    PhoneSet(PhoneSetBody),
}

#[derive(Serialize)]
pub struct RegistrationBody {
    outcome: &'static str,
    registration_token: String,
    expires_in: u64,
}

#[derive(Serialize)]
pub struct PhoneSetBody {
    outcome: &'static str,
    user: UserBody,
}

/// What a registration token carries, sealed.
#[derive(Serialize, Deserialize)]
pub(super) struct ProvenPhone {
    pub phone: PhoneNumber,
    pub expires_at: Timestamp,
}

impl ProvenPhone {
    /// Where the token opens, and nowhere else.
    pub const PLACE: &'static str = "registration-token";
    const LIFETIME: std::time::Duration = std::time::Duration::from_secs(15 * 60);
}

/// A right code, not yet used up.
struct Proof<'a> {
    request: &'a Request,
    ring: &'a KeyRing,
    /// The challenge with its code used.
    next: Challenge,
    payload: Payload,
}

/// How the use of a right code ended.
enum Use {
    Done(Box<Verified>),
    /// Somebody else changed the challenge first; judge the guess again on what they left.
    LostRace(Option<Challenge>),
}

impl Service {
    /// # Errors
    /// [`Problem`] as the contract says for `POST /codes/{challenge_id}/verify`.
    pub async fn verify(&self, request: &Request, id: &str, body: &VerifyBody) -> Result<Verified, Problem> {
        let guess = Code::parse(&body.code)?;
        let id = ChallengeId::parse(id)?;
        let ring = self.keys.get().await?;
        let mut found = self.challenges.load(id.key()).await?;
        for _ in 0..ChallengeStore::ROUNDS {
            let challenge = named(&ring, &id, found)?;
            let payload: Payload = ring.open(challenge.key.as_str(), &challenge.sealed)?;
            let matches = payload.code.matches(&guess);
            let verdict =
                challenge.verify(matches, self.now(), &self.policy).map_err(|refusal| self.refuse(refusal))?;
            found = match verdict {
                Verdict::Wrong { next, attempts_left } => match self.challenges.save(&next).await? {
                    Saved::Won => return Err(Problem::WrongCode { attempts_left }),
                    Saved::Lost(winner) => winner.map(|boxed| *boxed),
                    Saved::Refused { .. } => unreachable!("nothing was saved along"),
                },
                Verdict::Right { next } => {
                    let proof = Proof { request, ring: &ring, next, payload };
                    match self.use_proof(proof).await? {
                        Use::Done(verified) => return Ok(*verified),
                        Use::LostRace(winner) => winner,
                    }
                }
            };
        }
        Err(TableError::Contended { table: "codes" }.into())
    }

    async fn use_proof(&self, proof: Proof<'_>) -> Result<Use, Problem> {
        match proof.payload.purpose {
            Purpose::Register => self.use_for_registration(proof).await,
            Purpose::Login => match proof.payload.account.clone() {
                Some(holder) => self.use_for_sign_in(proof, holder).await,
                None => self.use_for_nothing(proof, self.refuse(Refusal::Expired)).await,
            },
            Purpose::Profile => self.use_for_profile(proof).await,
            // No route of this version starts one.
            Purpose::SecondStep => self.use_for_nothing(proof, self.refuse(Refusal::Expired)).await,
        }
    }

    /// A free number may be registered; one that has an account signs in to it.
    async fn use_for_registration(&self, proof: Proof<'_>) -> Result<Use, Problem> {
        let free = self.users.phone_is_free(&proof.payload.phone);
        match self.challenges.save_with(&proof.next, vec![free]).await? {
            Saved::Won => {
                let expires_at = self.now().plus(ProvenPhone::LIFETIME);
                let proven = ProvenPhone { phone: proof.payload.phone, expires_at };
                let token = proof.ring.seal(ProvenPhone::PLACE, &proven, &mut entropy::system());
                Ok(Use::Done(Box::new(Verified::MayRegister(RegistrationBody {
                    outcome: "phone_verified",
                    registration_token: token.0,
                    expires_in: ProvenPhone::LIFETIME.as_secs(),
                }))))
            }
            Saved::Lost(winner) => Ok(Use::LostRace(winner.map(|boxed| *boxed))),
            Saved::Refused { found, .. } => {
                let holder = holder_in(found.unwrap_or_default())?;
                self.use_for_sign_in(proof, holder).await
            }
        }
    }

    /// Signs in to the account that holds the number, if it still does.
    async fn use_for_sign_in(&self, proof: Proof<'_>, mut holder: Holder) -> Result<Use, Problem> {
        // Twice at most: the account may have ended its sessions since the code was asked for.
        for _ in 0..2 {
            let now = self.now();
            let (session, token) = SessionStore::begin(&holder, vec![Method::Sms], now, &mut entropy::system());
            let still_theirs = self.users.phone_belongs_to(&proof.payload.phone, &holder);
            let companions = vec![still_theirs, self.sessions.insert(&session)];
            let (saved, user) =
                tokio::try_join!(self.challenges.save_with(&proof.next, companions), self.users.find(&holder.user_id))?;
            match saved {
                Saved::Won => {
                    let user = user.ok_or(TableError::Malformed { table: "users" })?;
                    let body = self.session_body(proof.request, proof.ring, &session, &token, user);
                    return Ok(Use::Done(Box::new(Verified::SignedIn(Box::new(body)))));
                }
                Saved::Lost(winner) => return Ok(Use::LostRace(winner.map(|boxed| *boxed))),
                Saved::Refused { found, .. } => match found.map(holder_in).transpose()? {
                    Some(current) if current.user_id == holder.user_id => holder = current,
                    _ => break,
                },
            }
        }
        // The number changed hands since the code was asked for: it signs nobody in.
        self.use_for_nothing(proof, self.refuse(Refusal::Expired)).await
    }

    /// Gives the number to the account that asked, unless another holds it.
    async fn use_for_profile(&self, proof: Proof<'_>) -> Result<Use, Problem> {
        let Payload { phone, account, former_phone, session, .. } = &proof.payload;
        let Some(account) = account else { return Err(TableError::Malformed { table: "codes" }.into()) };
        let writes: Vec<TransactWriteItem> =
            self.users.set_phone(account, phone, former_phone.as_ref(), session.as_deref());
        let (saved, user) =
            tokio::try_join!(self.challenges.save_with(&proof.next, writes), self.users.find(&account.user_id))?;
        match saved {
            Saved::Won => {
                let mut user = user.ok_or(TableError::Malformed { table: "users" })?;
                user.phone = Some(phone.clone());
                user.two_step = true;
                let body = PhoneSetBody { outcome: "phone_verified", user: user.into() };
                Ok(Use::Done(Box::new(Verified::PhoneSet(body))))
            }
            Saved::Lost(winner) => Ok(Use::LostRace(winner.map(|boxed| *boxed))),
            Saved::Refused { companion: UserStore::PHONE_SENTINEL, .. } => {
                self.use_for_nothing(proof, Problem::PhoneTaken).await
            }
            // The account got another number meanwhile: what was asked for is out of date.
            Saved::Refused { .. } => self.use_for_nothing(proof, self.refuse(Refusal::Expired)).await,
        }
    }

    /// Uses the code up and says why it gives nothing.
    async fn use_for_nothing(&self, proof: Proof<'_>, problem: Problem) -> Result<Use, Problem> {
        match self.challenges.save(&proof.next).await? {
            Saved::Lost(winner) => Ok(Use::LostRace(winner.map(|boxed| *boxed))),
            Saved::Won | Saved::Refused { .. } => Err(problem),
        }
    }
}
