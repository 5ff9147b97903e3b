//! Keys, and what is made with them: sealed payloads, challenge ids, tokens, hashes of passwords and recovery codes.
//!
//! [`key_ring`] holds the keys and decides which is in use; everything else takes what it needs of it. Nothing here does
//! I/O.

pub mod access_token;
pub mod authorization_code;
pub mod challenge_id;
pub mod client_secret;
pub mod constant_time;
pub mod device_token;
pub mod id_token;
pub mod key_ring;
pub mod opaque_token;
pub mod origin_secret;
pub mod password;
pub mod pepper;
pub mod pkce;
pub mod recovery_code;
pub mod refresh_token;
pub mod registration_token;
pub mod reset_token;
pub mod sealing;
pub mod standard_webhooks;
pub mod totp;

pub use key_ring::KeyRing;
pub use pepper::Pepper;
