//! IAM enforcement on the laptop: without a permission in the template, a call fails with a message that names
//! function, action and resource.

use std::{fs, path::Path};

use aws_sdk_dynamodb::{
    config::{BehaviorVersion, Credentials, Region},
    error::ProvideErrorMetadata,
    types::AttributeValue,
};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use twostep_local::iam::{
    access_key_id,
    usage::{self, Entry},
};
use twostep_tests::{
    PASSWORD, Stack, eventually, fresh_email, fresh_phone, http,
    paths::root,
    template::{expanded, functions},
};

const TABLES: &str = "arn:aws:dynamodb:us-east-1:123456789012:table";
const SECRETS: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret";

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_else(|| vec![value.clone()])
}

/// Removes one action on one resource from a policy document.
fn take_out(document: &mut Value, action: &str, resource: &Value) {
    let mut kept = Vec::new();
    let mut taken = false;
    for statement in list(&document["Statement"]) {
        if statement.get("Fn::If").is_some() {
            kept.push(statement);
            continue;
        }
        for each_action in list(&statement["Action"]) {
            for each_resource in list(&statement["Resource"]) {
                if each_action == action && each_resource == *resource {
                    taken = true;
                } else {
                    kept.push(json!({ "Effect": "Allow", "Action": each_action, "Resource": each_resource }));
                }
            }
        }
    }
    assert!(taken, "{action} on {resource} is not in the policy");
    document["Statement"] = kept.into();
}

fn policy_of<'a>(resources: &'a mut Value, function: &str) -> &'a mut Value {
    let role = functions()[function]["Role"]["Fn::GetAtt"][0].as_str().unwrap();
    &mut resources[role]["Properties"]["Policies"][0]["PolicyDocument"]
}

fn table(name: &str) -> Value {
    json!({ "Fn::GetAtt": [name, "Arn"] })
}

/// A stack whose template lacks one permission of each of three functions, and one of the boundary. Its denials are not
/// part of the run's usage.
async fn deprived() -> &'static Stack {
    static DEPRIVED: OnceCell<Stack> = OnceCell::const_new();
    let start = async || {
        let mut template = expanded().clone();
        let resources = &mut template["Resources"];
        let keys = json!({ "Ref": "KeysSecret" });
        take_out(policy_of(resources, "start-registration"), "dynamodb:PutItem", &table("CodesTable"));
        take_out(policy_of(resources, "register-password"), "dynamodb:PutItem", &table("SessionsTable"));
        take_out(policy_of(resources, "discovery"), "secretsmanager:GetSecretValue", &keys);
        let boundary = &mut resources["FunctionsBoundary"]["Properties"]["PolicyDocument"];
        take_out(boundary, "dynamodb:GetItem", &table("UsersTable"));
        let file = root().join("target/deprived-template.json");
        fs::write(&file, template.to_string()).unwrap();
        let environment = [("IAM_TEMPLATE", &*file.to_string_lossy()), ("IAM_USAGE", ""), ("CONCURRENCY", "1")];
        Stack::start(&environment).await
    };
    DEPRIVED.get_or_init(start).await
}

async fn log_says(stack: &Stack, function: &str, action: &str, resource: &str, reason: &str) {
    let line = format!("twostep-local: IAM denied {function}: {action} on {resource} {reason}");
    eventually(&line, async || stack.log().contains(&line).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_a_role_does_not_allow_fails_and_the_log_names_function_action_and_resource() {
    let stack = deprived().await;
    let client = stack.client();
    client.start("/register/phone", &fresh_phone()).await.expect_problem(503, "temporarily_unavailable");
    let person = json!({ "name": "Grace Hopper", "email": fresh_email(), "password": PASSWORD });
    client.post("/register/password", person).await.expect_problem(503, "temporarily_unavailable");
    client.get("/.well-known/jwks.json").await.expect_problem(503, "temporarily_unavailable");
    // A function with all its permissions still works.
    client.get("/site").await.expect(200);

    let reason = |action: &str| format!("because no identity-based policy allows the {action} action");
    for (function, action, resource) in [
        ("start-registration", "dynamodb:PutItem", format!("{TABLES}/codes")),
        // Part of a transaction.
        ("register-password", "dynamodb:PutItem", format!("{TABLES}/sessions")),
        ("discovery", "secretsmanager:GetSecretValue", format!("{SECRETS}:twostep/keys-Laptop")),
    ] {
        log_says(stack, function, action, &resource, &reason(action)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_beyond_the_boundary_fails_whatever_the_role_allows() {
    let stack = deprived().await;
    let started = stack.client().start("/login/phone", &fresh_phone()).await;
    started.expect_problem(503, "temporarily_unavailable");
    let reason = "because no permissions boundary allows the dynamodb:GetItem action";
    log_says(stack, "phone-login", "dynamodb:GetItem", &format!("{TABLES}/users"), reason).await;
}

fn dynamodb(stack: &Stack, access_key_id: &str) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .credentials_provider(Credentials::new(access_key_id, "local", None, None, "local"))
        .endpoint_url(format!("http://localhost:{}", stack.dynamodb_port));
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

fn denied(role: &str, action: &str, resource: &str, reason: &str) -> String {
    let user = format!("arn:aws:sts::123456789012:assumed-role/{role}");
    format!("User: {user} is not authorized to perform: {action} on resource: {resource} {reason}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_call_is_answered_as_aws_answers_it_and_other_credentials_are_not_asked() {
    let stack = deprived().await;
    let settings = format!("{TABLES}/settings");
    let put = async |credentials: &str| {
        let put = dynamodb(stack, credentials).put_item().table_name("settings");
        put.item("id", AttributeValue::S("spare".into())).send().await
    };
    let of_a_test = put("local").await;
    assert!(of_a_test.is_ok(), "{of_a_test:?}");
    let error = put(&access_key_id("web")).await.unwrap_err();
    assert_eq!(error.code(), Some("AccessDeniedException"));
    let reason = "because no identity-based policy allows the dynamodb:PutItem action";
    assert_eq!(error.message(), Some(&*denied("WebFunctionRole/web", "dynamodb:PutItem", &settings, reason)));
    let read = dynamodb(stack, &access_key_id("web")).get_item().table_name("settings");
    let read = read.key("id", AttributeValue::S("spare".into())).send().await.unwrap();
    assert!(read.item.is_some(), "allowed calls work");

    // The bodies on the wire: Secrets Manager's denial, and DynamoDB's for an unsupported call.
    let signed = |function: &str| {
        let scope = "20261124/us-east-1/service/aws4_request";
        format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders=host, Signature=x", access_key_id(function))
    };
    let ask = async |port: u16, target: &str, function: &str, body: Value| {
        let request = http().post(format!("http://localhost:{port}/")).header("x-amz-target", target);
        let answer = request.header("authorization", signed(function)).body(body.to_string()).send().await.unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), kind, answer.json::<Value>().await.unwrap())
    };
    let target = "secretsmanager.GetSecretValue";
    let answer = ask(stack.secrets_port, target, "web", json!({ "SecretId": "twostep/admin" })).await;
    let action = "secretsmanager:GetSecretValue";
    let reason = format!("because no identity-based policy allows the {action} action");
    let message = denied("WebFunctionRole/web", action, &format!("{SECRETS}:twostep/admin-Laptop"), &reason);
    let body = json!({ "__type": "AccessDeniedException", "Message": message });
    assert_eq!(answer, (400, "application/x-amz-json-1.1".into(), body));

    let target = "DynamoDB_20120810.ExecuteStatement";
    let answer = ask(stack.dynamodb_port, target, "web", json!({ "Statement": "SELECT * FROM users" })).await;
    let reason = "because local/src/iam/calls does not support this call";
    let message = denied("WebFunctionRole/web", "dynamodb:ExecuteStatement", "*", reason);
    let body = json!({ "__type": "com.amazon.coral.service#AccessDeniedException", "Message": message });
    assert_eq!(answer, (400, "application/x-amz-json-1.0".into(), body));

    let (status, _, body) = ask(stack.dynamodb_port, "DynamoDB_20120810.GetItem", "unknown", json!({})).await;
    assert_eq!(status, 400);
    assert!(body["Message"].as_str().unwrap().contains("the template has no such function"), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_function_makes_a_call_at_its_start_that_its_role_denies() {
    let folder = root().join("target/iam-usage-at-start");
    let _ = fs::remove_dir_all(&folder);
    let file = folder.join("start.jsonl").to_string_lossy().into_owned();
    let stack = Stack::start(&[("IAM_USAGE", &file), ("CONCURRENCY", "1")]).await;
    let client = http();
    for function in functions().keys() {
        // A function makes its initial calls before it responds, however it responds to the sample event.
        let sample = fs::read_to_string(root().join(format!("events/{function}.json"))).unwrap();
        let url = format!("http://localhost:{}/2015-03-31/functions/{function}/invocations", stack.api_port);
        client.post(url).body(sample).send().await.unwrap();
    }
    let entries = usage::read(Path::new(&folder)).unwrap();
    assert!(entries.iter().any(|entry| matches!(entry, Entry::Used { .. })), "calls were recorded");
    let denied = entries.iter().filter(|entry| matches!(entry, Entry::Denied { .. }));
    let denied: Vec<String> = denied.map(ToString::to_string).collect();
    assert!(denied.is_empty(), "{denied:#?}");
}
