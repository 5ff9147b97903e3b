//! Starts the function binaries with different environments. A missing or malformed variable stops a function with one line
//! that names it, and the template sets every variable that a function reads.

use std::{collections::BTreeMap, process::Stdio, time::Duration};

use tokio::{net::TcpListener, process::Command, task::JoinSet};
use twostep_tests::{PATIENCE, stack::root, template};

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
    let child = Command::new(root().join("target/debug").join(function))
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
        "CALLBACK_TOKEN" => "0123456789abcdefghijklmnopqrstuvwxyz",
        name if name.ends_with("_TABLE") || name.ends_with("_SECRET") => "name",
        other => panic!("no valid value for {other}"),
    }
    .to_owned()
}

const MALFORMED: [(&str, &str); 11] = [
    ("LOG_LEVEL", "loud"),
    ("ALLOWED_COUNTRIES", "usa"),
    ("SITE_NAME", "Señor"),
    ("SITE_HOST", "https://example.com"),
    ("CALLBACK_TOKEN", "short"),
    ("ISSUER", "auth.example.com"),
    ("LIMITS", "maybe"),
    ("ADDRESS_LIMITS", "maybe"),
    ("SMS_PER_HOUR", "many"),
    ("SMS_PER_DAY", "-1"),
    ("SMS_PER_MONTH", "1e3"),
];

/// Variables that are optional for the functions that read them.
const OPTIONAL: [&str; 7] =
    ["LOG_LEVEL", "ISSUER", "LIMITS", "ADDRESS_LIMITS", "SMS_PER_HOUR", "SMS_PER_DAY", "SMS_PER_MONTH"];

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

async fn check(function: String, given: Vec<String>) {
    let environment = needs(&function).await;
    assert!(!environment.is_empty(), "{function}");
    for variable in environment.keys() {
        assert!(given.contains(variable), "{function} reads {variable}, but the template doesn't set it");
    }
    for (variable, value) in MALFORMED {
        if !environment.contains_key(variable) && !OPTIONAL.contains(&variable) {
            continue;
        }
        let mut wrong = environment.clone();
        wrong.insert(variable.to_owned(), value.to_owned());
        match start(&function, &wrong).await {
            Outcome::Refused(lines) => assert_eq!(named(&function, &lines), variable, "{function}"),
            // Not every function reads every optional variable.
            Outcome::Started => {
                assert!(OPTIONAL.contains(&variable) && variable != "LOG_LEVEL", "{function}: {variable}");
            }
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
    tokio::time::timeout(Duration::from_secs(300), checks.join_all()).await.expect("all checks in time");
}
