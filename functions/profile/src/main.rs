//! `/v1/profile` and what belongs to it except number and address: details, password, recovery codes, devices.

use twostep_http::{
    Answer, Error, Problem, Request, TokenIssuer, bearer,
    bodies::{
        UserBody,
        profile::{DetailsBody, DeviceBody, PasswordBody, RecoveryCodesBody},
    },
    body, caller, segment_after, serve,
};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::{access::Access, profile};

struct Profile {
    access: Access,
    details: profile::ChangeDetails,
    password: profile::ChangePassword,
    issuer: TokenIssuer,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let (tables, secrets) = (Tables::new(&startup), Secrets::new(&startup));
    let own = forever(Profile {
        access: Access::open(&tables, &secrets)?,
        details: profile::ChangeDetails::open(&tables)?,
        password: profile::ChangePassword::open(&tables)?,
        issuer: TokenIssuer::open(&startup.env)?,
    });
    own.access.warm_up().await;
    serve(&startup, |request| handle(own, request)).await
}

async fn handle(own: &Profile, request: Request) -> Result<Answer, Problem> {
    let Profile { access, details, password, issuer } = own;
    let token = bearer(&request).ok_or(Problem::InvalidToken)?;
    let claims = access.authenticate(&issuer.of(&request), token).await?;
    match (request.method().as_str(), segment_after(&request, "profile"), segment_after(&request, "devices")) {
        ("GET", None, _) => Ok(Answer::json(200, &UserBody::from(access.user(&claims).await?))),
        ("PATCH", None, _) => {
            let (name, email) = body::<DetailsBody>(&request)?.parse()?;
            Ok(Answer::json(200, &UserBody::from(details.change(access, &claims, name, email).await?)))
        }
        ("PUT", Some("password"), _) => {
            let PasswordBody { current_password: current, new_password: new } = body(&request)?;
            password.change(access, &caller(&request), &claims, current.as_ref(), &new).await?;
            Ok(Answer::empty())
        }
        ("POST", Some("recovery-codes"), _) => {
            let recovery_codes = access.new_recovery_codes(&caller(&request), &claims).await?;
            Ok(Answer::json(200, &RecoveryCodesBody { recovery_codes }))
        }
        ("GET", Some("devices"), None) => {
            let devices = access.devices(&claims).await?.into_iter().map(DeviceBody::from);
            Ok(Answer::json(200, &devices.collect::<Vec<_>>()))
        }
        ("DELETE", Some("devices"), Some(id)) => {
            access.forget_device(&claims, id).await?;
            Ok(Answer::empty())
        }
        _ => Err(Problem::NotFound),
    }
}
