//! Entering a code, and what a right one gives.
//!
//! A right code is used up in the same transaction that gives what it is worth, so it is worth something once, and it
//! is not lost when something fails half-way.

use lambda_http::Request;
use serde::{Deserialize, Serialize};

use super::{Service, codes::named, password::DeviceToken, start::may_enter_by_phone};
use crate::{
    challenge::{Challenge, ChallengeId, ChallengeStore, Payload, Purpose, Refusal, Saved, rules::Verdict},
    clock::Timestamp,
    code::Code,
    entropy,
    http::{self, KeptToken, Problem, SessionBody, UserBody},
    keys::KeyRing,
    metrics::{self, Metric},
    phone::{AllowedCountries, PhoneNumber},
    recovery::{self, RecoveryCode},
    sessions::{Method, SessionStore, SignIn},
    spending::{
        breaker::Recipient,
        tally::{Fact, Scope},
    },
    table::TableError,
    users::{Device, Holder, User, UserId, UserStore, holder_in},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyBody {
    code: Option<String>,
    /// For a second step, instead of the code.
    recovery_code: Option<String>,
    /// For a second step: spare it on this device for thirty days.
    #[serde(default)]
    remember_device: bool,
}

/// What someone enters.
enum Guess {
    Code(Code),
    RecoveryCode(RecoveryCode),
}

impl Guess {
    fn read(body: &VerifyBody) -> Result<Self, Problem> {
        match (&body.code, &body.recovery_code) {
            (Some(code), None) => Ok(Self::Code(Code::parse(code)?)),
            (None, Some(code)) => {
                Ok(Self::RecoveryCode(RecoveryCode::parse(code).map_err(|_| Problem::InvalidRecoveryCodeFormat)?))
            }
            _ => Err(Problem::InvalidRequest),
        }
    }
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
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_codes: Option<Vec<String>>,
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

    /// Whether it may be used at `now`. One that claims to last longer than any was not made here.
    pub fn holds(&self, now: Timestamp) -> bool {
        now < self.expires_at && self.expires_at <= now.plus(Self::LIFETIME)
    }
}

/// What is counted of a right code.
struct RightCode {
    phone: PhoneNumber,
    purpose: Purpose,
    recipient: Recipient,
}

impl RightCode {
    fn of(payload: &Payload, now: Timestamp) -> Self {
        Self { phone: payload.phone.clone(), purpose: payload.purpose, recipient: payload.recipient(now) }
    }
}

/// A right code, not yet used up.
struct Proof<'a> {
    request: &'a Request,
    ring: &'a KeyRing,
    /// The challenge with its code used.
    next: Challenge,
    payload: Payload,
    /// For a second step: who it is of, the recovery code that took the code's place, and whether to remember.
    second_step: Option<SecondStep>,
}

struct SecondStep {
    user: User,
    /// Place and hash.
    recovery_code: Option<(usize, String)>,
    remember_device: bool,
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
        let guess = Guess::read(body)?;
        let id = ChallengeId::parse(id)?;
        let ring = self.keys.get().await?;
        // The settings are read along, for whatever a right code needs of them.
        let (mut found, _) = tokio::try_join!(self.challenges.load(id.key()), self.settings.get())?;
        for _ in 0..ChallengeStore::ROUNDS {
            let challenge = named(&ring, &id, found)?;
            let payload: Payload = ring.open(challenge.key.as_str(), &challenge.sealed, self.now())?;
            let second_step = self.second_step(&ring, &payload, &guess, body).await?;
            let matches = match &guess {
                Guess::Code(code) => payload.code.matches(code),
                Guess::RecoveryCode(_) => second_step.as_ref().is_some_and(|step| step.recovery_code.is_some()),
            };
            let verdict =
                challenge.verify(matches, self.now(), &self.policy).map_err(|refusal| self.refuse(refusal))?;
            found = match verdict {
                Verdict::Wrong { next, attempts_left } => match self.challenges.save(&next).await? {
                    Saved::Won => return Err(Problem::WrongCode { attempts_left }),
                    Saved::Lost(winner) => winner.map(|boxed| *boxed),
                    Saved::Refused { .. } => unreachable!("nothing was saved along"),
                },
                Verdict::Right { next } => {
                    let right = RightCode::of(&payload, self.now());
                    let proof = Proof { request, ring: &ring, next, payload, second_step };
                    match self.use_proof(proof).await? {
                        Use::Done(verified) => {
                            if matches!(guess, Guess::Code(_)) {
                                Box::pin(self.count_verified(right)).await;
                            }
                            return Ok(*verified);
                        }
                        Use::LostRace(winner) => winner,
                    }
                }
            };
        }
        Err(TableError::Contended { table: "codes" }.into())
    }

    /// For the breaker and the usage, once the code is used up: counted before, one code could count many times. A sign-in
    /// does not fail for it.
    async fn count_verified(&self, code: RightCode) {
        metrics::emit(Metric::CodesVerified(code.purpose), self.now());
        let Ok(country) = AllowedCountries::All.check(&code.phone) else { return };
        let fact = Fact::Verified { signs_in: code.purpose != Purpose::Profile, recipient: code.recipient };
        let prefix = Scope::prefix_of(&code.phone);
        if let Err(error) = self.spending.tallies.count(country, Some(&prefix), fact, self.now()).await {
            tracing::warn!(%error, "a right code was not counted");
        }
    }

    /// What a second step needs to know of its account, before the guess is judged.
    async fn second_step(
        &self,
        ring: &KeyRing,
        payload: &Payload,
        guess: &Guess,
        body: &VerifyBody,
    ) -> Result<Option<SecondStep>, Problem> {
        if payload.purpose != Purpose::SecondStep {
            let asks_for_more = body.remember_device || matches!(guess, Guess::RecoveryCode(_));
            return if asks_for_more { Err(Problem::InvalidRequest) } else { Ok(None) };
        }
        let Some(account) = &payload.account else { return Err(TableError::Malformed { table: "codes" }.into()) };
        let user = self.users.find(&account.user_id).await?.ok_or(Problem::UnknownChallenge)?;
        let recovery_code = match guess {
            Guess::Code(_) => None,
            Guess::RecoveryCode(code) => {
                let hash = code.hash(&ring.pepper, &user.id);
                recovery::position(&user.recovery_codes, &hash).map(|place| (place, hash))
            }
        };
        Ok(Some(SecondStep { user, recovery_code, remember_device: body.remember_device }))
    }

    async fn use_proof(&self, proof: Proof<'_>) -> Result<Use, Problem> {
        match proof.payload.purpose {
            Purpose::Register => self.use_for_registration(proof).await,
            Purpose::Login => match proof.payload.account.clone() {
                Some(holder) => self.use_for_sign_in(proof, holder).await,
                None => self.use_for_nothing(proof, self.refuse(Refusal::Expired)).await,
            },
            Purpose::Profile => self.use_for_profile(proof).await,
            Purpose::SecondStep => self.use_for_second_step(proof).await,
            // Nobody holds the id of a notice.
            Purpose::Notice => Err(Problem::UnknownChallenge),
        }
    }

    /// A free number may be registered; one that has an account signs in to it.
    async fn use_for_registration(&self, proof: Proof<'_>) -> Result<Use, Problem> {
        let free = self.users.phone_is_free(&proof.payload.phone);
        match self.challenges.save_with(&proof.next, vec![free]).await? {
            Saved::Won => {
                let expires_at = self.now().plus(ProvenPhone::LIFETIME);
                let proven = ProvenPhone { phone: proof.payload.phone, expires_at };
                let token = proof.ring.seal(ProvenPhone::PLACE, &proven, self.now(), &mut entropy::system());
                Ok(Use::Done(Box::new(Verified::MayRegister(RegistrationBody {
                    outcome: "phone_verified",
                    registration_token: token.0,
                    expires_in: ProvenPhone::LIFETIME.as_secs(),
                }))))
            }
            Saved::Lost(winner) => Ok(Use::LostRace(winner.map(|boxed| *boxed))),
            Saved::Refused { found, .. } => {
                let holder = holder_in(found.unwrap_or_default())?;
                if !may_enter_by_phone(&*self.settings.get().await?, &holder) {
                    return self.use_for_nothing(proof, Problem::PhoneTaken).await;
                }
                self.use_for_sign_in(proof, holder).await
            }
        }
    }

    /// Signs in to the account that holds the number, if it still does.
    async fn use_for_sign_in(&self, proof: Proof<'_>, mut holder: Holder) -> Result<Use, Problem> {
        let settings = self.settings.get().await?;
        // Twice at most: the account may have ended its sessions since the code was asked for.
        for _ in 0..2 {
            if !may_enter_by_phone(&settings, &holder) {
                break;
            }
            let sign_in = SignIn::by_phone(self.now());
            let (session, token) = SessionStore::begin(&holder, sign_in, &mut entropy::system());
            let still_theirs = self.users.phone_belongs_to(&proof.payload.phone, &holder);
            let companions = vec![still_theirs, self.sessions.insert(&session)];
            // Both to their end: a failed read must not cut off a write that may have been done.
            let (saved, user) =
                tokio::join!(self.challenges.save_with(&proof.next, companions), self.users.find(&holder.user_id));
            match saved? {
                Saved::Won => {
                    let user = self.read_again(user, &holder.user_id).await?;
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

    /// Completes a sign-in that began with a password.
    async fn use_for_second_step(&self, proof: Proof<'_>) -> Result<Use, Problem> {
        let Some(SecondStep { user, recovery_code, remember_device }) = &proof.second_step else {
            return Err(Problem::UnknownChallenge);
        };
        let (Some(account), now, rng) = (&proof.payload.account, self.now(), &mut entropy::system()) else {
            return Err(TableError::Malformed { table: "codes" }.into());
        };
        let second = if recovery_code.is_some() { Method::Otp } else { Method::Sms };
        let (session, token) = SessionStore::begin(account, SignIn::in_two_steps(second, now, now), rng);
        let device = remember_device.then(|| {
            let token = DeviceToken::random(rng);
            let device = Device {
                name: http::user_agent(proof.request),
                token_hash: token.hash(),
                created_at: now,
                last_used_at: now,
                expires_at: now.plus(DeviceToken::LIFETIME),
                method: second,
                mfa_time: now,
            };
            (token, device)
        });
        let forgotten = if device.is_some() { user.devices_to_forget(now) } else { Vec::new() };
        let done = self.users.second_step_done(
            account,
            recovery_code.as_ref().map(|(place, hash)| (*place, hash.as_str())),
            device.as_ref().map(|(token, device)| (token.id.as_str(), device)),
            &forgotten,
        );
        match self.challenges.save_with(&proof.next, vec![done, self.sessions.insert(&session)]).await? {
            Saved::Won => {
                let mut body = self.session_body(proof.request, proof.ring, &session, &token, user.clone());
                body.device_token = device.map(|(token, _)| KeptToken::new(token.expose(), DeviceToken::LIFETIME));
                Ok(Use::Done(Box::new(Verified::SignedIn(Box::new(body)))))
            }
            Saved::Lost(winner) => Ok(Use::LostRace(winner.map(|boxed| *boxed))),
            // Another guess used the same recovery code, or the account was changed since its password was entered.
            Saved::Refused { .. } => self.use_for_nothing(proof, self.refuse(Refusal::Expired)).await,
        }
    }

    /// Gives the number to the account that asked, unless another holds it. The former number is told.
    async fn use_for_profile(&self, proof: Proof<'_>) -> Result<Use, Problem> {
        let Payload { phone, account, former_phone, session, turns_two_step_on, after_password, .. } = &proof.payload;
        let Some(account) = account else { return Err(TableError::Malformed { table: "codes" }.into()) };
        let (codes, hashes) = turns_two_step_on
            .then(|| recovery::fresh_set(&proof.ring.pepper, &account.user_id, &mut entropy::system()))
            .unzip();
        let former = former_phone.as_ref();
        let mut writes =
            self.users.set_phone(account, phone, former, session.as_deref(), hashes.as_deref(), self.now());
        if let Some(former) = former.filter(|former| *former != phone) {
            writes.push(self.notice(proof.request, proof.ring, former));
        }
        if let Some(session) = session.as_ref().filter(|_| *after_password) {
            writes.push(self.sessions.second_step_taken(session, self.now()));
        }
        let (saved, user) =
            tokio::join!(self.challenges.save_with(&proof.next, writes), self.users.find(&account.user_id));
        match saved? {
            Saved::Won => {
                let mut user = self.read_again(user, &account.user_id).await?;
                user.phone = Some(phone.clone());
                user.two_step = true;
                let body = PhoneSetBody { outcome: "phone_verified", user: user.into(), recovery_codes: codes };
                Ok(Use::Done(Box::new(Verified::PhoneSet(body))))
            }
            Saved::Lost(winner) => Ok(Use::LostRace(winner.map(|boxed| *boxed))),
            Saved::Refused { companion: UserStore::PHONE_SENTINEL, .. } => {
                self.use_for_nothing(proof, Problem::PhoneTaken).await
            }
            // The account was changed meanwhile: what was asked for is out of date.
            Saved::Refused { .. } => self.use_for_nothing(proof, self.refuse(Refusal::Expired)).await,
        }
    }

    /// The account after a code was used for it. What was written is done, so a read that failed is tried once more.
    async fn read_again(&self, read: Result<Option<User>, TableError>, id: &UserId) -> Result<User, Problem> {
        let user = match read {
            Ok(user) => user,
            Err(_) => self.users.find(id).await?,
        };
        Ok(user.ok_or(TableError::Malformed { table: "users" })?)
    }

    /// Uses the code up and says why it gives nothing.
    async fn use_for_nothing(&self, proof: Proof<'_>, problem: Problem) -> Result<Use, Problem> {
        match self.challenges.save(&proof.next).await? {
            Saved::Lost(winner) => Ok(Use::LostRace(winner.map(|boxed| *boxed))),
            Saved::Won | Saved::Refused { .. } => Err(problem),
        }
    }
}
