//! How the pages look, in the settings and in what the pages know about the site.

use serde::{Deserialize, Deserializer, Serialize};
use twostep_domain::{
    theme::{Accent, Links, Theme},
    web_address::HttpsUrl,
};
use twostep_usecases::admin::settings::Change;

use crate::Problem;

#[derive(Serialize)]
pub(super) struct ThemeBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    logo_url: Option<HttpsUrl>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    radius: Option<&'static str>,
}

#[derive(Serialize)]
pub(super) struct LinksBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    terms: Option<HttpsUrl>,
    #[serde(skip_serializing_if = "Option::is_none")]
    privacy: Option<HttpsUrl>,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<HttpsUrl>,
}

impl From<Theme> for ThemeBody {
    fn from(Theme { logo, accent, radius }: Theme) -> Self {
        Self { logo_url: logo, accent: accent.map(Accent::css), radius: radius.map(Into::into) }
    }
}

impl From<Links> for LinksBody {
    fn from(Links { terms, privacy, help }: Links) -> Self {
        Self { terms, privacy, help }
    }
}

/// What is named changes; `null` and an empty text remove it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ThemeChange {
    #[serde(default, deserialize_with = "or_empty")]
    logo_url: Option<String>,
    #[serde(default, deserialize_with = "or_empty")]
    accent: Option<String>,
    #[serde(default, deserialize_with = "or_empty")]
    radius: Option<String>,
}

/// What is named changes; `null` and an empty text remove it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinksChange {
    #[serde(default, deserialize_with = "or_empty")]
    terms: Option<String>,
    #[serde(default, deserialize_with = "or_empty")]
    privacy: Option<String>,
    #[serde(default, deserialize_with = "or_empty")]
    help: Option<String>,
}

impl ThemeChange {
    pub(super) fn parse(self) -> Result<Change<Theme>, Problem> {
        let logo = FieldChange::parse(self.logo_url.as_deref(), "theme.logo_url", HttpsUrl::parse)?;
        let accent = FieldChange::parse(self.accent.as_deref(), "theme.accent", Accent::parse)?;
        let radius = FieldChange::parse(self.radius.as_deref(), "theme.radius", str::parse)?;
        Ok(Box::new(move |present| Theme {
            logo: logo.apply(present.logo.as_ref()),
            accent: accent.apply(present.accent.as_ref()),
            radius: radius.apply(present.radius.as_ref()),
        }))
    }
}

impl LinksChange {
    pub(super) fn parse(self) -> Result<Change<Links>, Problem> {
        let terms = FieldChange::parse(self.terms.as_deref(), "links.terms", HttpsUrl::parse)?;
        let privacy = FieldChange::parse(self.privacy.as_deref(), "links.privacy", HttpsUrl::parse)?;
        let help = FieldChange::parse(self.help.as_deref(), "links.help", HttpsUrl::parse)?;
        Ok(Box::new(move |present| Links {
            terms: terms.apply(present.terms.as_ref()),
            privacy: privacy.apply(present.privacy.as_ref()),
            help: help.apply(present.help.as_ref()),
        }))
    }
}

enum FieldChange<T> {
    Keep,
    Remove,
    Set(T),
}

impl<T: Clone> FieldChange<T> {
    fn parse<E>(
        value: Option<&str>,
        field: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Self, Problem> {
        match value {
            None => Ok(Self::Keep),
            Some("") => Ok(Self::Remove),
            Some(value) => parse(value).map(Self::Set).map_err(|_| Problem::InvalidSetting(field)),
        }
    }

    fn apply(&self, present: Option<&T>) -> Option<T> {
        match self {
            Self::Keep => present.cloned(),
            Self::Remove => None,
            Self::Set(value) => Some(value.clone()),
        }
    }
}

/// A field that is named. `null` is an empty text.
fn or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|value| Some(value.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn theme(change: Value) -> Result<Change<Theme>, Problem> {
        from_value::<ThemeChange>(change).expect("a body").parse()
    }

    #[test]
    fn what_is_named_changes_and_nothing_removes_it() {
        let first = theme(json!({"accent": "#0F6D64", "radius": "8"})).unwrap()(&Theme::default());
        let second = theme(json!({"logo_url": "https://cdn.example/logo.svg", "radius": null})).unwrap()(&first);
        assert_eq!(
            serde_json::to_value(ThemeBody::from(second.clone())).unwrap(),
            json!({"logo_url": "https://cdn.example/logo.svg", "accent": "#0f6d64"})
        );
        let third = theme(json!({"logo_url": "", "accent": null})).unwrap()(&second);
        assert_eq!(third, Theme::default());
    }

    #[test]
    fn refusals_name_the_field() {
        let refused = |change: Value| theme(change).err();
        assert_eq!(refused(json!({"accent": "#ffff00"})), Some(Problem::InvalidSetting("theme.accent")));
        assert_eq!(refused(json!({"radius": "12"})), Some(Problem::InvalidSetting("theme.radius")));
        let http = json!({"logo_url": "http://cdn.example/logo.svg"});
        assert_eq!(refused(http), Some(Problem::InvalidSetting("theme.logo_url")));
        let link = from_value::<LinksChange>(json!({"help": "javascript:alert(1)"})).expect("a body").parse().err();
        assert_eq!(link, Some(Problem::InvalidSetting("links.help")));
    }
}
