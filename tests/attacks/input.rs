//! Attacks with malformed or misleading input.

use serde_json::json;
use twostep_tests::fresh_phone;

use crate::{
    Seen, seen,
    world::{Event, World, new_email},
};

pub async fn malformed_numbers(world: &'static World) -> Seen {
    let plus = "+".repeat(10_000);
    let numbers = [
        "+1 (415) 555-2671;ext=99",
        "+1 415 555 2671 x5",
        "+１４１５５５５２６７１",
        "＋14155552671",
        "+1-800-FLOWERS",
        "+1415555267a",
        "tel:+14155552671",
        "+1415\u{200b}5552671",
        "+1415\u{2060}5552671",
        "\u{202e}+14155552671",
        "+14155552671.;phone-context=+1",
        "+14155552671\0",
        "+14155552671\n",
        "+1(415)(555)2671",
        "0014155552671",
        "4155552671",
        "",
        "+",
        &plus,
    ];
    for number in numbers {
        for route in ["/v1/register/phone", "/v1/login/phone"] {
            world.start(route, number, "203.0.113.7").await.expect_problem(400, "invalid_phone");
        }
    }
    // All spellings of a number are the same number.
    let phone = fresh_phone();
    let spaced = format!(" {} ({}) {}.{} ", &phone[..2], &phone[2..5], &phone[5..8], &phone[8..]);
    let one = world.start("/v1/register/phone", &phone, "203.0.113.7").await.expect(202);
    let other = world.start("/v1/register/phone", &spaced, "203.0.113.7").await.expect(202);
    assert_eq!(one["challenge_id"], other["challenge_id"]);
    seen(
        "extensions, full-width digits, letters, `tel:`, zero-width and control characters, `;phone-context=`, 10 kB of `+`",
        format!("{} on 2 routes", numbers.len()),
        "`invalid_phone`; two spellings of a number get the same challenge",
    )
}

pub async fn very_large_input(world: &'static World) -> Seen {
    let megabyte = "x".repeat(1_000_000);
    for path in ["/v1/register/password", "/v1/login/password", "/v1/register/phone", "/v1/session/refresh"] {
        let answer = world.send(Event::new("POST", path).body(json!({ "password": megabyte }))).await;
        answer.expect_problem(400, "invalid_request");
    }
    let email = new_email(world);
    let shared = "correct horse battery staple, seven purple bicycles, and then some more";
    let (mine, theirs) = (format!("{shared} of mine"), format!("{shared} of theirs"));
    assert!(shared.len() >= 71);
    let body = json!({"name": "Grace", "email": email, "password": mine});
    world.send(Event::new("POST", "/v1/register/password").body(body)).await.expect(201);
    let log_in = async |password: &str| {
        let body = json!({"email": email, "password": password});
        world.send(Event::new("POST", "/v1/login/password").body(body)).await
    };
    log_in(&theirs).await.expect_problem(401, "invalid_credentials");
    log_in(&mine).await.expect(200);
    let long = "x".repeat(257);
    let body = json!({"name": "Grace", "email": new_email(world), "password": long});
    world.send(Event::new("POST", "/v1/register/password").body(body)).await.expect_problem(400, "weak_password");
    seen(
        "a body of 1 MB on four routes; two passwords with the same first 72 bytes; a password of 257 characters",
        7,
        "`invalid_request`; different passwords; `weak_password`",
    )
}

pub async fn headers_that_claim_an_address(world: &'static World) -> Seen {
    const CLAIMS: [&str; 6] =
        ["x-forwarded-for", "forwarded", "x-real-ip", "true-client-ip", "cf-connecting-ip", "x-client-ip"];
    // Sign-ins with unknown numbers count toward the limit and send nothing.
    let (mut admitted, mut turned_away) = (0, 0);
    for request in 0..64 {
        let claimed = format!("198.51.100.{request}");
        let header = CLAIMS[request % CLAIMS.len()];
        let value = if header == "forwarded" { format!("for={claimed}") } else { claimed };
        let event = Event::new("POST", "/v1/login/phone")
            .from("203.0.113.99")
            .header(header, value)
            .body(json!({"phone": fresh_phone()}));
        let answer = world.send(event).await;
        if answer.status == 202 {
            admitted += 1;
        } else {
            answer.expect_problem(429, "too_many_requests");
            turned_away += 1;
        }
    }
    assert_eq!((admitted, turned_away), (60, 4));
    // An IPv6 client typically has a whole /64.
    let mut admitted = 0;
    for request in 0..62 {
        let from = format!("2001:db8:1:2::{request:x}");
        let answer = world.start("/v1/login/phone", &fresh_phone(), &from).await;
        admitted += usize::from(answer.status == 202);
    }
    assert_eq!(admitted, 60);
    world.start("/v1/login/phone", &fresh_phone(), "2001:db8:1:3::1").await.expect(202);
    seen(
        "starts from one client IP that claims another one each time, in six headers; 62 addresses of one /64",
        "64 + 62",
        "sixty per hour are accepted for each, then `too_many_requests`",
    )
}
