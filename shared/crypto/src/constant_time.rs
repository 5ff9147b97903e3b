//! Comparison of secrets in constant time.

use aws_lc_rs::constant_time::verify_slices_are_equal;

/// Whether both are equal; the time depends on their lengths only.
#[must_use]
pub fn equal(one: impl AsRef<[u8]>, other: impl AsRef<[u8]>) -> bool {
    verify_slices_are_equal(one.as_ref(), other.as_ref()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_equal_texts_are_equal() {
        assert!(equal("123456", "123456"));
        assert!(!equal("123456", "123457"));
        assert!(!equal("123456", "12345"));
        assert!(equal("", ""));
    }
}
