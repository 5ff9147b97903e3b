//! Attacks on the ways back into an account: with one stolen factor, with a recycled number, and with reset tokens.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use twostep_tests::{Answer, SignedIn, fresh_phone};

use crate::{
    Seen, seen,
    world::{Event, OTHER_PASSWORD, PASSWORD, World, new_email},
};

const DAY: i64 = 86_400;

async fn post(world: &World, path: &str, body: Value) -> Answer {
    world.send(Event::new("POST", path).body(body)).await
}

async fn enter(world: &World, challenge: &Value, body: Value) -> Answer {
    let path = format!("/v1/codes/{}/verify", challenge["challenge_id"].as_str().expect("a challenge"));
    post(world, &path, body).await
}

/// Code number `count` to `address`.
async fn email_code(world: &World, address: &str, count: usize) -> String {
    let code = world.client.nth_email_code(address, count).await;
    world.remember(&format!("\"{code}\""));
    code
}

/// A user with a verified address and a password.
async fn verified_user(world: &World) -> (String, Value) {
    let email = new_email(world);
    let body = json!({"name": "Grace", "email": email, "password": PASSWORD});
    let session = post(world, "/v1/register/password", body).await.expect(201);
    let code = email_code(world, &email, 1).await;
    enter(world, &session["email_challenge"], json!({ "code": code })).await.expect(200);
    (email, session)
}

/// The same with a number, and the recovery codes.
async fn two_step_user(world: &World, phone: &str) -> (String, Value, Vec<String>) {
    let (email, session) = verified_user(world).await;
    let token = session["access_token"].as_str().expect("a token");
    let change = Event::new("PUT", "/v1/profile/phone").bearer(token).body(json!({ "phone": phone }));
    let challenge = world.send(change).await.expect(202);
    let code = world.code(phone, 1).await;
    let verified = enter(world, &challenge, json!({ "code": code })).await.expect(200);
    let codes = verified["recovery_codes"].as_array().expect("recovery codes").iter();
    let codes = codes.map(|code| code.as_str().expect("a text").to_owned()).collect::<Vec<_>>();
    for code in &codes {
        world.remember(code);
    }
    (email, session, codes)
}

pub async fn one_stolen_factor(world: &'static World) -> Seen {
    world.put_settings(json!({"phone_login_for_password_accounts": false})).await.expect(200);
    let phone = fresh_phone();
    let (email, session, codes) = two_step_user(world, &phone).await;
    let thief = new_email(world);
    let mut tried = 0;
    let mut second_step = |answer: Answer| -> Value {
        tried += 1;
        let body = answer.expect(200);
        assert_eq!(body["outcome"], "second_step", "{body}");
        body["challenge"].clone()
    };
    // The mailbox.
    let forgot = post(world, "/v1/password/forgot", json!({ "email": email })).await.expect(202);
    let code = email_code(world, &email, 2).await;
    let step = second_step(enter(world, &forgot, json!({ "code": code })).await);
    enter(world, &step, json!({ "code": code })).await.expect_problem(401, "wrong_code");
    // Messages of different challenges can overtake each other.
    world.code(&phone, 2).await;
    // The phone.
    let forgot = post(world, "/v1/password/forgot", json!({ "phone": phone })).await.expect(202);
    let code = world.code(&phone, 3).await;
    let step = second_step(enter(world, &forgot, json!({ "code": code })).await);
    assert_eq!(step["channel"], "email");
    let login = world.start("/v1/login/phone", &phone, "203.0.113.7").await.expect(202);
    world.verify(&login, "000000").await.expect_problem(401, "wrong_code");
    // A recovery code, without any first proof.
    let forgot = post(world, "/v1/password/forgot", json!({ "email": email })).await.expect(202);
    enter(world, &forgot, json!({ "recovery_code": codes[0] })).await.expect_problem(400, "invalid_request");
    // The password.
    let body = json!({"email": email, "password": PASSWORD});
    let step = post(world, "/v1/login/password", body).await.expect(202);
    assert_eq!(step["purpose"], "second_step");
    // A stolen session that is no longer fresh.
    world.stack.advance(301);
    let body = json!({"refresh_token": session["refresh_token"]});
    let stolen = SignedIn::from_session(&post(world, "/v1/session/refresh", body).await.expect(200));
    for (method, path, body) in [
        ("PUT", "/v1/profile/email", json!({ "email": thief })),
        ("PUT", "/v1/profile/password", json!({"current_password": PASSWORD, "new_password": OTHER_PASSWORD})),
        ("POST", "/v1/profile/recovery-codes", json!({})),
    ] {
        let answer = world.send(Event::new(method, path).bearer(&stolen.access_token).body(body)).await;
        answer.expect_problem(401, "reauth_required");
        tried += 1;
    }
    world.put_settings(json!({"phone_login_for_password_accounts": true})).await.expect(200);
    seen(
        "a reset, a sign-in and changes of a two-step account with the mailbox, the phone, the password, a recovery code or an \
         old session alone",
        tried + 4,
        "no session and no reset: `second_step`, `wrong_code`, `reauth_required`",
    )
}

pub async fn email_change_then_reset(world: &'static World) -> Seen {
    let phone = fresh_phone();
    let (email, ..) = two_step_user(world, &phone).await;
    let thief = new_email(world);
    // The phone alone signs in, and changes nothing.
    let login = world.start("/v1/login/phone", &phone, "203.0.113.7").await.expect(202);
    let code = world.code(&phone, 2).await;
    let by_phone = SignedIn::from_session(&world.verify(&login, &code).await.expect(200));
    let change = |email: &str| {
        Event::new("PUT", "/v1/profile/email").bearer(&by_phone.access_token).body(json!({ "email": email }))
    };
    world.send(change(&thief)).await.expect_problem(401, "reauth_required");
    // Its own address is verified by its owner, not by the thief.
    let challenge = world.send(change(&email)).await.expect(202);
    assert_eq!(challenge["hint"], "a•••@e•••.com");
    let decoy = post(world, "/v1/password/forgot", json!({ "email": thief })).await.expect(202);
    enter(world, &decoy, json!({"code": "000000"})).await.expect_problem(401, "wrong_code");
    assert_eq!(world.client.emails(&thief).await.len(), 0);

    // A change by the owner, with every step, is told to both addresses.
    let new = new_email(world);
    let (old, session) = verified_user(world).await;
    let token = session["access_token"].as_str().expect("a token");
    let change = Event::new("PUT", "/v1/profile/email").bearer(token).body(json!({ "email": new }));
    let challenge = world.send(change).await.expect(202);
    let code = email_code(world, &new, 1).await;
    enter(world, &challenge, json!({ "code": code })).await.expect(200);
    for address in [&old, &new] {
        let told = world.client.nth_email(address, 2).await;
        assert!(told["content"].as_str().expect("a text").starts_with("The email address"), "{told}");
    }
    seen(
        "a new email address from a session by phone alone, then a reset by that address; a change by the owner",
        "4",
        "`reauth_required`, a decoy; the owner's change is told to both addresses",
    )
}

pub async fn reset_tokens(world: &'static World) -> Seen {
    let (email, session) = verified_user(world).await;
    // The first one verified the address.
    let codes = AtomicUsize::new(1);
    let grant = async |email: &str| {
        world.stack.advance(1_900);
        let forgot = post(world, "/v1/password/forgot", json!({ "email": email })).await.expect(202);
        let code = email_code(world, email, codes.fetch_add(1, Ordering::Relaxed) + 1).await;
        enter(world, &forgot, json!({ "code": code })).await
    };
    let granted = grant(&email).await.expect(200);
    let token = granted["reset_token"].as_str().expect("a token").to_owned();
    let reset = async |token: &str| {
        post(world, "/v1/password/reset", json!({"reset_token": token, "new_password": OTHER_PASSWORD})).await
    };
    let bearer = world.send(Event::new("GET", "/v1/profile").bearer(&token)).await;
    bearer.expect_problem(401, "invalid_token");
    let body = json!({"registration_token": token, "name": "Eve", "email": new_email(world)});
    post(world, "/v1/register/complete", body).await.expect_problem(401, "invalid_registration_token");
    for wrong in [
        session["access_token"].as_str().expect("a token").to_owned(),
        session["refresh_token"].as_str().expect("a token").to_owned(),
        format!("{token}A"),
        token[..token.len() - 2].to_owned(),
    ] {
        reset(&wrong).await.expect_problem(401, "invalid_reset_token");
    }
    // Another account's password change does nothing to it; this account's does.
    verified_user(world).await;
    reset(&token).await.expect(200);
    reset(&token).await.expect_problem(401, "invalid_reset_token");
    seen(
        "a reset token as access token, as registration token, twice and altered; access and refresh tokens as reset tokens",
        7,
        "`invalid_token`, `invalid_registration_token`, `invalid_reset_token`; one reset",
    )
}

pub async fn a_recycled_number(world: &'static World) -> Seen {
    let phone = fresh_phone();
    let (email, session, _) = two_step_user(world, &phone).await;
    let alone = fresh_phone();
    let former = world.register(&alone).await;
    world.stack.advance(181 * DAY);
    let mut tried = 0;
    for (path, phone, owner) in
        [("/v1/login/phone", &phone, &session["user"]["id"]), ("/v1/register/phone", &alone, &former.user["id"])]
    {
        let earlier = world.messages_to(phone).await;
        let start = world.start(path, phone, "203.0.113.7").await.expect(202);
        let code = world.code(phone, earlier + 1).await;
        let idle = world.verify(&start, &code).await.expect(200);
        assert_eq!(idle["outcome"], "phone_idle", "{idle}");
        let forgot = post(world, "/v1/password/forgot", json!({ "phone": phone })).await.expect(202);
        let code = world.code(phone, earlier + 2).await;
        let step = enter(world, &forgot, json!({ "code": code })).await.expect(200);
        assert_eq!(step["outcome"], "second_step", "{step}");
        let confirm = json!({"registration_token": idle["registration_token"], "password": OTHER_PASSWORD});
        post(world, "/v1/login/confirm", confirm).await.expect_problem(401, "invalid_credentials");
        let complete =
            json!({"registration_token": idle["registration_token"], "name": "New", "email": new_email(world)});
        let own = post(world, "/v1/register/complete", complete).await.expect(201);
        assert_ne!(own["user"]["id"], *owner);
        let body = json!({"phone": phone});
        assert_eq!(own["user"]["phone"], body["phone"]);
        tried += 4;
    }
    // The number and the notice aside, the former account is as it was.
    let body = json!({"email": email, "password": PASSWORD});
    assert_eq!(post(world, "/v1/login/password", body).await.expect(200)["user"]["phone"], Value::Null);
    seen(
        "sign-in, registration, reset and guessing by the new owner of a number whose account was not used for 181 days",
        tried,
        "`phone_idle`, `second_step`, `invalid_credentials`; an account of their own; the former account loses the number only",
    )
}
