//! The commands of the README work as printed.

use std::{fs, process::Command};

use twostep_tests::{Stack, claims, paths::root};

#[tokio::test(flavor = "multi_thread")]
async fn the_flow_registers_and_signs_in_both_ways() {
    let stack = Stack::start(&[]).await;
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let (_, flow) = readme.split_once("## The flow").expect("the section");
    let (flow, _) = flow.split_once("\n## ").expect("the next section");
    let lines: Vec<&str> = flow.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    assert_eq!(lines.len(), 2, "phone first, then password");
    let script = lines
        .join("\n")
        .replace("localhost:9000", &format!("localhost:{}", stack.api_port))
        .replace("localhost:9001", &format!("localhost:{}", stack.sandbox_port));
    let run =
        tokio::task::spawn_blocking(move || Command::new("bash").args(["-euo", "pipefail", "-c", &script]).output());
    let output = run.await.unwrap().expect("bash");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<&str> = printed.lines().collect();
    let [user, by_phone, recovery_codes, in_two_steps] = lines.as_slice() else { panic!("{printed}") };
    assert!(user.contains("ada@example.com"), "{user}");
    assert_eq!(claims(by_phone)["amr"], serde_json::json!(["sms"]));
    assert_eq!(recovery_codes.matches('-').count(), 30, "{recovery_codes}");
    assert_eq!(claims(in_two_steps)["amr"], serde_json::json!(["pwd", "sms", "mfa"]));
}
