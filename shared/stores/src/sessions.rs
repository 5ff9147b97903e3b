//! Sessions: a refresh token family each, rotated at every use (RFC 9700 §4.14.2).

use aws_sdk_dynamodb::{
    Client,
    operation::{delete_item::DeleteItemError, update_item::UpdateItemError},
    types::{AttributeValue, ConditionCheck, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, Update},
};
use twostep_crypto::refresh_token::RefreshToken;
use twostep_domain::{
    authentication_method::Method,
    ids::{SessionId, UserId},
    session::{ListedSession, Session},
    sign_in::SignIn,
    time::Timestamp,
};

use crate::{
    table::{self, Item, TableError, number, text},
    transaction::{self, Write},
};

const TABLE: &str = "sessions";

/// The index that lists the sessions of a user. It is eventually consistent, and it has no token's hash.
const BY_USER: &str = "by-user";

/// The outcome of using a refresh token.
#[derive(Debug)]
pub enum Rotation {
    /// The successor is now the present token of this session.
    Rotated(Session),
    /// The session does not exist or has expired.
    Unknown,
    /// The token was replaced before: it was stolen, or its owner's response was lost.
    Reused(Session),
}

#[derive(Clone)]
pub struct SessionStore {
    client: Client,
    table: String,
}

impl SessionStore {
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// The write that begins a session, for another store's transaction.
    #[must_use]
    pub fn insert(&self, session: &Session) -> Write {
        transaction::put(
            Put::builder()
                .table_name(&self.table)
                .set_item(Some(table::write(session)))
                .condition_expression("attribute_not_exists(id)"),
        )
    }

    /// # Errors
    /// [`TableError`]
    pub async fn find(&self, id: &SessionId) -> Result<Option<Session>, TableError> {
        let item = table::get(&self.client, &self.table, "id", id.as_str()).await?;
        item.map(|item| table::read(TABLE, item)).transpose()
    }

    /// A condition for another store's transaction: the session has not ended.
    #[must_use]
    pub fn is_live(&self, id: &SessionId, now: Timestamp) -> Write {
        transaction::check(
            ConditionCheck::builder()
                .table_name(&self.table)
                .key("id", text(id.as_str()))
                .condition_expression("expires_at > :now")
                .expression_attribute_values(":now", number(now.0)),
        )
    }

    /// The write that replaces a refresh token which has not been used by `next`.
    #[must_use]
    pub fn renew_unused(&self, token: &RefreshToken, next: &RefreshToken, now: Timestamp) -> Write {
        transaction::update(
            Update::builder()
                .table_name(&self.table)
                .key("id", text(token.session_id().as_str()))
                .condition_expression("#current = :present AND expires_at > :now")
                .update_expression("SET #current = :next")
                .expression_attribute_names("#current", "current")
                .expression_attribute_values(":present", text(token.secret_hash()))
                .expression_attribute_values(":next", text(next.secret_hash()))
                .expression_attribute_values(":now", number(now.0)),
        )
    }

    /// The sessions of a user, newest first. One that began or ended a moment ago may be missing or still there.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn of_user(&self, user: &UserId) -> Result<Vec<ListedSession>, TableError> {
        let (mut sessions, mut start) = (Vec::new(), None);
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .index_name(BY_USER)
                .key_condition_expression("user_id = :user")
                .expression_attribute_values(":user", text(user.as_str()))
                .scan_index_forward(false)
                .set_exclusive_start_key(start)
                .send()
                .await?;
            for item in page.items.unwrap_or_default() {
                sessions.push(table::read(TABLE, item)?);
            }
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(sessions);
            }
        }
    }

    /// The write that turns a session which began with a password into a two-step session: a code was entered in it.
    #[must_use]
    pub fn second_step_taken(&self, id: &SessionId, method: Method, now: Timestamp) -> Write {
        let amr = SignIn::in_two_steps(method, now, now).amr;
        let amr = AttributeValue::L(amr.iter().map(|method| text(method.as_str())).collect());
        transaction::update(
            Update::builder()
                .table_name(&self.table)
                .key("id", text(id.as_str()))
                .condition_expression("expires_at > :now")
                .update_expression("SET amr = :amr, mfa_time = :now")
                .expression_attribute_values(":amr", amr)
                .expression_attribute_values(":now", number(now.0)),
        )
    }

    /// Replaces a refresh token by its successor `next`. A token that was itself replaced a moment ago, by one that has not
    /// been used, gives `next` in place of that one: the response with it was probably lost.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn rotate(
        &self,
        token: &RefreshToken,
        next: &RefreshToken,
        now: Timestamp,
    ) -> Result<Rotation, TableError> {
        // Each lost round is a repetition by another caller.
        const ROUNDS: usize = 40;
        let given = token.secret_hash();
        let mut found = match self.replace(token, &given, next, now, true).await? {
            Replaced::Done(session) => return Ok(Rotation::Rotated(session)),
            Replaced::Lost(found) => found,
        };
        for _ in 0..ROUNDS {
            let Some(session) = found else { return Ok(Rotation::Unknown) };
            if session.expires_at <= now {
                return Ok(Rotation::Unknown);
            }
            if !session.may_repeat_refresh(&given, now) {
                return Ok(Rotation::Reused(session));
            }
            found = match self.replace(token, &session.refresh_token_hash, next, now, false).await? {
                Replaced::Done(session) => return Ok(Rotation::Rotated(session)),
                Replaced::Lost(found) => found,
            };
        }
        Err(TableError::Contended { table: TABLE })
    }

    /// Replaces the present token, if its hash is `present`. A `first` use remembers it as the previous one.
    async fn replace(
        &self,
        token: &RefreshToken,
        present: &str,
        next: &RefreshToken,
        now: Timestamp,
        first: bool,
    ) -> Result<Replaced, TableError> {
        let remembered = if first { ", previous = :present, rotated_at = :now" } else { "" };
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(token.session_id().as_str()))
            .update_expression(format!("SET #current = :next, last_used_at = :now{remembered}"))
            .expression_attribute_names("#current", "current")
            .expression_attribute_values(":present", text(present))
            .expression_attribute_values(":next", text(next.secret_hash()))
            .expression_attribute_values(":now", number(now.0))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let condition = "#current = :present AND expires_at > :now";
        let update = if first {
            update.condition_expression(condition)
        } else {
            // The present token has not been used: it would be the previous one otherwise.
            update
                .condition_expression(format!("{condition} AND previous = :given"))
                .expression_attribute_values(":given", text(token.secret_hash()))
        };
        let error = match update.send().await {
            Ok(response) => return Ok(Replaced::Done(read(response.attributes)?)),
            Err(error) => error,
        };
        let Some(UpdateItemError::ConditionalCheckFailedException(failed)) = error.as_service_error() else {
            return Err(error.into());
        };
        let Some(item) = failed.item.clone() else { return Ok(Replaced::Lost(None)) };
        let session = read(Some(item))?;
        // The response to this very write was lost and the SDK sent it again.
        if session.refresh_token_hash == next.secret_hash() {
            return Ok(Replaced::Done(session));
        }
        Ok(Replaced::Lost(Some(session)))
    }

    /// Ends a session. Gives it, if it existed.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn end(&self, id: &SessionId) -> Result<Option<Session>, TableError> {
        let delete = self.client.delete_item().table_name(&self.table).key("id", text(id.as_str()));
        let ended = delete.return_values(ReturnValue::AllOld).send().await?;
        ended.attributes.map(|item| table::read(TABLE, item)).transpose()
    }

    /// Deletes the sessions of a user but one. The account's epoch ends them for certain: the index may not know the newest
    /// ones yet.
    ///
    /// # Errors
    /// [`TableError`]: some are left.
    pub async fn delete_ended(&self, user: &UserId, kept: Option<&SessionId>) -> Result<(), TableError> {
        for session in self.of_user(user).await?.iter().filter(|session| kept != Some(&session.id)) {
            self.end(&session.id).await?;
        }
        Ok(())
    }

    /// Ends a session of `user`. Tells whether there was one.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn end_of(&self, user: &UserId, id: &SessionId) -> Result<bool, TableError> {
        let result = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("id", text(id.as_str()))
            .condition_expression("user_id = :user")
            .expression_attribute_values(":user", text(user.as_str()))
            .send()
            .await;
        match result {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(error.into()),
            },
        }
    }
}

enum Replaced {
    Done(Session),
    /// The session as it was found instead.
    Lost(Option<Session>),
}

fn read(item: Option<Item>) -> Result<Session, TableError> {
    table::read(TABLE, item.unwrap_or_default())
}
