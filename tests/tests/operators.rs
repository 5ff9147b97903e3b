//! Operators, in-process: who is one, what they do to accounts, and that the last admin stays.

use serde_json::{Value, json};
use tokio::task::JoinSet;
use twostep_domain::{
    account::{Action, Operator, Role, User},
    email::EmailAddress,
    ids::UserId,
    language::Language,
    person_name::PersonName,
    phone::PhoneNumber,
    time::Clock,
};
use twostep_http::Problem;
use twostep_stores::UserStore;
use twostep_tests::{OTHER_PASSWORD, PASSWORD, bench::Bench, fresh_email, fresh_phone, other_than, totp};
use twostep_usecases::admin::{
    Permission,
    users::{Lookup, UserError, View},
};

const HOUR: i64 = 3600;

fn id_of(session: &Value) -> UserId {
    UserId::from_stored(session["user"]["id"].as_str().unwrap())
}

fn token(session: &Value) -> &str {
    session["access_token"].as_str().unwrap()
}

/// A session of two steps of an admin.
async fn admin(bench: &Bench) -> Value {
    let (session, _) = bench.register_two_step(&fresh_email(), PASSWORD, &fresh_phone()).await;
    let key = bench.admin_key().await;
    bench.cases.users.set_role(&key, &id_of(&session), Role::Admin).await.unwrap();
    session
}

async fn refusal(bench: &Bench, token: &str, permission: Permission) -> Option<Problem> {
    bench.operator(token, permission).await.err()
}

#[tokio::test]
async fn an_admin_looks_with_two_steps_and_changes_with_a_sign_in_of_the_last_hour() {
    let bench = Bench::start().await;
    let session = admin(&bench).await;
    assert_eq!(refusal(&bench, token(&session), Permission::Change).await, None);
    let who = bench.operator(token(&session), Permission::Change).await.unwrap();
    assert_eq!(who, Operator::User { id: id_of(&session) });

    bench.clock.advance(HOUR - 60);
    let session = bench.refresh(&session).await.unwrap();
    assert_eq!(refusal(&bench, token(&session), Permission::Change).await, None);
    bench.clock.advance(120);
    assert_eq!(refusal(&bench, token(&session), Permission::Look).await, None);
    assert_eq!(refusal(&bench, token(&session), Permission::Change).await, Some(Problem::ReauthRequired));
}

#[tokio::test]
async fn a_caller_who_is_no_operator_is_refused() {
    let bench = Bench::start().await;
    for permission in [Permission::Look, Permission::Change] {
        for wrong in ["", "wrong", "a.b", "a.b.c", "..", "a.b.c.d"] {
            let problem = refusal(&bench, wrong, permission).await.unwrap();
            let expected = if wrong.split('.').count() == 3 { Problem::InvalidToken } else { Problem::InvalidAdminKey };
            assert_eq!(problem, expected, "{wrong:?}");
        }
        let user = bench.register(&fresh_phone(), &fresh_email()).await;
        assert_eq!(refusal(&bench, token(&user), permission).await, Some(Problem::NotAnAdmin));

        // One step: a phone alone, or a password alone.
        let key = bench.admin_key().await;
        let other = bench.register_password(&fresh_email(), PASSWORD).await.unwrap();
        for session in [user, other] {
            bench.cases.users.set_role(&key, &id_of(&session), Role::Admin).await.unwrap();
            assert_eq!(refusal(&bench, token(&session), permission).await, Some(Problem::ReauthRequired));
        }

        let former = admin(&bench).await;
        bench.cases.users.set_role(&key, &id_of(&former), Role::User).await.unwrap();
        assert_eq!(refusal(&bench, token(&former), permission).await, Some(Problem::NotAnAdmin), "demoted");

        let signed_out = admin(&bench).await;
        bench.sign_out(&signed_out).await;
        assert_eq!(refusal(&bench, token(&signed_out), permission).await, Some(Problem::InvalidToken));

        let disabled = admin(&bench).await;
        bench.cases.users.disable(&key, &id_of(&disabled)).await.unwrap();
        assert_eq!(refusal(&bench, token(&disabled), permission).await, Some(Problem::InvalidToken));
    }
}

#[tokio::test]
async fn the_last_admin_stays() {
    let bench = Bench::start().await;
    let key = bench.admin_key().await;
    let (first, second) = (admin(&bench).await, admin(&bench).await);
    let users = &bench.cases.users;
    let (one, two) = (id_of(&first), id_of(&second));
    users.disable(&key, &one).await.unwrap();
    assert!(matches!(users.set_role(&key, &two, Role::User).await, Err(UserError::LastAdmin)));
    assert!(matches!(users.disable(&key, &two).await, Err(UserError::LastAdmin)));
    assert!(matches!(users.delete(&key, &two).await, Err(UserError::LastAdmin)));
    let claims = bench.authenticate(&second).await.unwrap();
    let caller = twostep_tests::bench::caller_from("203.0.113.9");
    assert!(bench.access().delete_account(&caller, &claims).await.is_err(), "not by the admin either");
    assert_eq!(refusal(&bench, token(&second), Permission::Change).await, None, "nothing was changed");

    // An admin whose account is off counts again once it is on.
    users.enable(&key, &one).await.unwrap();
    users.set_role(&key, &two, Role::User).await.unwrap();
    assert!(matches!(users.delete(&key, &one).await, Err(UserError::LastAdmin)));
}

#[tokio::test]
async fn two_admins_that_demote_each_other_at_once_leave_one() {
    for _ in 0..10 {
        let bench = std::sync::Arc::new(Bench::start().await);
        let ids = [id_of(&admin(&bench).await), id_of(&admin(&bench).await)];
        let mut set = JoinSet::new();
        for id in ids.clone() {
            let bench = std::sync::Arc::clone(&bench);
            set.spawn(async move {
                let key = bench.admin_key().await;
                bench.cases.users.set_role(&key, &id, Role::User).await.is_ok()
            });
        }
        assert_eq!(set.join_all().await.into_iter().filter(|done| *done).count(), 1);
        let key = bench.admin_key().await;
        let mut admins = 0;
        for id in ids {
            let found = bench.cases.users.find(&key, Lookup::Id(id), View::Masked).await.unwrap().unwrap();
            admins += usize::from(found.user.role == Role::Admin);
        }
        assert_eq!(admins, 1);
    }
}

#[tokio::test]
async fn a_disabled_account_answers_like_a_wrong_credential() {
    let bench = Bench::start().await;
    let key = bench.admin_key().await;
    let (phone, email) = (fresh_phone(), fresh_email());
    let (session, codes) = bench.register_two_step(&email, PASSWORD, &phone).await;
    // Both are under way when the account is turned off.
    bench.clock.advance(HOUR);
    let session = bench.refresh(&session).await.unwrap();
    let login = bench.start_login(&phone).await.unwrap();
    let login_code = bench.code(&login).await;
    let second_step = bench.log_in(&email, PASSWORD, None).await.unwrap();

    bench.cases.users.disable(&key, &id_of(&session)).await.unwrap();
    assert_eq!(bench.verify(&login, &login_code).await, Err(Problem::CodeExpired));
    let recovery = bench.enter(&second_step, json!({ "recovery_code": codes[0] })).await;
    assert_eq!(recovery, Err(Problem::UnknownChallenge));
    assert_eq!(bench.refresh(&session).await, Err(Problem::InvalidRefreshToken));
    let claims = bench.authenticate(&session).await.unwrap();
    assert!(bench.access().user(&claims).await.is_err());

    bench.clock.advance(HOUR);
    assert_eq!(bench.log_in(&email, PASSWORD, None).await, Err(Problem::InvalidCredentials));
    let sends = bench.sends_saved();
    let decoy = bench.start_login(&phone).await.unwrap();
    let stranger = bench.start_login(&fresh_phone()).await.unwrap();
    assert_eq!(fields(&decoy), fields(&stranger));
    assert_eq!(bench.verify(&decoy, "000000").await, bench.verify(&stranger, "000000").await);
    for body in [json!({ "phone": phone }), json!({ "email": email })] {
        let challenge = bench.forgot(body).await.unwrap();
        assert!(bench.stored(&challenge).await.decoy);
    }
    assert!(bench.sends_saved() >= sends);

    // Neither the number nor the address is free.
    let registration = bench.start_registration(&phone).await.unwrap();
    let code = bench.code(&registration).await;
    assert_eq!(bench.verify(&registration, &code).await, Err(Problem::CodeExpired));
    assert_eq!(bench.register_password(&email, PASSWORD).await, Err(Problem::EmailTaken));

    bench.cases.users.enable(&key, &id_of(&session)).await.unwrap();
    assert_eq!(bench.refresh(&session).await, Err(Problem::InvalidRefreshToken), "what ended stays ended");
    bench.clock.advance(HOUR);
    let challenge = bench.log_in(&email, PASSWORD, None).await.unwrap();
    bench.verify(&challenge, &bench.code(&challenge).await).await.unwrap();
}

fn fields(body: &Value) -> Vec<String> {
    body.as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn the_next_owner_of_a_disabled_account_s_number_can_register() {
    let bench = Bench::start().await;
    let key = bench.admin_key().await;
    let phone = fresh_phone();
    let (former, _) = bench.register_two_step(&fresh_email(), PASSWORD, &phone).await;
    bench.cases.users.disable(&key, &id_of(&former)).await.unwrap();
    bench.clock.advance(200 * 24 * HOUR);
    let challenge = bench.start_registration(&phone).await.unwrap();
    let idle = bench.verify(&challenge, &bench.code(&challenge).await).await.unwrap();
    assert_eq!((&idle["outcome"], &idle["confirm_with"]), (&json!("phone_idle"), &json!([])));
    assert_eq!(
        bench.confirm(&idle, json!({ "password": PASSWORD })).await,
        Err(Problem::InvalidRegistrationToken),
        "the former owner is still off"
    );
    let next = bench.complete(&idle, &fresh_email()).await.unwrap();
    assert_eq!(next["user"]["phone"], phone);
    let found = bench.cases.users.find(&key, Lookup::Id(id_of(&former)), View::Full).await.unwrap().unwrap();
    assert!(found.user.disabled && found.user.phone.is_none());
}

#[tokio::test]
async fn an_operator_removes_a_lost_second_step_and_the_user_is_told() {
    let bench = Bench::start().await;
    let key = bench.admin_key().await;
    let (phone, email) = (fresh_phone(), fresh_email());
    let session = bench.register_password(&email, PASSWORD).await.unwrap();
    bench.verify_email(&session).await;
    let challenge = bench.start_phone_change(&session, &phone).await.unwrap();
    bench.verify(&challenge, &bench.code(&challenge).await).await.unwrap();
    let id = id_of(&session);
    let before = bench.sends_saved();

    bench.cases.users.remove_phone(&key, &id, Language::English).await.unwrap();
    assert_eq!(bench.sends_saved() - before, 2, "notices to the number and to the address");
    assert_eq!(bench.refresh(&session).await, Err(Problem::InvalidRefreshToken));
    let session = bench.log_in(&email, PASSWORD, None).await.unwrap();
    assert_eq!(session["outcome"], "signed_in", "one step is left");
    bench.cases.users.remove_phone(&key, &id, Language::English).await.unwrap();
    bench.register(&phone, &fresh_email()).await;

    let (secret, _) = bench.add_totp(&session).await.unwrap();
    bench.clock.advance(HOUR);
    let challenge = bench.log_in(&email, PASSWORD, None).await.unwrap();
    assert_eq!(challenge["methods"], json!(["totp", "recovery_code"]));
    bench.cases.users.remove_totp(&key, &id, Language::English).await.unwrap();
    let code = totp::code(&secret, bench.clock.now().0);
    assert!(bench.enter(&challenge, json!({ "totp": code })).await.is_err());
    let session = bench.log_in(&email, PASSWORD, None).await.unwrap();
    assert_eq!((&session["outcome"], &session["user"]["two_step"]), (&json!("signed_in"), &json!(false)));
}

#[tokio::test]
async fn signing_out_ends_sessions_and_remembered_devices() {
    let bench = Bench::start().await;
    let key = bench.admin_key().await;
    let (phone, email) = (fresh_phone(), fresh_email());
    let (session, _) = bench.register_two_step(&email, PASSWORD, &phone).await;
    bench.clock.advance(HOUR);
    let challenge = bench.log_in(&email, PASSWORD, None).await.unwrap();
    let body = json!({ "code": bench.code(&challenge).await, "remember_device": true });
    let remembered = bench.enter(&challenge, body).await.unwrap();
    let device = remembered["device_token"].as_str().unwrap();
    assert_eq!(bench.log_in(&email, PASSWORD, Some(device)).await.unwrap()["outcome"], "signed_in");

    let overview = async || {
        let found = bench.cases.users.find(&key, Lookup::Id(id_of(&session)), View::Masked).await;
        let found = found.unwrap().unwrap();
        (found.sessions, found.devices)
    };
    assert_eq!(overview().await, (3, 1));
    bench.cases.users.sign_out(&key, &id_of(&session)).await.unwrap();
    assert_eq!(overview().await, (0, 0));
    assert_eq!(bench.refresh(&remembered).await, Err(Problem::InvalidRefreshToken));
    bench.clock.advance(HOUR);
    assert!(bench.log_in(&email, PASSWORD, Some(device)).await.unwrap()["challenge_id"].is_string());
}

#[tokio::test]
async fn unlocking_lets_a_locked_user_in_at_once() {
    let bench = Bench::deployed().await;
    let key = bench.admin_key().await;
    let (phone, email) = (fresh_phone(), fresh_email());
    let (session, _) = bench.register_two_step(&email, PASSWORD, &phone).await;
    bench.clock.advance(HOUR);
    bench.come_from("203.0.113.80");
    for _ in 0..5 {
        assert_eq!(bench.log_in(&email, OTHER_PASSWORD, None).await, Err(Problem::InvalidCredentials));
    }
    assert!(matches!(bench.log_in(&email, PASSWORD, None).await, Err(Problem::TooManyRequests { .. })));
    bench.cases.users.unlock(&key, &id_of(&session)).await.unwrap();
    bench.clock.advance(1);
    let challenge = bench.log_in(&email, PASSWORD, None).await.unwrap();

    // Twenty wrong codes lock the day.
    let mut challenge = challenge;
    for _ in 0..4 {
        for _ in 0..5 {
            let wrong = other_than(&bench.code(&challenge).await);
            assert!(bench.verify(&challenge, wrong).await.is_err());
        }
        bench.clock.advance(HOUR);
        challenge = bench.log_in(&email, PASSWORD, None).await.unwrap();
    }
    assert_eq!(challenge["failure"], "too_many_codes");
    bench.cases.users.unlock(&key, &id_of(&session)).await.unwrap();
    bench.clock.advance(1);
    let challenge = bench.log_in(&email, PASSWORD, None).await.unwrap();
    let session = bench.verify(&challenge, &bench.code(&challenge).await).await.unwrap();
    assert_eq!(session["outcome"], "signed_in");
}

#[tokio::test]
async fn users_are_found_by_id_address_and_number_and_listed_newest_first() {
    let bench = Bench::start().await;
    let key = bench.admin_key().await;
    let (phone, email) = (fresh_phone(), fresh_email());
    let first = bench.register(&phone, &email).await;
    let mut ids = vec![id_of(&first)];
    for _ in 0..54 {
        bench.clock.advance(1);
        ids.push(id_of(&bench.register_password(&fresh_email(), PASSWORD).await.unwrap()));
    }
    let users = &bench.cases.users;
    for lookup in [
        Lookup::Id(ids[0].clone()),
        Lookup::Email(EmailAddress::parse(&email.to_uppercase()).unwrap()),
        Lookup::Phone(PhoneNumber::parse(&phone).unwrap()),
    ] {
        let found = users.find(&key, lookup, View::Full).await.unwrap().unwrap();
        assert_eq!((found.user.id, found.sessions), (ids[0].clone(), 1));
    }
    assert!(users.find(&key, Lookup::Id(UserId::from_stored("nobody")), View::Full).await.unwrap().is_none());

    ids.reverse();
    let page = users.list(&key, None, View::Masked).await.unwrap();
    let listed: Vec<_> = page.items.into_iter().map(|item| item.user.id).collect();
    assert_eq!(listed, ids[..50]);
    let rest = users.list(&key, page.next.as_ref(), View::Masked).await.unwrap();
    let listed: Vec<_> = rest.items.into_iter().map(|item| item.user.id).collect();
    assert_eq!((listed.as_slice(), rest.next), (&ids[50..], None));
}

#[tokio::test]
async fn the_trail_says_who_did_what_to_whom() {
    let bench = Bench::start().await;
    let session = admin(&bench).await;
    let who = bench.operator(token(&session), Permission::Change).await.unwrap();
    let user = bench.register(&fresh_phone(), &fresh_email()).await;
    let (id, users) = (id_of(&user), &bench.cases.users);
    users.find(&who, Lookup::Id(id.clone()), View::Masked).await.unwrap();
    users.find(&who, Lookup::Id(id.clone()), View::Full).await.unwrap();
    users.disable(&who, &id).await.unwrap();
    users.disable(&who, &id).await.unwrap();
    users.delete(&who, &id).await.unwrap();

    let page = bench.cases.operators.trail.page(None).await.unwrap();
    let entries: Vec<_> = page.items.iter().take(3).map(|entry| (entry.action, &entry.user)).collect();
    let on = Some(id.clone());
    assert_eq!(
        entries,
        [(Action::UserDeleted, &on), (Action::UserDisabled, &on), (Action::UserViewed, &on)],
        "what changes nothing and what shows no number leave no entry"
    );
    assert_eq!(page.items[0].operator, who);
    let made = page.items.iter().find(|entry| entry.action == Action::UserRoleChanged).unwrap();
    assert!(matches!(&made.operator, Operator::AdminKey { hint } if hint.starts_with('…')));
    assert_eq!(made.about, ["admin"]);

    let found = users.activity(&id, None).await;
    assert!(matches!(found, Err(UserError::UnknownUser)), "the account is gone");
}

#[tokio::test]
async fn an_unknown_address_is_no_account_whatever_ids_accounts_have() {
    let bench = Bench::start().await;
    let users = UserStore::new(bench.tables.clone(), "users".to_owned());
    let registered = id_of(&bench.register_password(&fresh_email(), PASSWORD).await.unwrap());
    let password = users.find(&registered).await.unwrap().unwrap().password;
    let (name, email) = (PersonName::parse("Ada").unwrap(), EmailAddress::parse(&fresh_email()).unwrap());
    let user = User::new(UserId::imported("nobody").unwrap(), name, email.clone(), None, password, bench.clock.now());
    users.create(&user, Vec::new()).await.unwrap();
    assert!(users.find_by_email(&email).await.unwrap().is_some());
    let unknown = fresh_email();
    assert!(users.find_by_email(&EmailAddress::parse(&unknown).unwrap()).await.unwrap().is_none());
    assert_eq!(bench.log_in(&unknown, PASSWORD, None).await.err(), Some(Problem::InvalidCredentials));
}
