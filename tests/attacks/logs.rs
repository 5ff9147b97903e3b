//! Searches the logs of all attacks for secrets. Must run last.

use crate::{Seen, seen, world::World};

pub async fn secrets_in_the_logs(world: &'static World) -> Seen {
    let log = world.stack.log();
    // The stack itself prints the admin key. Functions log in JSON.
    let lines: Vec<&str> = log.lines().filter(|line| line.starts_with('{')).collect();
    assert!(lines.len() > 100, "the log is too short");
    let lines = lines.join("\n");
    let secrets = world.secrets().await;
    assert!(secrets.len() > 50, "too few secrets were recorded");
    for secret in &secrets {
        assert!(!lines.contains(secret.as_str()), "the log contains {secret}");
    }
    seen(
        "a search of the run's `trace` logs for all of its codes, tokens, passwords, keys, addresses, names, ids and numbers",
        "the whole run",
        "nothing found",
    )
}
