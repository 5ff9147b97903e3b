//! The protocol that the SDKs speak: AWS JSON 1.0, with the operation in `X-Amz-Target` (Amazon SQS API reference).

use std::{sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout_at};

use super::{
    queue::{Message, Queue},
    queues::Queues,
};
use crate::clock;

/// SQS's message quotas: size in bytes; delay, wait and visibility timeout in seconds.
const LARGEST_MESSAGE: usize = 1024 * 1024;
const LONGEST_DELAY: u64 = 900;
const LONGEST_WAIT: u64 = 20;
const LONGEST_TIMEOUT: u64 = 43_200;

struct Error {
    kind: &'static str,
    message: String,
}

type Outcome = Result<Value, Error>;

fn invalid(message: &str) -> Error {
    Error { kind: "InvalidParameterValue", message: message.to_owned() }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let body = json!({ "__type": format!("com.amazonaws.sqs#{}", self.kind), "message": self.message });
        // The error's code in the query protocol. The SDKs map errors by this code.
        let code = match self.kind {
            "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue",
            "MessageNotInflight" => "AWS.SimpleQueueService.MessageNotInflight",
            kind => kind,
        };
        let json = [(header::CONTENT_TYPE, "application/x-amz-json-1.0")];
        let query_error = [("x-amzn-query-error", format!("{code};Sender"))];
        (StatusCode::BAD_REQUEST, json, query_error, body.to_string()).into_response()
    }
}

pub async fn handle(State(queues): State<Arc<Queues>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    match answer(&queues, target.trim_start_matches("AmazonSQS."), &request).await {
        Ok(answer) => ([(header::CONTENT_TYPE, "application/x-amz-json-1.0")], answer.to_string()).into_response(),
        Err(error) => error.into_response(),
    }
}

async fn answer(queues: &Queues, operation: &str, request: &Value) -> Outcome {
    let name = request["QueueUrl"].as_str().and_then(|url| url.rsplit('/').next()).unwrap_or_default();
    let queue = queues.find(name).ok_or_else(|| Error {
        kind: "QueueDoesNotExist",
        message: "The specified queue does not exist.".to_owned(),
    })?;
    match operation {
        "SendMessage" => send(&queue, request),
        "SendMessageBatch" => send_batch(&queue, request),
        "ReceiveMessage" => receive(queues, &queue, request).await,
        "DeleteMessage" => {
            queue.delete(handle_of(request)?);
            Ok(json!({}))
        }
        "ChangeMessageVisibility" => change_visibility(&queue, request),
        other => Err(Error { kind: "InvalidAction", message: format!("the laptop's SQS doesn't support {other:?}") }),
    }
}

fn send(queue: &Queue, request: &Value) -> Outcome {
    let body = request["MessageBody"].as_str().filter(|body| !body.is_empty());
    let body = body.ok_or_else(|| invalid("MessageBody must not be empty"))?;
    if body.len() > LARGEST_MESSAGE {
        return Err(invalid("One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes."));
    }
    let delay = seconds(request, "DelaySeconds", LONGEST_DELAY)?;
    let attributes = request["MessageAttributes"].as_object().cloned().unwrap_or_default();
    Ok(json!({ "MessageId": queue.send(body.to_owned(), attributes, delay, clock::epoch_millis()) }))
}

/// Each entry is a message of its own, and so is its failure.
fn send_batch(queue: &Queue, request: &Value) -> Outcome {
    let entries = request["Entries"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !(1..=10).contains(&entries.len()) {
        let kind = if entries.is_empty() { "EmptyBatchRequest" } else { "TooManyEntriesInBatchRequest" };
        return Err(Error { kind, message: "A batch has 1 to 10 entries.".to_owned() });
    }
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for entry in entries {
        match send(queue, entry) {
            Ok(sent) => successful.push(json!({ "Id": entry["Id"], "MessageId": sent["MessageId"] })),
            Err(error) => failed
                .push(json!({ "Id": entry["Id"], "Code": error.kind, "Message": error.message, "SenderFault": true })),
        }
    }
    Ok(json!({ "Successful": successful, "Failed": failed }))
}

async fn receive(queues: &Queues, queue: &Queue, request: &Value) -> Outcome {
    let most = request["MaxNumberOfMessages"].as_u64().unwrap_or(1);
    if !(1..=10).contains(&most) {
        return Err(invalid("MaxNumberOfMessages must be between 1 and 10"));
    }
    let visibility = seconds(request, "VisibilityTimeout", LONGEST_TIMEOUT)?;
    let wait = seconds(request, "WaitTimeSeconds", LONGEST_WAIT)?.unwrap_or(0);
    let end = Instant::now() + Duration::from_secs(wait);
    loop {
        let changed = queue.changed();
        let now = clock::epoch_millis();
        let messages = queues.receive(queue, usize::try_from(most).unwrap_or(1), visibility, now);
        if !messages.is_empty() {
            return Ok(json!({ "Messages": messages.iter().map(written).collect::<Vec<_>>() }));
        }
        if Instant::now() >= end {
            return Ok(json!({}));
        }
        let due = queue.next_visible().map(|at| Instant::now() + Duration::from_millis(at.saturating_sub(now)));
        let _ = timeout_at(due.map_or(end, |due| due.min(end)), changed).await;
    }
}

fn written(message: &Message) -> Value {
    let mut value = json!({
        "MessageId": message.id,
        "ReceiptHandle": message.receipt_handle,
        "Body": message.body,
        "Attributes": system_attributes(message),
    });
    if !message.attributes.is_empty() {
        value["MessageAttributes"] = Value::Object(message.attributes.clone());
    }
    value
}

/// The message's system attributes, as strings.
#[must_use]
pub fn system_attributes(message: &Message) -> Map<String, Value> {
    let attributes = [
        ("ApproximateReceiveCount", message.receive_count.to_string()),
        ("SentTimestamp", message.sent_at.to_string()),
        ("SenderId", "local".to_owned()),
        ("ApproximateFirstReceiveTimestamp", message.first_received_at.to_string()),
    ];
    attributes.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect()
}

fn change_visibility(queue: &Queue, request: &Value) -> Outcome {
    let timeout = seconds(request, "VisibilityTimeout", LONGEST_TIMEOUT)?;
    let timeout = timeout.ok_or_else(|| invalid("VisibilityTimeout is required"))?;
    if queue.change_visibility(handle_of(request)?, timeout, clock::epoch_millis()) {
        Ok(json!({}))
    } else {
        Err(Error { kind: "MessageNotInflight", message: "The message is not in flight.".to_owned() })
    }
}

fn handle_of(request: &Value) -> Result<&str, Error> {
    let handle = request["ReceiptHandle"].as_str().filter(|handle| !handle.is_empty());
    handle.ok_or_else(|| Error { kind: "ReceiptHandleIsInvalid", message: "The receipt handle is missing.".to_owned() })
}

fn seconds(request: &Value, name: &str, most: u64) -> Result<Option<u64>, Error> {
    match &request[name] {
        Value::Null => Ok(None),
        value => match value.as_u64().filter(|seconds| *seconds <= most) {
            Some(seconds) => Ok(Some(seconds)),
            None => Err(invalid(&format!("{name} must be between 0 and {most}"))),
        },
    }
}
