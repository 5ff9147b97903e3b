//! Accounts, and what operators did, as operators see them.

use serde::{Deserialize, Serialize};
use twostep_domain::{
    account::{ListPosition, Operation, Operator, Role},
    email::EmailAddress,
    ids::UserId,
    phone::PhoneNumber,
    time::Timestamp,
};
use twostep_usecases::admin::users::{Lookup, UserOverview, UserPage, View};

use super::{UserBody, page::PageBody};
use crate::{Problem, Request, query};

/// An account with what is known of its use.
#[derive(Serialize)]
pub struct AdminUserBody {
    #[serde(flatten)]
    user: UserBody,
    disabled: bool,
    last_used_at: Option<String>,
    sessions: usize,
    devices: usize,
}

impl From<UserOverview> for AdminUserBody {
    fn from(overview: UserOverview) -> Self {
        let UserOverview { user, view, sessions, devices } = overview;
        let (disabled, last_used_at) = (user.disabled, user.last_used_at.map(Timestamp::rfc3339));
        let user = match view {
            View::Full => UserBody::from(user),
            View::Masked => UserBody::masked(user),
        };
        Self { user, disabled, last_used_at, sessions, devices }
    }
}

pub type AdminUsersBody = PageBody<AdminUserBody>;

impl From<UserPage> for AdminUsersBody {
    fn from(page: UserPage) -> Self {
        let next = page.next.map(|next| format!("{}-{}", next.created_at.0, next.id.as_str()));
        Self::new(page.items.into_iter().map(AdminUserBody::from).collect(), next)
    }
}

impl From<Option<UserOverview>> for AdminUsersBody {
    fn from(found: Option<UserOverview>) -> Self {
        Self::new(found.into_iter().map(AdminUserBody::from).collect(), None)
    }
}

/// Which accounts a request asks for.
pub enum UserQuery {
    One(Lookup),
    List(Option<ListPosition>),
}

impl UserQuery {
    /// # Errors
    /// [`Problem::InvalidEmail`], [`Problem::InvalidPhone`]; [`Problem::InvalidRequest`] for more than one of `email`, `phone`,
    /// `id` and `after`, and for an `after` that no page gave.
    pub fn read(request: &Request) -> Result<Self, Problem> {
        let of = |name| query(request, name);
        match (of("email")?, of("phone")?, of("id")?, of("after")?) {
            (Some(email), None, None, None) => Ok(Self::One(Lookup::Email(EmailAddress::parse(&email)?))),
            // A plus sign that was not encoded arrives as a space.
            (None, Some(phone), None, None) => {
                let phone = phone.strip_prefix(' ').map_or_else(|| phone.clone(), |digits| format!("+{digits}"));
                Ok(Self::One(Lookup::Phone(PhoneNumber::parse(&phone)?)))
            }
            (None, None, Some(id), None) => Ok(Self::One(Lookup::Id(UserId::from_stored(id)))),
            (None, None, None, after) => Ok(Self::List(after.map(|after| position(&after)).transpose()?)),
            _ => Err(Problem::InvalidRequest),
        }
    }
}

fn position(after: &str) -> Result<ListPosition, Problem> {
    let (created_at, id) = after.split_once('-').ok_or(Problem::InvalidRequest)?;
    let created_at = created_at.parse().map_err(|_| Problem::InvalidRequest)?;
    if id.is_empty() || after.len() > 200 {
        return Err(Problem::InvalidRequest);
    }
    Ok(ListPosition { created_at: Timestamp(created_at), id: UserId::from_stored(id) })
}

/// How much a request asks to see.
///
/// # Errors
/// [`Problem::InvalidRequest`] for a view that does not exist.
pub fn view(request: &Request) -> Result<View, Problem> {
    match query(request, "view")?.as_deref() {
        None | Some("full") => Ok(View::Full),
        Some("masked") => Ok(View::Masked),
        Some(_) => Err(Problem::InvalidRequest),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleBody {
    role: String,
}

impl RoleBody {
    /// # Errors
    /// [`Problem::InvalidSetting`] for a role that does not exist.
    pub fn parse(&self) -> Result<Role, Problem> {
        self.role.parse().map_err(|_| Problem::InvalidSetting("role"))
    }
}

pub type OperationsBody = PageBody<OperationBody>;

/// Who did what, and to which account.
#[derive(Serialize)]
pub struct OperationBody {
    at: String,
    action: &'static str,
    operator: Operator,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    about: Vec<String>,
}

impl From<Operation> for OperationBody {
    fn from(entry: Operation) -> Self {
        Self {
            at: entry.at.rfc3339(),
            action: entry.action.as_str(),
            operator: entry.operator,
            user_id: entry.user.map(|user| user.as_str().to_owned()),
            about: entry.about,
        }
    }
}
