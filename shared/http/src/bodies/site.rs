//! What pages need to know about the site.

use serde::Serialize;
use twostep_domain::{country::AllowedCountries, language::Language, settings::Settings};

#[derive(Serialize)]
pub struct SiteBody {
    name: String,
    host: String,
    two_step_enabled: bool,
    /// Whether codes can be sent.
    phone_enabled: bool,
    allowed_countries: Vec<String>,
    languages: [&'static str; Language::ALL.len()],
}

impl From<&Settings> for SiteBody {
    fn from(settings: &Settings) -> Self {
        Self {
            name: settings.site_name.clone(),
            host: settings.site_host.clone(),
            two_step_enabled: settings.two_step_enabled,
            phone_enabled: settings.can_send_codes(),
            allowed_countries: <Vec<String>>::from(AllowedCountries::clone(&settings.allowed_countries)),
            languages: Language::ALL.map(Language::tag),
        }
    }
}
