//! The operating system's random source.

use rand::{rand_core::UnwrapErr, rngs::SysRng};

/// The only place that makes a random source; everything else takes a `&mut dyn CryptoRng`.
#[must_use]
pub fn system() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}
