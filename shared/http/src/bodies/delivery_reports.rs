//! Delivery reports.

use lambda_http::{Request, RequestExt};
use twostep_domain::sender::SenderKind;
use twostep_senders::{clickatell::DeliveryReport, webhook};

/// The reports in a callback of this sender. What is not understood is left out.
#[must_use]
pub fn read(request: &Request, sender: SenderKind) -> Vec<DeliveryReport> {
    if sender == SenderKind::Webhook {
        let report = webhook::Report::read(request.body()).map(|report| DeliveryReport {
            message_id: sender.message_name(&report.message_id),
            reference: None,
            delivery: Some(report.delivery),
        });
        return report.into_iter().collect();
    }
    let query = request.query_string_parameters();
    DeliveryReport::read(|name| query.first(name), request.body())
}
