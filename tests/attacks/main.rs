//! Runs every attack of the threat model against a full stack and compares the results with `docs/attacks.md`. `--write`
//! writes them there instead. Any other argument runs only the attacks whose name contains it, without the comparison.

mod accounts;
mod clients;
mod guessing;
mod input;
mod locks;
mod logs;
mod provider;
mod pumping;
mod recovery;
mod silence;
mod tokens;
mod world;

use std::{
    fmt::{Display, Write},
    fs,
    pin::Pin,
    process::ExitCode,
};

use tokio::task::{LocalSet, spawn_local};
use twostep_tests::paths::root;
use world::World;

/// The attempt, its count, and the result.
pub struct Seen {
    pub tried: &'static str,
    pub times: String,
    pub seen: String,
}

pub fn seen(tried: &'static str, times: impl Display, seen: impl Into<String>) -> Seen {
    Seen { tried, times: format!("{times}"), seen: seen.into() }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Limits {
    /// Only the limits by number.
    Lifted,
    Deployed,
}

type Run = fn(&'static World) -> Pin<Box<dyn Future<Output = Seen>>>;

struct Attack {
    name: &'static str,
    /// The standard or guide that requires protection.
    source: &'static str,
    limits: Limits,
    run: Run,
}

macro_rules! attacks {
    ($($limits:ident $name:literal ($source:literal) $module:ident::$function:ident;)*) => {
        [$(Attack {
            name: $name,
            source: $source,
            limits: Limits::$limits,
            run: |world| Box::pin($module::$function(world)),
        }),*]
    };
}

fn attacks() -> impl IntoIterator<Item = Attack> {
    attacks! {
        Lifted "One correct code in parallel" ("NIST SP 800-63B-4 §3.1.3.2; ASVS 6.5.1") guessing::one_right_code_at_once;
        Lifted "Parallel guesses" ("ASVS 6.3.1, 6.6.3") guessing::parallel_guesses;
        Lifted "Guessing through new codes" ("NIST SP 800-63B-4 §3.1.3.2, §3.2.2") guessing::guessing_through_new_codes;
        Lifted "A code at its expiry" ("NIST SP 800-63B-4 §3.1.3.2; ASVS 6.5.5") guessing::the_edge_of_a_code_s_life;
        Lifted "Reusing a code" ("ASVS 6.5.1") guessing::a_used_code_again;
        Lifted "A code for another purpose or challenge" ("ASVS 6.6.2; NIST SP 800-63B-4 §3.1.3.2") guessing::a_code_elsewhere;
        Lifted "Parallel starts" ("OWASP API4:2023") guessing::parallel_starts;
        Lifted "Distinguishing known numbers by responses" ("ASVS 6.3.8") silence::known_and_unknown_numbers;
        Lifted "Distinguishing known email addresses by responses" ("ASVS 6.3.8") silence::known_and_unknown_addresses;
        Lifted "Distinguishing accounts by DynamoDB calls" ("ASVS 6.3.8") silence::the_same_work;
        Lifted "Distinguishing accounts by password resets" ("ASVS 6.3.8; OWASP Forgot Password") silence::known_and_unknown_resets;
        Lifted "One stolen factor of a two-step account" ("NIST SP 800-63B-4 §4.2; ASVS 6.4.3") recovery::one_stolen_factor;
        Lifted "An email change, then a reset" ("ASVS 6.4.3, 7.5.1") recovery::email_change_then_reset;
        Lifted "Misused reset tokens" ("OWASP Forgot Password; ASVS 6.4.3") recovery::reset_tokens;
        Lifted "The next owner of a number" ("NIST SP 800-63B-4 §3.2.9") recovery::a_recycled_number;
        Lifted "Another user's phone, email or id in the body" ("ASVS 8.2.2") accounts::a_victim_s_name_in_the_body;
        Lifted "Intermediate tokens as access tokens" ("ASVS 2.3.1") tokens::half_a_sign_in_as_a_token;
        Lifted "Two-step sign-in turned on while functions run" ("ASVS 6.3.4") accounts::two_step_turned_on;
        Lifted "Changing the phone with a stolen session" ("NIST SP 800-63B-4 §4.1.2; ASVS 7.5.1") accounts::a_stolen_session_and_the_phone;
        Lifted "Two accounts verify one number at once" ("ASVS 2.3.3") accounts::two_accounts_one_number;
        Lifted "Squatting on a number" ("ASVS 2.3.2") accounts::squatting;
        Lifted "Look-alike email addresses" ("ASVS 6.2; Unicode TR36") accounts::addresses_that_look_the_same;
        Lifted "Locking the second step with the password" ("ASVS 6.1.1; NIST SP 800-63B-4 §3.2.2") locks::the_password_alone;
        Lifted "Text injected into the message" ("WICG, origin-bound one-time codes") accounts::words_in_the_message;
        Lifted "Malformed numbers" ("ASVS 2.2.1") input::malformed_numbers;
        Lifted "Very large input, and passwords with the same prefix" ("ASVS 6.2.9; OWASP Password Storage") input::very_large_input;
        Lifted "Forged access tokens" ("RFC 8725; ASVS 9.1, 9.2") tokens::forged_tokens;
        Lifted "Reusing a refresh token" ("RFC 9700 §4.14.2") tokens::an_old_refresh_token;
        Lifted "One refresh token in parallel" ("RFC 9700 §4.14.2") tokens::one_refresh_token_at_once;
        Lifted "Forged, replayed and late delivery reports" ("ASVS 4.1; Clickatell has no signatures") provider::delivery_reports;
        Lifted "A misbehaving provider" ("Clickatell, error tables") provider::a_provider_that_misbehaves;
        Lifted "A lost DynamoDB response after the write" ("ASVS 2.3.3") provider::a_lost_answer;
        Lifted "Redirect URI variations" ("RFC 9700 §2.1, §4.1") clients::redirect_uris;
        Lifted "One authorization code in parallel" ("RFC 6749 §4.1.2; RFC 9700 §4.5") clients::one_code_at_once;
        Lifted "A stolen authorization code" ("RFC 9700 §4.5; RFC 7636") clients::a_stolen_code;
        Lifted "PKCE downgrade" ("RFC 9700 §4.8") clients::pkce_downgrade;
        Lifted "Mix-up of issuers" ("RFC 9700 §4.4; RFC 9207") clients::mix_up;
        Lifted "A tampered authorization request" ("RFC 9700 §4.1") clients::a_tampered_request;
        Lifted "Login CSRF" ("RFC 9700 §4.7") clients::login_csrf;
        Lifted "Open redirects through sign-out" ("RFC 9700 §4.11; OpenID Connect RP-Initiated Logout §3") clients::open_redirects;
        Lifted "Clickjacking of a sign-in" ("RFC 9700 §4.16") clients::clickjacking;
        Lifted "Reusing a client's refresh token" ("RFC 9700 §4.14.2") clients::a_used_refresh_token;
        Lifted "Tokens used for something else" ("RFC 8725 §3.11, §3.12") clients::tokens_for_something_else;
        Lifted "Introspection by a stranger" ("RFC 7662 §4") clients::introspection_by_a_stranger;
        Lifted "A lost DynamoDB response to an exchange" ("ASVS 2.3.3") clients::a_lost_exchange;
        Lifted "Another client's verification" ("ASVS 8.2.2") clients::another_client_s_verification;
        Deployed "Forged client IP headers" ("ASVS 4.1.3") input::headers_that_claim_an_address;
        Deployed "200 consecutive numbers from 20 client IPs" ("OWASP, SMS pumping; Twilio, SMS pumping") pumping::a_range;
        Deployed "Expensive numbers" ("NIST SP 800-63B-4 §3.1.3.1") pumping::numbers_that_cost_more;
        Deployed "Twice the hourly budget" ("OWASP API4:2023") pumping::twice_the_budget;
        Deployed "Pumping one number" ("OWASP API4:2023") pumping::one_number;
        Deployed "Pumping many countries" ("OWASP API4:2023") pumping::many_countries;
        Deployed "Pumping one country" ("OWASP, SMS pumping") pumping::one_country;
        Deployed "Pumping slowly" ("Authgear, fraud protection") pumping::slowly;
        Deployed "Pumping from rotating client IPs" ("OWASP API4:2023") pumping::rotating_addresses;
        Deployed "Pumping with verified codes" ("Twilio, SMS pumping") pumping::verifying_to_look_good;
        Deployed "Guessing client secrets" ("RFC 6749 §2.3.1") clients::guessing_client_secrets;
        Deployed "Verifications with invented user addresses" ("OWASP API4:2023") clients::lying_about_the_end_user;
        Deployed "Locking an account from one client IP" ("ASVS 6.1.1, 6.3.1") locks::wrong_passwords_from_one_address;
        Deployed "Locking an account from many client IPs" ("ASVS 6.1.1, 6.3.1") locks::wrong_passwords_from_many_addresses;
        Lifted "Secrets in the logs" ("ASVS 16.2.5") logs::secrets_in_the_logs;
        Deployed "Secrets in the logs of the pumping attacks" ("ASVS 16.2.5") logs::secrets_in_the_logs;
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    // Attacks share a `World` that is not `Send`.
    LocalSet::new().run_until(run()).await
}

async fn run() -> ExitCode {
    let write = std::env::args().any(|argument| argument == "--write");
    let only = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let wanted = |attack: &Attack| only.as_ref().is_none_or(|only| attack.name.contains(only));
    let attacks: Vec<Attack> = attacks().into_iter().filter(wanted).collect();
    let of = |limits| attacks.iter().filter(move |attack| attack.limits == limits);
    let (lifted, deployed) = tokio::join!(
        try_all("lifted", of(Limits::Lifted).collect()),
        try_all("deployed", of(Limits::Deployed).collect()),
    );
    let (rows, failed) = (lifted.0 + &deployed.0, lifted.1 + deployed.1);
    let passed = attacks.len() - failed;
    let mut is_as_written = true;
    if failed == 0 && only.is_none() {
        let file = root().join("docs/attacks.md");
        let table = format!(
            "# Attacks\n\nEvery attack runs against a full stack. `make attacks` repeats them and writes this table; `make test` \
             fails if a result differs.\n\n\
             | attack | required by | attempt | count | result |\n\
             |---|---|---|---|---|\n{rows}"
        );
        if write {
            fs::write(file, table).expect("docs/attacks.md");
        } else {
            let written = fs::read_to_string(file).unwrap_or_default();
            is_as_written = written == table;
            tell_lines_of_one(&written, &table, '-');
            tell_lines_of_one(&table, &written, '+');
        }
    }
    println!("\n{passed} passed, {failed} failed");
    if !is_as_written {
        println!("docs/attacks.md doesn't match the results; `make attacks` writes it");
    }
    if failed == 0 && passed > 0 && is_as_written { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints the lines that are only in `one`.
fn tell_lines_of_one(one: &str, other: &str, mark: char) {
    for line in one.lines().filter(|line| !other.lines().any(|known| known == *line)) {
        println!("{mark} {line}");
    }
}

/// Runs `attacks` one after the other on one stack, because they share its clock. Returns the rows of the table and the
/// number of failures.
async fn try_all(limits: &str, attacks: Vec<&Attack>) -> (String, usize) {
    let (mut rows, mut failed) = (String::new(), 0);
    if attacks.is_empty() {
        return (rows, failed);
    }
    let world: &'static World = Box::leak(Box::new(World::new(limits).await));
    for attack in attacks {
        let began = tokio::time::Instant::now();
        match spawn_local((attack.run)(world)).await {
            Ok(Seen { tried, times, seen }) => {
                println!("ok      {:4.1} s  {}: {seen}", began.elapsed().as_secs_f32(), attack.name);
                let _ = writeln!(rows, "| {} | {} | {tried} | {times} | {seen} |", attack.name, attack.source);
            }
            Err(error) => {
                failed += 1;
                println!("FAILED  {}: {error}", attack.name);
            }
        }
    }
    world.stack.stop();
    (rows, failed)
}
