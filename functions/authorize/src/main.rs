//! `GET /oauth/authorize` and `/oauth/logout`: sends browsers from a client to a sign-in or a sign-out, and back.

mod error_page;

use error_page::{Mistake, error_page};
use form_urlencoded::Serializer;
use lambda_http::http::header::SET_COOKIE;
use twostep_domain::{language::Language, oidc::Parameters};
use twostep_http::{
    Answer, Cookies, Error, IssuerAddress, Problem, Request, caller,
    oauth::{query, return_address, with_query},
    segment_after, serve,
};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::oidc::{
    Authorize, EndClientSession,
    authorize::{Ask, AuthorizeError, NextStep, Task},
    logout::Destination,
};

struct Context {
    authorize: Authorize,
    logout: EndClientSession,
    issuer: IssuerAddress,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let (tables, secrets) = (Tables::new(&startup), Secrets::new(&startup));
    let context = forever(Context {
        authorize: Authorize::open(&tables, &secrets)?,
        logout: EndClientSession::open(&tables, &secrets)?,
        issuer: IssuerAddress::open(&startup.env)?,
    });
    context.authorize.warm_up().await;
    serve(startup.clock, |request| handle(context, request)).await
}

async fn handle(context: &Context, request: Request) -> Result<Answer, Problem> {
    let issuer = context.issuer.of(&request);
    let language = caller(&request).language;
    match segment_after(&request, "oauth") {
        Some("authorize") => authorize(&context.authorize, &issuer, language, &request).await,
        Some("logout") => log_out(&context.logout, &issuer, language, &request).await,
        _ => Err(Problem::NotFound),
    }
}

async fn authorize(
    authorize: &Authorize,
    issuer: &str,
    language: Language,
    request: &Request,
) -> Result<Answer, Problem> {
    let (parameters, token) = (query(request), Cookies::of_site(issuer).refresh_token(request));
    let next = match pending(&parameters) {
        Some(sealed) => authorize.resume(sealed, token.as_ref()).await,
        None => authorize.begin(&parameters, token.as_ref()).await,
    };
    match next {
        Ok(NextStep::Return(returning)) => Ok(Answer::redirect(&return_address(&returning, issuer))),
        Ok(NextStep::Ask(ask)) => Ok(Answer::redirect(&page(&ask))),
        Err(AuthorizeError::UnknownClient) => Ok(error_page(Mistake::UnknownClient, language)),
        Err(AuthorizeError::UnknownRequest) => Ok(error_page(Mistake::UnknownRequest, language)),
        Err(AuthorizeError::Outage(outage)) => Err(outage.into()),
    }
}

/// The sealed request with which a page comes back. A client's own `request` parameter comes with a `client_id`.
fn pending(parameters: &Parameters) -> Option<&str> {
    let one = |name: &str| parameters.one(name).ok().flatten();
    one("request").filter(|_| one("client_id").is_none())
}

/// The page that asks the user, with what it needs to fill itself in and to come back.
fn page(Ask { task, pending, request }: &Ask) -> String {
    let (path, ask) = match task {
        Task::SignIn => ("/login", None),
        Task::SignInAgain => ("/login", Some("again")),
        Task::SignInWithTwoSteps => ("/login", Some("two-step")),
        Task::TurnTwoStepOn => ("/profile", Some("two-step")),
    };
    let mut query = Serializer::new(String::new());
    query.append_pair("continue", pending);
    let optional =
        [("ask", ask), ("hint", request.login_hint.as_deref()), ("lang", request.language.map(Language::tag))];
    query.extend_pairs(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    with_query(path, &query.finish())
}

async fn log_out(
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
