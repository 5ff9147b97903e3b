//! Delivery reports, sent to the service's callback as Clickatell does.

use std::time::Duration;

use serde_json::{Value, json};
use twostep_domain::time::Clock;
use twostep_runtime::clock::SystemClock;

use super::{
    faults::Mode,
    sandbox::{Sandbox, Shared},
};
use crate::{
    inbox::Status,
    sms::{Api, Sms},
};

/// How long a message takes to reach the handset.
const TRAVEL: Duration = Duration::from_millis(300);
const LATE: Duration = Duration::from_secs(5);
const TRIES: u32 = 5;

#[derive(Clone, Copy)]
pub enum Step {
    Sent,
    Delivered,
    Failed,
}

/// Reports the steps of a message's delivery as Clickatell does: in order or, depending on the fault, late, twice or
/// out of order.
pub async fn follow(sandbox: Shared, sms: Sms, mode: Mode) {
    if mode == Mode::NoCallbacks || sandbox.callback_url.is_empty() {
        return;
    }
    let last = if mode == Mode::DeliveryFailed { Step::Failed } else { Step::Delivered };
    let (steps, repeat) = match mode {
        Mode::LateCallbacks => ([last, Step::Sent], 1),
        Mode::DuplicateCallbacks => ([Step::Sent, last], 2),
        _ => ([Step::Sent, last], 1),
    };
    if mode == Mode::LateCallbacks {
        tokio::time::sleep(LATE).await;
    }
    for step in steps {
        tokio::time::sleep(TRAVEL).await;
        for _ in 0..repeat {
            report(&sandbox, &sms, step).await;
        }
    }
}

/// Reports one step of a delivery and updates the inbox. Returns whether the service accepted the report.
pub async fn report(sandbox: &Sandbox, sms: &Sms, step: Step) -> bool {
    let status = match step {
        Step::Sent => Status::Sent,
        Step::Delivered => Status::Delivered,
        Step::Failed => Status::Failed,
    };
    sandbox.inbox.set_status(&sms.api_message_id, status);
    call_back(sandbox, &callback(sms, step)).await
}

/// Retries after any response other than 2xx, as Clickatell does.
async fn call_back(sandbox: &Sandbox, body: &Value) -> bool {
    for attempt in 0..TRIES {
        let answer = sandbox.client.post(&sandbox.callback_url).json(body).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return true;
        }
        tokio::time::sleep(TRAVEL * 2_u32.pow(attempt)).await;
    }
    false
}

fn callback(sms: &Sms, step: Step) -> Value {
    let timestamp = SystemClock.now().0 * 1000;
    let (code, status) = match (sms.api, step) {
        (Api::Rest | Api::Hook, Step::Sent) => (3, "DELIVERED_TO_GATEWAY"),
        (Api::Rest | Api::Hook, Step::Delivered) => (4, "RECEIVED_BY_RECIPIENT"),
        (Api::Rest | Api::Hook, Step::Failed) => (7, "ERROR_DELIVERING"),
        (Api::One, Step::Sent) => (4, "SENT_TO_SUPPLIER"),
        (Api::One, Step::Delivered) => (5, "DEVICE_ACK"),
        (Api::One, Step::Failed) => (23, "DELIVERY_FAILURE"),
    };
    let (id, reference) = (&sms.api_message_id, &sms.client_message_id);
    match sms.api {
        Api::Rest | Api::Hook => {
            json!({"integrationName": "sandbox", "messageId": id, "requestId": id, "clientMessageId": reference, "to": sms.to, "from": sms.from, "statusCode": code, "status": status, "statusDescription": status, "timestamp": timestamp})
        }
        Api::One => {
            json!({"integrationId": "sandbox", "integrationName": "sandbox", "event": {"messageStatusUpdate": [{"channel": "sms", "messageId": id, "clientMessageId": reference, "timestamp": timestamp, "statusCode": code, "status": status}]}})
        }
    }
}
