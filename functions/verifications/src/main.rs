//! `/v1/verifications…`: verifies numbers for servers that keep their own accounts.

use twostep_crypto::challenge_id::ChallengeId;
use twostep_domain::client::{Client, ClientKind};
use twostep_http::{
    Answer, Error, Problem, Request,
    bodies::verifications::{CheckBody, NewVerificationBody, VerificationBody, VerifiedNumberBody},
    body, caller, oauth, segment_after, serve_servers,
};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::{Caller, oidc::AuthenticateClient, verifications::VerifyForClient};

struct Context {
    clients: AuthenticateClient,
    verifications: VerifyForClient,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let (tables, secrets) = (Tables::new(&startup), Secrets::new(&startup));
    let context = forever(Context {
        clients: AuthenticateClient::open(&tables, &secrets)?,
        verifications: VerifyForClient::open(&tables, &secrets)?,
    });
    tokio::join!(context.clients.warm_up(), context.verifications.warm_up());
    serve_servers(&startup, |request| handle(context, request)).await
}

async fn handle(Context { clients, verifications }: &Context, request: Request) -> Result<Answer, Problem> {
    let caller = caller(&request);
    let client = server(clients, &caller, &request).await?.id;
    let Some(id) = segment_after(&request, "verifications") else {
        let new = body::<NewVerificationBody>(&request)?.parse()?;
        let started = verifications.start(&caller, &client, new).await?;
        return Ok(Answer::json(202, &VerificationBody::from(started)));
    };
    let action = segment_after(&request, id);
    let parsed = ChallengeId::parse(id);
    match (request.method().as_str(), action) {
        ("GET", None) => Ok(Answer::json(200, &VerificationBody::from(verifications.show(&client, &parsed?).await?))),
        ("POST", Some("check")) => {
            let code = body::<CheckBody>(&request)?.parse()?;
            let verified = verifications.check(&client, &parsed?, &code).await?;
            Ok(Answer::json(200, &VerifiedNumberBody::from(verified)))
        }
        ("POST", Some("resend")) => {
            Ok(Answer::json(202, &VerificationBody::from(verifications.resend(&client, &parsed?).await?)))
        }
        _ => Err(Problem::NotFound),
    }
}

/// The server that calls, by HTTP Basic.
async fn server(clients: &AuthenticateClient, caller: &Caller, request: &Request) -> Result<Client, Problem> {
    let credentials = oauth::basic(request).and_then(Result::ok).ok_or(Problem::InvalidClient)?;
    let client = clients.authenticate(caller, &credentials).await?;
    if client.kind == ClientKind::Server { Ok(client) } else { Err(Problem::InvalidClient) }
}
