//! The pages and the site's public settings, through the gateway.

use reqwest::{Method, header};
use serde_json::json;
use twostep_domain::language::Language;
use twostep_tests::{Answer, Stack, eventually, http};

const PAGES: [&str; 11] = [
    "/",
    "/register",
    "/register/name",
    "/login",
    "/code",
    "/forgot",
    "/reset",
    "/profile",
    "/settings",
    "/users",
    "/docs",
];

/// A browser's request outside the API.
async fn get(stack: &Stack, path: &str, headers: &[(&str, &str)]) -> (u16, header::HeaderMap, Vec<u8>) {
    let mut request = http().get(format!("http://localhost:{}{path}", stack.api_port));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.expect("the API answers");
    (answer.status().as_u16(), answer.headers().clone(), answer.bytes().await.expect("a complete response").to_vec())
}

#[tokio::test]
async fn every_page_is_served_in_its_language_with_its_headers_and_without_cookies() {
    let stack = Stack::shared().await;
    for path in PAGES {
        for (accepted, language) in [("en-GB", "en"), ("es-MX,es;q=0.9", "es"), ("pt-PT", "pt-PT"), ("ar-EG", "ar")] {
            let (status, headers, body) = get(stack, path, &[("accept-language", accepted)]).await;
            let html = String::from_utf8(body).unwrap();
            assert_eq!(status, 200, "{path}: {html}");
            assert!(html.contains(&format!("<html lang=\"{language}\" dir=")), "{path}");
            assert_eq!(headers[header::CONTENT_TYPE], "text/html; charset=utf-8", "{path}");
            assert!(
                headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("default-src 'none'"),
                "{path}"
            );
            assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
            assert!(!headers.contains_key(header::SET_COOKIE), "{path}");
        }
    }
}

#[tokio::test]
async fn pages_and_assets_are_compressed_and_an_unchanged_page_is_not_sent_again() {
    let stack = Stack::shared().await;
    let (_, _, plain) = get(stack, "/login", &[]).await;
    let (_, headers, compressed) = get(stack, "/login", &[("accept-encoding", "br")]).await;
    assert_eq!(headers[header::CONTENT_ENCODING], "br");
    assert!(compressed.len() < plain.len() / 2);

    let tag = headers[header::ETAG].to_str().unwrap();
    let (status, headers, body) = get(stack, "/login", &[("accept-encoding", "br"), ("if-none-match", tag)]).await;
    assert_eq!((status, body.len()), (304, 0));
    assert_eq!(headers[header::ETAG], tag);

    let html = String::from_utf8(plain).unwrap();
    let assets: Vec<&str> = html.split("\"/assets/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(assets.len() > 5, "{assets:?}");
    for asset in assets {
        let (status, headers, _) = get(stack, &format!("/assets/{asset}"), &[("accept-encoding", "gzip")]).await;
        assert_eq!((status, headers[header::CONTENT_ENCODING].to_str().unwrap()), (200, "gzip"), "{asset}");
        assert!(headers[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"), "{asset}");
    }
}

#[tokio::test]
async fn the_language_cookie_selects_the_language() {
    let stack = Stack::shared().await;
    let (_, headers, _) = get(stack, "/login", &[("accept-language", "en"), ("cookie", "lang=es")]).await;
    assert_eq!(headers[header::CONTENT_LANGUAGE], "es");
}

#[tokio::test]
async fn the_openapi_file_is_served_unchanged() {
    let (status, headers, body) = get(Stack::shared().await, "/openapi.yaml", &[]).await;
    assert_eq!((status, headers[header::CONTENT_TYPE].to_str().unwrap()), (200, "application/yaml"));
    assert_eq!(body, std::fs::read(twostep_tests::paths::root().join("docs/openapi.yaml")).unwrap());
}

#[tokio::test]
async fn an_unknown_asset_is_not_found() {
    let (status, headers, _) = get(Stack::shared().await, "/assets/style.css", &[]).await;
    assert_eq!(status, 404);
    assert_eq!(headers[header::CONTENT_TYPE], "application/problem+json");
}

#[tokio::test]
async fn the_public_settings_follow_the_admin_s_settings() {
    let stack = Stack::start(&[]).await;
    let (client, key) = (stack.client(), stack.admin_key().await);
    let change = async |body: serde_json::Value| -> Answer {
        client.send(Method::PUT, "/settings", Some(&key), Some(body.to_string())).await
    };
    change(json!({ "two_step_enabled": true, "allowed_countries": ["ES", "US"] })).await.expect(200);

    let site = eventually("the change", async || {
        let site = client.get("/site").await;
        (site.body["allowed_countries"] == json!(["ES", "US"])).then_some(site)
    })
    .await;
    assert_eq!(site.status, 200);
    assert_eq!(site.header("cache-control"), Some("public, max-age=30"));
    let configured =
        client.send(Method::GET, "/settings", Some(&key), None).await.expect(200)["clickatell"]["configured"].clone();
    let expected = json!({ "name": "Example", "host": "localhost", "two_step_enabled": true, "phone_enabled": configured,
        "email_enabled": true, "allowed_countries": ["ES", "US"],
        "languages": Language::ALL.map(Language::tag), "theme": {}, "links": {} });
    assert_eq!(site.body, expected);

    change(json!({ "two_step_enabled": false })).await.expect(200);
    let site = eventually("the switch", async || {
        let site = client.get("/site").await;
        (site.body["two_step_enabled"] == false).then_some(site)
    })
    .await;
    assert_eq!(site.body["phone_enabled"], false);
}
