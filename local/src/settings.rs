//! The laptop's settings, read from environment variables.

use std::{env, path::PathBuf};

use twostep_domain::email::Sender;

use crate::{arn::ACCOUNT, result::Result};

/// The token in the callback URL of `sms-status`. A deployment has its own, long and random.
pub const CALLBACK_TOKEN: &str = "local-callback-token-0123456789abcdef";

#[expect(clippy::struct_excessive_bools, reason = "independent switches")]
pub struct Settings {
    pub api_port: u16,
    pub sandbox_port: u16,
    /// Where functions reach SES: the sandbox, or the IAM proxy before it.
    pub ses_port: u16,
    pub dynamodb_port: u16,
    pub secrets_port: u16,
    pub sqs_port: u16,
    /// How many processes of one function may run at once.
    pub concurrency: u16,
    /// Whether functions are rebuilt when their source changes.
    pub reload: bool,
    /// Whether the client IP and range limits, the budgets and the breaker apply. On a laptop, all requests come from
    /// one IP and messages cost nothing.
    pub limits_as_deployed: bool,
    /// Whether the gateway applies the template's route throttles. Defaults to `limits_as_deployed`.
    pub throttles: bool,
    /// The sender of emails; `None` turns email off.
    pub email_from: Option<Sender>,
    /// A header that sets the client IP, for tests that need many clients.
    pub source_ip_header: Option<String>,
    /// Whether the stack stops when its standard input closes, for programs that start it.
    pub until_stdin_closes: bool,
    /// Where tables and secrets are stored; `None` keeps them in memory.
    pub data: Option<PathBuf>,
}

impl Settings {
    /// # Errors
    /// If a variable is malformed. The error names it.
    pub fn read() -> Result<Self> {
        let limits_as_deployed = env::var("LIMITS").as_deref() == Ok("deployed");
        let sandbox_port = number("SANDBOX_PORT", 9001)?;
        Ok(Self {
            api_port: number("API_PORT", 9000)?,
            sandbox_port,
            ses_port: sandbox_port,
            dynamodb_port: number("DYNAMODB_PORT", 8000)?,
            secrets_port: number("SECRETS_PORT", 8001)?,
            sqs_port: number("SQS_PORT", 8002)?,
            concurrency: number("CONCURRENCY", 4)?.max(1),
            reload: env::var("RELOAD").as_deref() != Ok("off"),
            limits_as_deployed,
            throttles: match env::var("THROTTLES").as_deref() {
                Err(_) | Ok("") => limits_as_deployed,
                Ok("on") => true,
                Ok("off") => false,
                Ok(other) => return Err(format!("THROTTLES is {other:?}; expected `on` or `off`").into()),
            },
            email_from: email_from()?,
            source_ip_header: env::var("SOURCE_IP_HEADER").ok().filter(|name| !name.is_empty()),
            until_stdin_closes: env::var("UNTIL_STDIN_CLOSES").is_ok(),
            data: match env::var("DATA").as_deref() {
                Ok("memory") => None,
                // Under `target/`, because the source watcher ignores only that folder.
                Err(_) | Ok("" | "disk") => Some(PathBuf::from("target/local")),
                Ok(other) => return Err(format!("DATA is {other:?}; expected `disk` or `memory`").into()),
            },
        })
    }

    #[must_use]
    pub fn api_url(&self) -> String {
        format!("http://localhost:{}", self.api_port)
    }

    #[must_use]
    pub fn sandbox_url(&self) -> String {
        format!("http://localhost:{}", self.sandbox_port)
    }

    #[must_use]
    pub fn callback_url(&self) -> String {
        format!("{}/v1/sms/status/{CALLBACK_TOKEN}", self.api_url())
    }

    #[must_use]
    pub fn queue_url(&self, queue: &str) -> String {
        format!("http://localhost:{}/{ACCOUNT}/{queue}", self.sqs_port)
    }
}

fn number(variable: &str, default: u16) -> Result<u16> {
    match env::var(variable) {
        Ok(value) if !value.is_empty() => {
            value.parse().map_err(|_| format!("{variable} is {value:?}; expected a number up to 65535").into())
        }
        _ => Ok(default),
    }
}

fn email_from() -> Result<Option<Sender>> {
    let text = env::var("EMAIL_FROM").unwrap_or_else(|_| "Example <no-reply@example.com>".to_owned());
    if text.is_empty() {
        return Ok(None);
    }
    Sender::parse(&text).map(Some).map_err(|error| format!("EMAIL_FROM is {text:?}; {error}").into())
}
