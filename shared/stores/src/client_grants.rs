//! What clients hold of users' sessions: codes that are exchanged once, and refresh token families.

use aws_sdk_dynamodb::{
    Client,
    operation::update_item::UpdateItemError,
    types::{ConditionCheck, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, Update},
};
use twostep_crypto::refresh_token::RefreshToken;
use twostep_domain::{
    ids::{GrantId, SessionId},
    oidc::{AuthorizationCode, Grant},
    time::Timestamp,
};

use crate::{
    table::{self, TableError, number, text},
    transaction::{self, Write, cancellation_reasons, condition_failed, in_conflict},
};

const TABLE: &str = "sessions";

/// The outcome of exchanging a code.
#[derive(Debug, PartialEq, Eq)]
pub enum Exchange {
    Done,
    /// The code was used before, for this grant.
    Used(GrantId),
    /// The code is gone or has expired, or the session or account has changed since.
    Refused,
}

/// The outcome of using a refresh token.
#[derive(Debug)]
pub enum GrantRotation {
    Rotated,
    /// The grant does not exist or has expired.
    Unknown,
    /// The token was replaced before.
    Reused,
}

#[derive(Clone)]
pub struct ClientGrantStore {
    client: Client,
    table: String,
}

impl ClientGrantStore {
    #[must_use]
    pub fn new(client: Client, table: String) -> Self {
        Self { client, table }
    }

    /// # Errors
    /// [`TableError`]
    pub async fn save_code(&self, code: &AuthorizationCode) -> Result<(), TableError> {
        self.client.put_item().table_name(&self.table).set_item(Some(table::write(code))).send().await?;
        Ok(())
    }

    /// # Errors
    /// [`TableError`]
    pub async fn find_code(&self, id: &str) -> Result<Option<AuthorizationCode>, TableError> {
        let item = table::get(&self.client, &self.table, "id", id).await?;
        item.map(|item| table::read(TABLE, item)).transpose()
    }

    /// # Errors
    /// [`TableError`]
    pub async fn find(&self, id: &GrantId) -> Result<Option<Grant>, TableError> {
        let item = table::get(&self.client, &self.table, "id", id.as_str()).await?;
        item.map(|item| table::read(TABLE, item)).transpose()
    }

    /// Uses up `code` and begins `grant`, if the session still exists and `account` holds. All or nothing: of parallel
    /// exchanges one gets through.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn exchange(
        &self,
        code: &AuthorizationCode,
        grant: &Grant,
        account: Write,
        now: Timestamp,
    ) -> Result<Exchange, TableError> {
        const ROUNDS: usize = 12;
        let writes =
            vec![self.use_up(code, grant, now), self.begin(grant), self.session_exists(&grant.parent), account];
        for _ in 0..ROUNDS {
            let request = self.client.transact_write_items().set_transact_items(Some(writes.clone()));
            let Err(error) = request.send().await else { return Ok(Exchange::Done) };
            let Some(reasons) = cancellation_reasons(&error) else { return Err(error.into()) };
            if reasons.iter().any(condition_failed) {
                return Ok(match self.find_code(&code.id).await?.and_then(|found| found.grant) {
                    // Our own first attempt: its response was lost and the SDK sent it again.
                    Some(used_for) if used_for == grant.id => Exchange::Done,
                    Some(used_for) => Exchange::Used(used_for),
                    None => Exchange::Refused,
                });
            }
            if !reasons.iter().any(in_conflict) {
                return Err(error.into());
            }
        }
        Err(TableError::Contended { table: TABLE })
    }

    /// Replaces a refresh token of `grant` by its successor `next`.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn rotate(
        &self,
        grant: &GrantId,
        token: &RefreshToken,
        next: &RefreshToken,
        now: Timestamp,
    ) -> Result<GrantRotation, TableError> {
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(grant.as_str()))
            .update_expression("SET #current = :next, last_used_at = :now")
            .condition_expression("#current = :given AND expires_at > :now")
            .expression_attribute_names("#current", "current")
            .expression_attribute_values(":given", text(token.secret_hash()))
            .expression_attribute_values(":next", text(next.secret_hash()))
            .expression_attribute_values(":now", number(now.0))
            .return_values(ReturnValue::None)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = result else { return Ok(GrantRotation::Rotated) };
        let Some(UpdateItemError::ConditionalCheckFailedException(failed)) = error.as_service_error() else {
            return Err(error.into());
        };
        let Some(found) = failed.item.clone() else { return Ok(GrantRotation::Unknown) };
        let found: Grant = table::read(TABLE, found)?;
        // The response to this very write was lost and the SDK sent it again.
        if found.refresh_token_hash == next.secret_hash() {
            return Ok(GrantRotation::Rotated);
        }
        Ok(if found.expires_at > now { GrantRotation::Reused } else { GrantRotation::Unknown })
    }

    /// Ends a grant, if it exists.
    ///
    /// # Errors
    /// [`TableError`]
    pub async fn end(&self, id: &GrantId) -> Result<(), TableError> {
        self.client.delete_item().table_name(&self.table).key("id", text(id.as_str())).send().await?;
        Ok(())
    }

    fn use_up(&self, code: &AuthorizationCode, grant: &Grant, now: Timestamp) -> Write {
        transaction::update(
            Update::builder()
                .table_name(&self.table)
                .key("id", text(&code.id))
                .update_expression("SET #grant = :grant")
                .condition_expression("attribute_exists(id) AND attribute_not_exists(#grant) AND expires_at > :now")
                .expression_attribute_names("#grant", "grant")
                .expression_attribute_values(":grant", text(grant.id.as_str()))
                .expression_attribute_values(":now", number(now.0)),
        )
    }

    fn begin(&self, grant: &Grant) -> Write {
        transaction::put(
            Put::builder()
                .table_name(&self.table)
                .set_item(Some(table::write(grant)))
                .condition_expression("attribute_not_exists(id)"),
        )
    }

    fn session_exists(&self, session: &SessionId) -> Write {
        transaction::check(
            ConditionCheck::builder()
                .table_name(&self.table)
                .key("id", text(session.as_str()))
                .condition_expression("attribute_exists(id)"),
        )
    }
}
