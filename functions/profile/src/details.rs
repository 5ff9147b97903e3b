//! Name, email address, password, devices.

use twostep_http::{
    Answer, Problem,
    bodies::{
        UserBody,
        profile::{AccountChangedBody, DetailsBody, DeviceBody, PasswordBody},
    },
    body, wants_representation,
};

use crate::{Authenticated, Profile};

pub async fn handle(profile: &Profile, asked: &Authenticated<'_>) -> Result<Answer, Problem> {
    let (Profile { access, changes, password, .. }, Authenticated { request, caller, claims, part, id }) =
        (profile, asked);
    match (request.method().as_str(), part, id) {
        ("GET", None, _) => Ok(Answer::json(200, &UserBody::from(access.user(claims).await?))),
        ("PATCH", None, _) => {
            let (name, email) = body::<DetailsBody>(request)?.parse()?;
            Ok(Answer::json(200, &UserBody::from(changes.change(access, caller, claims, name, email).await?)))
        }
        ("PUT", Some("password"), None) => {
            let PasswordBody { current_password, new_password } = body(request)?;
            let (current, wants_codes) = (current_password.as_ref(), wants_representation(request));
            let set = password.change(access, caller, claims, current, &new_password, wants_codes).await?;
            Ok(if wants_codes { Answer::json(200, &AccountChangedBody::from(set)) } else { Answer::empty() })
        }
        ("GET", Some("devices"), None) => {
            let devices = access.devices(claims).await?.into_iter().map(DeviceBody::from);
            Ok(Answer::json(200, &devices.collect::<Vec<_>>()))
        }
        ("DELETE", Some("devices"), Some(id)) => {
            access.forget_device(caller, claims, id).await?;
            Ok(Answer::empty())
        }
        _ => Err(Problem::NotFound),
    }
}
