//! `/v1/admin/users/{id}…`: what an operator sees of one account and does to it.

use twostep_domain::{account::Operator, ids::UserId};
use twostep_http::{
    Answer, Problem, Request,
    bodies::{
        page::entry_after,
        profile::ActivityBody,
        users::{AdminUserBody, RoleBody, view},
    },
    body, caller, no_body, segment_after,
};
use twostep_usecases::admin::{ManageUsers, users::Lookup};

pub async fn handle(users: &ManageUsers, who: &Operator, request: &Request, id: &UserId) -> Result<Answer, Problem> {
    let language = caller(request).language;
    match (request.method().as_str(), segment_after(request, id.as_str())) {
        ("GET", None) => {
            let found = users.find(who, Lookup::Id(id.clone()), view(request)?).await?;
            return Ok(Answer::json(200, &AdminUserBody::from(found.ok_or(Problem::UnknownUser)?)));
        }
        ("GET", Some("activity")) => {
            let after = entry_after(request)?;
            return Ok(Answer::json(200, &ActivityBody::from(users.activity(id, after.as_deref()).await?)));
        }
        ("PUT", Some("role")) => users.set_role(who, id, body::<RoleBody>(request)?.parse()?).await?,
        ("DELETE", None) => users.delete(who, id).await?,
        ("POST", Some(action)) => {
            no_body(request)?;
            match action {
                "disable" => users.disable(who, id).await?,
                "enable" => users.enable(who, id).await?,
                "sign-out" => users.sign_out(who, id).await?,
                "remove-phone" => users.remove_phone(who, id, language).await?,
                "remove-totp" => users.remove_totp(who, id, language).await?,
                "unlock" => users.unlock(who, id).await?,
                _ => return Err(Problem::NotFound),
            }
        }
        _ => return Err(Problem::NotFound),
    }
    Ok(Answer::empty())
}
