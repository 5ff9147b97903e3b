//! Percent-encoding (RFC 3986, section 2.1).

use percent_encoding::percent_decode_str;

/// Decodes each `%XX`. Invalid escapes stay unchanged; invalid UTF-8 becomes U+FFFD.
#[must_use]
pub fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Like [`decode`], but also decodes `+` to a space, as in form encoding.
#[must_use]
pub fn decode_form(text: &str) -> String {
    decode(&text.replace('+', " "))
}
