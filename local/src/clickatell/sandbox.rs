//! The sandbox's state: the messages and emails, and the current fault.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::HeaderMap;
use rand::RngExt;
use twostep_domain::time::Clock;
use twostep_runtime::{clock::SystemClock, entropy};

use super::{
    faults::{Channel, Fault, Mode},
    message::Message,
};
use crate::{
    inbox::Inbox,
    sms::{Api, Sms},
};

pub struct Sandbox {
    pub inbox: Inbox,
    fault: Mutex<Fault>,
    pub callback_url: String,
    pub client: reqwest::Client,
}

pub type Shared = Arc<Sandbox>;

impl Sandbox {
    #[must_use]
    pub fn new(callback_url: String, client: reqwest::Client) -> Self {
        Self { inbox: Inbox::default(), fault: Mutex::default(), callback_url, client }
    }

    pub fn fault(&self) -> MutexGuard<'_, Fault> {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies the current fault to a request to send a message or an email to `to`.
    pub fn strike(&self, channel: Channel, to: &str, headers: &HeaderMap) -> Mode {
        let (mode, changed) = self.fault().strike(channel, to, headers);
        if changed {
            self.inbox.changed();
        }
        mode
    }

    pub fn receive(&self, api: Api, message: Message) -> Sms {
        let sms = Sms {
            to: message.to.trim_start_matches('+').to_owned(),
            content: message.content,
            from: message.from,
            received_at: SystemClock.now().rfc3339(),
            api_message_id: format!("{:032x}", entropy::system().random::<u128>()),
            client_message_id: message.client_message_id,
            api,
        };
        self.inbox.receive_sms(sms.clone());
        sms
    }
}
