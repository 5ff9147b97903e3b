//! `/v1/profile` and what belongs to it except the phone: details, password, recovery codes, devices.

use twostep_http::{
    Answer, Error, Problem, Request, TokenIssuer, bearer,
    bodies::{
        UserBody,
        profile::{DetailsBody, DeviceBody, PasswordBody, RecoveryCodesBody},
    },
    body, segment_after, serve,
};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::{access::Access, profile::ChangePassword};

struct Profile {
    access: Access,
    password: ChangePassword,
    issuer: TokenIssuer,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let (tables, secrets) = (Tables::new(&startup), Secrets::new(&startup));
    let profile = forever(Profile {
        access: Access::open(&tables, &secrets)?,
        password: ChangePassword::open(&tables)?,
        issuer: TokenIssuer::open(&startup.env)?,
    });
    profile.access.warm_up().await;
    serve(&startup, |request| handle(profile, request)).await
}

async fn handle(Profile { access, password, issuer }: &Profile, request: Request) -> Result<Answer, Problem> {
    let token = bearer(&request).ok_or(Problem::InvalidToken)?;
    let claims = access.authenticate(&issuer.of(&request), token).await?;
    let device = segment_after(&request, "devices");
    match (request.method().as_str(), segment_after(&request, "profile"), device) {
        ("GET", None, _) => Ok(Answer::json(200, &UserBody::from(access.user(&claims).await?))),
        ("PATCH", None, _) => {
            let (name, email) = body::<DetailsBody>(&request)?.parse()?;
            Ok(Answer::json(200, &UserBody::from(access.change_details(&claims, name, email).await?)))
        }
        ("PUT", Some("password"), _) => {
            let PasswordBody { current_password, new_password } = body(&request)?;
            password.change(access, &claims, current_password.as_ref(), &new_password).await?;
            Ok(Answer::empty())
        }
        ("POST", Some("recovery-codes"), _) => {
            let recovery_codes = access.new_recovery_codes(&claims).await?;
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
