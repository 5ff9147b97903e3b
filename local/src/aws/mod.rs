//! The AWS services that functions call.

pub mod dynamodb;
pub mod secrets_manager;
pub mod sqs;
