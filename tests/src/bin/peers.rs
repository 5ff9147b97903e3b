//! Compares a sign-in by phone with two services that people use instead, each in a Node process: OpenAuth with its DynamoDB
//! storage, and better-auth with SQLite in the process. `make bench-peers` runs it; see `docs/performance.md`. Linux only.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};
use tokio::{net::TcpListener, process::Command, time::sleep};
use twostep_local::{aws::dynamodb, lambda::environment, template::Template};
use twostep_tests::{
    Stack, fresh_phone,
    function_process::{FunctionProcess, Start, cpu_time, peak_memory},
    paths::{programs, root},
    performance::{CpuUsed, OF_A_SIGN_IN, Times, as_f64, median, millis, only_process, registered, settings, sign_in},
};

const STARTS: usize = 11;
/// Sign-ins before the measured ones: V8 compiles what is hot.
const WARM_UP: usize = 100;
const TIMES: usize = 300;
const TABLE: &str = "
Resources:
  OpenauthTable:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }, { AttributeName: sk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }, { AttributeName: sk, KeyType: RANGE }]
";

/// One line of the result.
struct Row {
    name: &'static str,
    start: Start,
    cpu: Duration,
    memory: u64,
}

#[tokio::main]
async fn main() {
    let [whole, codes] = own().await;
    let rows = [codes, whole, open_auth().await, better_auth().await];
    let own = &rows[0];
    println!(
        "| service | ready, ms | CPU of a start, ms | CPU of a sign-in, ms | peak memory, MB | ready, ratio | CPU of a sign-in, ratio |"
    );
    println!("|---|---|---|---|---|---|---|");
    for Row { name, start, cpu, memory } in &rows {
        println!(
            "| {name} | {:.1} | {:.1} | {:.2} | {:.0} | {:.1} | {:.1} |",
            millis(start.wall),
            millis(start.cpu),
            millis(*cpu),
            as_f64(usize::try_from(*memory).unwrap_or(0)) / 1024.0,
            start.wall.as_secs_f64() / own.start.wall.as_secs_f64(),
            cpu.as_secs_f64() / own.cpu.as_secs_f64()
        );
    }
}

/// All functions that a sign-in runs, and those that do what the peers do: they make a code and check it, and hand the
/// message to a function that drops it. A start is that of `phone-login`.
async fn own() -> [Row; 2] {
    let stack = Stack::start(&[("CONCURRENCY", "1"), ("LOG_LEVEL", "warn")]).await;
    let client = stack.client();
    let phones = registered(&client, WARM_UP + TIMES).await;
    let (first, measured) = phones.split_at(WARM_UP);
    for phone in first {
        sign_in(&client, phone, &mut Times::new()).await;
    }
    let before = CpuUsed::until_now(&stack, &OF_A_SIGN_IN).await;
    for phone in measured {
        sign_in(&client, phone, &mut Times::new()).await;
    }
    // Delivery reports and counts come later.
    sleep(Duration::from_secs(5)).await;
    let cpu: BTreeMap<_, _> = before.since(&stack).await;
    let memory = peak_memory(only_process(&stack, "verify-code").await);

    let template = Template::read(&root().join("template.yaml").to_string_lossy()).expect("the template");
    let settings = settings(&stack);
    let functions = template.functions();
    let function = functions.iter().find(|function| function.name == "phone-login").expect("phone-login");
    let variables = environment::of(function, &template, &settings);
    let start = starts(|| {
        let mut command = Command::new(programs().join("phone-login"));
        command.envs(variables.clone());
        command
    });
    let start = start.await;
    let row = |name, cpu: Duration| Row { name, start, cpu: cpu / count(TIMES), memory };
    [
        row("TwoStep, with budgets, message and delivery report", cpu.values().sum()),
        row("TwoStep, code asked for and entered", cpu["phone-login"] + cpu["verify-code"]),
    ]
}

async fn open_auth() -> Row {
    let template = Template::parse(TABLE).expect("a template");
    let database = dynamodb::open(None, &template).expect("an empty database");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    let command = || {
        let mut command = node("openauth");
        command.env("AWS_ENDPOINT_URL_DYNAMODB", &endpoint).env("AWS_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", "local").env("AWS_SECRET_ACCESS_KEY", "local");
        command
    };
    measure("OpenAuth, DynamoDB", command, async |peer, phone| {
        let to = "https://site.example/callback";
        let path = format!("/authorize?client_id=site&redirect_uri={to}&response_type=code&provider=code");
        let mut jar = Jar::default();
        jar.ask(peer, "GET", &path, "").await;
        jar.ask(peer, "POST", "/code/authorize", &format!("action=request&phone={}", &phone[1..])).await;
        let code = invoke(peer, "GET", "/code", "", "").await["body"].as_str().expect("a code").to_owned();
        let done = jar.ask(peer, "POST", "/code/authorize", &format!("action=verify&code={code}")).await;
        let code = done["location"].as_str().and_then(|url| url.split("code=").nth(1)).expect("a code").to_owned();
        let form = format!("grant_type=authorization_code&client_id=site&redirect_uri={to}&code={code}");
        let tokens = jar.ask(peer, "POST", "/token", &form).await;
        assert!(tokens["body"].as_str().expect("a body").contains("access_token"), "{tokens}");
    })
    .await
}

async fn better_auth() -> Row {
    measure(
        "better-auth, SQLite in the process",
        || node("better-auth"),
        async |peer, phone| {
            let json = async |peer: &mut FunctionProcess, path: &str, body: Value| {
                invoke(peer, "POST", path, "application/json", &body.to_string()).await
            };
            json(peer, "/api/auth/phone-number/send-otp", json!({ "phoneNumber": phone })).await;
            let code = invoke(peer, "GET", "/code", "", "").await["body"].clone();
            let body = json!({ "phoneNumber": phone, "code": code });
            let session = json(peer, "/api/auth/phone-number/verify", body).await;
            assert_eq!(session["status"], 200, "{session}");
        },
    )
    .await
}

/// Every number signs in twice, and the second time is measured: accounts exist then.
async fn measure(
    name: &'static str,
    command: impl Fn() -> Command,
    sign_in: impl AsyncFn(&mut FunctionProcess, &str),
) -> Row {
    let mut peer = FunctionProcess::start(command()).await;
    let phones: Vec<String> = (0..WARM_UP + TIMES).map(|_| fresh_phone()).collect();
    for phone in &phones {
        sign_in(&mut peer, phone).await;
    }
    let before = cpu_time(peer.id());
    for phone in &phones[WARM_UP..] {
        sign_in(&mut peer, phone).await;
    }
    let cpu = cpu_time(peer.id()).saturating_sub(before) / count(TIMES);
    let memory = peak_memory(peer.id());
    drop(peer);
    Row { name, start: starts(command).await, cpu, memory }
}

async fn starts(command: impl Fn() -> Command) -> Start {
    let mut all = Vec::new();
    for _ in 0..STARTS {
        all.push(FunctionProcess::start(command()).await.start);
    }
    Start {
        wall: median(all.iter().map(|start| start.wall).collect()),
        cpu: median(all.iter().map(|start| start.cpu).collect()),
    }
}

fn node(peer: &str) -> Command {
    let mut command = Command::new("node");
    command.arg("runtime.mjs").arg(peer).current_dir(root().join("tests/peers")).env("NODE_ENV", "production");
    command
}

async fn invoke(peer: &mut FunctionProcess, method: &str, path: &str, kind: &str, body: &str) -> Value {
    let headers = json!({ "content-type": kind, "origin": "http://localhost" });
    let body = (method != "GET").then_some(body);
    peer.invoke(&json!({ "method": method, "path": path, "headers": headers, "body": body })).await
}

/// A browser's cookies.
#[derive(Default)]
struct Jar(BTreeMap<String, String>);

impl Jar {
    async fn ask(&mut self, peer: &mut FunctionProcess, method: &str, path: &str, form: &str) -> Value {
        let cookies: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let headers = json!({ "content-type": "application/x-www-form-urlencoded", "cookie": cookies.join("; ") });
        let body = (method != "GET").then_some(form);
        let answer = peer.invoke(&json!({ "method": method, "path": path, "headers": headers, "body": body })).await;
        for cookie in answer["cookies"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let (pair, rest) = cookie.split_once(';').unwrap_or((cookie, ""));
            let (name, value) = pair.split_once('=').expect("a cookie");
            if rest.contains("Max-Age=0") {
                self.0.remove(name);
            } else {
                self.0.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }
}

fn count(times: usize) -> u32 {
    u32::try_from(times).unwrap_or(u32::MAX)
}
