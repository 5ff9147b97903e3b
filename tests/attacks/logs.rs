//! What the logs of everything above carry.

use crate::{Seen, seen, world::World};

pub async fn secrets_in_the_logs(world: &'static World) -> Seen {
    let log = world.stack.log();
    // The stack prints the admin key for whoever started it; functions log in JSON.
    let lines: Vec<&str> = log.lines().filter(|line| line.starts_with('{')).collect();
    assert!(lines.len() > 100, "there is a log to search");
    let lines = lines.join("\n");
    let secrets = world.secrets().await;
    assert!(secrets.len() > 50, "there are secrets to look for");
    for secret in &secrets {
        assert!(!lines.contains(secret.as_str()), "the log carries {secret}");
    }
    seen(
        "every code, token, password, key, address, name, id and number of the run, looked for in its logs at `trace`",
        "the whole run",
        "nothing found",
    )
}
