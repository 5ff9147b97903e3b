//! `POST /v1/session/refresh` and `/v1/session/logout`: staying signed in, and signing out.

use twostep_http::{Answer, Error, Problem, Request, TokenIssuer, TokenTransport, segment_after, serve};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::session::KeepSession;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let sessions = forever(KeepSession::open(&Tables::new(&startup), &Secrets::new(&startup))?);
    let issuer = forever(TokenIssuer::open(&startup.env)?);
    sessions.warm_up().await;
    serve(&startup, |request| handle(sessions, issuer, request)).await
}

async fn handle(sessions: &KeepSession, issuer: &TokenIssuer, request: Request) -> Result<Answer, Problem> {
    let issuer = issuer.of(&request);
    let transport = TokenTransport::of(&request, &issuer.issuer)?;
    let token = transport.refresh_token(&request)?;
    match (segment_after(&request, "session"), token) {
        (Some("refresh"), Some(token)) => match sessions.refresh(&issuer, &token).await {
            Ok(signed_in) => Ok(transport.session(&request, 200, signed_in.into())),
            Err(error) => Err(transport.refuse(error.into())),
        },
        (Some("refresh"), None) => Err(transport.refuse(Problem::InvalidRefreshToken)),
        (Some("logout"), token) => {
            if let Some(token) = token {
                sessions.sign_out(&token).await?;
            }
            Ok(transport.signed_out())
        }
        _ => Err(Problem::NotFound),
    }
}
