//! What every function does first.

use std::sync::Arc;

use aws_config::SdkConfig;
use twostep_crypto::origin_secret::OriginSecrets;
use twostep_domain::time::Clock;

use crate::{
    aws,
    clock::SystemClock,
    config::{self, ConfigError, Environment},
    metrics, telemetry,
};

/// What a function builds the rest from.
pub struct Startup {
    pub env: Environment,
    pub clock: Arc<dyn Clock>,
    pub aws: SdkConfig,
    /// Origins whose pages may call the API.
    pub allowed_origins: Vec<String>,
    /// What the edge proves itself with, if there is one.
    pub origin_secrets: OriginSecrets,
}

impl Startup {
    /// Starts logging and makes the HTTP client that all AWS clients share.
    ///
    /// # Errors
    /// [`ConfigError`] if a variable that every function reads is malformed.
    pub async fn begin() -> Result<Self, ConfigError> {
        let env = Environment::of_process();
        telemetry::init(config::log_level(&env)?);
        metrics::use_namespace(config::metrics_namespace(&env)?);
        let allowed_origins = config::allowed_origins(&env)?;
        let origin_secrets = config::origin_secrets(&env)?;
        let aws = aws::sdk_config().await;
        Ok(Self { env, clock: Arc::new(SystemClock), aws, allowed_origins, origin_secrets })
    }
}

/// Lets a value live as long as the process, as everything does that a function builds at start.
pub fn forever<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}
