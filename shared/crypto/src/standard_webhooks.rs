//! Signatures of Standard Webhooks 1.0: a receiver can tell that a request is ours, whole, and recent.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use twostep_domain::time::Timestamp;

use crate::Pepper;

/// The key that we share with one receiver. It follows from the pepper and the receiver's random id, so nothing of it is
/// stored, and a new id makes a new key. It has no `Debug`.
pub struct SigningSecret([u8; 32]);

/// What a key is for, so that no two receivers share one.
#[derive(Clone, Copy)]
pub enum Receiver<'a> {
    /// A sender of messages.
    Sender { id: &'a str },
    /// A webhook that gets events.
    Webhook { id: &'a str },
}

/// The headers of a signed request.
pub struct SignedHeaders {
    pub id: String,
    /// In seconds.
    pub timestamp: String,
    /// `v1,` and the signature in Base64.
    pub signature: String,
}

impl SigningSecret {
    #[must_use]
    pub fn of(pepper: &Pepper, receiver: Receiver<'_>) -> Self {
        let name = match receiver {
            Receiver::Sender { id } => format!("signing|sender|{id}"),
            Receiver::Webhook { id } => format!("signing|webhook|{id}"),
        };
        Self::from_bytes(pepper.authenticate(name.as_bytes()).as_ref())
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let mut key = [0; 32];
        let length = bytes.len().min(key.len());
        key[..length].copy_from_slice(&bytes[..length]);
        Self(key)
    }

    /// `whsec_…`, to show it once.
    #[must_use]
    pub fn expose(&self) -> String {
        format!("whsec_{}", STANDARD.encode(self.0))
    }

    /// Signs `body`. A repetition has the same `id` and its own time.
    #[must_use]
    pub fn sign(&self, id: &str, now: Timestamp, body: &str) -> SignedHeaders {
        let signed = format!("{id}.{}.{body}", now.0);
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.0), signed.as_bytes());
        SignedHeaders {
            id: id.to_owned(),
            timestamp: now.0.to_string(),
            signature: format!("v1,{}", STANDARD.encode(tag)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with the Python package standardwebhooks 1.0.0.
    #[test]
    fn signatures_are_those_of_the_official_library() {
        let secret = SigningSecret::from_bytes(&[7; 32]);
        assert_eq!(secret.expose(), "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
        let headers = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", Timestamp(1_614_265_330), r#"{"test": 2432232314}"#);
        assert_eq!(headers.signature, "v1,YO/ulmd+VFtlnbodv7yLOOsS6RlBZ48h++gXZrGOpZo=");
        assert_eq!((headers.id.as_str(), headers.timestamp.as_str()), ("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330"));
    }

    #[test]
    fn each_receiver_has_its_own_key() {
        let pepper = Pepper::new(&[1; 32]);
        let key = |receiver| SigningSecret::of(&pepper, receiver).expose();
        let keys =
            [key(Receiver::Sender { id: "a" }), key(Receiver::Sender { id: "b" }), key(Receiver::Webhook { id: "a" })];
        assert!(keys[0] != keys[1] && keys[0] != keys[2] && keys[1] != keys[2]);
        assert_eq!(keys[0], key(Receiver::Sender { id: "a" }));
    }
}
