//! `twostep-local`: the whole service on a laptop. `make dev` starts it.

use std::process::ExitCode;

use twostep_local::{emulator, serve};

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let outcome = match arguments.next().as_deref() {
        None => serve().await,
        Some("run-function") => emulator::hide_and_supervise(arguments.next()),
        Some("supervise") => emulator::supervise(),
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
