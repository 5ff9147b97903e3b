//! The profile: details, password, recovery codes, devices.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use twostep_domain::{account::Device, email::EmailAddress, person_name::PersonName};

use crate::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetailsBody {
    name: Option<String>,
    email: Option<String>,
}

impl DetailsBody {
    /// # Errors
    /// [`Problem::InvalidName`], [`Problem::InvalidEmail`]
    pub fn parse(self) -> Result<(Option<PersonName>, Option<EmailAddress>), Problem> {
        let name = self.name.map(|name| PersonName::parse(&name)).transpose()?;
        Ok((name, self.email.map(|email| EmailAddress::parse(&email)).transpose()?))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordBody {
    pub current_password: Option<SecretString>,
    pub new_password: SecretString,
}

#[derive(Serialize)]
pub struct RecoveryCodesBody {
    pub recovery_codes: Vec<String>,
}

#[derive(Serialize)]
pub struct DeviceBody {
    id: String,
    name: String,
    created_at: String,
    last_used_at: String,
    expires_at: String,
}

impl From<(String, Device)> for DeviceBody {
    fn from((id, device): (String, Device)) -> Self {
        Self {
            id,
            name: device.name,
            created_at: device.created_at.rfc3339(),
            last_used_at: device.last_used_at.rfc3339(),
            expires_at: device.expires_at.rfc3339(),
        }
    }
}
