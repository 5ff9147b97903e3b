//! What can be wrong, and how a client is told: `application/problem+json` (RFC 9457). Nothing here carries a phone number,
//! a code, a token or the words of an internal failure.

use std::borrow::Cow;

use lambda_http::{
    Body, Response,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, SET_COOKIE, WWW_AUTHENTICATE},
    },
};
use serde::Serialize;
use strum::EnumCount;
use twostep_crypto::password::WeakPassword;
use twostep_runtime::metrics::{Dimension, Metric, Name};
use twostep_senders::{FailureCode, ses::Failure as EmailFailure};

use super::Cookies;

/// Everything that can be wrong with a request. `code` is stable.
#[derive(Clone, Copy, Debug, PartialEq, strum::EnumCount)]
pub enum Problem {
    InvalidRequest,
    /// Too many lines, or none.
    InvalidImport,
    InvalidPhone,
    PhoneNotAllowed,
    InvalidName,
    InvalidEmail,
    /// In the field `password`.
    WeakPassword(WeakPassword),
    /// In the field `new_password`.
    WeakNewPassword(WeakPassword),
    /// Names the field.
    InvalidSetting(&'static str),
    InvalidCodeFormat,
    InvalidRecoveryCodeFormat,
    /// In the field `totp`.
    InvalidTotpFormat,
    InvalidCredentials,
    InvalidAdminKey,
    /// Not a client with this secret, or not of the kind that this route is for.
    InvalidClient,
    WrongCode {
        attempts_left: usize,
    },
    InvalidToken,
    InvalidRegistrationToken,
    InvalidResetToken,
    InvalidRefreshToken,
    /// The same for a token in a cookie, which is cleared.
    InvalidRefreshCookie(Cookies),
    InvalidCallbackToken,
    ReauthRequired,
    ForeignOrigin,
    /// The request didn't come through the edge.
    DirectAccess,
    NotAnAdmin,
    UnknownChallenge,
    UnknownDevice,
    UnknownSession,
    UnknownClient,
    UnknownUser,
    /// No webhook, or no delivery of one.
    UnknownWebhook,
    NotFound,
    EmailTaken,
    EmailNeedsVerification,
    PhoneTaken,
    LastWayIn,
    /// Without this account, no admin could act.
    LastAdmin,
    TooManyWebhooks,
    TwoStepOff,
    TotpOn,
    TotpNotStarted,
    IdempotencyMismatch,
    CodeExpired,
    CodeUsed,
    UnsupportedMediaType,
    /// Seconds until a new code is available.
    TooManyAttempts {
        retry_after: u64,
    },
    TooManyCodes {
        retry_after: u64,
    },
    TooManyRequests {
        retry_after: u64,
    },
    ClickatellKeyRejected,
    /// The provider's error code, or why there is none.
    SmsFailed(FailureCode),
    /// Why SES did not send it.
    EmailFailed(EmailFailure),
    SmsDisabled,
    EmailDisabled,
    /// A budget is spent, or the breaker holds messages of this kind back.
    SmsBudgetSpent {
        retry_after: u64,
    },
    /// A dependency does not answer. Nothing was half-done; the same request may be sent again.
    Unavailable,
    /// A bug. The log says where.
    InternalError,
}

/// How long a client should wait before it tries again what failed for reasons on our side.
const UNAVAILABLE_RETRY_AFTER: u64 = 2;

/// How long the settings may be cached: no answer changes sooner.
const DISABLED_RETRY_AFTER: u64 = 30;

#[derive(Serialize)]
struct Body9457 {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts_left: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
}

impl Problem {
    /// Status, stable code, title, and words for people.
    #[expect(clippy::too_many_lines, reason = "one table is easier to read than two")]
    fn facts(self) -> (u16, &'static str, &'static str, &'static str) {
        match self {
            Self::InvalidRequest => (
                400,
                "invalid_request",
                "Invalid request",
                "Send a JSON object of at most 16 KiB that has only the documented fields.",
            ),
            Self::InvalidImport => {
                (400, "invalid_request", "Invalid request", "Send 1 to 200 lines of JSON, at most 1 MiB.")
            }
            Self::InvalidPhone => (
                400,
                "invalid_phone",
                "Invalid phone number",
                "Use the international format, for example +14155552671.",
            ),
            Self::PhoneNotAllowed => (
                400,
                "phone_not_allowed",
                "Phone number not allowed",
                "Codes can be sent only to mobile numbers in supported countries.",
            ),
            Self::InvalidName => (400, "invalid_name", "Invalid name", "A name must have 1 to 100 visible characters."),
            Self::InvalidEmail => {
                (400, "invalid_email", "Invalid email address", "Use an address such as ada@example.com.")
            }
            Self::InvalidCodeFormat => (400, "invalid_code_format", "Invalid code format", "A code has six digits."),
            Self::InvalidRecoveryCodeFormat => (
                400,
                "invalid_code_format",
                "Invalid code format",
                "A recovery code has four groups of four letters and digits.",
            ),
            Self::InvalidTotpFormat => {
                (400, "invalid_code_format", "Invalid code format", "The code of an authenticator app has six digits.")
            }
            Self::WeakPassword(_) | Self::WeakNewPassword(_) => (400, "weak_password", "Weak password", ""),
            Self::InvalidSetting(field) => (400, "invalid_setting", "Invalid setting", what_would_do(field)),
            Self::InvalidCredentials => {
                (401, "invalid_credentials", "Invalid credentials", "Incorrect email or password.")
            }
            Self::InvalidAdminKey => {
                (401, "invalid_admin_key", "Invalid admin key", "Send the admin key as a bearer token.")
            }
            Self::InvalidClient => {
                (401, "invalid_client", "Invalid client", "Send the ID and secret of a server client by HTTP Basic.")
            }
            Self::UnknownClient => (404, "unknown_client", "Unknown client", "No client has this ID."),
            Self::UnknownWebhook => (404, "unknown_webhook", "Unknown webhook", "No webhook or delivery has this ID."),
            Self::TooManyWebhooks => {
                (409, "too_many_webhooks", "Too many webhooks", "There can be ten. Remove one first.")
            }
            Self::UnknownUser => (404, "unknown_user", "Unknown user", "No account has this ID."),
            Self::UnknownDevice => {
                (404, "unknown_device", "Unknown device", "This account has no remembered device with this ID.")
            }
            Self::UnknownSession => {
                (404, "unknown_session", "Unknown session", "This account has no session with this ID.")
            }
            Self::TwoStepOff => (
                409,
                "two_step_off",
                "Two-step sign-in is off",
                "Add a phone number or an authenticator app first. That turns on two-step sign-in.",
            ),
            Self::TotpOn => (
                409,
                "totp_on",
                "Authenticator app in use",
                "This account already has an authenticator app. Remove it first.",
            ),
            Self::TotpNotStarted => (
                409,
                "totp_not_started",
                "No authenticator app pending",
                "Request a new secret in this session, then confirm it within ten minutes.",
            ),
            Self::IdempotencyMismatch => (
                422,
                "idempotency_mismatch",
                "Idempotency key reused",
                "This Idempotency-Key came with another request. Use a new key for each request.",
            ),
            Self::ClickatellKeyRejected => (
                422,
                "clickatell_key_rejected",
                "Clickatell key rejected",
                "Clickatell rejected this key for this API. Nothing was changed.",
            ),
            Self::SmsFailed(_) => (422, "sms_failed", "Message not sent", ""),
            Self::EmailFailed(_) => (422, "email_failed", "Email not sent", ""),
            Self::TooManyRequests { .. } => {
                (429, "too_many_requests", "Too many requests", "Wait before you try again.")
            }
            Self::SmsDisabled => (503, "sms_disabled", "SMS is off", "This site isn't sending codes right now."),
            Self::EmailDisabled => (503, "email_disabled", "Email is off", "This site doesn't send emails."),
            Self::SmsBudgetSpent { .. } => (
                503,
                "sms_budget_spent",
                "SMS budget spent",
                "This site can't send more codes right now. Try again later, or sign in another way.",
            ),
            Self::WrongCode { .. } => (401, "wrong_code", "Wrong code", "The code is incorrect."),
            Self::InvalidToken => (401, "invalid_token", "Invalid access token", "Sign in or refresh the session."),
            Self::InvalidRegistrationToken => {
                (401, "invalid_registration_token", "Invalid registration token", "Verify the phone number again.")
            }
            Self::InvalidResetToken => (
                401,
                "invalid_reset_token",
                "Invalid reset token",
                "Start the reset again. A token works once, for fifteen minutes.",
            ),
            Self::InvalidRefreshToken | Self::InvalidRefreshCookie(_) => {
                (401, "invalid_refresh_token", "Invalid refresh token", "Sign in again.")
            }
            Self::InvalidCallbackToken => (
                401,
                "invalid_callback_token",
                "Invalid callback token",
                "The callback URL doesn't contain the configured token.",
            ),
            Self::ReauthRequired => (
                401,
                "reauth_required",
                "Recent sign-in required",
                "Sign in again with every step that the account requires, then retry within five minutes.",
            ),
            Self::ForeignOrigin => (
                403,
                "foreign_origin",
                "Origin not allowed",
                "Another site's page can't do this unless the operator allows its origin. Cookies work only on this site's own pages.",
            ),
            Self::DirectAccess => (
                403,
                "direct_access",
                "Not the public address",
                "This address serves only the service's own CDN. Use the public address, which is the issuer.",
            ),
            Self::NotAnAdmin => {
                (403, "not_an_admin", "Not an admin", "Sign in as an admin, or send the admin key as a bearer token.")
            }
            Self::UnknownChallenge => (
                404,
                "unknown_challenge",
                "Unknown challenge",
                "This challenge doesn't exist, or a newer code has replaced it.",
            ),
            Self::NotFound => (404, "not_found", "Not found", "Nothing exists at this path."),
            Self::EmailTaken => (409, "email_taken", "Email address taken", "Another account uses this email address."),
            Self::EmailNeedsVerification => (
                409,
                "email_needs_verification",
                "Email address needs verification",
                "Change the address with PUT /v1/profile/email, which sends it a code.",
            ),
            Self::PhoneTaken => (409, "phone_taken", "Phone number taken", "Another account uses this phone number."),
            Self::LastWayIn => (
                409,
                "last_way_in",
                "Last sign-in method",
                "Set a password first. Without the phone number, you couldn't sign in.",
            ),
            Self::LastAdmin => (
                409,
                "last_admin",
                "Last admin",
                "Make another user an admin first. Without this account, no admin could sign in.",
            ),
            Self::CodeExpired => (410, "code_expired", "Code expired", "Request a new code."),
            Self::CodeUsed => (410, "code_used", "Code used", "This code was already used. Request a new one."),
            Self::UnsupportedMediaType => (
                415,
                "unsupported_media_type",
                "Unsupported media type",
                "Send the body with Content-Type: application/json.",
            ),
            Self::TooManyAttempts { .. } => (
                429,
                "too_many_attempts",
                "Too many attempts",
                "Too many wrong codes. Wait before you request another code.",
            ),
            Self::TooManyCodes { .. } => {
                (429, "too_many_codes", "Too many codes", "Wait before you request another code.")
            }
            Self::Unavailable => (
                503,
                "temporarily_unavailable",
                "Temporarily unavailable",
                "Nothing was changed. Try again in a moment.",
            ),
            Self::InternalError => (
                500,
                "internal_error",
                "Internal error",
                "Something went wrong on our side. The operator's log says where.",
            ),
        }
    }

    /// One of each, with example details: what the documentation shows.
    pub const ALL: [Self; Self::COUNT] = [
        Self::InvalidRequest,
        Self::InvalidImport,
        Self::InvalidPhone,
        Self::PhoneNotAllowed,
        Self::InvalidName,
        Self::InvalidEmail,
        Self::WeakPassword(WeakPassword::TooShort),
        Self::WeakNewPassword(WeakPassword::TooShort),
        Self::InvalidSetting("allowed_countries"),
        Self::InvalidCodeFormat,
        Self::InvalidRecoveryCodeFormat,
        Self::InvalidTotpFormat,
        Self::InvalidCredentials,
        Self::InvalidAdminKey,
        Self::InvalidClient,
        Self::WrongCode { attempts_left: 4 },
        Self::InvalidToken,
        Self::InvalidRegistrationToken,
        Self::InvalidResetToken,
        Self::InvalidRefreshToken,
        Self::InvalidRefreshCookie(Cookies::Host),
        Self::ForeignOrigin,
        Self::DirectAccess,
        Self::NotAnAdmin,
        Self::InvalidCallbackToken,
        Self::ReauthRequired,
        Self::UnknownChallenge,
        Self::UnknownDevice,
        Self::UnknownSession,
        Self::UnknownClient,
        Self::UnknownUser,
        Self::UnknownWebhook,
        Self::NotFound,
        Self::EmailTaken,
        Self::EmailNeedsVerification,
        Self::PhoneTaken,
        Self::LastWayIn,
        Self::LastAdmin,
        Self::TooManyWebhooks,
        Self::TwoStepOff,
        Self::TotpOn,
        Self::TotpNotStarted,
        Self::IdempotencyMismatch,
        Self::CodeExpired,
        Self::CodeUsed,
        Self::UnsupportedMediaType,
        Self::TooManyAttempts { retry_after: 42 },
        Self::TooManyCodes { retry_after: 42 },
        Self::TooManyRequests { retry_after: 42 },
        Self::ClickatellKeyRejected,
        Self::SmsFailed(FailureCode::Code(105)),
        Self::EmailFailed(EmailFailure::Account),
        Self::SmsDisabled,
        Self::EmailDisabled,
        Self::SmsBudgetSpent { retry_after: 600 },
        Self::Unavailable,
        Self::InternalError,
    ];

    #[must_use]
    pub fn code(&self) -> &'static str {
        self.facts().1
    }

    /// What operators count.
    #[must_use]
    pub fn metric(&self) -> Option<Metric> {
        match self {
            Self::WrongCode { .. } => Some(Metric::count(Name::CodesWrong)),
            Self::CodeExpired => Some(Metric::count(Name::CodesExpired)),
            Self::TooManyRequests { .. } => Some(limit_hit("requests")),
            Self::TooManyCodes { .. } => Some(limit_hit("codes")),
            Self::TooManyAttempts { .. } => Some(limit_hit("attempts")),
            Self::SmsBudgetSpent { .. } => Some(limit_hit("budget")),
            _ => None,
        }
    }

    fn field(self) -> Option<&'static str> {
        match self {
            Self::InvalidPhone | Self::PhoneNotAllowed => Some("phone"),
            Self::InvalidName => Some("name"),
            Self::InvalidEmail | Self::EmailNeedsVerification => Some("email"),
            Self::InvalidCodeFormat => Some("code"),
            Self::InvalidRecoveryCodeFormat => Some("recovery_code"),
            Self::InvalidTotpFormat => Some("totp"),
            Self::WeakPassword(_) => Some("password"),
            Self::WeakNewPassword(_) => Some("new_password"),
            Self::InvalidSetting(field) => Some(field),
            _ => None,
        }
    }

    /// # Panics
    /// Never: all parts are constants and numbers.
    #[must_use]
    pub fn into_response(self) -> Response<Body> {
        let (status, code, title, detail) = self.facts();
        let detail = match self {
            Self::WeakPassword(reason) | Self::WeakNewPassword(reason) => Cow::Owned(reason.to_string()),
            Self::SmsFailed(code) => Cow::Owned(code.to_string()),
            Self::EmailFailed(failure) => Cow::Owned(failure.to_string()),
            _ => Cow::Borrowed(detail),
        };
        let attempts_left = match self {
            Self::WrongCode { attempts_left } => Some(attempts_left),
            _ => None,
        };
        let retry_after = match self {
            Self::TooManyAttempts { retry_after }
            | Self::TooManyCodes { retry_after }
            | Self::TooManyRequests { retry_after }
            | Self::SmsBudgetSpent { retry_after } => Some(retry_after),
            Self::SmsDisabled | Self::EmailDisabled => Some(DISABLED_RETRY_AFTER),
            Self::Unavailable => Some(UNAVAILABLE_RETRY_AFTER),
            _ => None,
        };
        let body = Body9457 {
            r#type: "about:blank",
            title,
            status,
            code,
            detail,
            field: self.field(),
            attempts_left,
            retry_after,
        };
        let mut response = Response::builder()
            .status(StatusCode::from_u16(status).expect("a status of the table above"))
            .header(CONTENT_TYPE, "application/problem+json")
            .header(CACHE_CONTROL, "no-store");
        if let Some(seconds) = retry_after {
            response = response.header(RETRY_AFTER, seconds);
        }
        if matches!(self, Self::InvalidToken | Self::InvalidAdminKey | Self::ReauthRequired) {
            response = response.header(WWW_AUTHENTICATE, "Bearer");
        }
        if matches!(self, Self::InvalidClient) {
            response = response.header(WWW_AUTHENTICATE, "Basic");
        }
        if let Self::InvalidRefreshCookie(cookies) = self {
            response = response.header(SET_COOKIE, cookies.clear_refresh_token());
        }
        let text = serde_json::to_string(&body).expect("a struct of constants");
        response.body(Body::Text(text)).expect("headers are constants and numbers")
    }
}

/// Why a setting refuses a value: what it accepts.
fn what_would_do(setting: &str) -> &'static str {
    match setting {
        "site_name" => {
            "A site name has 1 to 30 characters that every phone can display (the basic GSM-7 alphabet), one of them a letter or a digit."
        }
        "site_host" => {
            "A site host is a host name of at most 60 characters, such as example.com, without port and path."
        }
        "allowed_countries" => "Send a list of ISO 3166-1 country codes in capitals, or only `*`.",
        "clickatell.api" => "The API is `rest` or `one`.",
        "clickatell.from" => "A sender is a number of 3 to 15 digits, or a name of 3 to 11 letters, digits and spaces.",
        "clickatell.api_key" => "A key has 1 to 200 visible characters.",
        "email_per_hour" => "Send a number from 1 to 1,000,000.",
        "phone_idle_days" => "Send a number from 0 to 3,650.",
        "theme.accent" => "An accent is a colour such as #0f6d64 with a contrast of at least 4.5:1 on white.",
        "theme.radius" => "A radius is `0`, `8` or `16`.",
        "theme.logo_url" | "links.terms" | "links.privacy" | "links.help" => "Send an https address.",
        "test_numbers" => "Send at most 20 numbers in international format, each once, with a code of six digits.",
        "sender.order" => "Name each sender once: `clickatell`, `webhook`. A webhook needs an address first.",
        "sender.webhook.url" | "url" => "Send a public https address.",
        "events" => "Name types of events, or only `*`.",
        "role" => "A role is `user` or `admin`.",
        "kind" => "The kind is `web`, `spa`, `native` or `server`.",
        "name" => "A name has 1 to 100 characters.",
        "redirect_uris" | "post_logout_redirect_uris" => {
            "Send exact https addresses without fragment. Apps can use localhost and private schemes with a dot."
        }
        _ => "This setting doesn't accept this value.",
    }
}

fn limit_hit(limit: &'static str) -> Metric {
    Metric::count(Name::LimitsHit).by(Dimension::Limit, limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(problem: Problem) -> (Response<Body>, serde_json::Value) {
        let response = problem.into_response();
        let body = serde_json::from_slice(response.body()).unwrap();
        (response, body)
    }

    #[test]
    fn a_problem_has_the_contract_s_shape() {
        let (response, body) = json(Problem::TooManyCodes { retry_after: 42 });
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers()["retry-after"], "42");
        let expected = serde_json::json!({"type":"about:blank","title":"Too many codes","status":429,"code":"too_many_codes",
            "detail":"Wait before you request another code.","retry_after":42});
        assert_eq!(body, expected);
    }

    #[test]
    fn all_are_different() {
        for (place, problem) in Problem::ALL.iter().enumerate() {
            assert!(!Problem::ALL[..place].contains(problem), "{problem:?} stands there twice");
        }
    }

    #[test]
    fn details_go_where_they_belong() {
        assert_eq!(json(Problem::InvalidPhone).1["field"], "phone");
        assert_eq!(json(Problem::WrongCode { attempts_left: 3 }).1["attempts_left"], 3);
        assert_eq!(json(Problem::Unavailable).0.headers()["retry-after"], "2");
        assert!(json(Problem::CodeUsed).1.get("retry_after").is_none());
    }
}
