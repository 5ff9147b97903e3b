//! Sessions: a family of refresh tokens, rotated at each use, ended as a whole when an old one comes back
//! (RFC 9700 §4.14.2).

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_sdk_dynamodb::{
    Client,
    operation::update_item::UpdateItemError,
    types::{AttributeValue, Put, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Timestamp,
    entropy,
    metrics::{self, Metric},
    table::{self, Item, TableError, number, text},
    users::{Holder, User, UserId},
};

const TABLE: &str = "sessions";

/// How long a sign-in lasts, however often it is refreshed.
pub const LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How someone signed in (RFC 8176).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// A password.
    Pwd,
    /// A code sent to a proven number.
    Sms,
    /// A recovery code.
    Otp,
    /// More than one of these.
    Mfa,
}

impl Method {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pwd => "pwd",
            Self::Sms => "sms",
            Self::Otp => "otp",
            Self::Mfa => "mfa",
        }
    }
}

/// How and when someone proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    pub amr: Vec<Method>,
    pub auth_time: Timestamp,
    /// When the second step was really taken; a remembered device spares it later.
    pub mfa_time: Option<Timestamp>,
}

impl SignIn {
    #[must_use]
    pub fn by_phone(now: Timestamp) -> Self {
        Self { amr: vec![Method::Sms], auth_time: now, mfa_time: None }
    }

    #[must_use]
    pub fn by_password(now: Timestamp) -> Self {
        Self { amr: vec![Method::Pwd], auth_time: now, mfa_time: None }
    }

    /// A password, then `second`, entered at `mfa_time`.
    #[must_use]
    pub fn in_two_steps(second: Method, mfa_time: Timestamp, now: Timestamp) -> Self {
        Self { amr: vec![Method::Pwd, second, Method::Mfa], auth_time: now, mfa_time: Some(mfa_time) }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    /// The `sid` of access tokens. It cannot be turned back into a refresh token.
    pub id: String,
    pub user_id: UserId,
    /// SHA-256 of the present refresh token's secret half.
    current: String,
    pub amr: Vec<Method>,
    pub auth_time: Timestamp,
    #[serde(default)]
    pub mfa_time: Option<Timestamp>,
    expires_at: Timestamp,
    /// The account's epoch when this session began.
    epoch: u64,
    ttl: Timestamp,
}

impl Session {
    /// How long it goes on, however often it is refreshed.
    #[must_use]
    pub fn rest(&self, now: Timestamp) -> Duration {
        now.until(self.expires_at)
    }

    /// Whether the account has not been changed since in a way that ends its sessions.
    #[must_use]
    pub fn outlives(&self, user: &User) -> bool {
        self.epoch == user.epoch || user.kept_session.as_ref() == Some(&self.id)
    }
}

/// `base64url(family ‖ secret)`, 128 and 256 random bits. The table knows neither, only a hash of each.
pub struct RefreshToken {
    family: [u8; 16],
    secret: [u8; 32],
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a valid refresh token")]
pub struct InvalidRefreshToken;

impl RefreshToken {
    const LENGTH: usize = 64;

    fn new(family: [u8; 16], rng: &mut dyn CryptoRng) -> Self {
        Self { family, secret: entropy::bytes(rng) }
    }

    /// The next token of the same session.
    #[must_use]
    pub fn successor(&self, rng: &mut dyn CryptoRng) -> Self {
        Self::new(self.family, rng)
    }

    /// # Errors
    /// [`InvalidRefreshToken`] when it has not the form of one.
    pub fn parse(token: &str) -> Result<Self, InvalidRefreshToken> {
        if token.len() != Self::LENGTH {
            return Err(InvalidRefreshToken);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| InvalidRefreshToken)?;
        let (family, secret) = bytes.split_first_chunk().ok_or(InvalidRefreshToken)?;
        Ok(Self { family: *family, secret: secret.try_into().map_err(|_| InvalidRefreshToken)? })
    }

    /// The text of the token, for the answer that delivers it and for nothing else.
    #[must_use]
    pub fn expose(&self) -> String {
        let mut bytes = self.family.to_vec();
        bytes.extend_from_slice(&self.secret);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    #[must_use]
    pub fn session_id(&self) -> String {
        let hash = digest(&SHA256, &self.family);
        URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16])
    }

    fn secret_hash(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, &self.secret))
    }
}

#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// Never given out, expired, ended, or used before; the last ends the family.
    #[error("the refresh token is not valid")]
    Invalid,
    #[error(transparent)]
    Table(#[from] TableError),
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

    /// A new session and its first refresh token; it begins when [`Self::insert`] is committed.
    #[must_use]
    pub fn begin(account: &Holder, sign_in: SignIn, rng: &mut dyn CryptoRng) -> (Session, RefreshToken) {
        let token = RefreshToken::new(entropy::bytes(rng), rng);
        let SignIn { amr, auth_time, mfa_time } = sign_in;
        let expires_at = auth_time.plus(LIFETIME);
        let session = Session {
            id: token.session_id(),
            user_id: account.user_id.clone(),
            current: token.secret_hash(),
            amr,
            auth_time,
            mfa_time,
            expires_at,
            epoch: account.epoch,
            ttl: expires_at,
        };
        (session, token)
    }

    #[must_use]
    pub fn insert(&self, session: &Session) -> TransactWriteItem {
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(table::write(session)))
            .condition_expression("attribute_not_exists(id)")
            .build()
            .expect("table and item are set");
        TransactWriteItem::builder().put(put).build()
    }

    /// # Errors
    /// [`TableError`] when DynamoDB is away.
    pub async fn find(&self, id: &str) -> Result<Option<Session>, TableError> {
        let request = self.client.get_item().table_name(&self.table).key("id", text(id)).consistent_read(true);
        request.send().await?.item.map(|item| table::read(TABLE, item)).transpose()
    }

    /// The write that makes a session which began with a password one of two steps: a code was entered in it.
    #[must_use]
    pub fn second_step_taken(&self, id: &str, now: Timestamp) -> TransactWriteItem {
        let amr = SignIn::in_two_steps(Method::Sms, now, now).amr;
        let update = Update::builder()
            .table_name(&self.table)
            .key("id", text(id))
            .condition_expression("attribute_exists(id)")
            .update_expression("SET amr = :amr, mfa_time = :now")
            .expression_attribute_values(
                ":amr",
                AttributeValue::L(amr.iter().map(|method| text(method.as_str())).collect()),
            )
            .expression_attribute_values(":now", number(now.0));
        let update = update.build().expect("table, key and expression are set");
        TransactWriteItem::builder().update(update).build()
    }

    /// Trades a refresh token for its successor `next`.
    ///
    /// # Errors
    /// [`RefreshError::Invalid`]; when the token was used before, all that came of it end.
    pub async fn rotate(
        &self,
        token: &RefreshToken,
        next: &RefreshToken,
        now: Timestamp,
    ) -> Result<Session, RefreshError> {
        let id = token.session_id();
        let result = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("id", text(&id))
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
            Ok(answer) => return Ok(read(answer.attributes)?),
            Err(error) => error,
        };
        let Some(UpdateItemError::ConditionalCheckFailedException(failed)) = error.as_service_error() else {
            return Err(TableError::from(error).into());
        };
        let Some(found) = failed.item.clone() else { return Err(RefreshError::Invalid) };
        let session = read(Some(found))?;
        if session.current == next.secret_hash() {
            // The answer to this very write was lost and the SDK sent it again.
            return Ok(session);
        }
        if session.expires_at > now {
            tracing::warn!(session = %session.id, "a used refresh token came back; its family is ended");
            metrics::emit(Metric::RefreshTokensReused, now);
            self.end(&id).await?;
        }
        Err(RefreshError::Invalid)
    }

    /// Ends the token's session, if there is one. Whoever holds an older token of it may end it too.
    ///
    /// # Errors
    /// [`TableError`] when DynamoDB is away.
    pub async fn log_out(&self, token: &RefreshToken) -> Result<(), TableError> {
        self.end(&token.session_id()).await
    }

    async fn end(&self, id: &str) -> Result<(), TableError> {
        self.client.delete_item().table_name(&self.table).key("id", text(id)).send().await?;
        Ok(())
    }
}

fn read(item: Option<Item>) -> Result<Session, TableError> {
    table::read(TABLE, item.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    #[test]
    fn a_token_is_read_back_and_its_session_does_not_give_it_away() {
        let mut rng = StdRng::seed_from_u64(1);
        let account = Holder { user_id: UserId::from_stored("ann"), epoch: 0, has_password: false, proven_at: None };
        let (session, token) = SessionStore::begin(&account, SignIn::by_phone(Timestamp(0)), &mut rng);
        let text = token.expose();
        let read = RefreshToken::parse(&text).unwrap();
        assert_eq!((read.session_id(), read.secret_hash()), (session.id.clone(), session.current.clone()));
        let stored = serde_json::to_string(&session).unwrap();
        assert!(!stored.contains(&text[..21]) && !stored.contains(&text[22..]));
    }

    #[test]
    fn noise_is_not_a_token() {
        for noise in ["", "abc", &"A".repeat(63), &"!".repeat(64), &"A".repeat(10_000)] {
            assert!(RefreshToken::parse(noise).is_err());
        }
    }
}
