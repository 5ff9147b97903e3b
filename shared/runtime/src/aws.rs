//! What the AWS clients share: one HTTP client, made for a fast cold start (see `docs/architecture.md`, "Speed").

use std::time::Duration;

use aws_config::{
    BehaviorVersion, SdkConfig, environment::EnvironmentVariableCredentialsProvider, retry::RetryConfig,
    timeout::TimeoutConfig,
};
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};

/// The roots that AWS endpoints chain to (Amazon Trust Services). Reading these few instead of the system's whole
/// store is most of what makes a start fast.
const AMAZON_ROOTS: &[u8] = include_bytes!("aws_roots.pem");

/// The one retry policy of all calls: three attempts, with random pauses of at most 25 and 50 ms in between. The SDKs'
/// own pauses of up to a second are longer than most requests.
fn retries() -> RetryConfig {
    const FIRST_PAUSE: Duration = Duration::from_millis(25);
    RetryConfig::standard().with_max_attempts(3).with_initial_backoff(FIRST_PAUSE)
}

/// Credentials from the environment, and time limits that leave a caller time for a clean response.
pub async fn sdk_config() -> SdkConfig {
    let tls = TlsContext::builder()
        .with_trust_store(TrustStore::empty().with_pem_certificate(AMAZON_ROOTS))
        .build()
        .expect("the embedded roots are valid");
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(tls).build_https();
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(2))
        .operation_timeout(Duration::from_secs(5))
        .build();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .credentials_provider(EnvironmentVariableCredentialsProvider::new())
        .timeout_config(timeouts)
        .retry_config(retries())
        .load()
        .await
}

/// Why a call failed, in words that carry nothing of the request or the response.
#[must_use]
pub fn reason<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> String {
    let kind = match error {
        SdkError::ConstructionFailure(_) => "request not built",
        SdkError::TimeoutError(_) => "timed out",
        SdkError::DispatchFailure(_) => "not reached",
        SdkError::ResponseError(_) => "response not understood",
        _ => "refused",
    };
    match error.as_service_error().and_then(ProvideErrorMetadata::code) {
        Some(code) => format!("{kind} ({code})"),
        None => kind.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_client_retries_twice_after_milliseconds() {
        let config = sdk_config().await;
        let retries = config.retry_config().expect("one retry policy");
        assert_eq!((retries.max_attempts(), retries.initial_backoff()), (3, Duration::from_millis(25)));
    }
}
