//! A website that signs its users in through the service, as a client library would do it.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::{Answer, Client, http_without_redirects};

/// The example of RFC 7636 §B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub const REDIRECT_URI: &str = "https://shop.example/callback";
pub const AFTER_LOGOUT: &str = "https://shop.example/bye";

#[derive(Clone)]
pub struct RelyingParty {
    http: reqwest::Client,
    api: String,
    pub id: String,
    pub secret: Option<String>,
}

/// Where the service sends a browser.
#[derive(Debug)]
pub struct Sent {
    pub status: u16,
    /// Empty if it sends it nowhere.
    pub location: String,
    pub set_cookie: Option<String>,
}

impl Sent {
    /// The address without its query.
    #[must_use]
    pub fn address(&self) -> &str {
        self.location.split('?').next().unwrap_or_default()
    }

    /// The parameters of the address.
    #[must_use]
    pub fn parameters(&self) -> BTreeMap<String, String> {
        let query = self.location.split_once('?').map_or("", |(_, query)| query);
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }

    /// The code, if the browser came back with one.
    ///
    /// # Panics
    /// If it didn't.
    #[must_use]
    #[track_caller]
    pub fn code(&self) -> String {
        assert_eq!((self.status, self.address()), (302, REDIRECT_URI), "{self:?}");
        self.parameters().get("code").unwrap_or_else(|| panic!("{self:?}")).clone()
    }

    /// Checks that the browser came back with `error`.
    ///
    /// # Panics
    /// If it didn't.
    #[track_caller]
    pub fn expect_error(&self, error: &str) {
        assert_eq!((self.status, self.address()), (302, REDIRECT_URI), "{self:?}");
        let parameters = self.parameters();
        assert_eq!(parameters.get("error").map(String::as_str), Some(error), "{self:?}");
        assert!(parameters.contains_key("iss") && !parameters.contains_key("code"), "{self:?}");
    }
}

impl RelyingParty {
    /// Registers a client of this kind with one redirect URI.
    ///
    /// # Panics
    /// If the service refuses it.
    pub async fn register(client: &Client, admin_key: &str, kind: &str) -> Self {
        let uris = |uri: &str| if kind == "server" { json!([]) } else { json!([uri]) };
        let body = json!({
            "name": "Shop",
            "kind": kind,
            "redirect_uris": uris(REDIRECT_URI),
            "post_logout_redirect_uris": uris(AFTER_LOGOUT),
        });
        let answer = client.send(Method::POST, "/admin/clients", Some(admin_key), Some(body.to_string())).await;
        let created = answer.expect(201);
        Self {
            http: http_without_redirects(),
            api: client.api.clone(),
            id: created["client_id"].as_str().expect("an ID").to_owned(),
            secret: created["client_secret"].as_str().map(str::to_owned),
        }
    }

    /// The same client, with another secret.
    #[must_use]
    pub fn with_secret(&self, secret: &str) -> Self {
        Self { secret: Some(secret.to_owned()), ..self.clone() }
    }

    /// The parameters of an ordinary authorization request, with `changes`; an empty value leaves one out.
    #[must_use]
    pub fn request(&self, changes: &[(&str, &str)]) -> String {
        let mut pairs = vec![
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", REDIRECT_URI),
            ("scope", "openid profile email phone offline_access"),
            ("state", "the state"),
            ("nonce", "the nonce"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        pairs.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        pairs.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        encode(&pairs)
    }

    /// Sends a browser with this session to the service.
    pub async fn authorize(&self, refresh_token: Option<&str>, changes: &[(&str, &str)]) -> Sent {
        self.browse(&format!("/oauth/authorize?{}", self.request(changes)), refresh_token).await
    }

    /// A navigation of a browser.
    ///
    /// # Panics
    /// If there is no response.
    pub async fn browse(&self, path: &str, refresh_token: Option<&str>) -> Sent {
        let mut request = self.http.get(format!("{}{path}", self.api));
        if let Some(token) = refresh_token {
            request = request.header("cookie", format!("twostep-refresh={token}"));
        }
        let answer = request.send().await.expect("the API answers");
        let text = |name: &str| answer.headers().get(name).map(|value| value.to_str().expect("ASCII").to_owned());
        let location = text("location").unwrap_or_default();
        Sent { status: answer.status().as_u16(), location, set_cookie: text("set-cookie") }
    }

    /// Exchanges a code.
    pub async fn exchange(&self, code: &str) -> Answer {
        self.exchange_with(code, &[]).await
    }

    /// Exchanges a code with changed parameters; an empty value leaves one out.
    pub async fn exchange_with(&self, code: &str, changes: &[(&str, &str)]) -> Answer {
        let mut pairs = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
        ];
        pairs.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
        pairs.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
        self.post("/oauth/token", &pairs).await
    }

    pub async fn refresh(&self, token: &str) -> Answer {
        self.post("/oauth/token", &[("grant_type", "refresh_token"), ("refresh_token", token)]).await
    }

    /// Signs a user in: from the browser's session to the client's tokens.
    ///
    /// # Panics
    /// If the service refuses it.
    pub async fn sign_in(&self, refresh_token: &str) -> Value {
        let code = self.authorize(Some(refresh_token), &[]).await.code();
        self.exchange(&code).await.expect(200)
    }

    pub async fn introspect(&self, token: &str) -> Answer {
        self.post("/oauth/introspect", &[("token", token)]).await
    }

    /// # Panics
    /// If there is no response.
    pub async fn user_info(&self, token: &str) -> Answer {
        let request = self.http.get(format!("{}/oauth/userinfo", self.api)).bearer_auth(token);
        Answer::read(request.send().await.expect("the API answers")).await
    }

    /// Posts a form with the client's credentials: HTTP Basic, or its ID alone.
    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let mut form = form.to_vec();
        let mut request = self.http.post(format!("{}{path}", self.api));
        match &self.secret {
            Some(_) => request = self.authenticated(request),
            None => form.push(("client_id", &self.id)),
        }
        Self::send(request, &form).await
    }

    /// Posts a form without the client's credentials.
    pub async fn post_as(&self, path: &str, form: &[(&str, &str)], authorization: Option<&str>) -> Answer {
        let mut request = self.http.post(format!("{}{path}", self.api));
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        Self::send(request, form).await
    }

    /// A JSON request with the client's credentials.
    ///
    /// # Panics
    /// If there is no response.
    pub async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.authenticated(self.http.request(method, format!("{}{path}", self.api)));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        Answer::read(request.send().await.expect("the API answers")).await
    }

    /// The value of `Authorization` that this client sends.
    #[must_use]
    pub fn basic(&self) -> String {
        let pair = format!("{}:{}", self.id, self.secret.as_deref().unwrap_or_default());
        format!("Basic {}", STANDARD.encode(pair))
    }

    fn authenticated(&self, request: RequestBuilder) -> RequestBuilder {
        request.header("authorization", self.basic())
    }

    async fn send(request: RequestBuilder, form: &[(&str, &str)]) -> Answer {
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(encode(form));
        Answer::read(request.send().await.expect("the API answers")).await
    }
}

#[must_use]
pub fn encode(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}
