//! Webhooks, as operators see them.

use serde::{Deserialize, Serialize};
use twostep_domain::{
    time::Timestamp,
    webhook::{DeliveryState, EventDelivery, EventType, Webhook},
};
use twostep_usecases::admin::webhooks::{Tried, WithSecret};

use super::page::PageBody;
use crate::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewWebhookBody {
    pub url: String,
    #[serde(default = "all")]
    events: Vec<String>,
}

fn all() -> Vec<String> {
    vec!["*".to_owned()]
}

impl NewWebhookBody {
    /// The types of events; `None` means all.
    ///
    /// # Errors
    /// [`Problem::InvalidSetting`] for a type that does not exist.
    pub fn events(&self) -> Result<Option<Vec<EventType>>, Problem> {
        if self.events == ["*"] {
            return Ok(None);
        }
        let read = |event: &String| event.parse().ok().filter(|event| *event != EventType::Test);
        let mut events: Vec<EventType> =
            self.events.iter().map(read).collect::<Option<_>>().ok_or(Problem::InvalidSetting("events"))?;
        events.sort_unstable();
        events.dedup();
        if events.is_empty() { Err(Problem::InvalidSetting("events")) } else { Ok(Some(events)) }
    }
}

#[derive(Serialize)]
pub struct WebhookBody {
    id: String,
    url: String,
    events: Vec<&'static str>,
    created_at: String,
    /// Only on creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl From<Webhook> for WebhookBody {
    fn from(webhook: Webhook) -> Self {
        let events = webhook.events.map(|events| events.into_iter().map(EventType::as_str).collect());
        Self {
            id: webhook.id,
            url: webhook.url.as_str().to_owned(),
            events: events.unwrap_or_else(|| vec!["*"]),
            created_at: webhook.created_at.rfc3339(),
            secret: None,
        }
    }
}

impl From<WithSecret> for WebhookBody {
    fn from(created: WithSecret) -> Self {
        Self { secret: Some(created.secret.expose()), ..created.webhook.into() }
    }
}

#[derive(Serialize)]
pub struct WebhooksBody {
    items: Vec<WebhookBody>,
}

impl From<Vec<Webhook>> for WebhooksBody {
    fn from(webhooks: Vec<Webhook>) -> Self {
        Self { items: webhooks.into_iter().map(WebhookBody::from).collect() }
    }
}

#[derive(Serialize)]
pub struct TriedBody {
    delivered: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_status: Option<u16>,
    /// Why there was no response.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

impl From<Tried> for TriedBody {
    fn from(Tried { response_status, reason }: Tried) -> Self {
        Self { delivered: EventDelivery::is_taken(response_status), response_status, reason }
    }
}

pub type DeliveriesBody = PageBody<DeliveryBody>;

#[derive(Serialize)]
pub struct DeliveryBody {
    id: String,
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    created_at: String,
    state: &'static str,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<EventDelivery> for DeliveryBody {
    fn from(delivery: EventDelivery) -> Self {
        let waits = delivery.state == DeliveryState::Pending;
        let user = (delivery.event != EventType::VerificationSucceeded).then_some(delivery.entry.user);
        Self {
            id: delivery.id,
            r#type: delivery.event.as_str(),
            user_id: user.map(|user| user.as_str().to_owned()),
            created_at: delivery.entry.at.rfc3339(),
            state: delivery.state.into(),
            attempts: delivery.attempts,
            next_attempt_at: Some(delivery.due_at).filter(|_| waits).map(Timestamp::rfc3339),
            response_status: delivery.response_status,
            reason: delivery.reason,
        }
    }
}
