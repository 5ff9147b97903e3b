//! `GET` and `PUT /v1/settings`, `GET /v1/settings/usage`, `POST /v1/settings/test-sms` and `/v1/settings/test-email`:
//! what the admin sets and sees.

use twostep_http::{
    Answer, Error, Problem, Request, TokenIssuer, authorised,
    bodies::{
        EmailBody, PhoneBody,
        settings::{SettingsBody, SettingsChangeBody, TestedBody},
        usage::UsageBody,
    },
    body, caller, segment_after, serve,
};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_senders::ses::Client;
use twostep_stores::Tables;
use twostep_usecases::admin::{ChangeSettings, Operators, ReadUsage, SendTestEmail, SendTestMessage};

struct Admin {
    operators: Operators,
    issuer: TokenIssuer,
    settings: ChangeSettings,
    usage: ReadUsage,
    test_message: SendTestMessage,
    test_email: SendTestEmail,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let (tables, secrets) = (Tables::new(&startup), Secrets::new(&startup));
    let admin = forever(Admin {
        operators: Operators::open(&tables, &secrets)?,
        issuer: TokenIssuer::open(&startup.env)?,
        settings: ChangeSettings::open(&tables, &secrets)?,
        usage: ReadUsage::open(&tables)?,
        test_message: SendTestMessage::open(&tables, &secrets)?,
        test_email: SendTestEmail::open(&tables, Client::new(&startup.aws))?,
    });
    admin.operators.warm_up().await;
    serve(&startup, |request| handle(admin, request)).await
}

async fn handle(admin: &Admin, request: Request) -> Result<Answer, Problem> {
    let caller = caller(&request);
    let who = authorised(&admin.operators, &admin.issuer, &request).await?;
    match (request.method().as_str(), segment_after(&request, "settings")) {
        ("GET", None) => Ok(Answer::json(200, &SettingsBody::from(admin.settings.read().await?))),
        ("PUT", None) => {
            let change = body::<SettingsChangeBody>(&request)?.parse()?;
            let changed = admin.settings.change(&who, &change).await?;
            Ok(Answer::json(200, &SettingsBody::changed(changed, &admin.issuer.of(&request).issuer)))
        }
        ("GET", Some("usage")) => Ok(Answer::json(200, &UsageBody::from(admin.usage.read().await?))),
        ("POST", Some("test-sms")) => {
            let message_id = admin.test_message.send(&who, &caller, &body::<PhoneBody>(&request)?.parse()?).await?;
            Ok(Answer::json(200, &TestedBody { delivery: "sent", message_id }))
        }
        ("POST", Some("test-email")) => {
            let message_id = admin.test_email.send(&who, &caller, &body::<EmailBody>(&request)?.parse()?).await?;
            Ok(Answer::json(200, &TestedBody { delivery: "sent", message_id }))
        }
        _ => Err(Problem::NotFound),
    }
}
