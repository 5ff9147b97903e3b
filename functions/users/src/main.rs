//! `/v1/admin/users…` and `/v1/admin/activity`: the accounts, and what operators did.

mod account;

use twostep_domain::ids::UserId;
use twostep_http::{
    Answer, Error, Problem, Request, TokenIssuer, authorised,
    bodies::{
        page::entry_after,
        users::{AdminUsersBody, OperationsBody, UserQuery, view},
    },
    segment_after, serve,
};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::admin::{ManageUsers, Operators};

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
        let after = entry_after(&request)?;
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
        Some(id) => account::handle(users, &who, &request, &id).await,
    }
}
