//! The texts of every email, in each language. None has a link: a mail that asks its reader to follow one teaches users
//! what phishing looks like.

use crate::{
    challenge::{PurposeName, purpose::Notice},
    language::Language,
    message_texts::Site,
    one_time_code::OneTimeCode,
};

/// An email: the same text twice, plain and as simple HTML.
#[derive(Clone, PartialEq, Eq)]
pub struct EmailContent {
    pub subject: String,
    pub text: String,
    pub html: String,
}

/// The email with a code for `purpose`. Its text ends with the code.
#[must_use]
pub fn code_email(site: &Site, language: Language, purpose: PurposeName, code: &OneTimeCode) -> EmailContent {
    let texts = language.emails();
    let (subject, use_it, otherwise) = match purpose {
        PurposeName::Reset | PurposeName::ResetSecondStep => (texts.reset_subject, texts.reset, texts.reset_ignore),
        _ => (texts.code_subject, texts.code, texts.code_ignore),
    };
    let [subject, use_it, otherwise] = [subject, use_it, otherwise].map(|text| of_site(text, site));
    let code = code.expose();
    let text = format!("{use_it}\n\n{otherwise}\n\n{code}");
    let body = format!(
        "{}{}<p style=\"font-size:28px;letter-spacing:4px\"><strong>{code}</strong></p>",
        paragraph(&use_it),
        paragraph(&otherwise)
    );
    EmailContent { subject, text, html: page(language, &body) }
}

/// The notice of a change to the owner of the account: no code, no link.
#[must_use]
pub fn notice_email(site: &Site, language: Language, about: Notice) -> EmailContent {
    let texts = language.emails();
    let what = match about {
        Notice::PasswordChanged => texts.password_changed,
        Notice::PasswordReset => texts.password_reset,
        Notice::PhoneChanged => texts.phone_changed,
        Notice::PhoneRemoved => texts.phone_removed,
        Notice::PhoneTakenOver => texts.phone_taken_over,
        Notice::EmailChanged => texts.email_changed,
        Notice::RecoveryCodesReplaced => texts.recovery_codes_replaced,
        Notice::TotpAdded => texts.totp_added,
        Notice::TotpRemoved => texts.totp_removed,
    };
    let [subject, otherwise] = [texts.notice_subject, texts.notice_ignore].map(|text| of_site(text, site));
    let text = format!("{what}\n\n{otherwise}");
    EmailContent { subject, text, html: page(language, &format!("{}{}", paragraph(what), paragraph(&otherwise))) }
}

/// The admin's test email.
#[must_use]
pub fn test_email(site: &Site, language: Language) -> EmailContent {
    let texts = language.emails();
    EmailContent {
        subject: of_site(texts.test_subject, site),
        text: texts.test.to_owned(),
        html: page(language, &paragraph(texts.test)),
    }
}

fn of_site(text: &str, site: &Site) -> String {
    text.replace("{site}", &site.name)
}

fn page(language: Language, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"{}\" dir=\"{}\"><body style=\"font-family:sans-serif;font-size:16px\">{body}</body></html>",
        language.tag(),
        if language.is_right_to_left() { "rtl" } else { "ltr" }
    )
}

fn paragraph(text: &str) -> String {
    format!("<p>{}</p>", escaped(text))
}

/// The site's name can contain `&` and `'`.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator;

    use super::*;

    fn site() -> Site {
        Site::new("O'Neil & Sons", "example.com").unwrap()
    }

    fn all() -> Vec<EmailContent> {
        let code = OneTimeCode::parse("123456").unwrap();
        Language::ALL
            .into_iter()
            .flat_map(|language| {
                let purposes = [PurposeName::Email, PurposeName::Reset, PurposeName::ResetSecondStep];
                let codes = purposes.map(|purpose| code_email(&site(), language, purpose, &code));
                let notices = Notice::iter().map(move |about| notice_email(&site(), language, about));
                codes.into_iter().chain(notices).chain([test_email(&site(), language)])
            })
            .collect()
    }

    #[test]
    fn no_email_has_a_link_and_every_one_names_the_site() {
        for EmailContent { subject, text, html } in all() {
            for part in [&subject, &text, &html] {
                assert!(!part.contains("://") && !part.contains("example.com") && !part.contains("href"), "{part}");
            }
            assert!(subject.contains("O'Neil & Sons") && subject.len() < 78, "{subject}");
            assert!(!html.contains("O'Neil & Sons"), "markup must be escaped: {html}");
        }
    }

    #[test]
    fn a_code_is_at_the_end_of_the_text_and_nowhere_else_but_in_the_html() {
        let code = OneTimeCode::parse("123456").unwrap();
        for language in Language::ALL {
            for purpose in [PurposeName::Email, PurposeName::Reset] {
                let email = code_email(&site(), language, purpose, &code);
                assert!(
                    email.text.ends_with("\n\n123456") && email.text.matches("123456").count() == 1,
                    "{}",
                    email.text
                );
                assert_eq!(email.html.matches("123456").count(), 1);
                assert!(!email.subject.contains("123456"), "subjects show on locked screens");
            }
        }
    }

    #[test]
    fn languages_and_notices_differ() {
        let texts: std::collections::BTreeSet<String> = all().into_iter().map(|email| email.text).collect();
        // Both steps of a reset have the same text.
        assert_eq!(texts.len(), all().len() - Language::ALL.len());
    }
}
