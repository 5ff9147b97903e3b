use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use lambda_http::{Body, Response, http};
use serde_json::Value;
use twostep_domain::{
    country::AllowedCountries,
    language::Language,
    message_texts::Site,
    settings::Settings,
    spending::Budgets,
    theme::{Accent, Radius},
    web_address::HttpsUrl,
};

use super::*;
use crate::{
    live_pages::{LivePages, SiteData},
    security::{self, Sources},
};

fn settings() -> Settings {
    let site = Site { name: "Ben & Jerry's".to_owned(), host: "example.com".to_owned() };
    let mut settings = Settings::initial(&site, AllowedCountries::All, Budgets::default());
    settings.two_step_enabled = true;
    settings.clickatell.key_hint = Some("…4f2a".to_owned());
    settings
}

fn get_with(site: &SiteData, path: &str, headers: &[(&str, &str)]) -> Result<Response<Body>, Problem> {
    let mut request = http::Request::builder().uri(format!("http://localhost{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let path = path.split('?').next().unwrap();
    let request = request.body(Body::Empty).unwrap().with_raw_http_path(path);
    let (answer, sources) = match page_at(&request) {
        Some(page) => {
            let query = request.uri().query().unwrap_or_default();
            (LivePages::default().answer(page, request.headers(), query, site), site.sources())
        }
        None => (find(&request)?, &Sources::default()),
    };
    Ok(security::protect(answer, sources).into_response())
}

fn get(path: &str, headers: &[(&str, &str)]) -> Result<Response<Body>, Problem> {
    get_with(&SiteData::of(&settings(), true), path, headers)
}

fn page(headers: &[(&str, &str)]) -> Response<Body> {
    get("/login", headers).unwrap()
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

fn text_of(response: &Response<Body>) -> String {
    String::from_utf8(response.body().to_vec()).unwrap()
}

fn unbrotli(bytes: &[u8]) -> String {
    let mut plain = Vec::new();
    brotli::BrotliDecompress(&mut &*bytes, &mut plain).unwrap();
    String::from_utf8(plain).unwrap()
}

#[test]
fn the_smallest_accepted_encoding_is_sent() {
    for (accepted, encoding) in [
        ("gzip, deflate, br, zstd", "br"),
        ("BR", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("br; q=0.0, gzip; q=0", ""),
        ("identity", ""),
        ("brotli", ""),
        ("", ""),
    ] {
        let response = page(&[("accept-encoding", accepted)]);
        assert_eq!(header(&response, "content-encoding"), encoding, "{accepted:?}");
        assert!(header(&response, "vary").contains("Accept-Encoding"));
    }
}

#[test]
fn every_encoding_holds_the_same_page() {
    let plain = text_of(&page(&[]));
    assert_eq!(unbrotli(page(&[("accept-encoding", "br")]).body()), plain);
    let gzip = page(&[("accept-encoding", "gzip")]);
    assert!(gzip.body().starts_with(&[0x1f, 0x8b]) && gzip.body().len() < plain.len() / 2);
}

#[test]
fn an_unchanged_page_is_not_sent_again() {
    let first = page(&[("accept-encoding", "br")]);
    let tag = header(&first, "etag");
    assert_eq!(header(&first, "cache-control"), "no-cache");
    for known in [tag.to_owned(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let again = page(&[("accept-encoding", "br"), ("if-none-match", &known)]);
        assert_eq!((again.status().as_u16(), again.body().len()), (304, 0), "{known}");
        assert_eq!((header(&again, "etag"), header(&again, "vary")), (tag, header(&first, "vary")));
    }
    let elsewhere = page(&[("accept-encoding", "gzip"), ("if-none-match", tag)]);
    assert_eq!(elsewhere.status(), 200, "the tag is for the other encoding");
    let other = page(&[("accept-encoding", "br"), ("accept-language", "es"), ("if-none-match", tag)]);
    assert_eq!(other.status(), 200, "the tag is for the other language");
}

#[test]
fn a_page_says_what_the_settings_say_and_follows_them() {
    let mut settings = settings();
    let pages = LivePages::default();
    let seen = |settings: &Settings| {
        let request = http::Request::builder().body(Body::Empty).unwrap().with_raw_http_path("/register");
        let page = page_at(&request).unwrap();
        let response = pages.answer(page, request.headers(), "", &SiteData::of(settings, true)).into_response();
        (text_of(&response), header(&response, "etag").to_owned())
    };
    let (html, tag) = seen(&settings);
    assert!(html.contains("<title>Create an account · Ben &amp; Jerry's</title>"), "{html:.900}");
    assert!(
        html.contains("data-phone=\"on\" data-host=\"example.com\"") && html.contains("&quot;phone_enabled&quot;:true")
    );
    assert!(html.contains("<span>Ben &amp; Jerry's</span>") && !html.contains('⟪') && !html.contains('⟫'));
    assert_eq!(seen(&settings), (html, tag.clone()));

    settings.two_step_enabled = false;
    settings.site_name = "Other".to_owned();
    let (html, other) = seen(&settings);
    assert!(html.contains("data-phone=\"off\"") && html.contains("<span>Other</span>") && other != tag);
}

#[test]
fn a_page_without_settings_offers_everything() {
    for page in PAGES {
        let html = text_of(&get_with(&SiteData::unknown(), page.path, &[]).unwrap());
        assert!(html.contains("data-phone=\"on\" data-host=\"\" data-site=\"\""), "{}", page.path);
        assert!(html.contains("<span>Home</span>") && !html.contains('⟪') && !html.contains('⟫'), "{}", page.path);
    }
}

#[test]
fn a_page_has_the_look_of_its_site_and_allows_nothing_else() {
    let mut settings = settings();
    let seen = |settings: &Settings| get_with(&SiteData::of(settings, true), "/login", &[]).unwrap();
    let plain = seen(&settings);
    settings.theme.logo = Some(HttpsUrl::parse("https://cdn.example/logo.svg?a=1&b=2").unwrap());
    settings.theme.accent = Some(Accent::parse("#0f6d64").unwrap());
    settings.theme.radius = Some(Radius::Square);
    settings.links.privacy = Some(HttpsUrl::parse("https://example.com/privacy?a=1&b=2").unwrap());
    let own = seen(&settings);

    let html = text_of(&own);
    assert!(
        html.contains("data-logo=\"on\"") && html.contains("<link rel=\"icon\" href=\"https://cdn.example/logo.svg")
    );
    assert!(html.contains("<img src=\"https://cdn.example/logo.svg?a=1&amp;b=2\" alt=\"Ben &amp; Jerry's\""));
    assert!(
        html.contains("<a href=\"https://example.com/privacy?a=1&amp;b=2\">Privacy</a>") && !html.contains("Terms")
    );
    let style = html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
    assert!(style.contains("--accent:#0f6d64") && style.contains("--radius:0px"), "{style}");
    let hash = STANDARD.encode(digest(&SHA256, style.as_bytes()));
    let policy = header(&plain, "content-security-policy");
    let expected = policy
        .replace("style-src 'self'", &format!("style-src 'self' 'sha256-{hash}'"))
        .replace("img-src 'self' data:", "img-src 'self' data: https://cdn.example");
    assert_eq!(header(&own, "content-security-policy"), expected);
    assert!(!policy.contains("sha256") && !text_of(&plain).contains("<style"));
    assert_ne!(header(&plain, "etag"), header(&own, "etag"));
}

/// The colours that accents are compared with are those of the style sheet.
#[test]
fn the_style_sheet_has_the_backgrounds_that_accents_are_made_for() {
    let style = ASSETS.iter().find(|asset| asset.name.starts_with("style")).unwrap();
    let style = std::str::from_utf8(style.content.plain).unwrap();
    let (light, dark) = style.split_once("prefers-color-scheme: dark").unwrap();
    for (scheme, colours) in [
        (light, ["--page: #f4f6f6", "--card: #ffffff", "--text: #17211f"]),
        (dark, ["--page: #0f1514", "--card: #18201f", "--text: #e7efed"]),
    ] {
        for colour in colours {
            assert!(scheme.contains(colour), "{colour}");
        }
    }
}

#[test]
fn the_language_cookie_wins_over_the_browser_language() {
    for (cookie, accepted, language) in [
        ("", "", "en"),
        ("", "es-AR,es;q=0.9,en;q=0.8", "es"),
        ("lang=en", "es", "en"),
        ("a=b; lang=es; c=d", "en", "es"),
        ("lang=tlh", "es", "es"),
        ("xlang=en", "es", "es"),
    ] {
        let response = page(&[("cookie", cookie), ("accept-language", accepted)]);
        assert_eq!(header(&response, "content-language"), language, "{cookie:?} {accepted:?}");
        assert!(text_of(&response).contains(&format!("<html lang=\"{language}\"")));
    }
}

#[test]
fn a_client_can_ask_for_a_language_that_the_user_has_not_chosen() {
    let language = |path: &str, cookie: &str| {
        let response = get(path, &[("cookie", cookie), ("accept-language", "en")]).unwrap();
        header(&response, "content-language").to_owned()
    };
    assert_eq!(language("/login?continue=x&lang=es", ""), "es");
    assert_eq!(language("/login?lang=es", "lang=en"), "en");
    assert_eq!(language("/login?xlang=es&lang=tlh", ""), "en");
}

#[test]
fn unknown_paths_are_not_found() {
    for path in [
        "/assets/",
        "/assets/style.css",
        "/assets/../login",
        "/assets/style.0000000000000000.css",
        "/nowhere",
        "/login/",
    ] {
        assert!(matches!(get(path, &[]), Err(Problem::NotFound)), "{path}");
    }
}

#[test]
fn assets_are_immutable() {
    for asset in ASSETS {
        let response = get(&format!("/assets/{}", asset.name), &[]).unwrap();
        assert_eq!(header(&response, "cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(header(&response, "content-type"), asset.content_type);
        assert!(asset.name.contains(asset.content.tag), "{}: named after its content", asset.name);
    }
}

#[test]
fn every_response_has_the_security_headers() {
    let paths = PAGES.iter().map(|page| page.path).chain(FILES.iter().map(|file| file.path)).map(str::to_owned);
    for path in paths.chain(ASSETS.iter().map(|asset| format!("/assets/{}", asset.name))) {
        let response = get(&path, &[]).unwrap();
        let policy = header(&response, "content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"), "{path}");
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(header(&response, "x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header(&response, "referrer-policy"), "no-referrer", "{path}");
        assert_eq!(header(&response, "x-frame-options"), "DENY", "{path}");
        assert!(header(&response, "permissions-policy").contains("otp-credentials=(self)"), "{path}");
        assert_eq!(header(&response, "set-cookie"), "", "{path}");
    }
}

#[test]
fn pages_have_no_inline_scripts_or_styles_and_no_foreign_urls() {
    for page in PAGES {
        for content in page.languages {
            let html = content.html;
            assert!(!html.contains("<link rel=\"modulepreload"), "{}: no module waits for another", page.path);
            for script in html.split("<script").skip(1) {
                assert!(script.contains("></script>"), "{}: a script without content", page.path);
            }
            for forbidden in
                ["<style", " style=", " onclick", " onload", " onsubmit", "javascript:", "=\"http", "=\"//"]
            {
                assert!(!html.contains(forbidden), "{}: {forbidden}", page.path);
            }
        }
    }
    for asset in ASSETS {
        let content = std::str::from_utf8(asset.content.plain).unwrap().replace("http://www.w3.org/2000/svg", "");
        assert!(!content.contains("http:") && !content.contains("url("), "{}", asset.name);
        assert!(!content.contains("@import"), "{}", asset.name);
    }
}

/// What Safari 15.4, Chrome 100 and Firefox 100 don't have. Scripts that use it don't run at all, or fail once a code is paid.
#[test]
fn scripts_and_styles_run_in_the_oldest_browsers_that_the_readme_names() {
    const NEWER: [(&str, &[&str]); 2] = [
        (
            "js",
            &[
                "(?<=",
                "(?<!",
                "/v.",
                "/v)",
                "static {",
                ".requestSubmit(",
                "AbortSignal.timeout",
                "AbortSignal.any",
                ".findLast",
                ".toSorted(",
                ".toReversed(",
                ".toSpliced(",
                ".groupBy(",
                "withResolvers",
                "fromAsync",
                "Segmenter",
                "DurationFormat",
                ".inert",
                "showPopover",
                "canParse",
                "startViewTransition",
                "await using",
                "isWellFormed",
                "checkVisibility",
            ],
        ),
        (
            "css",
            &[
                ":has(",
                "translate:",
                "rotate:",
                "scale:",
                "color-mix(",
                "light-dark(",
                "@container",
                "@scope",
                "@starting-style",
                ":popover-open",
                "field-sizing",
                "width >",
                "width <",
                "\n&",
            ],
        ),
    ];
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
    assert!(readme.contains("Safari 15.4, Chrome 100 and Firefox 100"));
    for asset in ASSETS {
        let content = std::str::from_utf8(asset.content.plain).unwrap();
        let newer = NEWER.iter().filter(|(extension, _)| asset.name.ends_with(extension)).flat_map(|(_, newer)| *newer);
        for each in newer {
            assert!(!content.contains(each), "{} uses {each}", asset.name);
        }
        // A unit without a fallback drops the whole declaration.
        assert_eq!(content.matches("100dvh").count(), content.matches("100vh;\nmin-height: 100dvh").count());
    }
}

#[test]
fn every_linked_asset_exists_and_every_asset_is_linked() {
    let present: BTreeSet<&str> = ASSETS.iter().map(|asset| asset.name).collect();
    let pages = PAGES.iter().flat_map(|page| page.languages).map(|template| template.html);
    let mut wanted = BTreeSet::new();
    for text in pages.chain(ASSETS.iter().map(|asset| std::str::from_utf8(asset.content.plain).unwrap())) {
        wanted.extend(linked_from(text));
        let is_module = |line: &str| line.starts_with("import ") || line.starts_with("export ");
        assert!(!text.lines().any(|line| is_module(line.trim_start())), "scripts are whole");
    }
    assert_eq!(wanted, present);
}

fn linked_from(text: &str) -> impl Iterator<Item = &str> {
    text.split("/assets/").skip(1).filter_map(|rest| rest.split(['"', '⟫']).next())
}

#[test]
fn pages_are_no_heavier_than_the_readme_says() {
    const KB: usize = 1_000;
    let (most, of_large_pages, of_the_reference) = (25, 45, 60);
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).unwrap();
    assert!(readme.contains(&format!(
        "transfers at most {most} kB, or {of_large_pages} kB for the profile and the pages of\noperators, or {of_the_reference} kB for the API reference"
    )));
    for page in PAGES {
        for language in Language::ALL {
            let sent = get(page.path, &[("accept-encoding", "br"), ("accept-language", language.tag())]).unwrap();
            let linked: BTreeSet<&str> = linked_from(page.languages[language as usize].html).collect();
            let assets = ASSETS.iter().filter(|asset| linked.contains(asset.name));
            let weight = sent.body().len() + assets.map(|asset| asset.content.brotli.len()).sum::<usize>();
            let bound = match page.path {
                "/docs" => of_the_reference,
                "/profile" | "/settings" | "/users" => of_large_pages,
                _ => most,
            };
            println!("{} {}: {weight} bytes", page.path, language.tag());
            // For the table of ceilings in docs/operations.md: style, icon, two scripts and texts; and a style without scripts.
            assert_eq!(linked.len() - usize::from(linked.iter().any(|name| name.starts_with("noscript."))), 5);
            assert!(weight <= bound * KB, "{}: {weight} bytes, {linked:?}", page.path);
        }
    }
}

#[test]
fn the_pages_are_written_in_the_languages_of_the_messages() {
    for page in PAGES {
        assert_eq!(page.languages.len(), Language::ALL.len());
        for (language, content) in Language::ALL.into_iter().zip(page.languages) {
            assert!(content.html.contains(&format!("<html lang=\"{}\"", language.tag())), "{}", page.path);
        }
    }
}

#[test]
fn the_openapi_file_is_served_unchanged_and_the_docs_page_shows_every_route() {
    let contract = text_of(&get("/openapi.yaml", &[("accept-language", "es")]).unwrap());
    assert!(contract.starts_with("openapi: 3.1"));
    let page = text_of(&get("/docs", &[]).unwrap()).replace("&#x2f;", "/");
    let paths: Vec<&str> = contract.lines().filter_map(|line| line.strip_prefix("  /")?.strip_suffix(':')).collect();
    assert!(paths.len() > 15, "{paths:?}");
    for path in paths {
        assert!(page.contains(&format!("<code>/{path}</code>")), "{path}");
    }
    let commands: Vec<&str> = page.split("aria-label=\"Example command\"><code>").skip(1).collect();
    assert_eq!(commands.len(), page.matches("class=\"operation\"").count());
    assert!(commands.iter().all(|command| command.starts_with("curl") && command.contains("$SITE/")));
    assert!(page.contains("<li><code>") && !page.contains("<p>- "), "lists in descriptions are lists on the page");
}

/// Texts that are the same in some languages.
const ALIKE: [&str; 4] = ["SMS (platform.clickatell.com)", "One API", "{browser} · {system}", "{count}"];

/// The texts by key. A text with plural forms has one key, and its forms as the value.
fn keys(prefix: &str, texts: &Value, into: &mut BTreeMap<String, Value>) {
    match texts {
        Value::Object(entries) if !entries.contains_key("other") => {
            for (key, value) in entries {
                keys(&format!("{prefix}.{key}"), value, into);
            }
        }
        text => {
            into.insert(prefix.to_owned(), text.clone());
        }
    }
}

fn forms(text: &Value) -> Vec<&str> {
    match text {
        Value::Object(forms) => forms.values().filter_map(Value::as_str).collect(),
        Value::Array(variants) => variants.iter().filter_map(Value::as_str).collect(),
        text => text.as_str().into_iter().collect(),
    }
}

fn places(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect()
}

/// The plural forms of each language for whole numbers (Unicode CLDR).
fn plural_forms(language: Language) -> &'static [&'static str] {
    match language.tag() {
        "ar" => &["few", "many", "one", "other", "two", "zero"],
        "ja" => &["other"],
        "pl" => &["few", "many", "one", "other"],
        "es" | "fr" | "it" | "pt-BR" | "pt-PT" => &["many", "one", "other"],
        _ => &["one", "other"],
    }
}

fn texts(language: Language) -> Value {
    let path = format!("{}/texts/{}.json", env!("CARGO_MANIFEST_DIR"), language.tag());
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn every_language_has_the_texts_of_english_with_the_same_places_and_in_its_own_words() {
    let found = |language| {
        let mut found = BTreeMap::new();
        keys("", &texts(language), &mut found);
        found
    };
    let english = found(Language::English);
    assert!(english.len() > 300);
    let mut faults = Vec::new();
    for language in Language::ALL {
        let texts = found(language);
        let tag = language.tag();
        faults.extend(
            english.keys().filter(|key| !texts.contains_key(*key)).map(|key| format!("{tag}: {key} is missing")),
        );
        faults.extend(
            texts.keys().filter(|key| !english.contains_key(*key)).map(|key| format!("{tag}: {key} is surplus")),
        );
        let mut same = 0;
        for (key, text) in &texts {
            let Some(original) = english.get(key) else { continue };
            let wanted = forms(original).into_iter().flat_map(places).collect::<BTreeSet<_>>();
            for form in forms(text) {
                if form.trim() != form || form.is_empty() {
                    faults.push(format!("{tag}: {key} is empty or has spaces around it"));
                }
                if places(form) != wanted {
                    faults.push(format!("{tag}: {key} has other places than {wanted:?}"));
                }
            }
            if let Value::Object(forms) = text {
                let forms: Vec<&str> = forms.keys().map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect();
                let wanted = plural_forms(language);
                // English and Spanish fall back to `other`.
                if !wanted.iter().all(|form| forms.contains(form) || *form == "many" || *form == "zero") {
                    faults.push(format!("{tag}: {key} has the forms {forms:?}, not {wanted:?}"));
                }
            }
            // A whole sentence is never the same in two languages.
            if text == original && language != Language::English {
                same += 1;
                let text = text.as_str().unwrap_or_default();
                if text.split(' ').count() > 2 && !ALIKE.contains(&text) {
                    faults.push(format!("{tag}: {key} is in English: {text}"));
                }
            }
        }
        // Words such as “Email”, “OK” or “Budget” are.
        if same > english.len() / 20 {
            faults.push(format!("{tag}: {same} texts are the same as in English"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// A page that lacks a text shows the English one. The test above finds those that are missing.
#[test]
fn every_language_is_offered_in_its_own_name_and_direction() {
    for language in Language::ALL {
        let html = text_of(&get("/login", &[("accept-language", language.tag())]).unwrap());
        let direction = if language.is_right_to_left() { "rtl" } else { "ltr" };
        assert!(html.contains(&format!("<html lang=\"{}\" dir=\"{direction}\"", language.tag())));
        for other in Language::ALL {
            let selected = if other == language { " selected" } else { "" };
            let tag = other.tag();
            assert!(
                html.contains(&format!("<option value=\"{tag}\" lang=\"{tag}\"{selected}>{}</option>", other.name()))
            );
        }
    }
}

#[test]
fn every_text_that_a_script_uses_exists() {
    let texts = texts(Language::English);
    let scripts = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts")).unwrap();
    for script in scripts {
        let source = std::fs::read_to_string(script.unwrap().path()).unwrap();
        for said in source.split("say(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let own = texts["messages_of"].as_object().unwrap().values();
            let is_there = own.chain([&texts["messages"]]).any(|messages| {
                let text = said.split('.').fold(messages, |at, key| &at[key]);
                text.is_string() || text["other"].is_string()
            });
            assert!(is_there, "{said}");
        }
    }
}

#[test]
fn every_problem_has_a_page_text() {
    let texts = texts(Language::English);
    for code in Problem::ALL.map(|problem| problem.code()) {
        // Only Clickatell's callbacks get this error.
        assert!(code == "invalid_callback_token" || texts["messages"]["errors"][code].is_string(), "{code}");
    }
}
