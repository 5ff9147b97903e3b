//! `twostep-local`: the whole service on a laptop. `make dev` starts it.

use std::process::ExitCode;

use secrecy::ExposeSecret;
use twostep::{
    clock::{Clock, SystemClock},
    entropy,
    keys::KeyRing,
};
use twostep_local::{Result, emulator, serve};

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let outcome = match arguments.next().as_deref() {
        None => serve().await,
        Some("new-keys") => print_new_keys(),
        Some("run-function") => emulator::hide_and_supervise(arguments.next()),
        Some("supervise") => emulator::supervise(),
        Some(other) => Err(format!("unknown argument {other}; expected none, or `new-keys`").into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("twostep-local: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The first content of a deployment's keys secret.
fn print_new_keys() -> Result<()> {
    println!("{}", KeyRing::generate(SystemClock.now(), &mut entropy::system())?.expose_secret());
    Ok(())
}
