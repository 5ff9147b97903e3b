//! `twostep-local`: the whole service on a laptop. `make dev` starts it.

use std::process::ExitCode;

use twostep_local::{lambda::watch, stack};

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let outcome = match arguments.next().as_deref() {
        None => stack::run().await,
        Some("run-function") => watch::become_stand_in(arguments.next()),
        Some("stand-in") => watch::stand_in().await,
        Some(other) => Err(format!("unknown argument {other}; expected none").into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("twostep-local: {error}");
            ExitCode::FAILURE
        }
    }
}
