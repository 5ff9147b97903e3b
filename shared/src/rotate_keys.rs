//! Secrets Manager's rotation of the keys secret, in its four steps: create, set, test, finish. Each may come more than
//! once. What a rotation changes is decided in [`crate::keys::rotation`].
//! Source: AWS Secrets Manager User Guide, "Rotation by Lambda function".

use std::sync::Arc;

use aws_lambda_events::secretsmanager::SecretsManagerSecretRotationEvent as Event;
use aws_sdk_secretsmanager::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::get_secret_value::GetSecretValueError,
};
use lambda_runtime::{LambdaEvent, service_fn};
use secrecy::{ExposeSecret, SecretString};

use crate::{
    aws,
    clock::{Clock, SystemClock},
    config, entropy,
    keys::{
        KeysSecret,
        rotation::{self, RotationError},
    },
    secrets::SecretError,
    telemetry,
};

pub type Error = lambda_runtime::Error;

const CURRENT: &str = "AWSCURRENT";
const PENDING: &str = "AWSPENDING";

/// Serves the steps of rotations for as long as the function lives.
///
/// # Errors
/// When the Lambda runtime itself fails.
pub async fn run(rotation: &'static Rotation) -> Result<(), Error> {
    let step = |event: LambdaEvent<Event>| async move {
        rotation.step(&event.payload).await.map_err(|error| {
            tracing::error!(%error, step = event.payload.step, "the keys were not rotated");
            Error::from(error)
        })
    };
    lambda_runtime::run(service_fn(step)).await
}

/// Everything `rotate-keys` needs.
pub struct Rotation {
    secrets: Client,
    /// The one secret that it rotates.
    keys_secret: String,
    clock: Arc<dyn Clock>,
}

/// Why a step was not taken. Secrets Manager tries again, and nothing has changed for anybody.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    #[error("this function rotates only the keys secret")]
    OtherSecret,
    #[error("rotation is not enabled for this secret")]
    NotEnabled,
    #[error("the secret has no AWSPENDING version with this token")]
    NotPending,
    #[error("unknown rotation step")]
    UnknownStep,
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Rotation(#[from] RotationError),
}

/// Where the version that a rotation is about stands.
enum Version {
    /// It is already the present one: the rotation is done.
    Current,
    /// It waits, and `current` is the one that it will follow.
    Pending { current: Option<String> },
}

impl Rotation {
    /// # Errors
    /// When the environment is incomplete; the error names the variable.
    pub async fn init() -> Result<&'static Self, Error> {
        telemetry::init(config::log_level()?);
        let secrets = Client::new(&aws::sdk_config().await);
        let rotation = Self::new(secrets, config::required("KEYS_SECRET")?, Arc::new(SystemClock));
        Ok(Box::leak(Box::new(rotation)))
    }

    #[must_use]
    pub fn new(secrets: Client, keys_secret: String, clock: Arc<dyn Clock>) -> Self {
        Self { secrets, keys_secret, clock }
    }

    /// Takes one step.
    ///
    /// # Errors
    /// [`StepError`].
    pub async fn step(&self, event: &Event) -> Result<(), StepError> {
        if event.secret_id != self.keys_secret {
            return Err(StepError::OtherSecret);
        }
        let token = event.client_request_token.as_str();
        let Version::Pending { current } = self.version(token).await? else { return Ok(()) };
        match event.step.as_str() {
            "createSecret" => self.create(token).await,
            // The keys are used by nobody but those who read the secret: there is nowhere else to set them.
            "setSecret" => Ok(()),
            "testSecret" => self.test(token).await,
            "finishSecret" => self.finish(token, current).await,
            _ => Err(StepError::UnknownStep),
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
            // These keys have waited too long to be announced in time: the next rotation makes others.
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
        // Never before the new keys have passed: the steps could come in any order.
        self.test(token).await?;
        let update = self.secrets.update_secret_version_stage().secret_id(&self.keys_secret).version_stage(CURRENT);
        update.move_to_version_id(token).set_remove_from_version_id(current).send().await.map_err(unavailable)?;
        tracing::info!("the keys were rotated");
        Ok(())
    }

    /// The present keys; none before the first rotation. Anything else that is not keys is an error, and is not replaced:
    /// the pepper may still be saved from it.
    async fn present(&self) -> Result<Option<KeysSecret>, StepError> {
        let get = self.secrets.get_secret_value().secret_id(&self.keys_secret).version_stage(CURRENT);
        let Some(text) = text_of(get.send().await)? else { return Ok(None) };
        match KeysSecret::parse(&text) {
            Ok(keys) => Ok(Some(keys)),
            Err(SecretError::Missing) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What was created for `token`, if anything was.
    async fn pending(&self, token: &str) -> Result<Option<SecretString>, StepError> {
        let get = self.secrets.get_secret_value().secret_id(&self.keys_secret).version_id(token).version_stage(PENDING);
        text_of(get.send().await)
    }
}

type Got = Result<
    aws_sdk_secretsmanager::operation::get_secret_value::GetSecretValueOutput,
    SdkError<GetSecretValueError, aws_sdk_secretsmanager::config::http::HttpResponse>,
>;

/// A version without a value is no error: Secrets Manager makes one for each rotation before the first step.
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
