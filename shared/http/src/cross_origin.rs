//! Which pages of other origins may call the API: CORS (Fetch standard, section 3.3) for the origins that the operator
//! allows, and a refusal of cross-site writes from all others.
//!
//! The functions do this themselves, because an HTTP API with a CORS configuration replaces the headers of its functions.
//! Discovery and signing keys are for every origin.

use super::Problem;
use lambda_http::{
    Body, Request, Response,
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{
            ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL,
            ORIGIN, VARY,
        },
    },
};

/// What a page of an allowed origin may use, beyond what the Fetch standard always allows.
const METHODS: &str = "GET, POST, PUT, PATCH, DELETE";
const REQUEST_HEADERS: &str = "authorization, content-type, idempotency-key";
const RESPONSE_HEADERS: &str = "link, retry-after, www-authenticate";
/// Two hours, the longest that Chromium keeps a preflight.
const MAX_AGE: &str = "7200";

/// Who calls a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Callers {
    /// Clients, and pages of this service and of the allowed origins.
    Pages,
    /// Also other servers, which authenticate themselves in each request.
    Servers,
}

pub struct CrossOrigin {
    allowed: Vec<String>,
    callers: Callers,
}

impl CrossOrigin {
    #[must_use]
    pub fn new(allowed: Vec<String>, callers: Callers) -> Self {
        Self { allowed, callers }
    }

    /// The response to a preflight; `None` if the request is anything else.
    #[must_use]
    pub fn preflight(request: &Request) -> Option<Response<Body>> {
        let asks = request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        (request.method() == Method::OPTIONS && asks).then(|| {
            let response = Response::builder().status(StatusCode::NO_CONTENT).header(CACHE_CONTROL, "no-store");
            response.body(Body::Empty).expect("constants")
        })
    }

    /// Refuses a request that another site's page makes to change something. Browsers send `Sec-Fetch-Site` (Fetch
    /// Metadata, section 2.3), and no page can change it.
    ///
    /// # Errors
    /// [`Problem::ForeignOrigin`]
    pub fn check(&self, request: &Request) -> Result<(), Problem> {
        let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        let is_cross_site = request.headers().get("sec-fetch-site").is_some_and(|site| site == "cross-site");
        let refused = changes && is_cross_site && self.callers == Callers::Pages;
        if refused && self.allowed_origin(request.headers()).is_none() {
            return Err(Problem::ForeignOrigin);
        }
        Ok(())
    }

    /// Lets pages of allowed origins read the response. A response that every origin may read stays as it is.
    pub fn allow(&self, request: &HeaderMap, is_preflight: bool, response: &mut HeaderMap) {
        if self.allowed.is_empty() || response.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            return;
        }
        response.append(VARY, HeaderValue::from_static("origin"));
        let Some(origin) = self.allowed_origin(request) else { return };
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if is_preflight {
            response.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
            response.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(REQUEST_HEADERS));
            response.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
        } else {
            response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(RESPONSE_HEADERS));
        }
    }

    fn allowed_origin<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        self.allowed.iter().any(|allowed| origin == allowed.as_str()).then_some(origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = "https://shop.example";

    fn rules(callers: Callers) -> CrossOrigin {
        CrossOrigin::new(vec!["https://other.example".to_owned(), SHOP.to_owned()], callers)
    }

    fn request(method: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = crate::request::with_headers(headers);
        *request.method_mut() = method.parse().unwrap();
        request
    }

    #[test]
    fn only_allowed_origins_write_across_sites() {
        let pages = rules(Callers::Pages);
        let cross_site = |origin: Option<&'static str>| {
            let site = [("sec-fetch-site", "cross-site")];
            site.into_iter().chain(origin.map(|origin| ("origin", origin))).collect::<Vec<_>>()
        };
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            assert_eq!(pages.check(&request(method, &cross_site(Some(SHOP)))), Ok(()));
            for origin in [None, Some("null"), Some("https://evil.example"), Some("https://shop.example.evil.example")]
            {
                assert_eq!(
                    pages.check(&request(method, &cross_site(origin))),
                    Err(Problem::ForeignOrigin),
                    "{origin:?}"
                );
            }
            assert_eq!(rules(Callers::Servers).check(&request(method, &cross_site(None))), Ok(()));
        }
        assert_eq!(pages.check(&request("GET", &cross_site(None))), Ok(()), "a link to this service");
        for site in ["same-origin", "same-site", "none"] {
            assert_eq!(pages.check(&request("POST", &[("sec-fetch-site", site)])), Ok(()));
        }
        assert_eq!(pages.check(&request("POST", &[])), Ok(()), "a client that is no browser");
    }

    #[test]
    fn a_preflight_is_an_options_request_that_names_a_method() {
        let asks = [("access-control-request-method", "POST")];
        assert_eq!(CrossOrigin::preflight(&request("OPTIONS", &asks)).unwrap().status(), 204);
        assert!(CrossOrigin::preflight(&request("OPTIONS", &[])).is_none());
        assert!(CrossOrigin::preflight(&request("POST", &asks)).is_none());
    }

    #[test]
    fn responses_name_the_origin_if_it_is_allowed() {
        let headers = |origin: &str, is_preflight: bool| {
            let mut headers = HeaderMap::new();
            rules(Callers::Pages).allow(request("GET", &[("origin", origin)]).headers(), is_preflight, &mut headers);
            headers
        };
        let allowed = headers(SHOP, false);
        assert_eq!(
            (&allowed[ACCESS_CONTROL_ALLOW_ORIGIN], &allowed[VARY]),
            (&SHOP.parse().unwrap(), &"origin".parse().unwrap())
        );
        assert!(!allowed.contains_key("access-control-allow-credentials"));
        assert_eq!(headers(SHOP, true)[ACCESS_CONTROL_MAX_AGE], MAX_AGE);
        let foreign = headers("https://evil.example", true);
        assert_eq!(foreign.keys().collect::<Vec<_>>(), [VARY]);
    }

    #[test]
    fn a_response_for_every_origin_stays_so() {
        let mut headers = HeaderMap::from_iter([(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"))]);
        rules(Callers::Pages).allow(request("GET", &[("origin", SHOP)]).headers(), false, &mut headers);
        assert_eq!(headers.len(), 1);
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    }
}
