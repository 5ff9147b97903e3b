//! Attacks on sign-ins to clients (RFC 9700), and on the verification API.

use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use twostep_tests::{
    Answer, SignedIn, eventually,
    relying_party::{AFTER_LOGOUT, CHALLENGE, REDIRECT_URI, RelyingParty, Sent, encode},
};

use crate::{
    Seen, seen,
    world::{World, person},
};

async fn register(world: &World, kind: &str) -> RelyingParty {
    let party = RelyingParty::register(&world.client, world.admin_key(), kind).await;
    if let Some(secret) = &party.secret {
        world.remember(secret);
    }
    party
}

/// A website, and a user with a session.
async fn scene(world: &World) -> (RelyingParty, SignedIn) {
    (register(world, "web").await, person(world).await.0)
}

async fn code_for(world: &World, party: &RelyingParty, session: &SignedIn) -> String {
    let code = party.authorize(Some(&session.refresh_token), &[]).await.code();
    world.remember(&code);
    code
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

#[track_caller]
fn refused(answer: &Answer, status: u16, error: &str) {
    assert_eq!((answer.status, answer.body["error"].as_str()), (status, Some(error)), "{}", answer.body);
}

/// The browser stays with the service, on a page that explains the mistake.
#[track_caller]
fn stays(sent: &Sent) {
    assert_eq!((sent.status, sent.location.as_str()), (400, ""));
}

pub async fn redirect_uris(world: &'static World) -> Seen {
    let (party, session) = scene(world).await;
    let variations = [
        "https://shop.example/callback/",
        "https://shop.example/callback/..",
        "https://shop.example/callback/../evil",
        "https://shop.example/Callback",
        "https://shop.example/callbac%6B",
        "https://shop.example%2Fcallback",
        "https://shop.example/callback?x=1",
        "https://shop.example/callback#x",
        "https://shop.example/callback%23x",
        "https://shop.example:443/callback",
        "https://shop.example:8443/callback",
        "https://SHOP.example/callback",
        "https://shop.example./callback",
        "https://user@shop.example/callback",
        "https://shop.example@evil.example/callback",
        "https://shop.example\\@evil.example/callback",
        "https://shop.example.evil.example/callback",
        "https://evil.example/callback",
        "https://evil.example/https://shop.example/callback",
        "https://*.example/callback",
        "http://shop.example/callback",
        "//shop.example/callback",
        "/callback",
        "javascript:alert(1)//https://shop.example/callback",
        " https://shop.example/callback",
        "https://shop.example/callback\r\nx: y",
    ];
    for uri in variations {
        stays(&party.authorize(Some(&session.refresh_token), &[("redirect_uri", uri)]).await);
        // Not even an error goes there.
        stays(&party.authorize(None, &[("redirect_uri", uri), ("prompt", "none")]).await);
    }
    seen(
        "a redirect URI with another path, case, port, query, fragment, user name, encoding, host, subdomain or scheme than the registered one",
        variations.len(),
        "a page with status 400 each time; no redirect",
    )
}

pub async fn one_code_at_once(world: &'static World) -> Seen {
    const TIMES: usize = 32;
    let (party, session) = scene(world).await;
    let code = code_for(world, &party, &session).await;
    let mut race = JoinSet::new();
    for _ in 0..TIMES {
        let (party, code) = (party.clone(), code.clone());
        race.spawn_local(async move { party.exchange(&code).await });
    }
    let (won, lost): (Vec<_>, Vec<_>) = race.join_all().await.into_iter().partition(|answer| answer.status == 200);
    let [won] = won.as_slice() else { panic!("{} exchanges succeeded", won.len()) };
    for answer in &lost {
        refused(answer, 400, "invalid_grant");
    }
    refused(&party.refresh(text(&won.body, "refresh_token")).await, 400, "invalid_grant");
    refused(&party.user_info(text(&won.body, "access_token")).await, 401, "invalid_token");
    assert_eq!(party.introspect(text(&won.body, "access_token")).await.expect(200), json!({"active": false}));
    seen("parallel exchanges of one code", TIMES, "one succeeds; the second use then ends its tokens")
}

pub async fn a_stolen_code(world: &'static World) -> Seen {
    let (party, session) = scene(world).await;
    let thief = register(world, "web").await;
    let page = register(world, "spa").await;
    let code = code_for(world, &party, &session).await;
    let other_verifier = "a".repeat(64);
    refused(&thief.exchange(&code).await, 400, "invalid_grant");
    refused(&page.exchange(&code).await, 400, "invalid_grant");
    refused(&party.exchange_with(&code, &[("code_verifier", &other_verifier)]).await, 400, "invalid_grant");
    refused(&party.exchange_with(&code, &[("redirect_uri", AFTER_LOGOUT)]).await, 400, "invalid_grant");
    let form = [("grant_type", "authorization_code"), ("code", &code), ("client_id", &party.id)];
    refused(&party.post_as("/oauth/token", &form, None).await, 401, "invalid_client");
    party.exchange(&code).await.expect(200);
    seen(
        "a victim's code with another client, as a public client, with another verifier, another redirect URI, without the secret",
        5,
        "`invalid_grant` or `invalid_client`; the victim's own exchange still works",
    )
}

pub async fn pkce_downgrade(world: &'static World) -> Seen {
    let (party, session) = scene(world).await;
    let attempts: [&[(&str, &str)]; 5] = [
        &[("code_challenge", ""), ("code_challenge_method", "")],
        &[("code_challenge_method", "plain")],
        &[("code_challenge_method", "")],
        &[("code_challenge", "")],
        &[("code_challenge", "short")],
    ];
    for changes in attempts {
        party.authorize(Some(&session.refresh_token), changes).await.expect_error("invalid_request");
    }
    let code = code_for(world, &party, &session).await;
    refused(&party.exchange_with(&code, &[("code_verifier", "")]).await, 400, "invalid_request");
    refused(&party.exchange_with(&code, &[("code_verifier", CHALLENGE)]).await, 400, "invalid_grant");
    seen(
        "a request without a challenge or with the method `plain`; an exchange without a verifier or with the challenge as the verifier",
        attempts.len() + 2,
        "`invalid_request` or `invalid_grant`",
    )
}

pub async fn mix_up(world: &'static World) -> Seen {
    let (party, session) = scene(world).await;
    let with_session = Some(session.refresh_token.as_str());
    let answers = [
        party.authorize(with_session, &[]).await,
        party.authorize(None, &[("prompt", "none")]).await,
        party.authorize(with_session, &[("scope", "email")]).await,
        party.authorize(with_session, &[("response_type", "token")]).await,
    ];
    for sent in &answers {
        assert_eq!(sent.parameters().get("iss"), Some(&world.client.api), "{sent:?}");
    }
    let metadata = world.client.get("/.well-known/openid-configuration").await.expect(200);
    assert_eq!(metadata["authorization_response_iss_parameter_supported"], true);
    seen("codes and errors that go back to a client", answers.len(), "each names its issuer in `iss`")
}

pub async fn a_tampered_request(world: &'static World) -> Seen {
    let (party, session) = scene(world).await;
    let thief = register(world, "web").await;
    let sealed = party.authorize(None, &[]).await.parameters()["continue"].clone();
    let (key, body) = sealed.split_once('.').expect("a sealed request");
    let flipped = body.strip_prefix('A').map_or_else(|| format!("A{}", &body[1..]), |rest| format!("B{rest}"));
    let registration = world.client.start("/register/phone", &twostep_tests::fresh_phone()).await.expect(202);
    let foreign = text(&registration, "challenge_id");
    let tampered = [
        format!("{key}.{flipped}"),
        format!("{key}.{}", &body[..body.len() - 4]),
        format!("{key}.{body}AAAA"),
        format!("other.{body}"),
        body.to_owned(),
        foreign.to_owned(),
        "{}".to_owned(),
    ];
    for request in &tampered {
        let path = format!("/oauth/authorize?{}", encode(&[("request", request)]));
        stays(&party.browse(&path, Some(&session.refresh_token)).await);
    }
    // What is added beside the sealed request changes nothing.
    let extra = [("request", sealed.as_str()), ("redirect_uri", "https://evil.example/"), ("state", "forged")];
    let sent = party.browse(&format!("/oauth/authorize?{}", encode(&extra)), Some(&session.refresh_token)).await;
    assert_eq!(sent.parameters()["state"], "the state");
    refused(&thief.exchange(&sent.code()).await, 400, "invalid_grant");
    // Together with a client, it is the parameter of another standard.
    let jar = [("request", sealed.as_str())];
    party.authorize(Some(&session.refresh_token), &jar).await.expect_error("request_not_supported");
    seen(
        "a sealed request with changed, missing and added bytes, under another key, a challenge id in its place, parameters beside it",
        tampered.len() + 2,
        "a page with status 400; added parameters have no effect",
    )
}

pub async fn login_csrf(world: &'static World) -> Seen {
    let (party, victim) = scene(world).await;
    // The attacker begins a sign-in, and lures the victim to its pages.
    let begun = party.authorize(None, &[("state", "the attacker's")]).await;
    let path = format!("/oauth/authorize?{}", encode(&[("request", &begun.parameters()["continue"])]));
    let sent = party.browse(&path, Some(&victim.refresh_token)).await;
    assert_eq!(sent.parameters()["state"], "the attacker's", "the website's own session doesn't know this state");
    let victims_verifier = "v".repeat(43);
    let exchanged = party.exchange_with(&sent.code(), &[("code_verifier", &victims_verifier)]).await;
    refused(&exchanged, 400, "invalid_grant");
    seen(
        "a sign-in that the attacker's browser began, finished in the victim's",
        1,
        "the response has the attacker's `state`, and the code needs the attacker's verifier: the website rejects both",
    )
}

pub async fn open_redirects(world: &'static World) -> Seen {
    let (party, session) = scene(world).await;
    let tokens = party.sign_in(&session.refresh_token).await;
    let hint = text(&tokens, "id_token");
    world.remember(hint);
    let other = register(world, "web").await;
    let evil = "https://evil.example/";
    let attempts: [&[(&str, &str)]; 7] = [
        &[("post_logout_redirect_uri", evil)],
        &[("client_id", &party.id), ("post_logout_redirect_uri", evil)],
        &[("id_token_hint", hint), ("post_logout_redirect_uri", evil)],
        &[("id_token_hint", hint), ("post_logout_redirect_uri", "https://shop.example/bye@evil.example")],
        &[("id_token_hint", hint), ("post_logout_redirect_uri", REDIRECT_URI)],
        &[("id_token_hint", hint), ("client_id", &other.id), ("post_logout_redirect_uri", AFTER_LOGOUT)],
        &[("id_token_hint", "e30.e30.e30"), ("post_logout_redirect_uri", AFTER_LOGOUT)],
    ];
    for parameters in attempts {
        stays(&party.browse(&format!("/oauth/logout?{}", encode(parameters)), None).await);
    }
    seen(
        "sign-outs that return to an address that is not registered, is registered for something else or for another client, or with a forged hint",
        attempts.len(),
        "a page with status 400; no redirect",
    )
}

pub async fn clickjacking(world: &'static World) -> Seen {
    let http = twostep_tests::http_without_redirects();
    let pages = ["/login?continue=x", "/register?continue=x", "/code?continue=x", "/oauth/authorize?client_id=x"];
    for path in pages {
        let answer = http.get(format!("{}{path}", world.client.api)).send().await.expect("the API answers");
        assert_eq!(answer.headers()["x-frame-options"], "DENY", "{path}");
        let policy = answer.headers()["content-security-policy"].to_str().expect("ASCII");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
    }
    seen("the pages of a sign-in to a client in a frame", pages.len(), "no browser shows them in a frame")
}

pub async fn a_used_refresh_token(world: &'static World) -> Seen {
    let (party, session) = scene(world).await;
    let thief = register(world, "web").await;
    let first = party.sign_in(&session.refresh_token).await;
    refused(&thief.refresh(text(&first, "refresh_token")).await, 400, "invalid_grant");
    let second = party.refresh(text(&first, "refresh_token")).await.expect(200);
    for tokens in [&first, &second] {
        world.remember(text(tokens, "refresh_token"));
        world.remember(text(tokens, "access_token"));
        world.remember(text(tokens, "id_token"));
    }
    refused(&party.refresh(text(&first, "refresh_token")).await, 400, "invalid_grant");
    refused(&party.refresh(text(&second, "refresh_token")).await, 400, "invalid_grant");
    refused(&party.user_info(text(&second, "access_token")).await, 401, "invalid_token");
    world.client.refresh(&session.refresh_token).await.expect(200);
    seen(
        "a client's refresh token with another client, and after its use",
        2,
        "rejected; the second ends the client's family and leaves the user's session alone",
    )
}

pub async fn tokens_for_something_else(world: &'static World) -> Seen {
    let (party, session) = scene(world).await;
    let tokens = party.sign_in(&session.refresh_token).await;
    for name in ["access_token", "id_token"] {
        world.client.profile(text(&tokens, name)).await.expect_problem(401, "invalid_token");
    }
    refused(&party.user_info(text(&tokens, "id_token")).await, 401, "invalid_token");
    refused(&party.user_info(text(&tokens, "refresh_token")).await, 401, "invalid_token");
    assert_eq!(party.introspect(text(&tokens, "id_token")).await.expect(200), json!({"active": false}));
    world.client.refresh(text(&tokens, "refresh_token")).await.expect_problem(401, "invalid_refresh_token");
    refused(&party.refresh(&session.refresh_token).await, 400, "invalid_grant");
    let hint = encode(&[("id_token_hint", text(&tokens, "access_token"))]);
    party.browse(&format!("/oauth/logout?{hint}"), None).await;
    world.client.refresh(&session.refresh_token).await.expect(200);
    seen(
        "a client's access token and an ID token at the profile, an ID token and a refresh token as access token, each kind of refresh token at the other's route, an access token as a hint",
        8,
        "rejected or ignored",
    )
}

pub async fn introspection_by_a_stranger(world: &'static World) -> Seen {
    let (party, session) = scene(world).await;
    let (other, page) = (register(world, "web").await, register(world, "spa").await);
    let tokens = party.sign_in(&session.refresh_token).await;
    let access = text(&tokens, "access_token");
    refused(&party.post_as("/oauth/introspect", &[("token", access)], None).await, 401, "invalid_client");
    refused(&page.introspect(access).await, 401, "invalid_client");
    refused(&party.with_secret(&"A".repeat(43)).introspect(access).await, 401, "invalid_client");
    for token in ["access_token", "refresh_token"] {
        assert_eq!(other.introspect(text(&tokens, token)).await.expect(200), json!({"active": false}));
        other.post("/oauth/revoke", &[("token", text(&tokens, token))]).await.expect(200);
    }
    assert_eq!(party.introspect(access).await.expect(200)["active"], true);
    seen(
        "introspection without a client, by a public client, with a wrong secret; introspection and revocation by another website",
        7,
        "`invalid_client`, `active` false, and no effect",
    )
}

pub async fn a_lost_exchange(world: &'static World) -> Seen {
    const ROUNDS: usize = 10;
    let (party, session) = scene(world).await;
    let before = world.backend.lost();
    for _ in 0..ROUNDS {
        let code = code_for(world, &party, &session).await;
        world.backend.lose_answers(1);
        let tokens = party.exchange(&code).await.expect(200);
        party.refresh(text(&tokens, "refresh_token")).await.expect(200);
        refused(&party.exchange(&code).await, 400, "invalid_grant");
    }
    assert_eq!(world.backend.lost() - before, ROUNDS, "the number of lost responses");
    seen(
        "the response to the transaction of a code's exchange dropped after the write",
        ROUNDS,
        "the client gets its tokens once, and they work",
    )
}

pub async fn another_client_s_verification(world: &'static World) -> Seen {
    let (server, thief) = (register(world, "server").await, register(world, "server").await);
    let phone = twostep_tests::fresh_phone();
    let body = json!({"phone": phone, "reference": "a very private reference"});
    world.remember("a very private reference");
    let started = server.call(Method::POST, "/v1/verifications", Some(body)).await.expect(202);
    let id = text(&started, "verification_id");
    world.remember(id);
    let code = world.code(&phone, 1).await;
    let public = json!({ "challenge_id": id });
    let answers = [
        thief.call(Method::POST, &format!("/v1/verifications/{id}/check"), Some(json!({ "code": code }))).await,
        thief.call(Method::POST, &format!("/v1/verifications/{id}/resend"), None).await,
        thief.call(Method::GET, &format!("/v1/verifications/{id}"), None).await,
        world.verify(&public, &code).await,
        world.client.resend(&public).await,
        world.client.challenge(&public).await,
    ];
    for answer in &answers {
        answer.expect_problem(404, "unknown_challenge");
    }
    let path = format!("/v1/verifications/{id}/check");
    server.call(Method::POST, &path, Some(json!({ "code": code }))).await.expect(200);
    seen(
        "the right code, a resend and a status request for another client's verification, and at the public routes",
        answers.len(),
        "`unknown_challenge`; no attempt is used up",
    )
}

pub async fn guessing_client_secrets(world: &'static World) -> Seen {
    const LIMIT: usize = 100;
    let party = register(world, "web").await;
    let forged = party.with_secret(&"A".repeat(43));
    let mut tried = 0;
    loop {
        let answer = forged.refresh(&"A".repeat(64)).await;
        if answer.status == 429 {
            assert!(answer.header("retry-after").is_some());
            break;
        }
        refused(&answer, 401, "invalid_client");
        tried += 1;
        assert!(tried < LIMIT, "guesses are not limited");
    }
    // The right secret still gets in.
    refused(&party.refresh(&"A".repeat(64)).await, 400, "invalid_grant");
    seen(
        "wrong secrets of a client from one client IP",
        "until they are limited",
        "`too_many_requests`; the right secret still works",
    )
}

pub async fn lying_about_the_end_user(world: &'static World) -> Seen {
    const REQUESTS: usize = 40;
    let server = register(world, "server").await;
    let phone = twostep_tests::fresh_phone();
    let mut last = 0;
    for index in 0..REQUESTS {
        let body = json!({"phone": phone, "end_user_ip": format!("198.51.100.{index}")});
        let answer = server.call(Method::POST, "/v1/verifications", Some(body)).await;
        last = answer.status;
        if last == 202 {
            // The message is sent, or not, before its code expires.
            let path = format!("/v1/verifications/{}", text(&answer.body, "verification_id"));
            eventually("news of a message", async || {
                let seen = server.call(Method::GET, &path, None).await.expect(200);
                (seen["delivery"] != "pending").then_some(())
            })
            .await;
        }
        world.stack.advance(600);
    }
    assert_eq!(last, 429);
    let messages = world.messages_to(&phone).await;
    assert!(messages <= 10, "{messages} messages");
    seen(
        "verifications of one number every ten minutes, each with another `end_user_ip`",
        REQUESTS,
        format!("{messages} messages: the limits of the number hold"),
    )
}
