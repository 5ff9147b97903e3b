//! The HTTP client of both APIs.

use reqwest::header::AUTHORIZATION;
use twostep_domain::settings::ClickatellApi;

use super::{account::Account, key_check::KeyCheck, request, response};
use crate::{Fault, Message, Outcome, http};

pub struct Client {
    http: reqwest::Client,
    base_url: String,
}

impl Client {
    pub const PRODUCTION: &str = "https://platform.clickatell.com";

    /// # Errors
    /// If no TLS client can be made on this machine.
    pub fn new(base_url: String) -> Result<Self, reqwest::Error> {
        let http = http::client().build()?;
        Ok(Self { http, base_url })
    }

    /// Tries a key with the balance query, which costs nothing.
    pub async fn check_key(&self, account: &Account) -> KeyCheck {
        let Some(key) = account.header() else { return KeyCheck::Rejected };
        let path = match account.api {
            ClickatellApi::Rest => "/public-client/balance",
            ClickatellApi::One => "/v1/balance",
        };
        let request = self.http.get(format!("{}{path}", self.base_url)).header(AUTHORIZATION, key);
        let Ok(response) = request.header("accept", "application/json").send().await else {
            return KeyCheck::Unavailable;
        };
        let status = response.status().as_u16();
        let Ok(body) = response.bytes().await else { return KeyCheck::Unavailable };
        response::read_balance(status, &body)
    }

    /// Sends once. Everything that can go wrong is part of the [`Outcome`].
    pub async fn send(&self, account: &Account, message: &Message<'_>) -> Outcome {
        let Some(key) = account.header() else {
            return Outcome::Refused { code: "key".into(), fault: Fault::Key };
        };
        let path = match account.api {
            ClickatellApi::Rest => "/messages",
            ClickatellApi::One => "/v1/message",
        };
        let body = request::body(account, message);
        let request = self.http.post(format!("{}{path}", self.base_url)).header(AUTHORIZATION, key).json(&body);
        let response = match request.header("accept", "application/json").send().await {
            Ok(response) => response,
            Err(error) if error.is_connect() => return Outcome::Later { reason: "not_reached" },
            Err(error) if error.is_timeout() => return Outcome::Unknown { reason: "timeout" },
            Err(_) => return Outcome::Unknown { reason: "connection_lost" },
        };
        let status = response.status().as_u16();
        match response.bytes().await {
            Ok(body) => response::read(account.api, status, &body),
            Err(_) => Outcome::Unknown { reason: "connection_lost" },
        }
    }
}
