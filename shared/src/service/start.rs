//! Asking for a code: the start of a registration, of a sign-in by phone, or of a new number in the profile.

use std::{sync::Arc, time::Duration};

use lambda_http::Request;
use serde::Deserialize;

use super::Service;
use crate::{
    access_token::Claims,
    challenge::{
        Challenge, ChallengeKey, ChallengeStore, Payload, Purpose, Saved,
        rules::{Ask, Start},
    },
    clock::Timestamp,
    code::Code,
    entropy,
    http::{self, ChallengeBody, Problem},
    keys::KeyRing,
    language::Language,
    metrics::{self, Metric},
    phone::PhoneNumber,
    quota::QuotaError,
    sessions::{Method, Session},
    settings::Settings,
    spending::breaker::Recipient,
    table::TableError,
    throttle::hidden_network,
    users::{Holder, User},
};

/// The body of every route that starts with a number.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhoneBody {
    phone: String,
}

/// What a new code is sealed with.
pub(super) struct Subject<'a> {
    purpose: Purpose,
    phone: &'a PhoneNumber,
    decoy: bool,
    account: Option<Holder>,
    former_phone: Option<PhoneNumber>,
    session: Option<String>,
    turns_two_step_on: bool,
    after_password: bool,
    language: Language,
}

impl<'a> Subject<'a> {
    pub fn of(purpose: Purpose, phone: &'a PhoneNumber, account: Option<Holder>, request: &Request) -> Self {
        Self {
            purpose,
            phone,
            decoy: false,
            account,
            former_phone: None,
            session: None,
            turns_two_step_on: false,
            after_password: false,
            language: http::language(request),
        }
    }
}

impl Service {
    /// Starts a registration. Whether the number has an account is not looked at before its code was entered.
    ///
    /// # Errors
    /// [`Problem`] as the contract says for `POST /register/phone`.
    pub async fn start_registration(&self, request: &Request, body: &PhoneBody) -> Result<ChallengeBody, Problem> {
        let phone = PhoneNumber::parse(&body.phone)?;
        let ring = self.keys.get().await?;
        let key = ChallengeKey::derive(&ring.pepper, Purpose::Register, None, &phone);
        let read = async { Ok(self.challenges.load(&key).await?) };
        let (present, _) = self.admitted(request, &ring, &phone, Some(Recipient::New), read).await?;
        self.start(&ring, key, present, Subject::of(Purpose::Register, &phone, None, request)).await
    }

    /// Starts a sign-in by phone. A number without an account gets a decoy, through the same steps and with the same
    /// answer.
    ///
    /// # Errors
    /// [`Problem`] as the contract says for `POST /login/phone`.
    pub async fn start_phone_login(&self, request: &Request, body: &PhoneBody) -> Result<ChallengeBody, Problem> {
        let phone = PhoneNumber::parse(&body.phone)?;
        let ring = self.keys.get().await?;
        let key = ChallengeKey::derive(&ring.pepper, Purpose::Login, None, &phone);
        let read = async { Ok(tokio::try_join!(self.challenges.load(&key), self.users.holder_of(&phone))?) };
        // Who the number belongs to decides nothing here: the answer would tell.
        let ((present, holder), settings) = self.admitted(request, &ring, &phone, None, read).await?;
        let holder = holder.filter(|holder| may_enter_by_phone(&settings, holder));
        let subject = Subject { decoy: holder.is_none(), ..Subject::of(Purpose::Login, &phone, holder, request) };
        self.start(&ring, key, present, subject).await
    }

    /// Starts the proof of a number for the profile of whoever `claims` names. Whether another account holds it is said
    /// only after the right code.
    ///
    /// # Errors
    /// [`Problem`] as the contract says for `PUT /profile/phone`.
    pub async fn start_phone_change(
        &self,
        request: &Request,
        claims: &Claims,
        body: &PhoneBody,
    ) -> Result<ChallengeBody, Problem> {
        let phone = PhoneNumber::parse(&body.phone)?;
        let ring = self.keys.get().await?;
        let key = ChallengeKey::derive(&ring.pepper, Purpose::Profile, Some(&claims.sub), &phone);
        let load = async { Ok(self.challenges.load(&key).await?) };
        let read = async { tokio::try_join!(load, self.account(claims)) };
        let ((present, account), settings) = self.admitted(request, &ring, &phone, None, read).await?;
        let user = self.require_fresh(claims, account)?;
        if user.phone.as_ref() != Some(&phone) {
            self.admit(&settings, Some(Recipient::New), &phone).await?;
        }
        let subject = Subject {
            session: Some(claims.sid.clone()),
            after_password: claims.amr.contains(&Method::Pwd),
            turns_two_step_on: user.password.is_some() && !user.two_step,
            former_phone: user.phone.clone(),
            ..Subject::of(Purpose::Profile, &phone, Some(user.holder()), request)
        };
        self.start(&ring, key, present, subject).await
    }

    /// What `read` finds and the settings, if a code may go from this caller to `phone`. The address is counted while the
    /// reads are under way; what is wrong is told in one order, whichever answer came first.
    async fn admitted<T>(
        &self,
        request: &Request,
        ring: &KeyRing,
        phone: &PhoneNumber,
        recipient: Option<Recipient>,
        read: impl Future<Output = Result<T, Problem>>,
    ) -> Result<(T, Arc<Settings>), Problem> {
        // On the heap: this future holds three of the SDK's, and those are large.
        let allowed = Box::pin(async {
            let settings = self.settings.get().await?;
            self.admit(&settings, recipient, phone).await?;
            Ok::<_, Problem>(settings)
        });
        let counted = Box::pin(self.count_start(request, ring));
        let (settings, counted, found) = tokio::join!(allowed, counted, Box::pin(read));
        let settings = settings?;
        counted?;
        Ok((found?, settings))
    }

    /// Whether the settings and the breaker let a code go to `phone`.
    async fn admit(
        &self,
        settings: &Settings,
        recipient: Option<Recipient>,
        phone: &PhoneNumber,
    ) -> Result<(), Problem> {
        let country = settings.allowed_countries.check(phone)?;
        if !settings.two_step_enabled {
            return Err(Problem::SmsDisabled);
        }
        self.spending
            .admits(settings, recipient, country, phone)
            .await?
            .map_err(|held| Problem::SmsBudgetSpent { retry_after: self.now().until(held.until).as_secs().max(1) })
    }

    /// Counts one more code asked for from the caller's address.
    async fn count_start(&self, request: &Request, ring: &KeyRing) -> Result<(), Problem> {
        if self.limits_lifted {
            return Ok(());
        }
        let id = hidden_network("quota", &ring.pepper, "start", http::source_address(request));
        let limits = self.settings.get().await?.limits;
        self.spending.count_address(&id, &limits).await.map_err(|error| match error {
            QuotaError::Full(until) => {
                Problem::TooManyRequests { retry_after: self.now().until(until).as_secs().max(1) }
            }
            QuotaError::Table(error) => error.into(),
        })
    }

    /// Runs the rule until its outcome is saved. The write is the only one: the table's stream does the sending.
    pub(super) async fn start(
        &self,
        ring: &KeyRing,
        key: ChallengeKey,
        mut present: Option<Challenge>,
        subject: Subject<'_>,
    ) -> Result<ChallengeBody, Problem> {
        let fresh = Payload {
            code: Code::random(&mut entropy::system()),
            phone: subject.phone.clone(),
            purpose: subject.purpose,
            account: subject.account,
            former_phone: subject.former_phone,
            session: subject.session,
            turns_two_step_on: subject.turns_two_step_on,
            after_password: subject.after_password,
            language: subject.language,
        };
        for _ in 0..ChallengeStore::ROUNDS {
            let sealed = match &present {
                Some(challenge) => Some(ring.open::<Payload>(key.as_str(), &challenge.sealed)?),
                None => None,
            };
            let same_holder = sealed.as_ref().is_none_or(|payload| same_account(payload, &fresh));
            let ask = Ask { decoy: subject.decoy, same_holder };
            let seal = |_issue| ring.seal(key.as_str(), &fresh, self.now(), &mut entropy::system());
            let started = Challenge::start(present.as_ref(), &key, ask, self.now(), &self.policy, seal)
                .map_err(|refusal| self.refuse(refusal))?;
            let (next, is_sent) = match (started, &present) {
                (Start::Alive, Some(challenge)) => match sealed.filter(|sealed| sealed.session != fresh.session) {
                    // The same code, now for the session that asks: that one outlives the change.
                    Some(sealed) => {
                        let payload = Payload { code: sealed.code, ..fresh.clone() };
                        let sealed = ring.seal(key.as_str(), &payload, self.now(), &mut entropy::system());
                        (Challenge { sealed, ..challenge.clone() }, false)
                    }
                    None => return Ok(self.challenge_body(ring, challenge, &fresh)),
                },
                (Start::Alive, None) => unreachable!("only a present challenge is alive"),
                (Start::Send(next), _) => (next, true),
            };
            match self.challenges.save(&next).await? {
                Saved::Won => {
                    if is_sent {
                        metrics::emit(Metric::CodesAsked(fresh.purpose), self.now());
                    }
                    return Ok(self.challenge_body(ring, &next, &fresh));
                }
                Saved::Lost(winner) => present = winner.map(|boxed| *boxed),
                Saved::Refused { .. } => unreachable!("nothing was saved along"),
            }
        }
        Err(TableError::Contended { table: "codes" }.into())
    }
}

/// Whether a present code is of use to whoever asks now. A sign-in code follows the number's account, whatever has
/// changed about it; a code for a second step or a profile is made for the account as it was.
fn same_account(present: &Payload, now: &Payload) -> bool {
    let id = |payload: &Payload| payload.account.as_ref().map(|holder| holder.user_id.clone());
    id(present) == id(now) && (now.purpose == Purpose::Login || present.account == now.account)
}

/// Whether the settings let an account be entered with its phone alone.
pub(super) fn may_enter_by_phone(settings: &Settings, holder: &Holder) -> bool {
    !holder.has_password || settings.phone_login_for_password_accounts
}

/// What a change of an account needs to know before it is allowed.
pub(super) struct Account {
    pub ring: Arc<KeyRing>,
    pub settings: Arc<Settings>,
    pub user: Option<User>,
    pub session: Option<Session>,
}

impl Service {
    /// Reads it all side by side.
    pub(super) async fn account(&self, claims: &Claims) -> Result<Account, Problem> {
        let ring = self.keys.get().await?;
        let (settings, user, session) =
            tokio::try_join!(self.settings.get(), self.users.find(&claims.sub), self.sessions.find(&claims.sid))?;
        Ok(Account { ring, settings, user, session })
    }

    /// A change of what signs someone in needs a session that has not been ended, fresh and as strong as the account
    /// demands (NIST SP 800-63B-4 §4.1.2). A remembered device spares the message, not this: the code itself must have
    /// been entered lately.
    pub(super) fn require_fresh(&self, claims: &Claims, account: Account) -> Result<User, Problem> {
        const FRESH_FOR: Duration = Duration::from_secs(5 * 60);
        let Account { settings, user, session, .. } = account;
        let user = user.ok_or(Problem::InvalidToken)?;
        // An access token outlives its session by minutes: enough to look at the profile, not to take the account.
        let session = session.filter(|session| session.outlives(&user)).ok_or(Problem::InvalidToken)?;
        let is_fresh = |at: Timestamp| self.now() <= at.plus(FRESH_FOR);
        let two_steps_demanded = settings.two_step_enabled && user.two_step && user.password.is_some();
        let strong_enough = !two_steps_demanded || session.mfa_time.is_some_and(is_fresh);
        if strong_enough && is_fresh(claims.auth_time) { Ok(user) } else { Err(Problem::ReauthRequired) }
    }
}
