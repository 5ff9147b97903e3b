//! Secrets Manager (JSON 1.1): each operation is an action of the same name on one secret.

use serde_json::Value;

use super::texts;
use crate::{
    arn,
    iam::{condition::ConditionKey, request::Request},
};

pub const CONDITION_KEYS: [ConditionKey; 3] = [
    ConditionKey::single("secretsmanager:SecretId"),
    ConditionKey::single("secretsmanager:VersionId"),
    ConditionKey::many("secretsmanager:VersionStage"),
];

pub fn requests(operation: &str, body: &Value) -> Option<Vec<Request>> {
    match operation {
        "DescribeSecret"
        | "GetSecretValue"
        | "ListSecretVersionIds"
        | "PutSecretValue"
        | "RotateSecret"
        | "UpdateSecret"
        | "UpdateSecretVersionStage" => {
            let mut request = one(operation, body["SecretId"].as_str()?);
            if let Some(version) = body["VersionId"].as_str() {
                request = request.with("secretsmanager:VersionId", [version]);
            }
            let stages = [texts(&body["VersionStage"]), texts(&body["VersionStages"])].concat();
            if !stages.is_empty() {
                request = request.with("secretsmanager:VersionStage", stages);
            }
            Some(vec![request])
        }
        // IAM must allow the batch itself and each read in it. With filters, the batch may read any secret.
        "BatchGetSecretValue" if body["Filters"].is_null() => {
            let reads = texts(&body["SecretIdList"]);
            let batch = Request::new("secretsmanager:BatchGetSecretValue", "*");
            Some(std::iter::once(batch).chain(reads.iter().map(|id| one("GetSecretValue", id))).collect())
        }
        _ => None,
    }
}

fn one(operation: &str, id: &str) -> Request {
    let secret = arn::secret(id);
    Request::new(&format!("secretsmanager:{operation}"), &secret).with("secretsmanager:SecretId", [secret])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_the_same_by_its_name_its_arn_and_its_arn_without_the_random_end() {
        let whole = "arn:aws:secretsmanager:us-east-1:123456789012:secret:twostep/keys-AbC123";
        let partial = "arn:aws:secretsmanager:us-east-1:123456789012:secret:twostep/keys";
        for id in ["twostep/keys", whole, partial] {
            let request = &requests("GetSecretValue", &json!({ "SecretId": id })).unwrap()[0];
            assert_eq!(request.action, "secretsmanager:GetSecretValue");
            assert_eq!(request.resource, "arn:aws:secretsmanager:us-east-1:123456789012:secret:twostep/keys-Laptop");
        }
    }

    #[test]
    fn versions_and_stages_are_carried() {
        let get = json!({ "SecretId": "a", "VersionId": "v1", "VersionStage": "AWSPENDING" });
        let get = &requests("GetSecretValue", &get).unwrap()[0];
        assert_eq!(get.context.get("secretsmanager:VersionId"), ["v1"]);
        assert_eq!(get.context.get("secretsmanager:VersionStage"), ["AWSPENDING"]);
        let put = json!({ "SecretId": "a", "SecretString": "s", "VersionStages": ["ONE", "TWO"] });
        let put = &requests("PutSecretValue", &put).unwrap()[0];
        assert_eq!(put.context.get("secretsmanager:VersionStage"), ["ONE", "TWO"]);
    }

    #[test]
    fn a_batch_is_itself_and_each_of_its_reads() {
        let batch = requests("BatchGetSecretValue", &json!({ "SecretIdList": ["a", "b"] })).unwrap();
        let actions: Vec<_> = batch.iter().map(|request| (&*request.action, &*request.resource)).collect();
        let [a, b] = [arn::secret("a"), arn::secret("b")];
        let get = "secretsmanager:GetSecretValue";
        assert_eq!(actions, [("secretsmanager:BatchGetSecretValue", "*"), (get, &*a), (get, &*b)]);
        assert_eq!(requests("BatchGetSecretValue", &json!({ "Filters": [] })), None);
        assert_eq!(requests("CreateSecret", &json!({ "Name": "a" })), None);
    }
}
