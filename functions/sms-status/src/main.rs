//! `GET` and `POST /v1/sms/status/{token}`: delivery reports of Clickatell and of a hook.

use twostep_http::{Answer, Error, Problem, Request, bodies::delivery_reports, segment_after, serve_servers};
use twostep_runtime::{Startup, secrets::Secrets, startup::forever};
use twostep_stores::Tables;
use twostep_usecases::{Outage, messages::RecordDeliveryReports};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let startup = Startup::begin().await?;
    let reports = forever(RecordDeliveryReports::open(&Tables::new(&startup), &Secrets::new(&startup))?);
    reports.warm_up().await;
    serve_servers(&startup, |request| handle(reports, request)).await
}

async fn handle(reports: &RecordDeliveryReports, request: Request) -> Result<Answer, Problem> {
    let token = segment_after(&request, "status").unwrap_or_default();
    let sender = reports.reporter(token).await?.ok_or(Problem::InvalidCallbackToken)?;
    for report in delivery_reports::read(&request, sender) {
        reports.record(&report).await.map_err(Outage::from)?;
    }
    Ok(Answer::empty())
}
