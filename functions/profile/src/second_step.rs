//! What a second step accepts besides a code by SMS: an authenticator app and recovery codes.

use twostep_http::{
    Answer, Problem,
    bodies::profile::{AccountChangedBody, NewTotpBody, RecoveryCodesBody, TotpCodeBody},
    body, no_body, repeatable,
};
use twostep_usecases::access::Access;

use crate::Authenticated;

pub async fn handle(access: &Access, asked: &Authenticated<'_>) -> Result<Answer, Problem> {
    let Authenticated { request, caller, claims, part, id } = asked;
    match (request.method().as_str(), part, id) {
        ("POST", Some("recovery-codes"), None) => {
            let repeat = repeatable(request)?;
            let recovery_codes = access.new_recovery_codes(caller, claims, repeat.as_ref()).await?;
            Ok(Answer::json(200, &RecoveryCodesBody { recovery_codes }))
        }
        ("POST", Some("totp"), None) => {
            no_body(request)?;
            Ok(Answer::json(200, &NewTotpBody::from(access.start_totp(claims).await?)))
        }
        ("POST", Some("totp"), Some("confirm")) => {
            let (code, repeat) = (body::<TotpCodeBody>(request)?.parse()?, repeatable(request)?);
            let (user, recovery_codes) = access.confirm_totp(caller, claims, &code, repeat.as_ref()).await?;
            Ok(Answer::json(200, &AccountChangedBody { user: user.into(), recovery_codes }))
        }
        ("DELETE", Some("totp"), None) => {
            access.remove_totp(caller, claims).await?;
            Ok(Answer::empty())
        }
        _ => Err(Problem::NotFound),
    }
}
