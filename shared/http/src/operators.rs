//! Authorises operators.

use lambda_http::{Request, http::Method};
use twostep_domain::account::Operator;
use twostep_usecases::admin::{Operators, Permission};

use super::{Problem, TokenIssuer, bearer, caller};

/// The operator behind a request. Whatever is no `GET` changes something.
///
/// # Errors
/// As [`authorised_to`].
pub async fn authorised(operators: &Operators, issuer: &TokenIssuer, request: &Request) -> Result<Operator, Problem> {
    let permission = if request.method() == Method::GET { Permission::Look } else { Permission::Change };
    authorised_to(permission, operators, issuer, request).await
}

/// The operator behind a request that needs this permission.
///
/// # Errors
/// [`Problem::InvalidAdminKey`], also without a bearer token; [`Problem::InvalidToken`], [`Problem::NotAnAdmin`],
/// [`Problem::ReauthRequired`], [`Problem::TooManyRequests`]
pub async fn authorised_to(
    permission: Permission,
    operators: &Operators,
    issuer: &TokenIssuer,
    request: &Request,
) -> Result<Operator, Problem> {
    let token = bearer(request).unwrap_or_default();
    Ok(operators.authorise(&caller(request), &issuer.of(request), token, permission).await?)
}
