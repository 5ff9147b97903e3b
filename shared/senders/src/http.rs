//! What the HTTP clients of all senders share: time limits, and TLS that starts fast.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Mozilla's roots, compiled in: reading the system's store is most of what a start would take.
static TLS: LazyLock<ClientConfig> = LazyLock::new(|| {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.into() };
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("AWS-LC has the default versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
});

/// A client with time limits that follows no redirects.
#[expect(clippy::disallowed_methods, reason = "the one place that makes clients, with time limits")]
pub(crate) fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TOTAL_TIMEOUT)
        // A connection that was kept while the function was frozen may be dead, and the outcome of a request sent into it
        // would be unknown.
        .pool_max_idle_per_host(0)
        .redirect(reqwest::redirect::Policy::none())
        .tls_backend_preconfigured(TLS.clone())
}
