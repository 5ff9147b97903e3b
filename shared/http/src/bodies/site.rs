//! What pages need to know about the site.

use serde::Serialize;
use twostep_domain::{country::AllowedCountries, language::Language, settings::Settings};

use super::look::{LinksBody, ThemeBody};

#[derive(Serialize)]
pub struct SiteBody {
    name: String,
    host: String,
    two_step_enabled: bool,
    /// Whether codes can be sent.
    phone_enabled: bool,
    /// Whether emails can be sent.
    email_enabled: bool,
    allowed_countries: Vec<String>,
    languages: [&'static str; Language::ALL.len()],
    theme: ThemeBody,
    links: LinksBody,
}

impl SiteBody {
    #[must_use]
    pub fn new(settings: &Settings, email_enabled: bool) -> Self {
        Self {
            name: settings.site_name.clone(),
            host: settings.site_host.clone(),
            two_step_enabled: settings.two_step_enabled,
            phone_enabled: settings.can_send_codes(),
            email_enabled,
            allowed_countries: <Vec<String>>::from(AllowedCountries::clone(&settings.allowed_countries)),
            languages: Language::ALL.map(Language::tag),
            theme: settings.theme.clone().into(),
            links: settings.links.clone().into(),
        }
    }
}
