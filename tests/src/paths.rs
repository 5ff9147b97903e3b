//! Paths in the repository.

use std::path::PathBuf;

/// The repository's root folder.
///
/// # Panics
/// Never, because this package is inside the repository.
#[must_use]
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// The folder of the programs that were built with this one: `target/debug`, or `target/release` for a benchmark.
///
/// # Panics
/// If this program has no path.
#[must_use]
pub fn programs() -> PathBuf {
    let this = std::env::current_exe().expect("the path of this program");
    let folder = this.parent().expect("a folder");
    // Tests are one folder deeper.
    if folder.ends_with("deps") { folder.parent().expect("a folder").to_owned() } else { folder.to_owned() }
}

/// The folder in which every stack records the permissions that its functions used.
#[must_use]
pub fn usage_folder() -> PathBuf {
    root().join("target/iam-usage")
}
