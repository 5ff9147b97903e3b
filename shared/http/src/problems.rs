//! The one place where errors of values and use cases become problems.

use std::time::Duration;

use twostep_crypto::challenge_id::InvalidChallengeId;
use twostep_domain::{email::InvalidEmail, one_time_code::InvalidCode, person_name::InvalidName, phone::InvalidPhone};
use twostep_usecases::{
    Outage,
    access::AccessError,
    admin::{
        authorisation::OperatorError, clients::ClientError, settings::SettingsError, test_email::TestEmailError,
        test_message::TestMessageError, users::UserError, webhooks::WebhookError,
    },
    codes::{
        ChallengeError, StartError,
        resend::ResendError,
        verify::{Rejection, VerifyError},
    },
    oidc::client_authentication::ClientAuthError,
    profile::{
        deletion::DeletionError,
        details::DetailsError,
        devices::DeviceError,
        email::StartEmailChangeError,
        password::PasswordChangeError,
        phone::{RemovePhoneError, StartChangeError},
        recovery_codes::RecoveryCodesError,
        sessions::SessionError,
        totp::{ConfirmTotpError, StartTotpError},
    },
    registration::{by_password::RegisterError, by_phone::CompleteError},
    reset::{password::ResetError, start::StartResetError},
    session::RefreshError,
    sign_in::{by_password::PasswordError, confirm::ConfirmError},
    verifications::ResendVerificationError,
};

use super::Problem;

/// `Retry-After` counts whole seconds, and zero would invite an immediate retry.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs().max(1)
}

macro_rules! problems {
    ($($error:ty => $problem:ident),* $(,)?) => {
        $(impl From<$error> for Problem {
            fn from(_: $error) -> Self {
                Self::$problem
            }
        })*
    };
}

problems! {
    InvalidPhone => InvalidPhone,
    InvalidName => InvalidName,
    InvalidEmail => InvalidEmail,
    InvalidCode => InvalidCodeFormat,
    InvalidChallengeId => UnknownChallenge,
}

impl From<Outage> for Problem {
    fn from(outage: Outage) -> Self {
        match outage {
            Outage::AccountChanged => tracing::info!("two requests changed one account; the caller tries again"),
            outage => tracing::error!(error = %outage, "a request could not be served"),
        }
        Self::Unavailable
    }
}

impl From<ChallengeError> for Problem {
    fn from(error: ChallengeError) -> Self {
        match error {
            ChallengeError::TooManyCodes { wait } => Self::TooManyCodes { retry_after: seconds(wait) },
            ChallengeError::TooManyRequests { wait } => Self::TooManyRequests { retry_after: seconds(wait) },
            ChallengeError::Outage(outage) => outage.into(),
        }
    }
}

impl From<StartError> for Problem {
    fn from(error: StartError) -> Self {
        match error {
            StartError::PhoneNotAllowed => Self::PhoneNotAllowed,
            StartError::CodesOff => Self::SmsDisabled,
            StartError::BudgetSpent { wait } => Self::SmsBudgetSpent { retry_after: seconds(wait) },
            StartError::Challenge(error) => error.into(),
        }
    }
}

impl From<ResendError> for Problem {
    fn from(error: ResendError) -> Self {
        match error {
            ResendError::UnknownChallenge => Self::UnknownChallenge,
            ResendError::CodeUsed => Self::CodeUsed,
            ResendError::CodeExpired => Self::CodeExpired,
            ResendError::TooManyCodes { wait } => Self::TooManyCodes { retry_after: seconds(wait) },
            ResendError::TooManyRequests { wait } => Self::TooManyRequests { retry_after: seconds(wait) },
            ResendError::Outage(outage) => outage.into(),
        }
    }
}

impl From<ResendVerificationError> for Problem {
    fn from(error: ResendVerificationError) -> Self {
        match error {
            ResendVerificationError::Limit(error) => error.into(),
            ResendVerificationError::Resend(error) => error.into(),
        }
    }
}

impl From<ClientAuthError> for Problem {
    fn from(error: ClientAuthError) -> Self {
        match error {
            ClientAuthError::InvalidClient => Self::InvalidClient,
            ClientAuthError::TooManyRequests { wait } => Self::TooManyRequests { retry_after: seconds(wait) },
            ClientAuthError::Outage(outage) => outage.into(),
        }
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::WrongCode { attempts_left } => Self::WrongCode { attempts_left },
            Rejection::CodeUsed => Self::CodeUsed,
            Rejection::CodeExpired => Self::CodeExpired,
            Rejection::TooManyAttempts { wait } => Self::TooManyAttempts { retry_after: seconds(wait) },
            Rejection::PhoneTaken => Self::PhoneTaken,
            Rejection::EmailTaken => Self::EmailTaken,
        }
    }
}

impl From<VerifyError> for Problem {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::UnknownChallenge => Self::UnknownChallenge,
            VerifyError::NotAccepted => Self::InvalidRequest,
            VerifyError::IdempotencyMismatch => Self::IdempotencyMismatch,
            VerifyError::Rejected(rejection) => rejection.into(),
            VerifyError::Outage(outage) => outage.into(),
        }
    }
}

impl From<CompleteError> for Problem {
    fn from(error: CompleteError) -> Self {
        match error {
            CompleteError::InvalidRegistrationToken => Self::InvalidRegistrationToken,
            CompleteError::EmailTaken => Self::EmailTaken,
            CompleteError::PhoneTaken => Self::PhoneTaken,
            CompleteError::IdempotencyMismatch => Self::IdempotencyMismatch,
            CompleteError::Outage(outage) => outage.into(),
        }
    }
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::WeakPassword(reason) => Self::WeakPassword(reason),
            RegisterError::EmailTaken => Self::EmailTaken,
            RegisterError::IdempotencyMismatch => Self::IdempotencyMismatch,
            RegisterError::TooManyRequests { wait } => Self::TooManyRequests { retry_after: seconds(wait) },
            RegisterError::Outage(outage) => outage.into(),
        }
    }
}

impl From<PasswordError> for Problem {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::InvalidCredentials => Self::InvalidCredentials,
            PasswordError::TooManyRequests { wait } => Self::TooManyRequests { retry_after: seconds(wait) },
            PasswordError::Outage(outage) => outage.into(),
        }
    }
}

impl From<RefreshError> for Problem {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Invalid | RefreshError::Reused => Self::InvalidRefreshToken,
            RefreshError::Outage(outage) => outage.into(),
        }
    }
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::InvalidToken => Self::InvalidToken,
            AccessError::ReauthRequired => Self::ReauthRequired,
            AccessError::Outage(outage) => outage.into(),
        }
    }
}

impl From<StartChangeError> for Problem {
    fn from(error: StartChangeError) -> Self {
        match error {
            StartChangeError::Access(error) => error.into(),
            StartChangeError::Start(error) => error.into(),
        }
    }
}

impl From<RemovePhoneError> for Problem {
    fn from(error: RemovePhoneError) -> Self {
        match error {
            RemovePhoneError::Access(error) => error.into(),
            RemovePhoneError::LastWayIn => Self::LastWayIn,
        }
    }
}

impl From<DetailsError> for Problem {
    fn from(error: DetailsError) -> Self {
        match error {
            DetailsError::Access(error) => error.into(),
            DetailsError::EmailTaken => Self::EmailTaken,
            DetailsError::EmailNeedsVerification => Self::EmailNeedsVerification,
            DetailsError::TooManyRequests { wait } => Self::TooManyRequests { retry_after: seconds(wait) },
        }
    }
}

impl From<DeviceError> for Problem {
    fn from(error: DeviceError) -> Self {
        match error {
            DeviceError::UnknownDevice => Self::UnknownDevice,
            DeviceError::Access(error) => error.into(),
        }
    }
}

impl From<RecoveryCodesError> for Problem {
    fn from(error: RecoveryCodesError) -> Self {
        match error {
            RecoveryCodesError::TwoStepOff => Self::TwoStepOff,
            RecoveryCodesError::IdempotencyMismatch => Self::IdempotencyMismatch,
            RecoveryCodesError::Access(error) => error.into(),
        }
    }
}

impl From<StartTotpError> for Problem {
    fn from(error: StartTotpError) -> Self {
        match error {
            StartTotpError::TotpOn => Self::TotpOn,
            StartTotpError::Access(error) => error.into(),
        }
    }
}

impl From<ConfirmTotpError> for Problem {
    fn from(error: ConfirmTotpError) -> Self {
        match error {
            ConfirmTotpError::WrongCode { attempts_left } => Self::WrongCode { attempts_left },
            ConfirmTotpError::NotStarted => Self::TotpNotStarted,
            ConfirmTotpError::IdempotencyMismatch => Self::IdempotencyMismatch,
            ConfirmTotpError::Access(error) => error.into(),
        }
    }
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::UnknownSession => Self::UnknownSession,
            SessionError::Access(error) => error.into(),
        }
    }
}

impl From<PasswordChangeError> for Problem {
    fn from(error: PasswordChangeError) -> Self {
        match error {
            PasswordChangeError::Access(error) => error.into(),
            PasswordChangeError::InvalidCredentials => Self::InvalidCredentials,
            PasswordChangeError::WeakPassword(reason) => Self::WeakNewPassword(reason),
            PasswordChangeError::TooManyRequests { wait } => Self::TooManyRequests { retry_after: seconds(wait) },
        }
    }
}

impl From<OperatorError> for Problem {
    fn from(error: OperatorError) -> Self {
        match error {
            OperatorError::InvalidKey => Self::InvalidAdminKey,
            OperatorError::InvalidToken => Self::InvalidToken,
            OperatorError::NotAnAdmin => Self::NotAnAdmin,
            OperatorError::ReauthRequired => Self::ReauthRequired,
            OperatorError::TooManyRequests { wait } => Self::TooManyRequests { retry_after: seconds(wait) },
            OperatorError::Outage(outage) => outage.into(),
        }
    }
}

impl From<UserError> for Problem {
    fn from(error: UserError) -> Self {
        match error {
            UserError::UnknownUser => Self::UnknownUser,
            UserError::LastAdmin => Self::LastAdmin,
            UserError::Outage(outage) => outage.into(),
        }
    }
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        match error {
            WebhookError::Unknown => Self::UnknownWebhook,
            WebhookError::Invalid(field) => Self::InvalidSetting(field),
            WebhookError::TooMany => Self::TooManyWebhooks,
            WebhookError::Outage(outage) => outage.into(),
        }
    }
}

impl From<DeletionError> for Problem {
    fn from(error: DeletionError) -> Self {
        match error {
            DeletionError::Access(error) => error.into(),
            DeletionError::LastAdmin => Self::LastAdmin,
        }
    }
}

impl From<ClientError> for Problem {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Unknown => Self::UnknownClient,
            ClientError::Invalid(field) => Self::InvalidSetting(field),
            ClientError::Outage(outage) => outage.into(),
        }
    }
}

impl From<SettingsError> for Problem {
    fn from(error: SettingsError) -> Self {
        match error {
            SettingsError::Invalid(field) => Self::InvalidSetting(field),
            SettingsError::KeyRejected => Self::ClickatellKeyRejected,
            SettingsError::Outage(outage) => outage.into(),
        }
    }
}

impl From<TestMessageError> for Problem {
    fn from(error: TestMessageError) -> Self {
        match error {
            TestMessageError::PhoneNotAllowed => Self::PhoneNotAllowed,
            TestMessageError::NoKey => Self::SmsDisabled,
            TestMessageError::BudgetSpent { wait } => Self::SmsBudgetSpent { retry_after: seconds(wait) },
            TestMessageError::Failed(code) => Self::SmsFailed(code),
            TestMessageError::Outage(outage) => outage.into(),
        }
    }
}

impl From<StartEmailChangeError> for Problem {
    fn from(error: StartEmailChangeError) -> Self {
        match error {
            StartEmailChangeError::Access(error) => error.into(),
            StartEmailChangeError::EmailOff => Self::EmailDisabled,
            StartEmailChangeError::Start(error) => error.into(),
        }
    }
}

impl From<TestEmailError> for Problem {
    fn from(error: TestEmailError) -> Self {
        match error {
            TestEmailError::EmailOff => Self::EmailDisabled,
            TestEmailError::Failed(failure) => Self::EmailFailed(failure),
            TestEmailError::Outage(outage) => outage.into(),
        }
    }
}

impl From<StartResetError> for Problem {
    fn from(error: StartResetError) -> Self {
        match error {
            StartResetError::EmailOff => Self::EmailDisabled,
            StartResetError::Start(error) => error.into(),
        }
    }
}

impl From<ResetError> for Problem {
    fn from(error: ResetError) -> Self {
        match error {
            ResetError::InvalidResetToken => Self::InvalidResetToken,
            ResetError::WeakPassword(reason) => Self::WeakNewPassword(reason),
            ResetError::IdempotencyMismatch => Self::IdempotencyMismatch,
            ResetError::Outage(outage) => outage.into(),
        }
    }
}

impl From<ConfirmError> for Problem {
    fn from(error: ConfirmError) -> Self {
        match error {
            ConfirmError::InvalidRegistrationToken => Self::InvalidRegistrationToken,
            ConfirmError::InvalidCredentials => Self::InvalidCredentials,
            ConfirmError::WrongCode { attempts_left } => Self::WrongCode { attempts_left },
            ConfirmError::TooManyRequests { wait } => Self::TooManyRequests { retry_after: seconds(wait) },
            ConfirmError::Outage(outage) => outage.into(),
        }
    }
}
