//! Reads the usage that all stacks of a test run recorded, and fails if a call was denied or a permission is unused.
//! `make test` runs it last; `make permissions` runs it alone.

use std::process::ExitCode;

use twostep_local::iam::{
    roles,
    usage::{self, Entry},
};
use twostep_tests::{paths::usage_folder, template::expanded};

fn main() -> ExitCode {
    let roles = roles::read(expanded()).expect("the template's roles");
    let entries = usage::read(&usage_folder()).expect("run the end-to-end tests first");
    let denied: Vec<&Entry> = entries.iter().filter(|entry| matches!(entry, Entry::Denied { .. })).collect();
    let unused = usage::unused(&roles, &entries);
    for entry in &denied {
        println!("denied: {entry}");
    }
    for permission in &unused {
        println!("unused: {permission}");
    }
    println!("{} permissions used, {} unused, {} denied", entries.len() - denied.len(), unused.len(), denied.len());
    if denied.is_empty() && unused.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
