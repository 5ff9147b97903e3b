//! Accounts as lines of JSON: what an import takes and an export gives.

use lambda_http::Request;
use serde::{Deserialize, Serialize};
use twostep_crypto::password::scheme;
use twostep_domain::{account::User, email::EmailAddress, ids::UserId, person_name::PersonName, phone::PhoneNumber};
use twostep_usecases::admin::transfer::{ExportPage, ImportError, ImportedUser};

use crate::{Problem, json, request::has_type};

/// The media type of both.
pub const NDJSON: &str = "application/x-ndjson";

/// A line, as an import takes it and an export gives it.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    name: String,
    email: String,
    #[serde(default)]
    email_verified: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    #[serde(default)]
    phone_verified: bool,
    #[serde(default, deserialize_with = "json::object", skip_serializing_if = "Option::is_none")]
    password_hash: Option<HashBody>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct HashBody {
    kind: String,
    value: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// Why a line can't be imported. The codes are part of the API.
type Code = &'static str;

/// The lines of an import, in order. Empty lines are left out.
pub struct ImportLines(Vec<(usize, Result<ImportedUser, Code>)>);

impl ImportLines {
    const MOST_BYTES: usize = 1024 * 1024;
    const MOST_LINES: usize = 200;

    /// # Errors
    /// [`Problem::UnsupportedMediaType`]; [`Problem::InvalidImport`] if it is too long.
    pub fn read(request: &Request) -> Result<Self, Problem> {
        if !has_type(request, NDJSON) {
            return Err(Problem::UnsupportedMediaType);
        }
        let bytes: &[u8] = request.body();
        if bytes.len() > Self::MOST_BYTES {
            return Err(Problem::InvalidImport);
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).enumerate();
        let lines: Vec<_> = lines.filter(|(_, line)| !line.is_empty()).take(Self::MOST_LINES + 1).collect();
        if lines.is_empty() || lines.len() > Self::MOST_LINES {
            return Err(Problem::InvalidImport);
        }
        Ok(Self(lines.into_iter().map(|(index, line)| (index + 1, parse(line))).collect()))
    }

    /// The accounts to import, and the numbers of all lines with those that can't be.
    #[must_use]
    pub fn split(self) -> (Vec<ImportedUser>, Vec<(usize, Option<Code>)>) {
        let mut users = Vec::new();
        let mut lines = Vec::new();
        for (number, line) in self.0 {
            let refusal = match line {
                Ok(user) => {
                    users.push(user);
                    None
                }
                Err(code) => Some(code),
            };
            lines.push((number, refusal));
        }
        (users, lines)
    }
}

fn parse(line: &[u8]) -> Result<ImportedUser, Code> {
    // serde would also fill a struct from a list.
    let fields: Line =
        if line.starts_with(b"{") { serde_json::from_slice(line).ok() } else { None }.ok_or("invalid_json")?;
    let id = match fields.id {
        None => None,
        Some(id) => Some(UserId::imported(&id).ok_or("invalid_id")?),
    };
    let phone = match fields.phone {
        None => None,
        Some(phone) => Some(PhoneNumber::parse(&phone).map_err(|_| "invalid_phone")?),
    };
    let password = match fields.password_hash {
        None => None,
        Some(HashBody { kind, value, key }) => {
            let kind = kind.parse().map_err(|_| "invalid_password_hash")?;
            Some(scheme::import(kind, &value, key.as_deref()).map_err(|_| "invalid_password_hash")?)
        }
    };
    Ok(ImportedUser {
        id,
        name: PersonName::parse(&fields.name).map_err(|_| "invalid_name")?,
        email: EmailAddress::parse(&fields.email).map_err(|_| "invalid_email")?,
        email_verified: fields.email_verified,
        phone: phone.filter(|_| fields.phone_verified),
        password,
        source: line.to_vec(),
    })
}

#[derive(Serialize)]
pub struct ImportedBody {
    results: Vec<ResultBody>,
}

#[derive(Serialize)]
struct ResultBody {
    line: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Code>,
}

impl ImportedBody {
    /// `outcomes` are those of the lines without a refusal, in order.
    #[must_use]
    pub fn new(lines: Vec<(usize, Option<Code>)>, outcomes: Vec<Result<UserId, ImportError>>) -> Self {
        let mut outcomes = outcomes.into_iter();
        let results = lines.into_iter().map(|(line, refusal)| {
            let outcome = match refusal {
                Some(code) => Err(code),
                None => outcomes.next().unwrap_or(Err(ImportError::IdTaken)).map_err(|error| code_of(&error)),
            };
            let (id, code) = match outcome {
                Ok(id) => (Some(id.as_str().to_owned()), None),
                Err(code) => (None, Some(code)),
            };
            ResultBody { line, id, code }
        });
        Self { results: results.collect() }
    }
}

fn code_of(error: &ImportError) -> Code {
    match error {
        ImportError::EmailTaken => "email_taken",
        ImportError::PhoneTaken => "phone_taken",
        ImportError::IdTaken => "id_taken",
        ImportError::Outage(outage) => {
            tracing::error!(error = %outage, "an account was not imported");
            "temporarily_unavailable"
        }
    }
}

/// The lines of an export.
#[must_use]
pub fn export(page: ExportPage) -> (String, Option<UserId>) {
    let lines = page.items.into_iter().map(|user| {
        let line = serde_json::to_string(&Line::from(user)).expect("a struct with named fields");
        line + "\n"
    });
    (lines.collect(), page.next)
}

impl From<User> for Line {
    fn from(user: User) -> Self {
        let hash = user.password.as_ref().and_then(scheme::export);
        Self {
            id: Some(user.id.as_str().to_owned()),
            name: user.name.into(),
            email_verified: user.email_verified_at.is_some(),
            email: user.email.into(),
            phone_verified: user.phone.is_some(),
            phone: user.phone.map(|phone| phone.e164().to_owned()),
            password_hash: hash.map(|(kind, value, key)| HashBody { kind: <&str>::from(kind).to_owned(), value, key }),
        }
    }
}

#[cfg(test)]
mod tests {
    use lambda_http::Body;

    use super::*;
    use crate::request::with_headers;

    fn with_lines(content_type: &str, lines: &[u8]) -> Request {
        let mut request = with_headers(&[("content-type", content_type)]);
        *request.body_mut() = Body::Binary(lines.to_vec());
        request
    }

    fn codes(lines: &[u8]) -> Vec<(usize, Option<Code>)> {
        ImportLines::read(&with_lines(NDJSON, lines)).unwrap().split().1
    }

    #[test]
    fn a_line_fails_alone_and_says_why() {
        let deep = format!("{{\"name\":\"A\",\"email\":\"a@b.example\",\"password_hash\":{}", "[".repeat(5_000));
        let lines: Vec<(&[u8], Option<Code>)> = vec![
            (br#"{"name":"A","email":"a@b.example"}"#, None),
            (br#"{"name":"A","email":"a@b.example","role":"admin"}"#, Some("invalid_json")),
            (br#"{"name":"A","name":"B","email":"a@b.example"}"#, Some("invalid_json")),
            (br#"["A","a@b.example"]"#, Some("invalid_json")),
            (b"{\"name\":\"Jos\xe9\",\"email\":\"a@b.example\"}", Some("invalid_json")),
            (deep.as_bytes(), Some("invalid_json")),
            (br#"{"name":"A","email":"a@b.example","password_hash":["bcrypt","x"]}"#, Some("invalid_json")),
            (br#"{"name":" ","email":"a@b.example"}"#, Some("invalid_name")),
            (br#"{"name":"A","email":"a"}"#, Some("invalid_email")),
            (br#"{"name":"A","email":"a@b.example","phone":"123"}"#, Some("invalid_phone")),
            (br#"{"id":"a b","name":"A","email":"a@b.example"}"#, Some("invalid_id")),
            (br##"{"id":"#operators","name":"A","email":"a@b.example"}"##, Some("invalid_id")),
            (br#"{"id":"export","name":"A","email":"a@b.example"}"#, Some("invalid_id")),
            (
                br#"{"name":"A","email":"a@b.example","password_hash":{"kind":"md5","value":"x"}}"#,
                Some("invalid_password_hash"),
            ),
            (
                br#"{"name":"A","email":"a@b.example","password_hash":{"kind":"bcrypt","value":"$2b$31$x"}}"#,
                Some("invalid_password_hash"),
            ),
        ];
        let text = lines.iter().map(|(line, _)| *line).collect::<Vec<_>>().join(&b"\n"[..]);
        let expected: Vec<_> = lines.iter().enumerate().map(|(index, (_, code))| (index + 1, *code)).collect();
        assert_eq!(codes(&text), expected);
    }

    #[test]
    fn empty_lines_carriage_returns_and_a_byte_order_mark_are_no_lines() {
        let line = r#"{"name":"A","email":"a@b.example"}"#;
        assert_eq!(codes(format!("\u{feff}{line}\r\n\r\n{line}\n").as_bytes()), [(1, None), (3, None)]);
    }

    #[test]
    fn an_unverified_number_is_left_out() {
        let read = |verified: &str| {
            let line = format!(r#"{{"name":"A","email":"a@b.example","phone":"+14155552671"{verified}}}"#);
            ImportLines::read(&with_lines(NDJSON, line.as_bytes())).unwrap().split().0.remove(0).phone
        };
        assert!(read("").is_none() && read(r#","phone_verified":true"#).is_some());
    }

    #[test]
    fn a_body_is_of_its_type_and_not_too_long() {
        let refused = |content_type: &str, lines: &[u8]| ImportLines::read(&with_lines(content_type, lines)).err();
        assert_eq!(refused("application/json", b"{}"), Some(Problem::UnsupportedMediaType));
        assert_eq!(refused(NDJSON, b""), Some(Problem::InvalidImport));
        assert_eq!(refused(NDJSON, "{}\n".repeat(201).as_bytes()), Some(Problem::InvalidImport));
        assert_eq!(refused(NDJSON, &vec![b'x'; 1024 * 1024 + 1]), Some(Problem::InvalidImport));
        assert_eq!(refused(NDJSON, "{}\n".repeat(200).as_bytes()), None);
    }
}
