//! The SQS queues.

use std::time::Duration;

use serde_json::Value;

use super::{document::Template, names};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    pub name: String,
    /// How long a received message stays hidden.
    pub visibility_timeout: Duration,
    /// How long a message waits before it can be received, unless the message sets its own delay.
    pub delay: Duration,
    pub retention: Duration,
    pub redrive: Option<RedrivePolicy>,
}

/// Where messages go that exceed the maximum receive count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedrivePolicy {
    pub dead_letter_queue: String,
    pub max_receive_count: u32,
}

impl Template {
    #[must_use]
    pub fn queues(&self) -> Vec<Queue> {
        self.of_type("AWS::SQS::Queue").map(|(id, properties)| self.queue(id, properties)).collect()
    }

    #[must_use]
    pub fn is_queue(&self, id: &str) -> bool {
        self.resources[id]["Type"] == "AWS::SQS::Queue"
    }

    fn queue(&self, id: &str, properties: &Value) -> Queue {
        // Defaults are those of the SQS API reference, `CreateQueue`.
        let seconds = |name: &str, default: u64| Duration::from_secs(properties[name].as_u64().unwrap_or(default));
        let redrive = &properties["RedrivePolicy"];
        let target = redrive["deadLetterTargetArn"].as_str().and_then(|arn| arn.split('.').next());
        let redrive = target.and_then(|target| self.physical_name(target)).map(|dead_letter_queue| RedrivePolicy {
            dead_letter_queue,
            max_receive_count: redrive["maxReceiveCount"]
                .as_u64()
                .and_then(|count| u32::try_from(count).ok())
                .unwrap_or(10),
        });
        Queue {
            name: names::queue(id, properties),
            visibility_timeout: seconds("VisibilityTimeout", 30),
            delay: seconds("DelaySeconds", 0),
            retention: seconds("MessageRetentionPeriod", 345_600),
            redrive,
        }
    }
}
