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

/// The folder in which every stack records the permissions that its functions used.
#[must_use]
pub fn usage_folder() -> PathBuf {
    root().join("target/iam-usage")
}
