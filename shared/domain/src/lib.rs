//! What is true without any machine: the types and rules of TwoStep.
//!
//! Nothing here knows AWS, HTTP or an async runtime, so every rule is a plain function that takes the time and the
//! randomness it needs. Start with [`challenge`]: it is the state machine that everything else serves.
//!
//! The `Serialize` and `Deserialize` of these types are the form in which tables store them. Reading is lenient: unknown
//! attributes are ignored, and attributes that were added later have defaults. Requests and responses have types of their
//! own in `twostep-http`, which are strict.

pub mod account;
pub mod authentication_method;
pub mod challenge;
pub mod client;
pub mod country;
pub mod digits;
pub mod email;
pub mod email_texts;
pub mod failed_attempts;
pub mod ids;
pub mod invisible;
pub mod language;
pub mod message_texts;
mod national_number;
pub mod network;
pub mod notice_reserve;
pub mod oidc;
pub mod one_time_code;
pub mod person_name;
pub mod phone;
pub mod proof;
pub mod random;
pub mod rate_limit;
pub mod recipient;
pub mod reset;
pub mod sender;
pub mod sender_id;
pub mod session;
pub mod settings;
pub mod sign_in;
pub mod spending;
pub mod target;
pub mod test_number;
pub mod theme;
pub mod time;
pub mod web_address;
pub mod webhook;
