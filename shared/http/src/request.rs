//! Parsing of requests.

use std::net::{IpAddr, Ipv4Addr};

use lambda_http::{
    Request, RequestExt,
    http::header::{ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_TYPE, USER_AGENT},
    request::RequestContext,
};
use serde::de::DeserializeOwned;
use twostep_domain::language::Language;
use twostep_usecases::{Caller, Repeatable};

use super::Problem;

/// A body is at most 16 KiB.
pub(super) const LONGEST_BODY: usize = 16 * 1024;

/// Reads a JSON object. The types that are read here refuse unknown fields; serde refuses duplicate ones.
///
/// # Errors
/// [`Problem::UnsupportedMediaType`] for a body that doesn't say that it is JSON: a page of another site can send such a
/// body without a preflight. [`Problem::InvalidRequest`] for anything else.
pub fn body<T: DeserializeOwned>(request: &Request) -> Result<T, Problem> {
    let bytes: &[u8] = request.body();
    if !bytes.is_empty() && !has_type(request, "application/json") {
        return Err(Problem::UnsupportedMediaType);
    }
    // serde would also fill a struct from a JSON array.
    let is_object = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    if bytes.len() > LONGEST_BODY || !is_object {
        return Err(Problem::InvalidRequest);
    }
    serde_json::from_slice(bytes).map_err(|_| Problem::InvalidRequest)
}

/// Whether the only `Content-Type` is this one; parameters are ignored (RFC 8259 §11).
pub(super) fn has_type(request: &Request, expected: &str) -> bool {
    let mut types = request.headers().get_all(CONTENT_TYPE).iter();
    let (Some(media_type), None) = (types.next(), types.next()) else { return false };
    let media_type = media_type.to_str().unwrap_or_default();
    let essence = media_type.split_once(';').map_or(media_type, |(essence, _)| essence);
    essence.trim_matches([' ', '\t']).eq_ignore_ascii_case(expected)
}

/// For requests whose headers say everything: no body, or an empty object.
///
/// # Errors
/// As [`body`].
pub fn no_body(request: &Request) -> Result<(), Problem> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    let bytes: &[u8] = request.body();
    if bytes.is_empty() { Ok(()) } else { body(request).map(|Nothing {}| ()) }
}

/// What makes a request repeatable: its `Idempotency-Key` and its body.
///
/// # Errors
/// [`Problem::InvalidRequest`] unless there is at most one key, of 16 to 64 printable ASCII characters.
pub fn repeatable(request: &Request) -> Result<Option<Repeatable>, Problem> {
    const HEADER: &str = "idempotency-key";
    let mut keys = request.headers().get_all(HEADER).iter();
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return if request.headers().contains_key(HEADER) { Err(Problem::InvalidRequest) } else { Ok(None) };
    };
    let is_printable = key.as_bytes().iter().all(|byte| (b' '..=b'~').contains(byte));
    if !is_printable || !(16..=64).contains(&key.len()) {
        return Err(Problem::InvalidRequest);
    }
    let key = String::from_utf8_lossy(key.as_bytes()).into_owned();
    Ok(Some(Repeatable { key, body: request.body().to_vec() }))
}

/// Whether the caller asks for a response with content where an empty one is the rule (RFC 7240 §4.2).
#[must_use]
pub fn wants_representation(request: &Request) -> bool {
    let preferences = request.headers().get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    preferences.flat_map(|value| value.split(',')).any(|preference| preference.trim() == "return=representation")
}

/// A query parameter.
///
/// # Errors
/// [`Problem::InvalidRequest`] if it is given more than once.
pub fn query(request: &Request, name: &str) -> Result<Option<String>, Problem> {
    let parameters = request.query_string_parameters();
    match parameters.all(name).unwrap_or_default().as_slice() {
        [] => Ok(None),
        [value] => Ok(Some((*value).to_owned())),
        _ => Err(Problem::InvalidRequest),
    }
}

/// The token of `Authorization: Bearer …` (RFC 6750 §2.1).
#[must_use]
pub fn bearer(request: &Request) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim_matches(' '))
}

/// The path segment that follows `name`: the id in `/v1/codes/{id}/verify` follows `codes`.
#[must_use]
pub fn segment_after<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let mut segments = request.raw_http_path().split('/');
    segments.find(|segment| *segment == name)?;
    segments.next().filter(|segment| !segment.is_empty())
}

/// The domain name under which API Gateway was reached. Unlike the `Host` header, callers cannot choose it.
#[must_use]
pub fn domain_name(request: &Request) -> Option<&str> {
    match request.request_context_ref()? {
        RequestContext::ApiGatewayV2(context) => context.domain_name.as_deref(),
        _ => None,
    }
}

/// What use cases may know of the caller.
#[must_use]
pub fn caller(request: &Request) -> Caller {
    Caller { client_ip: client_ip(request), language: language(request), user_agent: user_agent(request) }
}

/// The client IP, from the gateway's own context: no header can change it. Callers without one share the unspecified
/// address.
fn client_ip(request: &Request) -> IpAddr {
    let source_ip = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.as_deref(),
        _ => None,
    };
    source_ip.and_then(|address| address.parse().ok()).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// The language that the caller prefers.
fn language(request: &Request) -> Language {
    let preferred = request.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Language::preferred(preferred.unwrap_or_default())
}

/// How a browser describes itself, cut to what fits a list of devices.
fn user_agent(request: &Request) -> String {
    const LONGEST: usize = 120;
    let agent = request.headers().get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or("unknown");
    agent.chars().take(LONGEST).collect()
}

/// A request without a body, for tests.
#[cfg(test)]
pub(crate) fn with_headers(headers: &[(&str, &str)]) -> Request {
    let mut request = lambda_http::http::Request::builder();
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(lambda_http::Body::Empty).unwrap()
}

#[cfg(test)]
mod tests {
    use lambda_http::{Body, http};
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Ask {
        phone: String,
    }

    fn with_body(text: &str) -> Request {
        let mut request = with_headers(&[("content-type", "application/json; charset=utf-8")]);
        *request.body_mut() = Body::Text(text.to_owned());
        request
    }

    #[test]
    fn a_body_must_say_that_it_is_json() {
        let sent = |headers: &[(&str, &str)]| {
            let mut request = with_headers(headers);
            *request.body_mut() = Body::Text("{\"phone\":\"+1\"}".to_owned());
            body::<Ask>(&request).map(|ask| ask.phone)
        };
        for json in ["application/json", "Application/JSON", "application/json ; charset=utf-8", "application/json;"] {
            assert_eq!(sent(&[("content-type", json)]), Ok("+1".to_owned()), "{json}");
        }
        for other in ["", "text/plain", "application/x-www-form-urlencoded", "text/json", "application/json2", "json"] {
            assert_eq!(sent(&[("content-type", other)]), Err(Problem::UnsupportedMediaType), "{other}");
        }
        assert_eq!(sent(&[]), Err(Problem::UnsupportedMediaType));
        let twice = [("content-type", "application/json"), ("content-type", "text/plain")];
        assert_eq!(sent(&twice), Err(Problem::UnsupportedMediaType));
    }

    #[test]
    fn an_object_with_exactly_the_known_fields_is_read() {
        assert_eq!(body::<Ask>(&with_body(" {\"phone\":\"+1\"}\n")).unwrap().phone, "+1");
    }

    #[test]
    fn everything_else_is_refused() {
        let long = format!("{{\"phone\":\"{}\"}}", "1".repeat(LONGEST_BODY));
        for wrong in [
            "",
            "null",
            "[]",
            "[\"+1\"]",
            "\"+1\"",
            "{",
            "{}",
            "{\"phone\":1}",
            "{\"phone\":null}",
            "phone=+1",
            "{\"phone\":\"+1\",\"x\":1}",
            "{\"phone\":\"+1\",\"phone\":\"+2\"}",
            "{\"phone\":\"+1\"} {}",
            "\u{feff}{\"phone\":\"+1\"}",
            &long,
        ] {
            assert!(matches!(body::<Ask>(&with_body(wrong)), Err(Problem::InvalidRequest)), "{wrong:.60}");
        }
        let mut bytes = with_body("");
        *bytes.body_mut() = Body::Binary(vec![b'{', 0xff, b'}']);
        assert_eq!(body::<Ask>(&bytes).err(), Some(Problem::InvalidRequest));
    }

    #[test]
    fn no_body_and_an_empty_object_are_the_same() {
        assert!(no_body(&Request::new(Body::Empty)).is_ok());
        assert!(no_body(&with_body("{}")).is_ok());
        for wrong in ["[]", "null", "{\"refresh_token\":\"x\"}"] {
            assert!(no_body(&with_body(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_key_of_sixteen_to_sixty_four_printable_characters_makes_a_request_repeatable() {
        let key = |key: &str| repeatable(&with_headers(&[("idempotency-key", key)]));
        assert_eq!(key("0123456789abcdef").unwrap().unwrap().key, "0123456789abcdef");
        assert!(key(&"~".repeat(64)).unwrap().is_some());
        assert!(repeatable(&with_headers(&[])).unwrap().is_none());
        for wrong in ["", "0123456789abcde", &"x".repeat(65), "0123456789abcdef\u{e9}"] {
            assert!(key(wrong).is_err(), "{wrong:?}");
        }
        let twice = [("idempotency-key", "0123456789abcdef"), ("idempotency-key", "0123456789abcdef")];
        assert!(repeatable(&with_headers(&twice)).is_err());
    }

    #[test]
    fn a_representation_is_asked_for_by_name() {
        let wants = |value: &str| wants_representation(&with_headers(&[("prefer", value)]));
        assert!(wants("return=representation") && wants("respond-async, return=representation"));
        assert!(!wants("return=minimal") && !wants_representation(&with_headers(&[])));
    }

    #[test]
    fn only_a_bearer_token_is_found() {
        let with = |value: &str| http::Request::builder().header("authorization", value).body(Body::Empty).unwrap();
        assert_eq!(bearer(&with("Bearer abc")), Some("abc"));
        assert_eq!(bearer(&with("bearer abc")), Some("abc"));
        assert_eq!(bearer(&with("Basic abc")), None);
        assert_eq!(bearer(&with("Bearer")), None);
        assert_eq!(bearer(&Request::new(Body::Empty)), None);
    }
}
