//! Converts a request to the event that a function receives, in payload format 2.0 (API Gateway developer guide,
//! "Create AWS Lambda proxy integrations for HTTP APIs").

use std::{collections::BTreeMap, net::IpAddr};

use axum::{
    body::Bytes,
    http::{HeaderMap, header, request::Parts},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::{percent, routes::Match};
use crate::arn::ACCOUNT;

/// The parts of an event that don't come from the request itself.
pub struct Context {
    pub source_ip: IpAddr,
    /// The port that received the request.
    pub port: u16,
    pub request_id: String,
    /// Milliseconds since the Unix epoch.
    pub time: u64,
}

/// The event for a request to the route in `found`.
#[must_use]
pub fn event(found: &Match, parts: &Parts, body: &Bytes, context: &Context) -> Value {
    // HTTP APIs decode the path and cut it at an encoded `?`.
    let path = percent::decode(parts.uri.path());
    let raw_path = path.split('?').next().unwrap_or_default();
    let query = parts.uri.query().unwrap_or_default();
    let key = found.route.key();
    let host = text(&parts.headers, header::HOST.as_str());
    let domain = host.rsplit_once(':').map_or(&*host, |(domain, _)| domain);
    let mut event = json!({
        "version": "2.0",
        "routeKey": key,
        "rawPath": raw_path,
        "rawQueryString": query,
        "headers": headers(&parts.headers, context),
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "local",
            "domainName": domain,
            "domainPrefix": domain.split('.').next().unwrap_or_default(),
            "http": {
                "method": parts.method.as_str(),
                "path": raw_path,
                "protocol": format!("{:?}", parts.version),
                "sourceIp": context.source_ip,
                "userAgent": text(&parts.headers, header::USER_AGENT.as_str()),
            },
            "requestId": context.request_id,
            "routeKey": key,
            "stage": "$default",
            "time": common_log_time(context.time),
            "timeEpoch": context.time,
        },
        "isBase64Encoded": false,
    });
    // Fields that the request lacks are omitted.
    let mut add = |name: &str, value: Value| event[name] = value;
    let cookies = cookies(&parts.headers);
    if !cookies.is_empty() {
        add("cookies", json!(cookies));
    }
    if !query.is_empty() {
        add("queryStringParameters", json!(query_parameters(query)));
    }
    if !found.parameters.is_empty() {
        let parameters = found.parameters.iter().map(|(name, value)| (name.clone(), json!(value)));
        add("pathParameters", Value::Object(parameters.collect::<Map<_, _>>()));
    }
    if !body.is_empty() {
        let text = text_body(&parts.headers, body);
        add("isBase64Encoded", json!(text.is_none()));
        add("body", json!(text.unwrap_or_else(|| STANDARD.encode(body))));
    }
    event
}

/// Lowercases names, joins repeated values with commas, leaves out cookies, and adds the gateway's headers.
fn headers(sent: &HeaderMap, context: &Context) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    for name in sent.keys().filter(|name| *name != header::COOKIE) {
        headers.insert(name.to_string(), text(sent, name.as_str()));
    }
    let source = context.source_ip.to_string();
    let forwarded = headers.get("x-forwarded-for").map_or(source.clone(), |before| format!("{before}, {source}"));
    headers.insert("x-forwarded-for".to_owned(), forwarded);
    headers.insert("x-forwarded-port".to_owned(), context.port.to_string());
    headers.insert("x-forwarded-proto".to_owned(), "http".to_owned());
    headers
}

fn text(headers: &HeaderMap, name: &str) -> String {
    let values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    values.collect::<Vec<_>>().join(",")
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let sent =
        headers.get_all(header::COOKIE).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let each = sent.flat_map(|line| line.split(';').map(|cookie| cookie.trim().to_owned()).collect::<Vec<_>>());
    each.filter(|cookie| !cookie.is_empty()).collect()
}

/// Decoded parameters. Repeated values are joined with commas.
fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::<String, String>::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (percent::decode_form(name), percent::decode_form(value));
        let values = parameters.entry(name).and_modify(|values| values.push(','));
        values.or_default().push_str(&value);
    }
    parameters
}

/// The body as text, if the gateway passes its media type as text. It treats everything else as binary, including
/// forms.
fn text_body(headers: &HeaderMap, body: &Bytes) -> Option<String> {
    let kind = text(headers, header::CONTENT_TYPE.as_str()).to_ascii_lowercase();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_text = kind.starts_with("text/")
        || ["application/json", "application/javascript", "application/xml"].contains(&kind)
        || kind.ends_with("+json")
        || kind.ends_with("+xml");
    let is_plain = is_text && !headers.contains_key(header::CONTENT_ENCODING);
    is_plain.then(|| String::from_utf8(body.to_vec()).ok()).flatten()
}

/// For example, `24/Nov/2026:12:00:00 +0000`.
fn common_log_time(millis: u64) -> String {
    let seconds = i64::try_from(millis / 1000).unwrap_or(0);
    let moment = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, (hour, minute, second)) = (moment.date(), moment.to_hms());
    let month = &date.month().to_string()[..3];
    format!("{:02}/{month}/{}:{hour:02}:{minute:02}:{second:02} +0000", date.day(), date.year())
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
