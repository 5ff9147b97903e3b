//! The laptop's gateway, Lambda and event sources behave like AWS's, as seen through a function that follows orders.

use std::sync::Arc;

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use reqwest::{Method, header::HeaderValue};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use twostep_local::settings::Settings;
use twostep_tests::{
    eventually,
    laptop::{Laptop, settings},
    stack::kill,
};

const HTTP: &str = r#"
Globals: { Function: { Timeout: 2 } }
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      DefaultRouteSettings: { ThrottlingRateLimit: 10000, ThrottlingBurstLimit: 10000 }
      RouteSettings:
        "GET /throttled": { ThrottlingRateLimit: 0.001, ThrottlingBurstLimit: 3 }
  Probe:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/probe
      Events:
        Post: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: POST, Path: /probe } }
        Named: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: GET, Path: "/named/{name}" } }
        Any: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: ANY, Path: /any } }
        Throttled: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: GET, Path: /throttled } }
"#;

async fn http_laptop() -> Laptop {
    Laptop::start(HTTP, &settings()).await
}

fn message(text: &str) -> Value {
    json!({ "message": text })
}

#[tokio::test]
async fn an_event_and_an_answer_make_the_way_over_http() {
    let laptop = http_laptop().await;
    let request = laptop.request(Method::GET, "/named/a%20b%2Fc?x=1&x=2", &Value::Null).body("");
    let request = request.header("X-Twice", "one").header("X-Twice", "two").header("cookie", "a=1; b=2");
    let event: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!((&event["routeKey"], &event["rawPath"]), (&json!("GET /named/{name}"), &json!("/named/a b/c")));
    assert_eq!(event["pathParameters"], json!({ "name": "a b/c" }));
    assert_eq!((&event["headers"]["x-twice"], &event["cookies"]), (&json!("one,two"), &json!(["a=1", "b=2"])));
    assert_eq!(event["requestContext"]["http"]["sourceIp"], "127.0.0.1");

    let with = json!({ "statusCode": 201, "cookies": ["a=1", "b=2"], "body": "AP8=", "isBase64Encoded": true });
    let order = json!({ "do": "answer", "with": with });
    let answer = laptop.request(Method::POST, "/probe", &order).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers().get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
    assert!(answer.headers().contains_key("apigw-requestid"));
    assert_eq!(*answer.bytes().await.unwrap(), [0, 255]);
}

#[tokio::test]
async fn an_answer_to_head_has_a_length_and_no_body() {
    let laptop = http_laptop().await;
    let order = json!({ "do": "answer", "with": { "statusCode": 200, "body": "four" } });
    let answer = laptop.request(Method::HEAD, "/any", &order).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["content-length"]), (200, &HeaderValue::from_static("4")));
    assert_eq!(answer.bytes().await.unwrap().len(), 0);
}

#[tokio::test]
async fn what_has_no_route_is_not_found() {
    let laptop = http_laptop().await;
    for (method, path) in [(Method::GET, "/nowhere"), (Method::GET, "/probe"), (Method::HEAD, "/throttled")] {
        let answer = laptop.request(method.clone(), path, &Value::Null).send().await.unwrap();
        let json = HeaderValue::from_static("application/json");
        assert_eq!((answer.status().as_u16(), &answer.headers()["content-type"]), (404, &json));
        if method != Method::HEAD {
            assert_eq!(answer.json::<Value>().await.unwrap(), message("Not Found"));
        }
    }
}

#[tokio::test]
async fn a_body_or_head_beyond_the_quota_is_refused() {
    let laptop = http_laptop().await;
    for bytes in [10 * 1024 * 1024 + 1, 7 * 1024 * 1024] {
        let request = laptop.request(Method::POST, "/probe", &Value::Null).body("x".repeat(bytes));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 413, "{bytes}");
        assert_eq!(answer.json::<Value>().await.unwrap(), message("Request Entity Too Large"));
    }
    let request = laptop.request(Method::POST, "/probe", &json!({ "do": "echo" })).header("x-long", "x".repeat(10_240));
    assert_eq!(request.send().await.unwrap().status(), 431);
}

#[tokio::test]
async fn what_a_function_does_wrong_is_an_internal_server_error_and_the_next_request_is_served() {
    let laptop = http_laptop().await;
    let orders = [
        json!({ "do": "fail" }),
        json!({ "do": "exit" }),
        json!({ "do": "fill", "bytes": 7 * 1024 * 1024 }),
        json!({ "do": "wait", "millis": 60_000 }),
        json!({ "do": "answer", "with": { "statusCode": "none" } }),
    ];
    for order in orders {
        assert_eq!(laptop.post(&order).await, (500, message("Internal Server Error")), "{order}");
        assert_eq!(laptop.post(&json!({ "do": "wait", "millis": 0 })).await, (200, json!("waited")), "after {order}");
    }
}

#[tokio::test]
async fn a_request_whose_function_is_killed_is_answered() {
    let laptop = http_laptop().await;
    assert_eq!(laptop.post(&json!({ "do": "die" })).await, (500, message("Internal Server Error")));
    assert_eq!(laptop.post(&json!({ "do": "wait", "millis": 0 })).await.0, 200, "another process takes over");
    kill(&laptop.lambda.processes("probe").unwrap());
    assert_eq!(laptop.post(&json!({ "do": "wait", "millis": 0 })).await.0, 200, "a killed idle process is replaced");
}

#[tokio::test]
async fn more_requests_than_may_wait_are_refused_and_none_is_lost() {
    const REQUESTS: usize = 260;
    let template = HTTP.replace("Timeout: 2", "Timeout: 20");
    let laptop = Arc::new(Laptop::start(&template, &settings()).await);
    let mut requests = JoinSet::new();
    for _ in 0..REQUESTS {
        let laptop = laptop.clone();
        requests.spawn(async move { laptop.post(&json!({ "do": "wait", "millis": 1_000 })).await });
    }
    let answers = requests.join_all().await;
    let count = |answer: &(u16, Value)| answers.iter().filter(|other| *other == answer).count();
    let (served, refused) = (count(&(200, json!("waited"))), count(&(503, message("Service Unavailable"))));
    assert_eq!(served + refused, REQUESTS, "every request gets a response");
    assert!(served > 0 && refused > 0, "{served} were served, {refused} refused");
}

#[tokio::test]
async fn a_route_is_throttled_as_the_template_says() {
    let laptop = http_laptop().await;
    for _ in 0..3 {
        assert_eq!(
            laptop.request(Method::GET, "/throttled", &Value::Null).body("").send().await.unwrap().status(),
            200
        );
    }
    let answer = laptop.request(Method::GET, "/throttled", &Value::Null).send().await.unwrap();
    assert_eq!(answer.status(), 429);
    assert_eq!(answer.json::<Value>().await.unwrap(), message("Too Many Requests"));
    assert_eq!(laptop.post(&json!({ "do": "wait", "millis": 0 })).await.0, 200, "another route has its own throttle");
}

#[tokio::test]
async fn a_test_may_say_where_a_request_comes_from() {
    let settings = Settings { source_ip_header: Some("x-test-ip".into()), ..settings() };
    let laptop = Laptop::start(HTTP, &settings).await;
    let ask = async |from: Option<&str>| {
        let request = laptop.request(Method::POST, "/probe", &json!({ "do": "echo" }));
        let request = from
            .map_or_else(|| request.try_clone().unwrap(), |ip| request.try_clone().unwrap().header("x-test-ip", ip));
        let event: Value = request.send().await.unwrap().json().await.unwrap();
        event["requestContext"]["http"]["sourceIp"].as_str().unwrap().to_owned()
    };
    assert_eq!(ask(Some("2001:db8::7")).await, "2001:db8::7");
    assert_eq!(ask(Some("nonsense")).await, "127.0.0.1");
    assert_eq!(ask(None).await, "127.0.0.1");
}

const STREAM: &str = r#"
Resources:
  ThingsTable:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: id, AttributeType: S }]
      KeySchema: [{ AttributeName: id, KeyType: HASH }]
      StreamSpecification: { StreamViewType: NEW_IMAGE }
  Probe:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/probe
      Events:
        Things:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt ThingsTable.StreamArn
            BatchSize: 5
            FunctionResponseTypes: [ReportBatchItemFailures]
            BisectBatchOnFunctionError: true
            MaximumRetryAttempts: 1
            FilterCriteria:
              Filters:
                - Pattern: '{"dynamodb":{"NewImage":{"kind":{"S":["seen"]}}}}'
"#;

/// Puts items that make `probe` fail the given number of times, alone or with their whole batch.
fn put(laptop: &Laptop, items: &[(&str, u32, bool)]) {
    for (name, times, all) in items {
        let item = json!({
            "id": { "S": name }, "kind": { "S": "seen" }, "name": { "S": name },
            "times": { "N": times.to_string() }, "all": { "BOOL": all },
        });
        let request = json!({ "TableName": "things", "Item": item });
        laptop.database.put_item(serde_json::from_value(request).unwrap()).unwrap();
    }
}

async fn batches_become(laptop: &Laptop, expected: Value) {
    let count = expected.as_array().unwrap().len();
    let batches = eventually("the batches", async || {
        let batches = laptop.batches().await;
        (batches.as_array().unwrap().len() >= count).then_some(batches)
    });
    assert_eq!(batches.await, expected);
}

#[tokio::test]
async fn a_stream_is_tried_again_from_the_record_that_failed() {
    let laptop = Laptop::start(STREAM, &settings()).await;
    let hidden = json!({ "TableName": "things", "Item": { "id": { "S": "x" }, "kind": { "S": "hidden" } } });
    laptop.database.put_item(serde_json::from_value(hidden).unwrap()).unwrap();
    put(&laptop, &[("a", 0, false), ("b", 0, false), ("c", 1, false), ("d", 0, false), ("e", 0, false)]);
    laptop.start_event_sources();
    batches_become(&laptop, json!([["a", "b", "c", "d", "e"], ["c", "d", "e"]])).await;
}

#[tokio::test]
async fn a_batch_that_fails_is_bisected_and_its_bad_record_skipped_in_the_end() {
    let laptop = Laptop::start(STREAM, &settings()).await;
    put(&laptop, &[("a", 0, false), ("b", 0, false), ("c", 99, true), ("d", 0, false)]);
    laptop.start_event_sources();
    batches_become(&laptop, json!([["a", "b", "c", "d"], ["a", "b"], ["c", "d"], ["c"], ["c"], ["d"]])).await;
}

const QUEUE: &str = r"
Resources:
  WorkQueue:
    Type: AWS::SQS::Queue
    Properties:
      VisibilityTimeout: 1
      RedrivePolicy: { deadLetterTargetArn: !GetAtt DeadQueue.Arn, maxReceiveCount: 2 }
  DeadQueue:
    Type: AWS::SQS::Queue
  Probe:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/probe
      Events:
        Work:
          Type: SQS
          Properties:
            Queue: !GetAtt WorkQueue.Arn
            FunctionResponseTypes: [ReportBatchItemFailures]
";

fn sqs(laptop: &Laptop) -> aws_sdk_sqs::Client {
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(aws_sdk_sqs::config::BehaviorVersion::latest())
        .region(aws_sdk_sqs::config::Region::from_static("us-east-1"))
        .credentials_provider(aws_sdk_sqs::config::Credentials::for_tests())
        .endpoint_url(&laptop.sqs_url);
    aws_sdk_sqs::Client::from_conf(config.build())
}

#[tokio::test]
async fn a_failed_message_comes_again_and_then_goes_to_the_dead_letter_queue() {
    let laptop = Laptop::start(QUEUE, &settings()).await;
    let client = sqs(&laptop);
    let url = |queue: &str| format!("{}/123456789012/{queue}", laptop.sqs_url);
    for (name, times) in [("good", 0), ("once", 1), ("bad", 99)] {
        let body = json!({ "name": name, "times": times }).to_string();
        client.send_message().queue_url(url("work-queue")).message_body(body).delay_seconds(0).send().await.unwrap();
    }
    laptop.start_event_sources();
    let dead = client.receive_message().queue_url(url("dead-queue")).wait_time_seconds(20).send().await.unwrap();
    let dead: Vec<&str> = dead.messages().iter().filter_map(Message::body).collect();
    assert_eq!(dead, [json!({ "name": "bad", "times": 99 }).to_string()]);
    let batches = laptop.batches().await.to_string();
    let count = |name: &str| batches.matches(&format!("{name:?}")).count();
    assert_eq!((count("good"), count("once"), count("bad")), (1, 2, 2), "{batches}");
}

#[tokio::test]
async fn the_sdk_receives_hides_and_deletes_messages() {
    let laptop = Laptop::start(QUEUE, &settings()).await;
    let client = sqs(&laptop);
    let url = format!("{}/123456789012/work-queue", laptop.sqs_url);
    let sent = client.send_message().queue_url(&url).message_body("hello").send().await.unwrap();
    let receive = async || {
        let request = client.receive_message().queue_url(&url).visibility_timeout(900);
        let request = request.message_system_attribute_names(MessageSystemAttributeName::All);
        request.send().await.unwrap().messages.unwrap_or_default()
    };
    let first = receive().await.pop().expect("a message");
    assert_eq!((first.message_id(), first.body()), (sent.message_id(), Some("hello")));
    assert!(receive().await.is_empty(), "the message is hidden");
    let handle = first.receipt_handle().unwrap();
    client
        .change_message_visibility()
        .queue_url(&url)
        .receipt_handle(handle)
        .visibility_timeout(0)
        .send()
        .await
        .unwrap();
    let second = receive().await.pop().expect("the message is visible again");
    let count = second.attributes().and_then(|all| all.get(&MessageSystemAttributeName::ApproximateReceiveCount));
    assert_eq!(count.map(String::as_str), Some("2"));
    let handle = second.receipt_handle().unwrap();
    client.delete_message().queue_url(&url).receipt_handle(handle).send().await.unwrap();
    let missing = client.send_message().queue_url(format!("{url}-x")).message_body("x").send().await.unwrap_err();
    assert!(missing.into_service_error().is_queue_does_not_exist());
}
