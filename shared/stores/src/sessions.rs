//! Sessions: a refresh token family each, rotated at every use (RFC 9700 §4.14.2).

use aws_sdk_dynamodb::{
    Client,
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ConditionCheck, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, Update},
};
use twostep_crypto::refresh_token::RefreshToken;
use twostep_domain::{
    authentication_method::Method, ids::SessionId, session::Session, sign_in::SignIn, time::Timestamp,
};

use crate::{
    table::{self, Item, TableError, number, text},
    transaction::{self, Write},
};

const TABLE: &str = "sessions";

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
    pub fn is_live(&self, id: &SessionId) -> Write {
        transaction::check(
            ConditionCheck::builder()
                .table_name(&self.table)
                .key("id", text(id.as_str()))
                .condition_expression("attribute_exists(id)"),
        )
    }

    /// The write that turns a session which began with a password into a two-step session: a code was entered in it.
    #[must_use]
    pub fn second_step_taken(&self, id: &SessionId, now: Timestamp) -> Write {
        let amr = SignIn::in_two_steps(Method::Sms, now, now).amr;
        let amr = AttributeValue::L(amr.iter().map(|method| text(method.as_str())).collect());
        transaction::update(
            Update::builder()
                .table_name(&self.table)
                .key("id", text(id.as_str()))
                .condition_expression("attribute_exists(id)")
                .update_expression("SET amr = :amr, mfa_time = :now")
                .expression_attribute_values(":amr", amr)
                .expression_attribute_values(":now", number(now.0)),
        )
    }

    /// Replaces a refresh token by its successor `next`.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn rotate(
        &self,
        token: &RefreshToken,
        next: &RefreshToken,
        now: Timestamp,
    ) -> Result<Rotation, TableError> {
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(token.session_id().as_str()))
            .update_expression("SET #current = :next")
            .condition_expression("#current = :given AND expires_at > :now")
            .expression_attribute_names("#current", "current")
            .expression_attribute_values(":given", text(token.secret_hash()))
            .expression_attribute_values(":next", text(next.secret_hash()))
            .expression_attribute_values(":now", number(now.0))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match result {
            Ok(response) => return Ok(Rotation::Rotated(read(response.attributes)?)),
            Err(error) => error,
        };
        let Some(UpdateItemError::ConditionalCheckFailedException(failed)) = error.as_service_error() else {
            return Err(error.into());
        };
        let Some(found) = failed.item.clone() else { return Ok(Rotation::Unknown) };
        let session = read(Some(found))?;
        // The response to this very write was lost and the SDK sent it again.
        if session.refresh_token_hash == next.secret_hash() {
            return Ok(Rotation::Rotated(session));
        }
        Ok(if session.expires_at > now { Rotation::Reused(session) } else { Rotation::Unknown })
    }

    /// Ends a session, if it exists.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn end(&self, id: &SessionId) -> Result<(), TableError> {
        self.client.delete_item().table_name(&self.table).key("id", text(id.as_str())).send().await?;
        Ok(())
    }
}

fn read(item: Option<Item>) -> Result<Session, TableError> {
    table::read(TABLE, item.unwrap_or_default())
}
