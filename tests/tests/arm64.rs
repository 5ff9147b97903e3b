//! Runs the deployed arm64 artifacts under qemu. `make arm64` builds them.

use std::{
    fs,
    process::{Command, Stdio},
    sync::Arc,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Mutex, sync::mpsc};
use twostep_tests::{PATIENCE, Stack, paths::root};

/// Debian's folder of arm64 libraries.
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";

/// The Lambda runtime API of one invocation.
struct Lambda {
    event: Mutex<Option<Value>>,
    answer: mpsc::Sender<Value>,
}

/// Runs the arm64 build of `function` against the stack with one event, and returns its response.
async fn invoke(stack: &Stack, function: &str, event: Value) -> Value {
    let (answer, mut answers) = mpsc::channel(1);
    // The Lambda runtime API: the function fetches an event and posts its response.
    let lambda = Arc::new(Lambda { event: Mutex::new(Some(event)), answer });
    let next = get(|State(lambda): State<Arc<Lambda>>| async move {
        let Some(event) = lambda.event.lock().await.take() else { std::future::pending().await };
        let mut headers = HeaderMap::new();
        headers.insert("lambda-runtime-aws-request-id", "1".parse().unwrap());
        headers.insert("lambda-runtime-deadline-ms", "9999999999999".parse().unwrap());
        headers.insert("lambda-runtime-invoked-function-arn", "arn:aws:lambda:x:1:function:x".parse().unwrap());
        (headers, event.to_string())
    });
    let response = post(|State(lambda): State<Arc<Lambda>>, body: String| async move {
        lambda.answer.send(serde_json::from_str(&body).unwrap()).await.unwrap();
        StatusCode::ACCEPTED
    });
    let runtime = Router::new()
        .route("/2018-06-01/runtime/invocation/next", next)
        .route("/2018-06-01/runtime/invocation/1/response", response)
        .with_state(lambda);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, runtime).await });

    let local = |port: u16| format!("http://localhost:{port}");
    let mut process = Command::new("qemu-aarch64")
        .args(["-L", LIBRARIES])
        .arg(root().join(format!("target/lambda/{function}/bootstrap")))
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", function)
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "local")
        .env("AWS_SECRET_ACCESS_KEY", "local")
        .env("AWS_ENDPOINT_URL_DYNAMODB", local(stack.dynamodb_port))
        .env("AWS_ENDPOINT_URL_SECRETS_MANAGER", local(stack.secrets_port))
        .envs(
            ["users", "codes", "counters", "sessions", "settings", "audit"]
                .map(|name| (format!("{name}_table").to_uppercase(), name)),
        )
        .env("KEYS_SECRET", twostep_local::aws::secrets_manager::KEYS)
        .env("SITE_NAME", "Example")
        .env("SITE_HOST", "localhost")
        .env("ALLOWED_COUNTRIES", "*")
        .stdin(Stdio::null())
        .spawn()
        .expect("qemu-user and libc6-arm64-cross are installed");
    let answer = tokio::time::timeout(PATIENCE, answers.recv()).await;
    process.kill().unwrap();
    process.wait().unwrap();
    server.abort();
    answer.unwrap_or_else(|_| panic!("{function} doesn't respond")).unwrap()
}

fn body(answer: &Value) -> Value {
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "`make arm64` builds what this runs"]
async fn the_arm64_artifacts_register_a_number() {
    let stack = Stack::start(&[]).await;
    let client = stack.client();
    let event = |function: &str| -> Value {
        serde_json::from_str(&fs::read_to_string(root().join(format!("events/{function}.json"))).unwrap()).unwrap()
    };
    let started = invoke(&stack, "start-registration", event("start-registration")).await;
    assert_eq!(started["statusCode"], 202, "{started}");
    let challenge = body(&started);

    // The message was delivered, so the stack's own functions can read what the arm64 build wrote.
    let code = client.code("+14155552671").await;
    let path = format!("/v1/codes/{}/verify", challenge["challenge_id"].as_str().unwrap());
    let mut entered = event("verify-code");
    entered["rawPath"] = json!(path);
    entered["requestContext"]["http"]["path"] = json!(path);
    entered["body"] = json!(json!({ "code": code }).to_string());
    entered["isBase64Encoded"] = json!(false);
    let verified = invoke(&stack, "verify-code", entered).await;
    assert_eq!(verified["statusCode"], 200, "{verified}");
    assert_eq!(body(&verified)["outcome"], "phone_verified");
}
