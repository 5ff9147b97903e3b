//! Secrets Manager's rotation of the keys secret, in its four steps: create, set, test, finish. Each may come more than
//! once. `twostep_crypto::key_ring::rotation` decides what a rotation changes.
//! Source: AWS Secrets Manager User Guide, "Rotation by Lambda function".

use std::sync::Arc;

use aws_sdk_secretsmanager::{
    Client,
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::get_secret_value::{GetSecretValueError, GetSecretValueOutput},
};
use secrecy::{ExposeSecret, SecretString};
use twostep_crypto::key_ring::{
    KeysError, KeysSecret,
    rotation::{self, RotationError},
};
use twostep_domain::time::Clock;
use twostep_runtime::{Startup, aws, config::ConfigError, entropy, secrets::SecretError};

const CURRENT: &str = "AWSCURRENT";
const PENDING: &str = "AWSPENDING";
const PREVIOUS: &str = "AWSPREVIOUS";

pub struct RotateKeys {
    secrets: Client,
    /// The only secret that it rotates.
    keys_secret: String,
    clock: Arc<dyn Clock>,
}

/// A step, by the name that Secrets Manager gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumString)]
enum Step {
    #[strum(serialize = "createSecret")]
    Create,
    #[strum(serialize = "setSecret")]
    Set,
    #[strum(serialize = "testSecret")]
    Test,
    #[strum(serialize = "finishSecret")]
    Finish,
}

/// Why a step was not taken. Nothing has changed, and Secrets Manager tries again.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error("this function rotates only the keys secret")]
    OtherSecret,
    #[error("there is no such step")]
    UnknownStep,
    #[error("rotation is not enabled for this secret")]
    NotEnabled,
    #[error("the secret has no pending version with this token")]
    NotPending,
    #[error("the current version is empty, but the previous one has keys; restore it, or the pepper is lost")]
    KeysInPrevious,
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Keys(#[from] KeysError),
    #[error(transparent)]
    Rotation(#[from] RotationError),
}

/// The state of the version that a rotation is about.
enum Version {
    /// It is already the current one, so the rotation is done.
    Current,
    /// It is pending, and will replace the version `current`.
    Pending { current: Option<String> },
}

impl RotateKeys {
    /// # Errors
    /// [`ConfigError`] if `KEYS_SECRET` is not set.
    pub fn open(startup: &Startup) -> Result<Self, ConfigError> {
        let keys_secret = startup.env.required("KEYS_SECRET")?;
        Ok(Self::new(Client::new(&startup.aws), keys_secret, Arc::clone(&startup.clock)))
    }

    #[must_use]
    pub fn new(secrets: Client, keys_secret: String, clock: Arc<dyn Clock>) -> Self {
        Self { secrets, keys_secret, clock }
    }

    /// Takes one step for the version `token` of `secret`.
    ///
    /// # Errors
    /// [`StepError`]
    pub async fn step(&self, secret: &str, token: &str, step: &str) -> Result<(), StepError> {
        if secret != self.keys_secret {
            return Err(StepError::OtherSecret);
        }
        let step = step.parse().map_err(|_| StepError::UnknownStep)?;
        let Version::Pending { current } = self.version(token).await? else { return Ok(()) };
        match step {
            Step::Create => self.create(token).await,
            // The functions read the keys from the secret itself, so there is nowhere else to set them.
            Step::Set => Ok(()),
            Step::Test => self.test(token).await,
            Step::Finish => self.finish(token, current).await,
        }
    }

    async fn version(&self, token: &str) -> Result<Version, StepError> {
        let secret = self.secrets.describe_secret().secret_id(&self.keys_secret).send().await.map_err(unavailable)?;
        if secret.rotation_enabled != Some(true) {
            return Err(StepError::NotEnabled);
        }
        let versions = secret.version_ids_to_stages.unwrap_or_default();
        let has = |stages: &[String], stage: &str| stages.iter().any(|found| found == stage);
        match versions.get(token) {
            Some(stages) if has(stages, CURRENT) => Ok(Version::Current),
            Some(stages) if has(stages, PENDING) => {
                let current = versions.iter().find(|(_, stages)| has(stages, CURRENT));
                Ok(Version::Pending { current: current.map(|(id, _)| id.clone()) })
            }
            _ => Err(StepError::NotPending),
        }
    }

    async fn create(&self, token: &str) -> Result<(), StepError> {
        if self.pending(token).await?.is_some() {
            return Ok(());
        }
        let (now, rng) = (self.clock.now(), &mut entropy::system());
        let next = match self.present().await? {
            Some(present) => rotation::next(&present, now, rng)?,
            None => KeysSecret::first(now, rng)?,
        };
        let put = self.secrets.put_secret_value().secret_id(&self.keys_secret).client_request_token(token);
        let put = put.secret_string(next.write().expose_secret()).version_stages(PENDING);
        put.send().await.map_err(unavailable)?;
        Ok(())
    }

    async fn test(&self, token: &str) -> Result<(), StepError> {
        let next = self.pending(token).await?.ok_or(StepError::NotPending)?;
        let present = self.present().await?;
        match rotation::check(present.as_ref(), &next, self.clock.now()) {
            // These keys have waited too long to be published in time. The next rotation makes others.
            Err(error @ RotationError::TooSoon) => {
                let update = self.secrets.update_secret_version_stage().secret_id(&self.keys_secret);
                let update = update.version_stage(PENDING).remove_from_version_id(token);
                update.send().await.map_err(unavailable)?;
                Err(error.into())
            }
            checked => Ok(checked?),
        }
    }

    async fn finish(&self, token: &str, current: Option<String>) -> Result<(), StepError> {
        // The steps could come in any order, so the new keys are tested again.
        self.test(token).await?;
        let update = self.secrets.update_secret_version_stage().secret_id(&self.keys_secret).version_stage(CURRENT);
        update.move_to_version_id(token).set_remove_from_version_id(current).send().await.map_err(unavailable)?;
        tracing::info!("the keys were rotated");
        Ok(())
    }

    /// The present keys; `None` before the first rotation. Anything else that is not keys is an error and is not replaced,
    /// because the pepper may still be recovered from it. The same applies to a previous version that is not empty.
    async fn present(&self) -> Result<Option<KeysSecret>, StepError> {
        if let Some(keys) = self.keys(CURRENT).await? {
            return Ok(Some(keys));
        }
        match self.keys(PREVIOUS).await {
            Ok(None) => Ok(None),
            Ok(Some(_)) | Err(StepError::Keys(_)) => Err(StepError::KeysInPrevious),
            Err(error) => Err(error),
        }
    }

    /// The keys of the version with the label `stage`; `None` if there is none or it is the placeholder.
    async fn keys(&self, stage: &str) -> Result<Option<KeysSecret>, StepError> {
        let get = self.secrets.get_secret_value().secret_id(&self.keys_secret).version_stage(stage);
        let Some(text) = text_of(get.send().await)? else { return Ok(None) };
        match KeysSecret::parse(&text) {
            Ok(keys) => Ok(Some(keys)),
            Err(KeysError::NotCreated) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What was created for `token`, if anything was.
    async fn pending(&self, token: &str) -> Result<Option<SecretString>, StepError> {
        let get = self.secrets.get_secret_value().secret_id(&self.keys_secret).version_id(token).version_stage(PENDING);
        text_of(get.send().await)
    }
}

type Got = Result<GetSecretValueOutput, SdkError<GetSecretValueError, HttpResponse>>;

/// A version without a value is not an error: Secrets Manager makes one for each rotation before the first step.
fn text_of(got: Got) -> Result<Option<SecretString>, StepError> {
    match got {
        Ok(got) => Ok(got.secret_string.map(Into::into)),
        Err(error) if matches!(error.as_service_error(), Some(GetSecretValueError::ResourceNotFoundException(_))) => {
            Ok(None)
        }
        Err(error) => Err(unavailable(error)),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn unavailable<E: ProvideErrorMetadata, R>(error: SdkError<E, R>) -> StepError {
    SecretError::Unavailable(aws::reason(&error)).into()
}
