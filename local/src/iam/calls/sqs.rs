//! SQS (JSON 1.0). A batch operation needs the action of the single operation.

use serde_json::Value;

use crate::{arn, iam::request::Request};

pub fn requests(operation: &str, body: &Value) -> Option<Vec<Request>> {
    let action = match operation {
        "ChangeMessageVisibility"
        | "DeleteMessage"
        | "GetQueueAttributes"
        | "GetQueueUrl"
        | "ReceiveMessage"
        | "SendMessage" => operation,
        "ChangeMessageVisibilityBatch" | "DeleteMessageBatch" | "SendMessageBatch" => {
            operation.trim_end_matches("Batch")
        }
        _ => return None,
    };
    let queue = body["QueueUrl"].as_str().and_then(|url| url.rsplit('/').next());
    let queue = queue.or_else(|| body["QueueName"].as_str())?;
    Some(vec![Request::new(&format!("sqs:{action}"), &arn::queue(queue))])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_operation_is_an_action_on_its_queue() {
        let body = json!({ "QueueUrl": "http://localhost:9324/123456789012/later" });
        let queue = "arn:aws:sqs:us-east-1:123456789012:later";
        for (operation, action) in [("SendMessage", "sqs:SendMessage"), ("SendMessageBatch", "sqs:SendMessage")] {
            assert_eq!(requests(operation, &body), Some(vec![Request::new(action, queue)]));
        }
        let by_name = json!({ "QueueName": "later" });
        assert_eq!(requests("GetQueueUrl", &by_name), Some(vec![Request::new("sqs:GetQueueUrl", queue)]));
        assert_eq!(requests("CreateQueue", &by_name), None);
        assert_eq!(requests("SendMessage", &json!({})), None);
    }
}
