//! `/v1/admin/users…` and `/v1/admin/activity`: the accounts, and what operators did.

use twostep_domain::{account::Operator, ids::UserId};
use twostep_http::{
    Answer, Error, Problem, Request, TokenIssuer, authorised,
    bodies::{
        profile::{ActivityBody, activity_after},
        users::{AdminUserBody, AdminUsersBody, OperationsBody, RoleBody, UserQuery, view},
    },
    body, caller, no_body, query, segment_after, serve,
};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::admin::{ManageUsers, Operators, users::Lookup};

struct Admin {
    operators: Operators,
    users: ManageUsers,
    issuer: TokenIssuer,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let (tables, secrets) = (Tables::new(&startup), Secrets::new(&startup));
    let admin = forever(Admin {
        operators: Operators::open(&tables, &secrets)?,
        users: ManageUsers::open(&tables, &secrets)?,
        issuer: TokenIssuer::open(&startup.env)?,
    });
    admin.operators.warm_up().await;
    serve(&startup, |request| handle(admin, request)).await
}

async fn handle(Admin { operators, users, issuer }: &Admin, request: Request) -> Result<Answer, Problem> {
    let who = authorised(operators, issuer, &request).await?;
    if segment_after(&request, "admin") == Some("activity") {
        let after = activity_after(query(&request, "after")?)?;
        return Ok(Answer::json(200, &OperationsBody::from(operators.trail.page(after.as_deref()).await?)));
    }
    match segment_after(&request, "users").map(UserId::from_stored) {
        None if request.method() == "GET" => Ok(Answer::json(
            200,
            &match UserQuery::read(&request)? {
                UserQuery::One(lookup) => AdminUsersBody::from(users.find(&who, lookup, view(&request)?).await?),
                UserQuery::List(after) => {
                    AdminUsersBody::from(users.list(&who, after.as_ref(), view(&request)?).await?)
                }
            },
        )),
        None => Err(Problem::NotFound),
        Some(id) => one(users, &who, &request, &id).await,
    }
}

/// What concerns one account.
async fn one(users: &ManageUsers, who: &Operator, request: &Request, id: &UserId) -> Result<Answer, Problem> {
    let language = caller(request).language;
    match (request.method().as_str(), segment_after(request, id.as_str())) {
        ("GET", None) => {
            let found = users.find(who, Lookup::Id(id.clone()), view(request)?).await?;
            return Ok(Answer::json(200, &AdminUserBody::from(found.ok_or(Problem::UnknownUser)?)));
        }
        ("GET", Some("activity")) => {
            let after = activity_after(query(request, "after")?)?;
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
