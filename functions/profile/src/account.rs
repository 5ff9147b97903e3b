//! Sessions, activity, export and deletion.

use twostep_domain::ids::SessionId;
use twostep_http::{
    Answer, Problem,
    bodies::{
        page::entry_after,
        profile::{ActivityBody, ExportBody, ListedSessionBody},
    },
};
use twostep_usecases::access::Access;

use crate::Authenticated;

pub async fn handle(access: &Access, asked: &Authenticated<'_>) -> Result<Answer, Problem> {
    let Authenticated { request, caller, claims, part, id } = asked;
    match (request.method().as_str(), part, id) {
        ("GET", Some("sessions"), None) => {
            let sessions = access.sessions(claims).await?.into_iter();
            let sessions: Vec<_> = sessions.map(|session| ListedSessionBody::new(session, &claims.sid)).collect();
            Ok(Answer::json(200, &sessions))
        }
        ("DELETE", Some("sessions"), None) => {
            access.end_other_sessions(caller, claims).await?;
            Ok(Answer::empty())
        }
        ("DELETE", Some("sessions"), Some(id)) => {
            access.end_session(caller, claims, &SessionId::from_stored(*id)).await?;
            Ok(Answer::empty())
        }
        ("GET", Some("activity"), None) => {
            let after = entry_after(request)?;
            Ok(Answer::json(200, &ActivityBody::from(access.activity(claims, after.as_deref()).await?)))
        }
        ("GET", Some("export"), None) => {
            Ok(Answer::json(200, &ExportBody::new(access.export(caller, claims).await?, &claims.sid)))
        }
        ("DELETE", None, _) => {
            access.delete_account(caller, claims).await?;
            Ok(Answer::empty())
        }
        _ => Err(Problem::NotFound),
    }
}
