//! `/v1/admin/clients…`: the operator's websites, apps and servers.

use twostep_domain::ids::ClientId;
use twostep_http::{
    Answer, Error, Problem, Request, TokenIssuer, authorised,
    bodies::clients::{ClientBody, ClientChangeBody, ClientListBody, NewClientBody},
    body, segment_after, serve,
};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::admin::{ManageClients, Operators};

struct Admin {
    operators: Operators,
    clients: ManageClients,
    issuer: TokenIssuer,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let (tables, secrets) = (Tables::new(&startup), Secrets::new(&startup));
    let admin = forever(Admin {
        operators: Operators::open(&tables, &secrets)?,
        clients: ManageClients::open(&tables)?,
        issuer: TokenIssuer::open(&startup.env)?,
    });
    admin.operators.warm_up().await;
    serve(&startup, |request| handle(admin, request)).await
}

async fn handle(Admin { operators, clients, issuer }: &Admin, request: Request) -> Result<Answer, Problem> {
    let who = authorised(operators, issuer, &request).await?;
    let id = segment_after(&request, "clients").map(ClientId::from_stored);
    let is_secret = id.as_ref().is_some_and(|id| segment_after(&request, id.as_str()) == Some("secret"));
    match (request.method().as_str(), &id) {
        ("GET", None) => {
            let items = clients.list().await?.into_iter().map(ClientBody::from).collect();
            Ok(Answer::json(200, &ClientListBody { items }))
        }
        ("POST", None) => {
            let (kind, change) = body::<NewClientBody>(&request)?.parse()?;
            Ok(Answer::json(201, &ClientBody::from(clients.create(&who, kind, &change).await?)))
        }
        ("POST", Some(id)) if is_secret => {
            Ok(Answer::json(200, &ClientBody::from(clients.renew_secret(&who, id).await?)))
        }
        ("GET", Some(id)) => Ok(Answer::json(200, &ClientBody::from(clients.find(id).await?))),
        ("PATCH", Some(id)) => {
            let change = body::<ClientChangeBody>(&request)?.into_change();
            Ok(Answer::json(200, &ClientBody::from(clients.change(&who, id, &change).await?)))
        }
        ("DELETE", Some(id)) => {
            clients.remove(&who, id).await?;
            Ok(Answer::empty())
        }
        _ => Err(Problem::NotFound),
    }
}
