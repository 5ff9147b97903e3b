//! Amazon SES, through its API version 2.

use std::{error::Error, fmt, io, time::Duration};

use aws_config::SdkConfig;
use aws_sdk_sesv2::{
    config::{retry::RetryConfig, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
    operation::send_email::SendEmailError,
    types::{Body, Content, Destination, EmailContent as SesContent, Message},
};
use twostep_domain::{
    email::{EmailAddress, Sender},
    email_texts::EmailContent,
};

pub struct Client(aws_sdk_sesv2::Client);

/// What SES did with an email.
pub type Outcome = crate::Outcome<Fault>;

/// Whose fault a refusal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The address.
    Recipient,
    /// The account: its permissions, identity, quota or reputation. The operator must act.
    Account,
}

/// Why a test email was not sent: SES's error code, or what happened instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("SES refused the address.")]
    Recipient,
    #[error("SES refused the sender or the account. Check the verified identity, the sandbox and the quota.")]
    Account,
    #[error("SES: {}.", .0.replace('_', " "))]
    Said(&'static str),
}

impl Client {
    const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
    const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);

    /// The client sends each email once: SES does not recognise repetitions.
    #[must_use]
    pub fn new(aws: &SdkConfig) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Self::CONNECT_TIMEOUT)
            .operation_attempt_timeout(Self::TOTAL_TIMEOUT)
            .operation_timeout(Self::TOTAL_TIMEOUT);
        let config = aws_sdk_sesv2::config::Builder::from(aws)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts.build());
        Self(aws_sdk_sesv2::Client::from_conf(config.build()))
    }

    /// Sends once. Everything that can go wrong is part of the [`Outcome`].
    pub async fn send(&self, from: &Sender, to: &EmailAddress, email: &EmailContent) -> Outcome {
        let Ok(content) = content(email) else { return Outcome::Unknown { reason: "not_built" } };
        let request = self
            .0
            .send_email()
            .from_email_address(from.to_string())
            .destination(Destination::builder().to_addresses(to.as_written()).build())
            .content(content);
        match request.send().await {
            Ok(sent) => match sent.message_id {
                Some(message_id) => Outcome::Accepted { message_id },
                None => Outcome::Unknown { reason: "no_message_id" },
            },
            Err(error) => outcome(&error),
        }
    }
}

impl Outcome {
    /// Why it was not sent; `None` if it was.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        match self {
            Self::Accepted { .. } => None,
            Self::Refused { fault: Fault::Recipient, .. } => Some(Failure::Recipient),
            Self::Refused { .. } => Some(Failure::Account),
            Self::Later { reason } | Self::Unknown { reason } => Some(Failure::Said(reason)),
        }
    }
}

fn content(email: &EmailContent) -> Result<SesContent, aws_sdk_sesv2::error::BuildError> {
    let part = |data: &str| Content::builder().data(data).charset("UTF-8").build();
    let body = Body::builder().text(part(&email.text)?).html(part(&email.html)?).build();
    Ok(SesContent::builder().simple(Message::builder().subject(part(&email.subject)?).body(body).build()).build())
}

fn outcome(error: &SdkError<SendEmailError>) -> Outcome {
    match error {
        SdkError::ConstructionFailure(_) => Outcome::Later { reason: "not_built" },
        // The only timeout of the connector is that of connecting.
        SdkError::DispatchFailure(failure) if failure.is_timeout() || never_left(error) => {
            Outcome::Later { reason: "not_reached" }
        }
        SdkError::TimeoutError(_) => Outcome::Unknown { reason: "timeout" },
        SdkError::ServiceError(refused) => {
            of_service(refused.raw().status().as_u16(), refused.err().code().unwrap_or("unnamed"))
        }
        SdkError::ResponseError(response) if response.raw().status().as_u16() == 503 => {
            Outcome::Later { reason: "unavailable" }
        }
        _ => Outcome::Unknown { reason: "connection_lost" },
    }
}

/// Amazon SES API v2 reference, `SendEmail`, "Errors".
fn of_service(status: u16, code: &str) -> Outcome {
    let refused = |fault| Outcome::Refused { code: code.to_owned(), fault };
    match (status, code) {
        (429, _) | (_, "TooManyRequestsException" | "LimitExceededException" | "ThrottlingException") => {
            Outcome::Later { reason: "rate_limited" }
        }
        (503, _) => Outcome::Later { reason: "unavailable" },
        (500.., _) => Outcome::Unknown { reason: "server_error" },
        (_, "BadRequestException") => refused(Fault::Recipient),
        (400..=499, _) => refused(Fault::Account),
        _ => Outcome::Unknown { reason: "not_understood" },
    }
}

/// Whether an error says that there was no connection.
fn never_left(error: &(dyn Error + 'static)) -> bool {
    let no_connection = |error: &(dyn Error + 'static)| {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        matches!(
            kind,
            Some(io::ErrorKind::ConnectionRefused | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable)
        )
    };
    std::iter::successors(Some(error), |&error| error.source()).any(no_connection)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ses::Client")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ses_certainly_did_not_take_is_sent_again() {
        let refused = |code: &str, fault| Outcome::Refused { code: code.into(), fault };
        for (status, code, outcome) in [
            (400, "BadRequestException", refused("BadRequestException", Fault::Recipient)),
            (400, "MessageRejected", refused("MessageRejected", Fault::Account)),
            (400, "SendingPausedException", refused("SendingPausedException", Fault::Account)),
            (403, "AccessDeniedException", refused("AccessDeniedException", Fault::Account)),
            (404, "NotFoundException", refused("NotFoundException", Fault::Account)),
            (429, "TooManyRequestsException", Outcome::Later { reason: "rate_limited" }),
            (400, "LimitExceededException", Outcome::Later { reason: "rate_limited" }),
            (503, "ServiceUnavailable", Outcome::Later { reason: "unavailable" }),
            (500, "InternalFailure", Outcome::Unknown { reason: "server_error" }),
            (302, "unnamed", Outcome::Unknown { reason: "not_understood" }),
        ] {
            assert_eq!(of_service(status, code), outcome, "{status} {code}");
        }
    }
}
