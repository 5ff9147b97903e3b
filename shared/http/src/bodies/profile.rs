//! The profile: details, password, second step, devices, sessions, activity, export.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use twostep_domain::{
    account::{Activity, Authenticator, Device},
    authentication_method::Method,
    email::EmailAddress,
    ids::SessionId,
    one_time_code::OneTimeCode,
    person_name::PersonName,
    session::ListedSession,
    time::Timestamp,
};
use twostep_usecases::profile::{deletion::Export, password::PasswordSet, totp::NewTotp};

use super::{UserBody, page::PageBody};
use crate::{Problem, qr};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetailsBody {
    name: Option<String>,
    email: Option<String>,
}

impl DetailsBody {
    /// # Errors
    /// [`Problem::InvalidName`], [`Problem::InvalidEmail`]
    pub fn parse(self) -> Result<(Option<PersonName>, Option<EmailAddress>), Problem> {
        let name = self.name.map(|name| PersonName::parse(&name)).transpose()?;
        Ok((name, self.email.map(|email| EmailAddress::parse(&email)).transpose()?))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordBody {
    pub current_password: Option<SecretString>,
    pub new_password: SecretString,
}

#[derive(Serialize)]
pub struct RecoveryCodesBody {
    pub recovery_codes: Vec<String>,
}

#[derive(Serialize)]
pub struct DeviceBody {
    id: String,
    name: String,
    created_at: String,
    last_used_at: String,
    expires_at: String,
}

impl From<(String, Device)> for DeviceBody {
    fn from((id, device): (String, Device)) -> Self {
        Self {
            id,
            name: device.name,
            created_at: device.created_at.rfc3339(),
            last_used_at: device.last_used_at.rfc3339(),
            expires_at: device.expires_at.rfc3339(),
        }
    }
}

/// What an authenticator app is set up with.
#[derive(Serialize)]
pub struct NewTotpBody {
    secret: String,
    otpauth_uri: String,
    qr_svg: String,
}

impl From<NewTotp> for NewTotpBody {
    fn from(new: NewTotp) -> Self {
        Self { secret: new.secret, qr_svg: qr::svg(&new.uri).unwrap_or_default(), otpauth_uri: new.uri }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TotpCodeBody {
    code: String,
}

impl TotpCodeBody {
    /// # Errors
    /// [`Problem::InvalidCodeFormat`]
    pub fn parse(&self) -> Result<OneTimeCode, Problem> {
        Ok(OneTimeCode::parse(&self.code)?)
    }
}

/// The account after a change that can turn two-step on.
#[derive(Serialize)]
pub struct AccountChangedBody {
    pub user: UserBody,
    /// They are shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_codes: Option<Vec<String>>,
}

impl From<PasswordSet> for AccountChangedBody {
    fn from(set: PasswordSet) -> Self {
        Self { user: set.user.into(), recovery_codes: set.recovery_codes }
    }
}

#[derive(Serialize)]
pub struct ListedSessionBody {
    id: String,
    current: bool,
    created_at: String,
    last_used_at: String,
    client: String,
    amr: Vec<&'static str>,
    /// The website or app that the session belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
}

impl ListedSessionBody {
    /// `current` is the session that asks.
    #[must_use]
    pub fn new(session: ListedSession, current: &SessionId) -> Self {
        Self {
            current: session.id == *current,
            id: session.id.as_str().to_owned(),
            created_at: session.auth_time.rfc3339(),
            last_used_at: session.last_used_at.unwrap_or(session.auth_time).rfc3339(),
            client: session.client.unwrap_or_else(|| "unknown".to_owned()),
            amr: session.amr.into_iter().map(Method::as_str).collect(),
            client_id: session.client_id.map(|id| id.as_str().to_owned()),
        }
    }
}

pub type ActivityBody = PageBody<EntryBody>;

#[derive(Serialize)]
pub struct EntryBody {
    at: String,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    amr: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<String>,
    /// Who did it, if it was not the user.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'static str>,
}

impl From<Activity> for EntryBody {
    fn from(entry: Activity) -> Self {
        Self {
            at: entry.at.rfc3339(),
            event: entry.event.as_str(),
            client: entry.client,
            amr: entry.amr.into_iter().map(Method::as_str).collect(),
            session_id: entry.session.map(|session| session.as_str().to_owned()),
            by: entry.by_operator.then_some("operator"),
        }
    }
}

/// Everything that is held about an account, without secrets.
#[derive(Serialize)]
pub struct ExportBody {
    exported_at: String,
    user: UserBody,
    phone_verified_at: Option<String>,
    authenticators: Vec<AuthenticatorBody>,
    devices: Vec<DeviceBody>,
    sessions: Vec<ListedSessionBody>,
    activity: Vec<EntryBody>,
}

#[derive(Serialize)]
struct AuthenticatorBody {
    id: String,
    kind: &'static str,
    created_at: String,
}

impl ExportBody {
    /// `current` is the session that asks.
    #[must_use]
    pub fn new(export: Export, current: &SessionId) -> Self {
        let Export { at, user, sessions, activity } = export;
        let authenticators = user.authenticators.iter().map(|(id, Authenticator::Totp(totp))| AuthenticatorBody {
            id: id.clone(),
            kind: "totp",
            created_at: totp.created_at.rfc3339(),
        });
        Self {
            exported_at: at.rfc3339(),
            phone_verified_at: user.phone_verified_at.map(Timestamp::rfc3339),
            authenticators: authenticators.collect(),
            devices: user.devices.clone().into_iter().map(DeviceBody::from).collect(),
            sessions: sessions.into_iter().map(|session| ListedSessionBody::new(session, current)).collect(),
            activity: activity.into_iter().map(EntryBody::from).collect(),
            user: user.into(),
        }
    }
}
