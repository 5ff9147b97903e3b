//! Starts the function binaries with different environments. A missing or malformed variable stops a function with one line
//! that names it, and the template sets every variable that a function reads.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Stdio,
    time::Duration,
};

use tokio::{net::TcpListener, process::Command, task::JoinSet};
use twostep_tests::{PATIENCE, paths::programs, template};

type Environment = BTreeMap<String, String>;

enum Outcome {
    /// It fetched its first event from the Lambda runtime.
    Started,
    /// It stopped with an error after printing these lines.
    Refused(Vec<String>),
}

/// Runs a function without any dependency except the Lambda runtime.
async fn start(function: &str, environment: &Environment) -> Outcome {
    let runtime = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nothing = "http://127.0.0.1:9";
    let child = Command::new(programs().join(function))
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", runtime.local_addr().unwrap().to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", function)
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "none")
        .env("AWS_SECRET_ACCESS_KEY", "none")
        .env("AWS_ENDPOINT_URL_DYNAMODB", nothing)
        .env("AWS_ENDPOINT_URL_SECRETS_MANAGER", nothing)
        .envs(environment)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the functions: run `make build`");
    let outcome = async {
        tokio::select! {
            _ = runtime.accept() => Outcome::Started,
            output = child.wait_with_output() => {
                let output = output.unwrap();
                assert!(!output.status.success(), "{function} exited successfully");
                let said = [output.stdout, output.stderr].concat();
                Outcome::Refused(String::from_utf8(said).unwrap().lines().map(str::to_owned).collect())
            }
        }
    };
    tokio::time::timeout(PATIENCE, outcome).await.unwrap_or_else(|_| panic!("{function} neither starts nor stops"))
}

/// A valid value of each variable.
fn good(variable: &str) -> String {
    match variable {
        "SITE_NAME" => "Example",
        "SITE_HOST" => "example.com",
        "ALLOWED_COUNTRIES" => "*",
        name if name.ends_with("_TABLE") || name.ends_with("_SECRET") || name.ends_with("_QUEUE") => "name",
        other => panic!("no valid value for {other}"),
    }
    .to_owned()
}

/// The environment variables that a function reads, besides those that all read: `LOG_LEVEL`,
/// `METRICS_NAMESPACE`, `ALLOWED_ORIGINS` and `ORIGIN_SECRET_HASHES`.
struct Reads {
    function: &'static str,
    own: &'static [&'static str],
    /// Whether it reads the settings, and therefore the defaults for settings that no admin has saved yet.
    settings: bool,
}

/// Each function reads only what it needs, and the template sets exactly these variables.
const READS: [Reads; 32] = [
    Reads {
        function: "start-registration",
        own: &["KEYS_SECRET", "CODES_TABLE", "COUNTERS_TABLE", "ADDRESS_LIMITS"],
        settings: true,
    },
    Reads {
        function: "complete-registration",
        own: &[
            "KEYS_SECRET",
            "CODES_TABLE",
            "USERS_TABLE",
            "SESSIONS_TABLE",
            "AUDIT_TABLE",
            "COUNTERS_TABLE",
            "EMAIL_FROM",
            "ISSUER",
            "AUDIENCE",
        ],
        settings: false,
    },
    Reads {
        function: "register-password",
        own: &[
            "KEYS_SECRET",
            "CODES_TABLE",
            "EMAIL_FROM",
            "USERS_TABLE",
            "SESSIONS_TABLE",
            "AUDIT_TABLE",
            "COUNTERS_TABLE",
            "ADDRESS_LIMITS",
            "ISSUER",
            "AUDIENCE",
        ],
        settings: false,
    },
    Reads {
        function: "phone-login",
        own: &["KEYS_SECRET", "CODES_TABLE", "USERS_TABLE", "COUNTERS_TABLE", "ADDRESS_LIMITS"],
        settings: true,
    },
    Reads {
        function: "password-login",
        own: &[
            "KEYS_SECRET",
            "CODES_TABLE",
            "USERS_TABLE",
            "SESSIONS_TABLE",
            "AUDIT_TABLE",
            "COUNTERS_TABLE",
            "ADDRESS_LIMITS",
            "ISSUER",
            "AUDIENCE",
        ],
        settings: true,
    },
    Reads {
        function: "verify-code",
        own: &[
            "KEYS_SECRET",
            "CODES_TABLE",
            "USERS_TABLE",
            "SESSIONS_TABLE",
            "AUDIT_TABLE",
            "EMAIL_FROM",
            "ISSUER",
            "AUDIENCE",
        ],
        settings: true,
    },
    Reads {
        function: "confirm-login",
        own: &[
            "KEYS_SECRET",
            "USERS_TABLE",
            "SESSIONS_TABLE",
            "AUDIT_TABLE",
            "COUNTERS_TABLE",
            "ADDRESS_LIMITS",
            "ISSUER",
            "AUDIENCE",
        ],
        settings: false,
    },
    Reads {
        function: "forgot-password",
        own: &["KEYS_SECRET", "CODES_TABLE", "USERS_TABLE", "COUNTERS_TABLE", "ADDRESS_LIMITS", "EMAIL_FROM"],
        settings: true,
    },
    Reads {
        function: "reset-password",
        own: &[
            "KEYS_SECRET",
            "CODES_TABLE",
            "USERS_TABLE",
            "SESSIONS_TABLE",
            "AUDIT_TABLE",
            "EMAIL_FROM",
            "ISSUER",
            "AUDIENCE",
        ],
        settings: true,
    },
    Reads {
        function: "resend-code",
        own: &["KEYS_SECRET", "CODES_TABLE", "COUNTERS_TABLE", "ADDRESS_LIMITS"],
        settings: true,
    },
    Reads {
        function: "profile",
        own: &[
            "KEYS_SECRET",
            "CODES_TABLE",
            "USERS_TABLE",
            "SESSIONS_TABLE",
            "AUDIT_TABLE",
            "COUNTERS_TABLE",
            "EMAIL_FROM",
            "ISSUER",
            "AUDIENCE",
        ],
        settings: true,
    },
    Reads {
        function: "profile-phone",
        own: &[
            "KEYS_SECRET",
            "CODES_TABLE",
            "USERS_TABLE",
            "SESSIONS_TABLE",
            "AUDIT_TABLE",
            "COUNTERS_TABLE",
            "ADDRESS_LIMITS",
            "EMAIL_FROM",
            "ISSUER",
            "AUDIENCE",
        ],
        settings: true,
    },
    Reads {
        function: "profile-email",
        own: &[
            "KEYS_SECRET",
            "CODES_TABLE",
            "USERS_TABLE",
            "SESSIONS_TABLE",
            "AUDIT_TABLE",
            "COUNTERS_TABLE",
            "ADDRESS_LIMITS",
            "EMAIL_FROM",
            "ISSUER",
            "AUDIENCE",
        ],
        settings: true,
    },
    Reads {
        function: "settings",
        own: &[
            "KEYS_SECRET",
            "ADMIN_SECRET",
            "CLICKATELL_SECRET",
            "COUNTERS_TABLE",
            "USERS_TABLE",
            "SESSIONS_TABLE",
            "AUDIT_TABLE",
            "ADDRESS_LIMITS",
            "EMAIL_FROM",
            "ISSUER",
            "AUDIENCE",
        ],
        settings: true,
    },
    Reads {
        function: "session",
        own: &["KEYS_SECRET", "USERS_TABLE", "SESSIONS_TABLE", "AUDIT_TABLE", "ISSUER", "AUDIENCE"],
        settings: true,
    },
    Reads {
        function: "clients",
        own: &[
            "KEYS_SECRET",
            "ADMIN_SECRET",
            "SETTINGS_TABLE",
            "COUNTERS_TABLE",
            "USERS_TABLE",
            "SESSIONS_TABLE",
            "AUDIT_TABLE",
            "ADDRESS_LIMITS",
            "ISSUER",
            "AUDIENCE",
        ],
        settings: false,
    },
    Reads {
        function: "users",
        own: &[
            "KEYS_SECRET",
            "ADMIN_SECRET",
            "CODES_TABLE",
            "USERS_TABLE",
            "SESSIONS_TABLE",
            "AUDIT_TABLE",
            "COUNTERS_TABLE",
            "ADDRESS_LIMITS",
            "EMAIL_FROM",
            "ISSUER",
            "AUDIENCE",
        ],
        settings: true,
    },
    Reads {
        function: "transfer-users",
        own: &[
            "KEYS_SECRET",
            "ADMIN_SECRET",
            "USERS_TABLE",
            "SESSIONS_TABLE",
            "AUDIT_TABLE",
            "COUNTERS_TABLE",
            "ADDRESS_LIMITS",
            "ISSUER",
            "AUDIENCE",
        ],
        settings: false,
    },
    Reads {
        function: "webhooks",
        own: &[
            "KEYS_SECRET",
            "ADMIN_SECRET",
            "USERS_TABLE",
            "SESSIONS_TABLE",
            "AUDIT_TABLE",
            "COUNTERS_TABLE",
            "SETTINGS_TABLE",
            "DELIVERIES_TABLE",
            "EVENTS_QUEUE",
            "ADDRESS_LIMITS",
            "ISSUER",
            "AUDIENCE",
        ],
        settings: false,
    },
    Reads { function: "publish-events", own: &["SETTINGS_TABLE", "DELIVERIES_TABLE", "EVENTS_QUEUE"], settings: false },
    Reads {
        function: "deliver-events",
        own: &["KEYS_SECRET", "USERS_TABLE", "SETTINGS_TABLE", "DELIVERIES_TABLE", "EVENTS_QUEUE"],
        settings: false,
    },
    Reads {
        function: "authorize",
        own: &["KEYS_SECRET", "USERS_TABLE", "SESSIONS_TABLE", "AUDIT_TABLE", "ISSUER"],
        settings: true,
    },
    Reads {
        function: "token",
        own: &[
            "KEYS_SECRET",
            "USERS_TABLE",
            "SESSIONS_TABLE",
            "COUNTERS_TABLE",
            "ADDRESS_LIMITS",
            "ISSUER",
            "AUDIENCE",
        ],
        settings: true,
    },
    Reads {
        function: "verifications",
        own: &["KEYS_SECRET", "CODES_TABLE", "AUDIT_TABLE", "COUNTERS_TABLE", "ADDRESS_LIMITS"],
        settings: true,
    },
    Reads { function: "discovery", own: &["KEYS_SECRET", "ISSUER"], settings: false },
    Reads { function: "web", own: &["EMAIL_FROM"], settings: true },
    Reads { function: "sms-status", own: &["CODES_TABLE", "COUNTERS_TABLE", "CALLBACK_SECRET"], settings: true },
    Reads { function: "queue-sms", own: &["MESSAGES_QUEUE"], settings: false },
    Reads {
        function: "send-sms",
        own: &["MESSAGES_QUEUE", "KEYS_SECRET", "CLICKATELL_SECRET", "CODES_TABLE", "COUNTERS_TABLE"],
        settings: true,
    },
    Reads {
        function: "send-email",
        own: &["KEYS_SECRET", "CODES_TABLE", "COUNTERS_TABLE", "EMAIL_FROM"],
        settings: true,
    },
    Reads { function: "count-codes", own: &["COUNTERS_TABLE"], settings: false },
    Reads { function: "rotate-keys", own: &["KEYS_SECRET"], settings: false },
];

/// The variables of each function that reads the settings.
const SETTINGS: [&str; 7] =
    ["SETTINGS_TABLE", "SITE_NAME", "SITE_HOST", "ALLOWED_COUNTRIES", "SMS_PER_HOUR", "SMS_PER_DAY", "SMS_PER_MONTH"];

/// For a laptop only, so the template doesn't set them.
const LAPTOP: [&str; 3] = ["LIMITS", "CLICKATELL_URL", "TARGETS"];

impl Reads {
    fn of(function: &str) -> &'static Self {
        READS.iter().find(|reads| reads.function == function).unwrap_or_else(|| panic!("what does {function} read?"))
    }

    fn all(&self) -> BTreeSet<String> {
        let settings = if self.settings { &SETTINGS[..] } else { &[] };
        let all = ["LOG_LEVEL", "METRICS_NAMESPACE", "ALLOWED_ORIGINS", "ORIGIN_SECRET_HASHES"];
        all.iter().chain(self.own).chain(settings).map(|variable| (*variable).to_owned()).collect()
    }

    fn reads(&self, variable: &str) -> bool {
        // These functions also read `LIMITS`, because it lifts all limits at once.
        let limits = ["ADDRESS_LIMITS", "CLICKATELL_SECRET"];
        match variable {
            "LIMITS" => self.own.iter().any(|own| limits.contains(own)),
            variable => self.all().contains(variable),
        }
    }
}

const MALFORMED: [(&str, &str); 13] = [
    ("ORIGIN_SECRET_HASHES", "secret"),
    ("ALLOWED_ORIGINS", "https://shop.example/"),
    ("LOG_LEVEL", "loud"),
    ("ALLOWED_COUNTRIES", "usa"),
    ("SITE_NAME", "東京"),
    ("SITE_HOST", "https://example.com/shop"),
    ("ISSUER", "auth.example.com"),
    ("EMAIL_FROM", "Señor <no-reply@example.com>"),
    ("LIMITS", "maybe"),
    ("ADDRESS_LIMITS", "maybe"),
    ("SMS_PER_HOUR", "many"),
    ("SMS_PER_DAY", "-1"),
    ("SMS_PER_MONTH", "1e3"),
];

/// Variables that are optional for the functions that read them.
const OPTIONAL: [&str; 11] = [
    "ORIGIN_SECRET_HASHES",
    "LOG_LEVEL",
    "METRICS_NAMESPACE",
    "ALLOWED_ORIGINS",
    "ISSUER",
    "EMAIL_FROM",
    "LIMITS",
    "ADDRESS_LIMITS",
    "SMS_PER_HOUR",
    "SMS_PER_DAY",
    "SMS_PER_MONTH",
];

/// The variable that the single line names.
fn named(function: &str, lines: &[String]) -> String {
    let [line] = lines else { panic!("{function} printed more than one line: {lines:?}") };
    let (_, rest) = line.split_once("environment variable ").unwrap_or_else(|| panic!("{function}: {line}"));
    rest.split(' ').next().unwrap().to_owned()
}

/// Returns the variables that the function requires.
async fn needs(function: &str) -> Environment {
    let mut environment = Environment::new();
    while let Outcome::Refused(lines) = start(function, &environment).await {
        let variable = named(function, &lines);
        assert!(lines[0].ends_with("is not set"), "{function}: {lines:?}");
        let value = good(&variable);
        assert!(environment.insert(variable.clone(), value).is_none(), "{function} ignores {variable}");
    }
    environment
}

async fn check(function: String, given: BTreeSet<String>) {
    let (reads, environment) = (Reads::of(&function), needs(&function).await);
    assert_eq!(given, reads.all(), "{function}: the template sets exactly what the function reads");
    for variable in environment.keys() {
        assert!(reads.reads(variable), "{function} requires {variable}, which its job does not need");
    }
    let optional = |variable: &String| OPTIONAL.contains(&variable.as_str()) || variable == "AUDIENCE";
    for variable in reads.all().iter().filter(|variable| !optional(variable)) {
        assert!(environment.contains_key(variable), "{function} does not read {variable}");
    }
    for (variable, value) in MALFORMED {
        let mut wrong = environment.clone();
        wrong.insert(variable.to_owned(), value.to_owned());
        match start(&function, &wrong).await {
            Outcome::Refused(lines) => {
                assert_eq!(named(&function, &lines), variable, "{function}");
                assert!(reads.reads(variable), "{function} reads {variable}, which its job does not need");
            }
            Outcome::Started => assert!(!reads.reads(variable), "{function} accepts {variable}={value}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_or_malformed_variable_stops_a_function_with_one_line_that_names_it() {
    let mut checks = JoinSet::new();
    for (function, properties) in template::functions() {
        let given = properties["Environment"]["Variables"].as_object().unwrap().keys().cloned().collect();
        checks.spawn(check(function, given));
    }
    assert_eq!(template::functions().len(), READS.len());
    assert!(READS.iter().flat_map(Reads::all).all(|variable| !LAPTOP.contains(&variable.as_str())));
    tokio::time::timeout(Duration::from_secs(300), checks.join_all()).await.expect("all checks in time");
}
