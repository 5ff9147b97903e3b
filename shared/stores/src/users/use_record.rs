//! When an account was last used.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use twostep_domain::{account::User, time::Timestamp};

use super::{UserStore, operators::LISTED, phone_key, user_key};
use crate::table::{TableError, number, text};

impl UserStore {
    /// Records that the account was used at `now`, also beside its number. Call it only if
    /// [`User::use_is_news`](User::use_is_news), so that it is written once a day.
    ///
    /// # Errors
    /// [`TableError`]: the use is recorded in part or not at all.
    pub async fn record_use(&self, user: &User, now: Timestamp) -> Result<(), TableError> {
        let account = self.set_used(user_key(&user.id), user, now, true);
        match &user.phone {
            Some(phone) => {
                let (account, owner) = tokio::join!(account, self.set_used(phone_key(phone), user, now, false));
                account.and(owner)
            }
            None => account.await,
        }
    }

    async fn set_used(&self, key: String, user: &User, now: Timestamp, is_account: bool) -> Result<(), TableError> {
        let (listed, value) = LISTED;
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("pk", text(key))
            .condition_expression("user_id = :user")
            .expression_attribute_values(":now", number(now.0))
            .expression_attribute_values(":user", text(user.id.as_str()));
        // An earlier version created accounts without what lists them.
        let update = if is_account {
            update
                .update_expression(format!("SET last_used_at = :now, {listed} = :listed"))
                .expression_attribute_values(":listed", text(value))
        } else {
            update.update_expression("SET last_used_at = :now")
        };
        match update.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                // The account is gone, or the number has another owner by now.
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(error.into()),
            },
        }
    }
}
