//! Apps for time-based codes.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use twostep_domain::{
    account::{AccountSnapshot, Authenticator, PendingTotp, User},
    ids::{SessionId, UserId},
};

use super::{ChangeError, UserStore};
use crate::{
    table::{self, number, text},
    transaction::{self, Write},
};

/// A code of an app that is used up by a second step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotpStep {
    /// The id of the authenticator.
    pub id: String,
    pub step: u64,
}

/// What turning an app on or off changes in the account.
pub struct TotpChange<'a> {
    /// All authenticators of the account from now on.
    pub authenticators: &'a BTreeMap<String, Authenticator>,
    pub two_step: bool,
    /// They replace the present ones.
    pub recovery_codes: Option<&'a [String]>,
    pub kept_session: Option<&'a SessionId>,
}

impl UserStore {
    /// Keeps a secret until the user's app has shown a code of it.
    ///
    /// # Errors
    /// [`ChangeError::Outdated`]
    pub async fn start_totp(&self, account: &AccountSnapshot, pending: &PendingTotp) -> Result<(), ChangeError> {
        let update = self
            .update_unchanged(account)
            .condition_expression("epoch = :epoch")
            .update_expression("SET pending_totp = :pending")
            .expression_attribute_values(":pending", AttributeValue::M(table::write(pending)));
        self.commit(vec![transaction::update(update)]).await
    }

    /// Counts a wrong code for a pending secret.
    ///
    /// # Errors
    /// [`ChangeError::Outdated`] if another attempt was counted in between, or the secret is no longer pending.
    pub async fn count_wrong_totp(&self, user: &UserId, pending: &PendingTotp) -> Result<(), ChangeError> {
        let update = self
            .update(user)
            .condition_expression("pending_totp.id = :id AND pending_totp.attempts_left = :left")
            .update_expression("SET pending_totp.attempts_left = :less")
            .expression_attribute_values(":id", text(pending.id.as_str()))
            .expression_attribute_values(":left", number(pending.attempts_left as u64))
            .expression_attribute_values(":less", number(pending.attempts_left.saturating_sub(1) as u64));
        self.commit(vec![transaction::update(update)]).await
    }

    /// The writes that remove the app. Two-step stays on while the account has a verified number.
    #[must_use]
    pub fn remove_totp(&self, user: &User, kept_session: Option<&SessionId>) -> Vec<Write> {
        let rest =
            user.authenticators.iter().filter(|(_, authenticator)| !matches!(authenticator, Authenticator::Totp(_)));
        let authenticators: BTreeMap<_, _> = rest.map(|(id, item)| (id.clone(), item.clone())).collect();
        let two_step = user.phone.is_some();
        let recovery_codes: Option<&[String]> = if two_step { None } else { Some(&[]) };
        let change = TotpChange { authenticators: &authenticators, two_step, recovery_codes, kept_session };
        self.change_totp(user, None, &change)
    }

    /// The writes that turn an app on, whose pending secret has this id, or off. All other sessions and all remembered
    /// devices end.
    #[must_use]
    pub fn change_totp(&self, user: &User, pending: Option<&str>, change: &TotpChange<'_>) -> Vec<Write> {
        let next = AccountSnapshot { epoch: user.epoch + 1, ..user.snapshot() };
        let mut condition = "epoch = :epoch".to_owned();
        let mut changes = "SET authenticators = :authenticators, two_step = :on, kept_session = :kept, epoch = :next, \
                           devices = :none"
            .to_owned();
        let authenticators = change.authenticators.iter();
        let authenticators = authenticators.map(|(id, item)| (id.clone(), AttributeValue::M(table::write(item))));
        let mut update = self
            .update_unchanged(&user.snapshot())
            .expression_attribute_values(":authenticators", AttributeValue::M(authenticators.collect()))
            .expression_attribute_values(":on", AttributeValue::Bool(change.two_step))
            .expression_attribute_values(":kept", table::optional_text(change.kept_session.map(SessionId::as_str)))
            .expression_attribute_values(":next", number(next.epoch))
            .expression_attribute_values(":none", AttributeValue::M(table::Item::new()));
        if let Some(codes) = change.recovery_codes {
            changes.push_str(", recovery_codes = :codes");
            update = update.expression_attribute_values(":codes", table::texts(codes));
        }
        if let Some(pending) = pending {
            condition.push_str(" AND pending_totp.id = :pending");
            update = update.expression_attribute_values(":pending", text(pending));
        }
        changes.push_str(" REMOVE pending_totp");
        let update = update.condition_expression(condition).update_expression(changes);
        let mut writes = vec![transaction::update(update)];
        writes.extend(self.put_phone_owner(user, &next));
        writes
    }
}
