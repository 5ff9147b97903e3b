//! The texts of every email, in English and Spanish. None has a link: a mail that asks its reader to follow one teaches users
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
    let language = written_in(language);
    let name = &site.name;
    let resets = matches!(purpose, PurposeName::Reset | PurposeName::ResetSecondStep);
    let (subject, use_it, otherwise) = match (language, resets) {
        (Language::Spanish, true) => (
            format!("Tu código para una nueva contraseña de {name}"),
            format!(
                "Introduce este código para elegir una nueva contraseña en {name}. Vence a los cinco minutos. No lo compartas."
            ),
            "Si no lo has pedido, ignora este correo. Tu contraseña no cambia.",
        ),
        (Language::Spanish, false) => (
            format!("Tu código de {name}"),
            format!(
                "Introduce este código en {name} para confirmar tu dirección de correo. Vence a los cinco minutos. \
                 No lo compartas."
            ),
            "Si no lo has pedido, ignora este correo.",
        ),
        (_, true) => (
            format!("Your code for a new {name} password"),
            format!("Enter this code to choose a new password at {name}. It expires in five minutes. Do not share it."),
            "If you didn't request it, ignore this email. Your password stays the same.",
        ),
        (_, false) => (
            format!("Your {name} code"),
            format!(
                "Enter this code at {name} to confirm your email address. It expires in five minutes. Do not share it."
            ),
            "If you didn't request it, ignore this email.",
        ),
    };
    let code = code.expose();
    let text = format!("{use_it}\n\n{otherwise}\n\n{code}");
    let body = format!(
        "{}{}<p style=\"font-size:28px;letter-spacing:4px\"><strong>{code}</strong></p>",
        paragraph(&use_it),
        paragraph(otherwise)
    );
    EmailContent { subject, text, html: page(language, &body) }
}

/// The notice of a change to the owner of the account: no code, no link.
#[must_use]
pub fn notice_email(site: &Site, language: Language, about: Notice) -> EmailContent {
    let language = written_in(language);
    let name = &site.name;
    let what = match (language, about) {
        (Language::Spanish, Notice::PasswordChanged) => "Se ha cambiado la contraseña de tu cuenta.",
        (Language::Spanish, Notice::PasswordReset) => {
            "Se ha restablecido la contraseña de tu cuenta. Se han cerrado todas las demás sesiones."
        }
        (Language::Spanish, Notice::PhoneChanged) => "Se ha cambiado el teléfono de tu cuenta.",
        (Language::Spanish, Notice::PhoneRemoved) => "Se ha quitado el teléfono de tu cuenta.",
        (Language::Spanish, Notice::PhoneTakenOver) => {
            "El nuevo titular del teléfono de tu cuenta lo ha registrado y ya no pertenece a tu cuenta, porque hacía mucho \
             tiempo que no la usabas."
        }
        (Language::Spanish, Notice::EmailChanged) => "Se ha cambiado la dirección de correo de tu cuenta.",
        (Language::Spanish, Notice::RecoveryCodesReplaced) => {
            "Se han creado nuevos códigos de recuperación para tu cuenta. Los anteriores ya no funcionan."
        }
        (Language::Spanish, Notice::TotpAdded) => "Se ha añadido una aplicación de autenticación a tu cuenta.",
        (Language::Spanish, Notice::TotpRemoved) => "Se ha quitado la aplicación de autenticación de tu cuenta.",
        (_, Notice::PasswordChanged) => "The password of your account was changed.",
        (_, Notice::PasswordReset) => "The password of your account was reset. All other sessions were signed out.",
        (_, Notice::PhoneChanged) => "The phone number of your account was changed.",
        (_, Notice::PhoneRemoved) => "The phone number was removed from your account.",
        (_, Notice::PhoneTakenOver) => {
            "The phone number of your account was registered by its new owner and removed from your account, because \
             your account had not been used for a long time."
        }
        (_, Notice::EmailChanged) => "The email address of your account was changed.",
        (_, Notice::RecoveryCodesReplaced) => {
            "New recovery codes were made for your account. The old ones no longer work."
        }
        (_, Notice::TotpAdded) => "An authenticator app was added to your account.",
        (_, Notice::TotpRemoved) => "The authenticator app was removed from your account.",
    };
    let (subject, otherwise) = match language {
        Language::Spanish => (
            format!("Tu cuenta de {name} ha cambiado"),
            format!("Si no has hecho este cambio, ponte en contacto con {name} cuanto antes."),
        ),
        _ => (format!("Your {name} account was changed"), format!("If this wasn't you, contact {name} right away.")),
    };
    let text = format!("{what}\n\n{otherwise}");
    EmailContent { subject, text, html: page(language, &format!("{}{}", paragraph(what), paragraph(&otherwise))) }
}

/// The admin's test email.
#[must_use]
pub fn test_email(site: &Site, language: Language) -> EmailContent {
    let language = written_in(language);
    let name = &site.name;
    let (subject, text) = match language {
        Language::Spanish => {
            (format!("Correo de prueba de {name}"), "Esto es una prueba. El correo llega a esta dirección.")
        }
        _ => (format!("Test email from {name}"), "This is a test. Email reaches this address."),
    };
    EmailContent { subject, text: text.to_owned(), html: page(language, &paragraph(text)) }
}

/// The language that an email is written in. Only English and Spanish have texts of emails.
fn written_in(language: Language) -> Language {
    if language == Language::Spanish { language } else { Language::English }
}

fn page(language: Language, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"{}\"><body style=\"font-family:sans-serif;font-size:16px\">{body}</body></html>",
        language.tag()
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

    const WRITTEN: [Language; 2] = [Language::English, Language::Spanish];

    fn all() -> Vec<EmailContent> {
        let code = OneTimeCode::parse("123456").unwrap();
        WRITTEN
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
    fn other_languages_get_english() {
        let [english, german] = [Language::English, Language::German].map(|language| test_email(&site(), language));
        assert_eq!(english.html, german.html);
    }

    #[test]
    fn languages_and_notices_differ() {
        let texts: std::collections::BTreeSet<String> = all().into_iter().map(|email| email.text).collect();
        // Both steps of a reset have the same text.
        assert_eq!(texts.len(), all().len() - WRITTEN.len());
    }
}
