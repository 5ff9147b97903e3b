//! The accounts, as operators see them: look one up, list them, turn one off, sign its user out, remove a lost second step.

use std::sync::Arc;

use twostep_domain::{
    account::{Action, Activity, Event, ListPosition, Operator, Role, User},
    challenge::{Notice, PurposeName},
    email::EmailAddress,
    ids::UserId,
    language::Language,
    phone::PhoneNumber,
    recipient::Recipient,
    session,
    settings::Settings,
    time::Clock,
};
use twostep_runtime::{
    config::ConfigError,
    secrets::{Keys, Secrets},
};
use twostep_stores::{
    CachedSettings, SessionStore, TableError, Tables, UserStore,
    compare_and_swap::{Race, Swap},
    transaction::Write,
    users::ChangeError,
};

use super::trail::Trail;
use crate::{
    audit::{Audit, Page},
    codes::Challenges,
    messages::notice::Notices,
    outage::{Outage, from_outage},
    sign_in::attempts::PasswordAttempts,
};

pub struct ManageUsers {
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
    users: UserStore,
    sessions: SessionStore,
    settings: Arc<CachedSettings>,
    challenges: Challenges,
    attempts: PasswordAttempts,
    notices: Notices,
    audit: Audit,
    trail: Trail,
}

/// How an account is looked up.
pub enum Lookup {
    Id(UserId),
    Email(EmailAddress),
    Phone(PhoneNumber),
}

/// How much of the numbers and addresses an operator sees. The trail says who saw them in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    Full,
    Masked,
}

/// An account with what is known of its use.
pub struct UserOverview {
    pub user: User,
    pub view: View,
    pub sessions: usize,
    pub devices: usize,
}

/// Accounts, newest first.
pub type UserPage = Page<UserOverview, ListPosition>;

#[derive(Debug, thiserror::Error)]
pub enum UserError {
    #[error("there is no such account")]
    UnknownUser,
    /// Without this account, no admin could act.
    #[error("the account is the last admin")]
    LastAdmin,
    #[error(transparent)]
    Outage(Outage),
}

from_outage!(UserError);

/// What an operator does to an account that is not so already.
struct Change {
    writes: Vec<Write>,
    event: Event,
    /// Whether the account is an admin that can act afterwards.
    is_admin: bool,
    /// What the trail adds.
    about: Option<&'static str>,
}

impl ManageUsers {
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn open(tables: &Tables, secrets: &Secrets) -> Result<Self, ConfigError> {
        Ok(Self {
            clock: tables.clock(),
            keys: secrets.keys()?,
            users: tables.users()?,
            sessions: tables.sessions()?,
            settings: tables.settings()?,
            challenges: Challenges::open(tables)?,
            attempts: PasswordAttempts::open(tables)?,
            notices: Notices::open(tables)?,
            audit: Audit::open(tables)?,
            trail: Trail::open(tables)?,
        })
    }

    /// # Errors
    /// [`Outage`]
    pub async fn find(&self, who: &Operator, lookup: Lookup, view: View) -> Result<Option<UserOverview>, Outage> {
        let found = match &lookup {
            Lookup::Id(id) => self.users.find_any(id).await?,
            Lookup::Email(email) => self.users.find_any_by_email(email).await?,
            Lookup::Phone(phone) => self.users.find_any_by_phone(phone).await?,
        };
        let Some(user) = found else { return Ok(None) };
        if view == View::Full {
            self.trail.note(self.trail.entry(who, Action::UserViewed).on(&user.id)).await;
        }
        let settings = self.settings.get().await?;
        Ok(Some(self.overview(user, view, &settings).await?))
    }

    /// The accounts that were created before `after`, newest first.
    ///
    /// # Errors
    /// [`Outage`]
    pub async fn list(&self, who: &Operator, after: Option<&ListPosition>, view: View) -> Result<UserPage, Outage> {
        let (users, settings) = tokio::try_join!(self.users.page(after, UserPage::READ), self.settings.get())?;
        let Page { items, next } = Page::of(users, User::list_position);
        if view == View::Full {
            self.trail.note(self.trail.entry(who, Action::UsersListed)).await;
        }
        let read = items.into_iter().map(|user| self.overview(user, view, &settings));
        let items = futures_util::future::try_join_all(read).await?;
        Ok(UserPage { items, next })
    }

    async fn overview(&self, user: User, view: View, settings: &Settings) -> Result<UserOverview, TableError> {
        let now = self.clock.now();
        // An account that is off has no session, whatever the settings say.
        let sessions = session::live(self.sessions.of_user(&user.id).await?, settings, &user, now).len();
        let devices = user.devices.values().filter(|device| now < device.expires_at).count();
        Ok(UserOverview { user, view, sessions, devices })
    }

    /// What happened to an account, newest first.
    ///
    /// # Errors
    /// [`UserError::UnknownUser`]
    pub async fn activity(&self, id: &UserId, after: Option<&str>) -> Result<Page<Activity>, UserError> {
        let (user, page) = tokio::try_join!(self.users.find_any(id), self.audit.page(id, after))?;
        user.ok_or(UserError::UnknownUser)?;
        Ok(page)
    }

    /// Turns the account off: it signs in nowhere, as if it didn't exist, and all its sessions end.
    ///
    /// # Errors
    /// [`UserError`]
    pub async fn disable(&self, who: &Operator, id: &UserId) -> Result<(), UserError> {
        self.change(who, id, Action::UserDisabled, |user| {
            let writes = self.users.set_disabled(user, true);
            (!user.disabled).then_some(Change { writes, event: Event::Disabled, is_admin: false, about: None })
        })
        .await
    }

    /// # Errors
    /// [`UserError`]
    pub async fn enable(&self, who: &Operator, id: &UserId) -> Result<(), UserError> {
        self.change(who, id, Action::UserEnabled, |user| {
            let is_admin = user.role == Role::Admin;
            let writes = self.users.set_disabled(user, false);
            user.disabled.then_some(Change { writes, event: Event::Enabled, is_admin, about: None })
        })
        .await
    }

    /// Ends all sessions and forgets all remembered devices.
    ///
    /// # Errors
    /// [`UserError`]
    pub async fn sign_out(&self, who: &Operator, id: &UserId) -> Result<(), UserError> {
        self.change(who, id, Action::UserSignedOut, |user| {
            Some(Change::of(user, self.users.sign_out(user), Event::OtherSessionsEnded))
        })
        .await
    }

    /// Removes the number, if the account has one: the number and a verified address are told, and all sessions end.
    ///
    /// # Errors
    /// [`UserError`]
    pub async fn remove_phone(&self, who: &Operator, id: &UserId, language: Language) -> Result<(), UserError> {
        let ring = self.keys.get().await?;
        self.change(who, id, Action::UserPhoneRemoved, |user| {
            let phone = user.phone.as_ref()?;
            let mut writes = self.users.remove_phone(user, phone, None);
            writes.push(self.notices.to_removed_number(&ring, &user.id, phone, language));
            writes.extend(self.notices.to_user(&ring, user, Notice::PhoneRemoved, language));
            Some(Change::of(user, writes, Event::PhoneRemoved))
        })
        .await
    }

    /// Removes the authenticator app, if the account has one: a verified address is told, and all sessions end.
    ///
    /// # Errors
    /// [`UserError`]
    pub async fn remove_totp(&self, who: &Operator, id: &UserId, language: Language) -> Result<(), UserError> {
        let ring = self.keys.get().await?;
        self.change(who, id, Action::UserTotpRemoved, |user| {
            user.totp()?;
            let mut writes = self.users.remove_totp(user, None);
            writes.extend(self.notices.to_user(&ring, user, Notice::TotpRemoved, language));
            Some(Change::of(user, writes, Event::TotpRemoved))
        })
        .await
    }

    /// Forgives the failed attempts at the account's password and codes. Limits on messages stay.
    ///
    /// # Errors
    /// [`UserError`]
    pub async fn unlock(&self, who: &Operator, id: &UserId) -> Result<(), UserError> {
        let (ring, now) = (self.keys.get().await?, self.clock.now());
        let user = self.users.find_any(id).await?.ok_or(UserError::UnknownUser)?;
        self.attempts.forgive(&ring.pepper, &user).await?;
        let phone = user.phone.clone().map_or(Recipient::Nobody, Recipient::Phone);
        for (purpose, owner, to) in [
            (PurposeName::Login, None, &phone),
            (PurposeName::SecondStep, Some(&user.id), &phone),
            (PurposeName::Reset, None, &phone),
            (PurposeName::Reset, None, &Recipient::Email(user.email.clone())),
            (PurposeName::ResetSecondStep, Some(&user.id), &phone),
        ] {
            let key = Challenges::key(&ring, purpose, owner, to);
            let mut race = Race::on(self.challenges.store.find(&key).await?);
            while let Some(challenge) = race.next_round()? {
                match self.challenges.store.save(&challenge.unlocked()).await? {
                    Swap::Saved(_) => break,
                    Swap::Lost(winner) => race.lost_to(winner),
                }
            }
        }
        self.change(who, id, Action::UserUnlocked, |user| {
            Some(Change::of(user, vec![self.users.unlock(user, now)], Event::Unlocked))
        })
        .await
    }

    /// # Errors
    /// [`UserError`]
    pub async fn set_role(&self, who: &Operator, id: &UserId, role: Role) -> Result<(), UserError> {
        self.change(who, id, Action::UserRoleChanged, |user| {
            let is_admin = role == Role::Admin && !user.disabled;
            let writes = vec![self.users.set_role(user, role)];
            (user.role != role).then_some(Change {
                writes,
                event: Event::RoleChanged,
                is_admin,
                about: Some(role.into()),
            })
        })
        .await
    }

    /// Deletes the account. Its number and address are free at once.
    ///
    /// # Errors
    /// [`UserError`]
    pub async fn delete(&self, who: &Operator, id: &UserId) -> Result<(), UserError> {
        self.change(who, id, Action::UserDeleted, |user| {
            let writes = self.users.delete(user);
            Some(Change { writes, event: Event::AccountDeleted, is_admin: false, about: None })
        })
        .await
    }

    /// Does what `plan` says of the account as it is, in one transaction with both trails. `None` is an account that is so
    /// already.
    async fn change(
        &self,
        who: &Operator,
        id: &UserId,
        action: Action,
        plan: impl Fn(&User) -> Option<Change>,
    ) -> Result<(), UserError> {
        const ROUNDS: usize = 5;
        for _ in 0..ROUNDS {
            let user = self.users.find_any(id).await?.ok_or(UserError::UnknownUser)?;
            let Some(Change { mut writes, event, is_admin, about }) = plan(&user) else { return Ok(()) };
            let ends_sessions = !matches!(event, Event::Unlocked | Event::RoleChanged);
            writes.push(self.trail.write(&self.trail.entry(who, action).on(id).about(about)));
            let two_step = match event {
                Event::PhoneRemoved if user.totp().is_none() => Some(false),
                Event::TotpRemoved if user.phone.is_none() => Some(false),
                _ => None,
            };
            writes.push(self.audit.write(&Activity { two_step, ..self.audit.by_operator(event, id) }));
            match self.users.commit_with_role(&user, is_admin, writes).await {
                Ok(()) => {
                    tracing::info!(operator = %who, action = action.as_str(), user = id.as_str(), "an operator acted");
                    if ends_sessions && let Err(error) = self.sessions.delete_ended(id, None).await {
                        tracing::warn!(%error, "ended sessions were not deleted");
                    }
                    return Ok(());
                }
                Err(ChangeError::Outdated) => {}
                Err(ChangeError::LastAdmin) => return Err(UserError::LastAdmin),
                Err(error) => return Err(UserError::Outage(error.into())),
            }
        }
        Err(UserError::Outage(Outage::AccountChanged))
    }
}

impl Change {
    /// A change that leaves the role as it is.
    fn of(user: &User, writes: Vec<Write>, event: Event) -> Self {
        Self { writes, event, is_admin: user.is_active_admin(), about: None }
    }
}
