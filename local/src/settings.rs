//! What can be set on a laptop, through environment variables.

use std::{env, path::PathBuf};

use crate::Result;

/// What `sms-status` expects at the end of its address here; a deployment has its own, long and random.
pub const CALLBACK_TOKEN: &str = "local-callback-token-0123456789abcdef";

pub struct Settings {
    pub api_port: u16,
    pub sandbox_port: u16,
    pub dynamodb_port: u16,
    pub secrets_port: u16,
    /// How many processes of one function may run at once.
    pub concurrency: u16,
    /// Whether a change of a source file restarts its functions.
    pub reload: bool,
    /// Whether the limits by address and range, the budgets and the breaker hold here too, where everybody comes from one
    /// address and no message costs anything.
    pub limits_as_deployed: bool,
    /// Whether the end of standard input ends everything; for programs that start this one.
    pub until_stdin_closes: bool,
    /// Where tables and secrets are kept; none keeps nothing.
    pub data: Option<PathBuf>,
}

impl Settings {
    /// # Errors
    /// Names the variable that is malformed.
    pub fn read() -> Result<Self> {
        Ok(Self {
            api_port: number("API_PORT", 9000)?,
            sandbox_port: number("SANDBOX_PORT", 9001)?,
            dynamodb_port: number("DYNAMODB_PORT", 8000)?,
            secrets_port: number("SECRETS_PORT", 8001)?,
            concurrency: number("CONCURRENCY", 4)?.max(1),
            reload: env::var("RELOAD").as_deref() != Ok("off"),
            limits_as_deployed: env::var("LIMITS").as_deref() == Ok("deployed"),
            until_stdin_closes: env::var("UNTIL_STDIN_CLOSES").is_ok(),
            data: match env::var("DATA").as_deref() {
                Ok("memory") => None,
                // Under `target/`: the watcher of sources looks everywhere else.
                Err(_) | Ok("" | "disk") => Some(PathBuf::from("target/local")),
                Ok(other) => return Err(format!("DATA is {other:?}; it may be `disk` or `memory`").into()),
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
}

fn number(variable: &str, default: u16) -> Result<u16> {
    match env::var(variable) {
        Ok(value) if !value.is_empty() => {
            value.parse().map_err(|_| format!("{variable} is {value:?}; it must be a number up to 65535").into())
        }
        _ => Ok(default),
    }
}
