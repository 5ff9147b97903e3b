//! Attacks that take over or block another user's account.

use serde_json::json;
use twostep_tests::{SignedIn, claims, fresh_phone};

use crate::{
    Seen, seen,
    world::{Event, PASSWORD, World, new_email, person},
};

async fn set_phone(world: &World, token: &str, phone: &str) -> twostep_tests::Answer {
    world.send(Event::new("PUT", "/v1/profile/phone").bearer(token).body(json!({ "phone": phone }))).await
}

pub async fn a_victim_s_name_in_the_body(world: &'static World) -> Seen {
    let (victim, victims_phone) = person(world).await;
    let phone = fresh_phone();
    let challenge = world.start("/v1/register/phone", &phone, "203.0.113.7").await.expect(202);
    let code = world.code(&phone, 1).await;
    let verify = format!("/v1/codes/{}/verify", challenge["challenge_id"].as_str().expect("a challenge"));
    let (id, email) = (&victim.user["id"], &victim.user["email"]);
    let mut tried = 0;
    let mut refused = async |path: &str, text: String| {
        let answer = world.client.send("POST".parse().expect("a method"), path, None, Some(text)).await;
        answer.expect_problem(400, "invalid_request");
        tried += 1;
    };
    for field in [json!({"phone": victims_phone}), json!({"user_id": id}), json!({"email": email}), json!({"sub": id})]
    {
        let mut body = field;
        body["code"] = json!(code);
        refused(verify.trim_start_matches("/v1"), body.to_string()).await;
    }
    refused(verify.trim_start_matches("/v1"), format!("{{\"code\":\"{code}\",\"code\":\"000000\"}}")).await;
    refused("/register/phone", format!("{{\"phone\":\"{phone}\",\"phone\":\"{victims_phone}\"}}")).await;
    let token = world.verify(&challenge, &code).await.expect(200)["registration_token"].clone();
    let complete =
        json!({"registration_token": token, "name": "Eve", "email": new_email(world), "phone": victims_phone});
    refused("/register/complete", complete.to_string()).await;
    let complete = json!({"registration_token": token, "name": "Eve", "email": email});
    let taken = world.send(Event::new("POST", "/v1/register/complete").body(complete)).await;
    taken.expect_problem(409, "email_taken");
    seen(
        "the attacker's challenge with a victim's phone, email or id in the body; duplicate keys; a victim's email address",
        tried + 1,
        "`invalid_request`, `email_taken`",
    )
}

pub async fn two_step_turned_on(world: &'static World) -> Seen {
    let email = world.register_two_step(&fresh_phone()).await;
    world.put_settings(json!({"two_step_enabled": false})).await.expect(200);
    let log_in = async || {
        let body = json!({"email": email, "password": PASSWORD});
        world.send(Event::new("POST", "/v1/login/password").body(body)).await
    };
    let mut single = None;
    for _ in 0..8 {
        let answer = log_in().await;
        single = Some(SignedIn::from_session(&answer.expect(200)));
    }
    // Two-step sign-in is on again, and the running functions still have "off" in their caches.
    world.put_settings(json!({"two_step_enabled": true})).await.expect(200);
    let mut tries = 0;
    for _ in 0..20 {
        assert_eq!(log_in().await.status, 202, "a password alone gets no token after 30 s");
        tries += 1;
    }
    let refresh = json!({"refresh_token": single.expect("a session").refresh_token});
    let answer = world.send(Event::new("POST", "/v1/session/refresh").body(refresh)).await;
    answer.expect_problem(401, "invalid_refresh_token");
    seen(
        "sign-ins with a password 31 s after the switch, on functions that had cached \"off\"; an older single-factor session",
        tries + 1,
        "a challenge each time; the old session can't be refreshed",
    )
}

pub async fn a_stolen_session_and_the_phone(world: &'static World) -> Seen {
    let (session, phone) = person(world).await;
    let mine = fresh_phone();
    world.stack.advance(5 * 60 + 1);
    let old = set_phone(world, &session.access_token, &mine).await;
    old.expect_problem(401, "reauth_required");

    // A single-factor session of an account that requires two steps.
    let two_step = fresh_phone();
    let _ = world.register_two_step(&two_step).await;
    let earlier = world.messages_to(&two_step).await;
    let login = world.start("/v1/login/phone", &two_step, "203.0.113.7").await.expect(202);
    let single = world.verify(&login, &world.code(&two_step, earlier + 1).await).await.expect(200);
    let token = single["access_token"].as_str().expect("a token");
    assert_eq!(claims(token)["amr"], json!(["sms"]));
    set_phone(world, token, &mine).await.expect_problem(401, "reauth_required");
    let delete = world.send(Event::new("DELETE", "/v1/profile/phone").bearer(token)).await;
    delete.expect_problem(401, "reauth_required");
    let codes = world.send(Event::new("POST", "/v1/profile/recovery-codes").bearer(token)).await;
    codes.expect_problem(401, "reauth_required");

    // An ended session whose access token has not expired.
    let login = world.start("/v1/login/phone", &phone, "203.0.113.7").await.expect(202);
    let fresh = world.verify(&login, &world.code(&phone, 2).await).await.expect(200);
    let stolen = fresh["access_token"].as_str().expect("a token");
    let body = json!({"refresh_token": fresh["refresh_token"]});
    assert_eq!(world.send(Event::new("POST", "/v1/session/logout").body(body)).await.status, 204);
    set_phone(world, stolen, &mine).await.expect_problem(401, "invalid_token");
    assert_eq!(world.messages_to(&mine).await, 0);
    seen(
        "a new phone with a session older than five minutes, with a single factor of a two-step account, with an ended session",
        5,
        "`reauth_required`, `invalid_token`; no message to the attacker",
    )
}

pub async fn two_accounts_one_number(world: &'static World) -> Seen {
    const ROUNDS: usize = 10;
    for round in 0..ROUNDS {
        let wanted = fresh_phone();
        let ((ann, anns), (bob, bobs)) = (person(world).await, person(world).await);
        let of_ann = set_phone(world, &ann.access_token, &wanted).await.expect(202);
        let anns_code = world.code(&wanted, 1).await;
        let of_bob = set_phone(world, &bob.access_token, &wanted).await.expect(202);
        let bobs_code = world.code(&wanted, 2).await;
        let (one, other) = tokio::join!(world.verify(&of_ann, &anns_code), world.verify(&of_bob, &bobs_code));
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "round {round}");
        let (loser, kept) = if one.status == 409 { (&ann, &anns) } else { (&bob, &bobs) };
        let profile = world.send(Event::new("GET", "/v1/profile").bearer(&loser.access_token)).await.expect(200);
        assert_eq!(profile["phone"], **kept, "the loser keeps the old number");
    }
    seen(
        "two accounts verify their codes for one number in parallel",
        ROUNDS,
        "one gets the number, the other keeps its own",
    )
}

pub async fn squatting(world: &'static World) -> Seen {
    let victim = fresh_phone();
    let challenge = world.start("/v1/register/phone", &victim, "198.51.100.66").await.expect(202);
    assert_eq!(world.end(&challenge).await, "delivered");
    // The victim requests a code later, and has shared no code.
    world.stack.advance(6 * 60);
    let registered = world.register(&victim).await;
    assert_eq!(registered.user["phone"], victim);
    seen("an unfinished registration with a victim's number", 1, "the victim can register")
}

pub async fn addresses_that_look_the_same(world: &'static World) -> Seen {
    let email = new_email(world);
    let (local, domain) = email.split_once('@').expect("an address");
    let register = async |email: &str| {
        let body = json!({"name": "Grace", "email": email, "password": PASSWORD});
        world.send(Event::new("POST", "/v1/register/password").body(body)).await
    };
    let owner = register(&email).await.expect(201)["user"]["id"].clone();
    let same = [
        email.to_uppercase(),
        format!(" {email} "),
        format!("{}@{domain}", local.to_uppercase()),
        // Invisible marks around an address come from the clipboard.
        format!("{email}\u{200b}"),
    ];
    for spelling in &same {
        register(spelling).await.expect_problem(409, "email_taken");
        let body = json!({"email": spelling, "password": PASSWORD});
        let session = world.send(Event::new("POST", "/v1/login/password").body(body)).await.expect(200);
        assert_eq!(session["user"]["id"], owner);
    }
    let odd = [
        format!("{email}."),
        format!("\u{430}{}@{domain}", &local[1..]),
        format!("{local}\u{ff20}{domain}"),
        format!("{local}@{domain}\r\nbcc:eve@example.com"),
        format!("{local}\0@{domain}"),
    ];
    for spelling in &odd {
        register(spelling).await.expect_problem(400, "invalid_email");
    }
    // A domain with look-alike letters is another domain, so its mailbox is another user's.
    let other = register(&format!("{local}@ex\u{e4}mple.com")).await.expect(201)["user"]["id"].clone();
    assert_ne!(other, owner);
    seen(
        "one email address in another case, with spaces, a trailing dot, look-alike letters, zero-width and control characters",
        same.len() + odd.len() + 1,
        "`email_taken`, `invalid_email`, or another account",
    )
}

pub async fn words_in_the_message(world: &'static World) -> Seen {
    let phone = fresh_phone();
    let email = world.register_two_step(&phone).await;
    let names = ["https://evil.example", "Eve @evil.example #123456", "Eve\n\n@evil.example #123456", "Eve\r\n#1"];
    let body = json!({"email": email, "password": PASSWORD});
    let earlier = world.messages_to(&phone).await;
    let challenge = world.send(Event::new("POST", "/v1/login/password").body(body)).await.expect(202);
    let session = world.verify(&challenge, &world.code(&phone, earlier + 1).await).await.expect(200);
    let token = session["access_token"].as_str().expect("a token");
    let mut accepted = Vec::new();
    for name in names {
        let patch = world.send(Event::new("PATCH", "/v1/profile").bearer(token).body(json!({ "name": name }))).await;
        match patch.status {
            200 => accepted.push(name),
            _ => patch.expect_problem(400, "invalid_name"),
        }
    }
    let body = json!({"email": email, "password": PASSWORD});
    world.stack.advance(10 * 60);
    world.send(Event::new("POST", "/v1/login/password").body(body)).await.expect(202);
    world.code(&phone, earlier + 2).await;
    // `code_in` checks every message against the exact text.
    for sms in world.client.inbox(&phone).await {
        let text = sms["content"].as_str().unwrap_or_default();
        assert!(!text.is_empty() && !text.contains("evil") && !text.contains("Eve"), "{text}");
    }
    seen(
        "a URL, line breaks and `@evil.example #123456` as a name, then a message",
        names.len(),
        "line breaks are rejected; no message contains a name",
    )
}
