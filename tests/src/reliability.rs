//! Registrations while everything around them fails: the provider misbehaves in every way, tables and secrets fail, records
//! come twice, and, in a storm, functions are killed and tables hang.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::{
    Client, Stack,
    backend::{Backend, Fault, Mode},
    code_in, eventually, fresh_email, fresh_phone,
    stack::free_ports,
    wire::Wire,
};

/// How many users register at the same time.
const AT_ONCE: usize = 24;
const POLL: Duration = Duration::from_millis(200);
/// After so long, a message that neither came nor is said to have failed is lost: its code has expired.
const LOST: Duration = Duration::from_secs(330);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    /// Dependencies answer with errors. What is counted is exact.
    Rain,
    /// Processes are killed, and tables hang and lose their answers. Too much may be counted, never too little, and a message
    /// whose process is killed again and again may come too late.
    Storm,
}

/// How one registration ended.
#[derive(Debug)]
enum End {
    Registered,
    Failed(String),
    Unknown,
    Lost(String),
}

#[derive(Debug, Default)]
pub struct Figures {
    pub registered: usize,
    /// Messages that failed, by reason.
    pub failed: BTreeMap<String, usize>,
    /// Messages that the provider may have sent, and that did not come.
    pub unknown: usize,
    /// Messages that did not come without a word.
    pub lost: Vec<String>,
    /// Messages that the provider received, and how many of them it received again.
    pub received: usize,
    pub repeated: usize,
    /// Messages that the usage has counted.
    pub counted: usize,
    pub kills: usize,
    pub took: Duration,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  registered {}, failed {:?}, unknown {}", self.registered, self.failed, self.unknown)?;
        writeln!(f, "  lost {:?}", self.lost)?;
        writeln!(f, "  received {}, of these repeated {}; counted {}", self.received, self.repeated, self.counted)?;
        write!(f, "  {} processes killed, in {:.0?}", self.kills, self.took)
    }
}

impl Figures {
    /// # Panics
    /// If a message was sent twice, lost without a word or sent without being counted; if only dependencies failed, also if
    /// one failed for another reason than the provider's.
    pub fn check(&self, weather: Weather) {
        assert_eq!(self.repeated, 0, "sent twice\n{self}");
        assert!(self.lost.is_empty(), "lost\n{self}");
        assert!(self.received <= self.counted, "sent without being counted\n{self}");
        if weather == Weather::Rain {
            let reasons: BTreeSet<&str> = self.failed.keys().map(String::as_str).collect();
            let provider_s = BTreeSet::from(["account_refused", "number_refused"]);
            assert!(reasons.is_subset(&provider_s), "only the provider refuses\n{self}");
            assert!(self.counted <= self.received + self.unknown, "counted without being sent\n{self}");
        }
    }
}

/// Registers `users` on a stack of their own.
///
/// # Panics
/// If the stack cannot be started, or answers in a way that it documents nowhere.
pub async fn run(users: usize, weather: Weather) -> Figures {
    let [dynamodb, secrets] = free_ports();
    let backend = Backend::before(dynamodb).await;
    let (tables_wire, secrets_wire) = (Wire::to(backend.port()).await, Wire::to(secrets).await);
    let environment = [
        ("DYNAMODB_PORT", &*dynamodb.to_string()),
        ("AWS_ENDPOINT_URL_DYNAMODB", &tables_wire.url()),
        ("SECRETS_PORT", &*secrets.to_string()),
        ("AWS_ENDPOINT_URL_SECRETS_MANAGER", &secrets_wire.url()),
        ("CONCURRENCY", "4"),
        ("LOG_LEVEL", "warn"),
    ];
    let stack = Arc::new(Stack::start(&environment).await);
    let client = stack.client();
    eventually("the keys", async || (client.get("/.well-known/jwks.json").await.status == 200).then_some(())).await;
    client.register(&fresh_phone()).await;
    let (tables_wire, secrets_wire) = (Arc::new(tables_wire), Arc::new(secrets_wire));
    let kills = Arc::new(AtomicUsize::new(0));
    let mut faults = vec![
        tokio::spawn(provider_faults(client.clone())),
        tokio::spawn(table_faults(backend.clone(), weather)),
        tokio::spawn(repeated_records(client.clone(), tables(dynamodb))),
    ];
    if weather == Weather::Storm {
        faults.push(tokio::spawn(kill_functions(Arc::clone(&stack), Arc::clone(&kills))));
        faults.push(tokio::spawn(hanging(Arc::clone(&tables_wire), Duration::from_millis(1_500))));
        faults.push(tokio::spawn(hanging(Arc::clone(&secrets_wire), Duration::from_secs(3))));
    }
    let began = Instant::now();
    let ends = register_all(&client, users).await;
    faults.iter().for_each(JoinHandle::abort);
    backend.heal();
    tables_wire.mend();
    secrets_wire.mend();
    client.set_fault(json!({"mode": "none"})).await;

    let mut figures = Figures { took: began.elapsed(), kills: kills.load(Ordering::Relaxed), ..Figures::default() };
    for end in ends {
        match end {
            End::Registered => figures.registered += 1,
            End::Failed(reason) => *figures.failed.entry(reason).or_default() += 1,
            End::Unknown => figures.unknown += 1,
            End::Lost(state) => figures.lost.push(state),
        }
    }
    // What is still under way ends: the provider's timeout is ten seconds, the queue's visibility timeout thirty.
    sleep(Duration::from_secs(if weather == Weather::Storm { 32 } else { 12 })).await;
    let messages = client.all_messages("sms").await;
    let references: BTreeSet<&str> = messages.iter().filter_map(|sms| sms["client_message_id"].as_str()).collect();
    figures.received = messages.len();
    figures.repeated = messages.len() - references.len();
    let key = stack.admin_key().await;
    let usage = eventually("the usage", async || {
        let answer = client.send(Method::GET, "/settings/usage", Some(&key), None).await;
        (answer.status == 200).then_some(answer.body)
    })
    .await;
    figures.counted = usage["total"]["sent"].as_u64().and_then(|sent| usize::try_from(sent).ok()).unwrap_or(0);
    figures
}

async fn register_all(client: &Client, users: usize) -> Vec<End> {
    let registrations = stream::iter(0..users).map(|_| async { register(client, &fresh_phone()).await });
    registrations.buffer_unordered(AT_ONCE).collect().await
}

/// Asks until the service does not ask to try again.
async fn persistently(ask: impl AsyncFn() -> crate::Answer) -> crate::Answer {
    eventually("an answer", async || {
        let answer = ask().await;
        let again = matches!(answer.status, 500 | 502 | 503 | 504);
        if again {
            sleep(POLL * 5).await;
        }
        (!again).then_some(answer)
    })
    .await
}

async fn register(client: &Client, phone: &str) -> End {
    let challenge = persistently(async || client.start("/register/phone", phone).await).await.expect(202);
    let mut state = Value::Null;
    let came = timeout(LOST, async {
        loop {
            if let Some(message) = client.inbox(phone).await.pop() {
                return Ok(code_in(&message));
            }
            let shown = persistently(async || client.challenge(&challenge).await).await.expect(200);
            match shown["delivery"].as_str() {
                Some("failed") => return Err(End::Failed(shown["failure"].as_str().unwrap_or("none").to_owned())),
                Some("unknown") => return Err(End::Unknown),
                _ => state = shown["delivery"].clone(),
            }
            sleep(POLL).await;
        }
    });
    let code = match came.await {
        Ok(Ok(code)) => code,
        // The provider may have sent it while we asked.
        Ok(Err(end)) => match client.inbox(phone).await.pop() {
            Some(message) => code_in(&message),
            None => return end,
        },
        Err(_) => return End::Lost(state.to_string()),
    };
    let answer = persistently(async || client.verify(&challenge, &code).await).await;
    // The answer to a code that was accepted can be lost with a table's.
    if answer.status == 410 && answer.body["code"] == "code_used" {
        return End::Registered;
    }
    let verified = answer.expect(200);
    let body = json!({
        "registration_token": verified["registration_token"], "name": "Ada Lovelace", "email": fresh_email(),
    });
    let completed = persistently(async || client.post("/register/complete", body.clone()).await).await;
    assert!(matches!(completed.status, 201 | 401 | 409), "{}", completed.body);
    End::Registered
}

/// The provider fails in all its ways, each now and then and for a few messages.
async fn provider_faults(client: Client) {
    const MODES: [(&str, u32); 13] = [
        ("unavailable_503", 6),
        ("connection_reset", 1),
        ("rate_limited", 6),
        ("slow", 3),
        ("opted_out", 1),
        ("html_502", 1),
        ("duplicate_callbacks", 5),
        ("no_credit", 1),
        ("late_answer", 3),
        ("drop_after_accept", 1),
        ("error_with_200", 1),
        ("late_callbacks", 3),
        ("hang", 1),
    ];
    for (mode, count) in MODES.into_iter().cycle() {
        client.set_fault(json!({"mode": mode, "count": count})).await;
        sleep(Duration::from_millis(700)).await;
    }
}

/// The tables fail for single calls and for all three of the SDK's attempts.
async fn table_faults(backend: Backend, weather: Weather) {
    let send_sms = |call, mode, skip, count| Fault { function: "send-sms", call, mode, skip, count };
    let rain = [
        send_sms("GetItem codes", Mode::Fail, 0, 3),
        send_sms("PutItem codes", Mode::Fail, 0, 1),
        send_sms("PutItem codes", Mode::Fail, 1, 3),
        send_sms("PutItem codes", Mode::Fail, 0, 3),
        send_sms("UpdateItem codes", Mode::Fail, 0, 3),
        send_sms("PutItem codes", Mode::LoseAnswer, 0, 1),
        send_sms("PutItem codes", Mode::LoseAnswer, 0, 3),
    ];
    let storm = [
        send_sms("UpdateItem counters", Mode::Fail, 2, 3),
        send_sms("UpdateItem counters", Mode::LoseAnswer, 3, 1),
        Fault { function: "", ..send_sms("PutItem codes", Mode::LoseAnswer, 1, 1) },
        Fault { function: "", ..send_sms("TransactWriteItems", Mode::LoseAnswer, 0, 1) },
    ];
    let storm = if weather == Weather::Storm { &storm[..] } else { &[] };
    for fault in rain.iter().chain(storm).cycle() {
        backend.inject(fault.clone());
        sleep(Duration::from_millis(900)).await;
    }
}

/// Every message's record comes again and again.
async fn repeated_records(client: Client, tables: aws_sdk_dynamodb::Client) {
    loop {
        sleep(Duration::from_secs(3)).await;
        let Ok(found) = tables.scan().table_name("codes").send().await else { continue };
        let text = |item: &Item, name: &str| {
            item.get(name).and_then(|value| value.as_s().or_else(|_| value.as_n()).ok()).cloned()
        };
        let records: Vec<Value> = found
            .items()
            .iter()
            .filter_map(|item| {
                let image = json!({
                    "id": {"S": text(item, "id")?}, "send_number": {"N": text(item, "send_number")?},
                });
                text(item, "issue")?;
                Some(json!({ "eventSource": "aws:dynamodb", "dynamodb": { "SequenceNumber": "1", "NewImage": image } }))
            })
            .collect();
        // The latest ones are the ones that are under way.
        for batch in records.chunks(10).take(2) {
            let event = json!({ "Records": batch }).to_string();
            client.invoke_if_possible("queue-sms", event).await;
        }
    }
}

type Item = std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue>;

fn tables(port: u16) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
        .region(aws_sdk_dynamodb::config::Region::from_static("us-east-1"))
        .credentials_provider(aws_sdk_dynamodb::config::Credentials::new("local", "local", None, None, "local"))
        .endpoint_url(format!("http://localhost:{port}"));
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// Kills one process now and then. Its successor starts in time to do something.
async fn kill_functions(stack: Arc<Stack>, kills: Arc<AtomicUsize>) {
    for function in ["send-sms", "queue-sms", "send-sms"].into_iter().cycle() {
        sleep(Duration::from_secs(15)).await;
        let Some(process) = stack.instances_of(function).await.pop() else { continue };
        let killed = Command::new("kill").arg("-9").arg(process.to_string()).status();
        if killed.is_ok_and(|status| status.success()) {
            kills.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A dependency hangs now and then.
async fn hanging(wire: Arc<Wire>, time: Duration) {
    loop {
        sleep(Duration::from_secs(9)).await;
        wire.hang();
        sleep(time).await;
        wire.mend();
    }
}
