//! An authenticator app (RFC 6238), written apart from the service's code. The end-to-end test compares with pyotp too.

use aws_lc_rs::hmac;

/// The code that an app with this secret (base 32) shows at `at`, in seconds since 1970.
///
/// # Panics
/// If the secret is not in base 32.
#[must_use]
pub fn code(secret: &str, at: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &bytes(secret));
    let tag = hmac::sign(&key, &u64::try_from(at / 30).expect("after 1970").to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag[19] & 0xf);
    let number = tag[offset..offset + 4].iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    format!("{:06}", (number & 0x7fff_ffff) % 1_000_000)
}

fn bytes(base32: &str) -> Vec<u8> {
    let value = |letter: char| "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(letter).expect("base 32");
    let (mut bits, mut count, mut bytes) = (0_usize, 0, Vec::new());
    for letter in base32.chars() {
        bits = bits << 5 | value(letter);
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).expect("a byte"));
        }
    }
    bytes
}
