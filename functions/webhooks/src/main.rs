//! `/v1/admin/webhooks…`: who gets events, and what became of them.

use twostep_http::{
    Answer, Error, Problem, Request, TokenIssuer, authorised,
    bodies::{
        page::entry_after,
        user::describe,
        webhooks::{DeliveriesBody, NewWebhookBody, TriedBody, WebhookBody, WebhooksBody},
    },
    body, no_body, segment_after, serve,
};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::admin::{ManageWebhooks, Operators};

struct Admin {
    operators: Operators,
    webhooks: ManageWebhooks,
    issuer: TokenIssuer,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let (tables, secrets) = (Tables::new(&startup), Secrets::new(&startup));
    let admin = forever(Admin {
        operators: Operators::open(&tables, &secrets)?,
        webhooks: ManageWebhooks::open(&startup, &tables, &secrets, describe)?,
        issuer: TokenIssuer::open(&startup.env)?,
    });
    admin.operators.warm_up().await;
    serve(&startup, |request| handle(admin, request)).await
}

async fn handle(Admin { operators, webhooks, issuer }: &Admin, request: Request) -> Result<Answer, Problem> {
    let who = authorised(operators, issuer, &request).await?;
    let id = segment_after(&request, "webhooks");
    let part = id.and_then(|id| segment_after(&request, id));
    match (request.method().as_str(), id, part) {
        ("GET", None, _) => Ok(Answer::json(200, &WebhooksBody::from(webhooks.list().await?))),
        ("POST", None, _) => {
            let new = body::<NewWebhookBody>(&request)?;
            Ok(Answer::json(201, &WebhookBody::from(webhooks.add(&who, &new.url, new.events()?).await?)))
        }
        ("DELETE", Some(id), None) => {
            webhooks.remove(&who, id).await?;
            Ok(Answer::empty())
        }
        ("POST", Some(id), Some("test")) => {
            no_body(&request)?;
            Ok(Answer::json(200, &TriedBody::from(webhooks.test(&who, id).await?)))
        }
        ("GET", Some(id), Some("deliveries")) => {
            let after = entry_after(&request)?;
            Ok(Answer::json(200, &DeliveriesBody::from(webhooks.deliveries(id, after.as_deref()).await?)))
        }
        ("POST", Some(id), Some("deliveries")) => {
            no_body(&request)?;
            let delivery = segment_after(&request, "deliveries").ok_or(Problem::NotFound)?;
            webhooks.repeat(&who, id, delivery).await?;
            Ok(Answer::accepted())
        }
        _ => Err(Problem::NotFound),
    }
}
