//! Measures release builds on this machine: how functions start, what requests take, and how much memory they use. `make bench`
//! runs it; `docs/performance.md` says how to read the result. Linux only.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{process::Command, time::sleep};
use twostep_local::{lambda::environment, template::Template};
use twostep_tests::{
    PASSWORD, SignedIn, Stack,
    backend::{Backend, Fault, Mode},
    eventually, fresh_email,
    function_process::{FunctionProcess, Start, peak_memory},
    paths::{programs, root},
    performance::{
        CpuUsed, OF_A_SIGN_IN, Times, as_f64, median, millis, only_process, registered, settings, sign_in, timed,
    },
    stack::free_ports,
};

/// How often each function is started.
const STARTS: usize = 15;
/// How often each request is made.
const TIMES: usize = 200;
/// Requests whose calls of DynamoDB are delayed, so that calls in parallel overlap.
const DELAYED: usize = 5;
const DELAY: Duration = Duration::from_millis(60);

#[tokio::main]
async fn main() {
    let stack = Stack::start(&[("CONCURRENCY", "1"), ("LOG_LEVEL", "warn")]).await;
    print_starts(&stack).await;
    let rounds = rounds().await;
    requests(&stack, &rounds).await;
}

/// A function that is started again and again.
struct Started {
    name: String,
    binary: PathBuf,
    environment: Vec<(String, String)>,
    starts: Vec<Start>,
}

impl Started {
    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn wall(&self) -> Duration {
        median(self.starts.iter().map(|start| start.wall).collect())
    }

    fn cpu(&self) -> Duration {
        median(self.starts.iter().map(|start| start.cpu).collect())
    }
}

/// From the start of a process to its first request for an event, interleaved, so that all functions meet the same machine.
async fn print_starts(stack: &Stack) {
    let template = Template::read(&root().join("template.yaml").to_string_lossy()).expect("the template");
    let settings = settings(stack);
    let functions = template.functions();
    let started = |name: &str, environment| Started {
        name: name.to_owned(),
        binary: programs().join(name),
        environment,
        starts: Vec::new(),
    };
    let any = functions.first().expect("a function");
    let mut all = vec![started("empty", environment::of(any, &template, &settings))];
    all.extend(
        functions.iter().map(|function| started(&function.name, environment::of(function, &template, &settings))),
    );
    for _ in 0..STARTS {
        for function in &mut all {
            let process = FunctionProcess::start(function.command()).await;
            function.starts.push(process.start);
        }
    }
    let (empty_wall, empty_cpu) = (all[0].wall(), all[0].cpu());
    all.sort_by_key(Started::cpu);
    println!("| function | MB | ready, ms | CPU, ms | ready, ratio | CPU, ratio |\n|---|---|---|---|---|---|");
    for function in &all {
        let (wall, cpu) = (function.wall(), function.cpu());
        println!(
            "| {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} |",
            function.name,
            megabytes(&function.binary),
            millis(wall),
            millis(cpu),
            wall.as_secs_f64() / empty_wall.as_secs_f64(),
            cpu.as_secs_f64() / empty_cpu.as_secs_f64()
        );
    }
    println!();
}

/// How many calls of DynamoDB wait for one another in each kind of request, at most.
async fn rounds() -> BTreeMap<&'static str, usize> {
    let [dynamodb] = free_ports();
    let backend = Backend::before(dynamodb).await;
    let (port, url) = (dynamodb.to_string(), backend.url());
    let stack = Stack::start(&[
        ("CONCURRENCY", "1"),
        ("LIMITS", "deployed"),
        ("THROTTLES", "off"),
        ("DYNAMODB_PORT", &port),
        ("AWS_ENDPOINT_URL_DYNAMODB", &url),
    ])
    .await;
    let client = stack.client();
    let email = fresh_email();
    client.register_password(&email, PASSWORD).await;
    let phones = registered(&client, DELAYED + 1).await;
    // The first of each finds cold caches.
    sign_in(&client, &phones[0], &mut Times::new()).await;
    client.log_in(&email, PASSWORD).await;
    backend.inject(Fault { function: "", call: "", mode: Mode::Delay(DELAY), skip: 0, count: usize::MAX });
    let mut most = BTreeMap::new();
    let mut seen = |what, function: &str| {
        let rounds = backend.rounds_of(function);
        let most = most.entry(what).or_default();
        *most = rounds.max(*most);
    };
    for phone in &phones[1..] {
        for function in OF_A_SIGN_IN.iter().chain(&["session", "password-login"]) {
            let _ = backend.rounds_of(function);
        }
        let challenge = client.start("/login/phone", phone).await.expect(202);
        let code = client.nth_code(phone, 2).await;
        // The last call of a message counts its delivery.
        eventually("a delivered message", async || {
            backend.calls_of("sms-status").contains(&"UpdateItem counters".to_owned()).then_some(())
        })
        .await;
        seen("start", "phone-login");
        seen("send", "send-sms");
        let session = SignedIn::from_session(&client.verify(&challenge, &code).await.expect(200));
        seen("verify", "verify-code");
        client.refresh(&session.refresh_token).await.expect(200);
        seen("refresh", "session");
        client.log_in(&email, PASSWORD).await.expect(200);
        seen("password login", "password-login");
    }
    most
}

/// Requests one after the other, through the gateway.
async fn requests(stack: &Stack, rounds: &BTreeMap<&str, usize>) {
    let client = stack.client();
    let email = fresh_email();
    let session = client.register_password(&email, PASSWORD).await;
    let phones = registered(&client, TIMES + 1).await;
    // The first of each finds cold caches.
    sign_in(&client, &phones[0], &mut Times::new()).await;
    client.log_in(&email, PASSWORD).await;
    client.refresh(&session.refresh_token).await.expect(200);

    let mut times = Times::new();
    let before = CpuUsed::until_now(stack, &OF_A_SIGN_IN).await;
    let mut sessions = Vec::new();
    for phone in &phones[1..] {
        sessions.push(sign_in(&client, phone, &mut times).await);
    }
    // Delivery reports and counts come later.
    sleep(Duration::from_secs(5)).await;
    let mut cpu = before.since(stack).await;
    let before = CpuUsed::until_now(stack, &["password-login", "session"]).await;
    for session in &sessions {
        timed(&mut times, "password login", client.log_in(&email, PASSWORD)).await.expect(200);
        timed(&mut times, "refresh", client.refresh(&session.refresh_token)).await.expect(200);
    }
    cpu.extend(before.since(stack).await);

    println!(
        "| what | function | p50, ms | p99, ms | CPU, ms | round trips | peak memory, MB |\n|---|---|---|---|---|---|---|"
    );
    for (what, function) in [
        ("start", "phone-login"),
        ("send", "send-sms"),
        ("verify", "verify-code"),
        ("password login", "password-login"),
        ("refresh", "session"),
    ] {
        let mut sorted = times[what].clone();
        sorted.sort();
        let rounds = rounds[what];
        println!(
            "| {what} | {function} | {:.1} | {:.1} | {:.2} | {rounds} | {:.0} |",
            millis(sorted[sorted.len() / 2]),
            millis(sorted[sorted.len() * 99 / 100]),
            millis(cpu[function]) / as_f64(TIMES),
            as_f64(usize::try_from(memory_of(stack, function).await).unwrap_or(0)) / 1024.0
        );
    }
    let whole: Duration = OF_A_SIGN_IN.iter().map(|function| cpu[*function]).sum();
    println!("\nCPU of a sign-in by phone, all functions together: {:.2} ms", millis(whole) / as_f64(TIMES));
    for function in OF_A_SIGN_IN {
        println!("  {function}: {:.2} ms", millis(cpu[function]) / as_f64(TIMES));
    }
}

async fn memory_of(stack: &Stack, function: &str) -> u64 {
    peak_memory(only_process(stack, function).await)
}

fn megabytes(file: &Path) -> f64 {
    let bytes = std::fs::metadata(file).expect("a built function").len();
    as_f64(usize::try_from(bytes).unwrap_or(usize::MAX)) / 1_000_000.0
}
