//! `POST /v1/admin/users/import` and `GET /v1/admin/users/export`: accounts move in and out.

use twostep_domain::ids::UserId;
use twostep_http::{
    Answer, Error, HeaderValue, LINK, Problem, Request, TokenIssuer, authorised_to,
    bodies::transfer::{ImportLines, ImportedBody, NDJSON, export},
    query, serve,
};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::admin::{Operators, Permission, TransferUsers};

struct Admin {
    operators: Operators,
    users: TransferUsers,
    issuer: TokenIssuer,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let (tables, secrets) = (Tables::new(&startup), Secrets::new(&startup));
    let admin = forever(Admin {
        operators: Operators::open(&tables, &secrets)?,
        users: TransferUsers::open(&tables, &secrets)?,
        issuer: TokenIssuer::open(&startup.env)?,
    });
    admin.operators.warm_up().await;
    serve(&startup, |request| handle(admin, request)).await
}

async fn handle(Admin { operators, users, issuer }: &Admin, request: Request) -> Result<Answer, Problem> {
    // An export has everybody's password hash, so it needs what a change needs.
    let who = authorised_to(Permission::Change, operators, issuer, &request).await?;
    if request.method() == "POST" {
        let (accounts, lines) = ImportLines::read(&request)?.split();
        let outcomes = users.import(&who, accounts).await?;
        return Ok(Answer::json(200, &ImportedBody::new(lines, outcomes)));
    }
    let after = match query(&request, "after")? {
        None => None,
        Some(after) => Some(UserId::imported(&after).ok_or(Problem::InvalidRequest)?),
    };
    let (lines, next) = export(users.export(&who, after.as_ref()).await?);
    let answer = Answer::file(NDJSON, lines);
    Ok(match next {
        None => answer,
        Some(next) => {
            let link = format!("</v1/admin/users/export?after={}>; rel=\"next\"", next.as_str());
            answer.with_header(LINK, HeaderValue::try_from(link).map_err(|_| Problem::InternalError)?)
        }
    })
}
