//! Percent-encoding (RFC 3986, section 2.1).

/// Decodes each `%XX`. Invalid escapes stay unchanged; invalid UTF-8 becomes U+FFFD.
#[must_use]
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut position = 0;
    while position < bytes.len() {
        let escaped = (bytes[position] == b'%').then(|| text.get(position + 1..position + 3)).flatten();
        let byte = escaped.filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
        if let Some(byte) = byte.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            decoded.push(byte);
            position += 3;
        } else {
            decoded.push(bytes[position]);
            position += 1;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Like [`decode`], but also decodes `+` to a space, as in form encoding.
#[must_use]
pub fn decode_form(text: &str) -> String {
    decode(&text.replace('+', " "))
}
