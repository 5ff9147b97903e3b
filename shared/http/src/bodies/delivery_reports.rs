//! Clickatell's delivery reports.

use lambda_http::{Request, RequestExt};
use twostep_senders::clickatell::DeliveryReport;

/// The reports in a callback. What is not understood is left out.
#[must_use]
pub fn read(request: &Request) -> Vec<DeliveryReport> {
    let query = request.query_string_parameters();
    DeliveryReport::read(|name| query.first(name), request.body())
}
