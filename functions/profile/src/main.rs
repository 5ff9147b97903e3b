//! `/v1/profile` and what belongs to it except number and address.

mod account;
mod details;
mod second_step;

use twostep_crypto::access_token::Claims;
use twostep_http::{Answer, Error, Problem, Request, TokenIssuer, bearer, caller, segment_after, serve};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::{
    Caller,
    access::Access,
    profile::{ChangeDetails, ChangePassword},
};

struct Profile {
    access: Access,
    changes: ChangeDetails,
    password: ChangePassword,
    issuer: TokenIssuer,
}

/// A request of a signed-in user, with the path segments after `profile`.
struct Authenticated<'a> {
    request: &'a Request,
    caller: Caller,
    claims: Claims,
    part: Option<&'a str>,
    id: Option<&'a str>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let (tables, secrets) = (Tables::new(&startup), Secrets::new(&startup));
    let profile = forever(Profile {
        access: Access::open(&tables, &secrets)?,
        changes: ChangeDetails::open(&tables)?,
        password: ChangePassword::open(&tables)?,
        issuer: TokenIssuer::open(&startup.env)?,
    });
    profile.access.warm_up().await;
    serve(&startup, |request| handle(profile, request)).await
}

async fn handle(profile: &Profile, request: Request) -> Result<Answer, Problem> {
    let token = bearer(&request).ok_or(Problem::InvalidToken)?;
    let claims = profile.access.authenticate(&profile.issuer.of(&request), token).await?;
    let part = segment_after(&request, "profile");
    let id = part.and_then(|part| segment_after(&request, part));
    let asked = Authenticated { request: &request, caller: caller(&request), claims, part, id };
    match part {
        Some("totp" | "recovery-codes") => second_step::handle(&profile.access, &asked).await,
        Some("sessions" | "activity" | "export") => account::handle(&profile.access, &asked).await,
        None if request.method() == "DELETE" => account::handle(&profile.access, &asked).await,
        _ => details::handle(profile, &asked).await,
    }
}
