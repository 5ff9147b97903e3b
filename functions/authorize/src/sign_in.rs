//! Takes a client's request, or takes it back from the pages.

use form_urlencoded::Serializer;
use twostep_domain::{language::Language, oidc::Parameters};
use twostep_http::{
    Answer, Cookies, Problem, Request,
    oauth::{query, return_address, with_query},
};
use twostep_usecases::oidc::{
    Authorize,
    authorize::{Ask, AuthorizeError, NextStep, Task},
};

use crate::error_page::{Mistake, error_page};

pub async fn authorize(
    authorize: &Authorize,
    issuer: &str,
    language: Language,
    request: &Request,
) -> Result<Answer, Problem> {
    let (parameters, token) = (query(request), Cookies::of_site(issuer).refresh_token(request));
    let next = match pending(&parameters) {
        Some(sealed) => authorize.resume(sealed, token.as_ref()).await,
        None => authorize.begin(issuer, &parameters, token.as_ref()).await,
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
