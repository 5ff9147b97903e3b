//! The metrics that functions write to their logs for the dashboard.

use serde_json::{Value, json};
use twostep_tests::{Stack, eventually, fresh_phone, other_than};

#[tokio::test]
async fn a_journey_logs_its_metrics_without_phone_numbers() {
    let stack = Stack::start(&[("CONCURRENCY", "1"), ("LIMITS", "deployed")]).await;
    let client = stack.client();
    let phone = fresh_phone();
    let challenge = client.start("/register/phone", &phone).await.expect(202);
    let code = client.code(&phone).await;
    client.verify(&challenge, other_than(&code)).await.expect_problem(401, "wrong_code");
    client.verify(&challenge, &code).await.expect(200);
    client.resend(&challenge).await.expect_problem(410, "code_used");
    let refused = fresh_phone();
    client.set_fault(json!({"mode": "opted_out", "to": refused})).await;
    client.start("/register/phone", &refused).await.expect(202);

    // (metric, dimension value) of each line.
    let written = || -> Vec<(String, Option<String>)> {
        let log = stack.log();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines
            .filter_map(|line| {
                let directive = line["_aws"]["CloudWatchMetrics"][0].clone();
                let name = directive["Metrics"][0]["Name"].as_str()?.to_owned();
                let dimension = directive["Dimensions"][0][0].as_str().and_then(|name| line[name].as_str());
                assert!(!line.to_string().contains(phone.trim_start_matches('+')), "{line}");
                assert!(line["request_id"].as_str().is_some_and(|id| !id.is_empty()), "{line}");
                Some((name, dimension.map(str::to_owned)))
            })
            .collect()
    };
    for (name, dimension) in [
        ("CodesAsked", Some("register")),
        ("SmsAccepted", None),
        ("SmsAcceptedByCountry", Some("US")),
        ("SmsDelivered", None),
        ("DeliverySeconds", None),
        ("CodesWrong", None),
        ("CodesVerified", Some("register")),
        ("SmsFailed", Some("number_refused")),
        ("BudgetUsedPercent", Some("hour")),
    ] {
        let expected = (name.to_owned(), dimension.map(str::to_owned));
        eventually(name, async || written().contains(&expected).then_some(())).await;
    }
}
