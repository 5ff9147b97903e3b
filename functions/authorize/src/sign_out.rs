//! Signs a browser out and sends it back to the client.

use form_urlencoded::Serializer;
use lambda_http::http::header::SET_COOKIE;
use twostep_domain::language::Language;
use twostep_http::{
    Answer, Cookies, Problem, Request,
    oauth::{query, with_query},
};
use twostep_usecases::oidc::{EndClientSession, logout::Destination};

use crate::error_page::{Mistake, error_page};

pub async fn log_out(
    logout: &EndClientSession,
    issuer: &str,
    language: Language,
    request: &Request,
) -> Result<Answer, Problem> {
    let cookies = Cookies::of_site(issuer);
    let ended = logout.end(issuer, &query(request), cookies.refresh_token(request).as_ref()).await?;
    let answer = match ended.destination {
        Destination::Home => Answer::redirect("/"),
        Destination::Client { uri, state: None } => Answer::redirect(&uri),
        Destination::Client { uri, state: Some(state) } => {
            let query = Serializer::new(String::new()).append_pair("state", &state).finish();
            Answer::redirect(&with_query(&uri, &query))
        }
        Destination::Unregistered => error_page(Mistake::UnregisteredAfterLogout, language),
    };
    Ok(if ended.clears_cookie { answer.with_header(SET_COOKIE, cookies.clear_refresh_token()) } else { answer })
}
