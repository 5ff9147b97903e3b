//! Clients, as admins see them.

use serde::{Deserialize, Serialize};
use twostep_domain::client::{Client, ClientKind, RedirectUri};
use twostep_usecases::admin::clients::{ClientChange, WithSecret};

use super::settings::named;
use crate::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewClientBody {
    name: String,
    kind: String,
    #[serde(default)]
    redirect_uris: Vec<String>,
    #[serde(default)]
    post_logout_redirect_uris: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientChangeBody {
    #[serde(default, deserialize_with = "named")]
    name: Option<String>,
    #[serde(default, deserialize_with = "named")]
    redirect_uris: Option<Vec<String>>,
    #[serde(default, deserialize_with = "named")]
    post_logout_redirect_uris: Option<Vec<String>>,
}

impl NewClientBody {
    /// # Errors
    /// [`Problem::InvalidSetting`] for a kind that does not exist.
    pub fn parse(self) -> Result<(ClientKind, ClientChange), Problem> {
        let kind = self.kind.parse().map_err(|_| Problem::InvalidSetting("kind"))?;
        let change = ClientChange {
            name: Some(self.name),
            redirect_uris: Some(self.redirect_uris),
            post_logout_redirect_uris: Some(self.post_logout_redirect_uris),
        };
        Ok((kind, change))
    }
}

impl ClientChangeBody {
    #[must_use]
    pub fn into_change(self) -> ClientChange {
        ClientChange {
            name: self.name,
            redirect_uris: self.redirect_uris,
            post_logout_redirect_uris: self.post_logout_redirect_uris,
        }
    }
}

#[derive(Serialize)]
pub struct ClientBody {
    client_id: String,
    name: String,
    kind: &'static str,
    redirect_uris: Vec<String>,
    post_logout_redirect_uris: Vec<String>,
    created_at: String,
    /// Only in the response that makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
}

#[derive(Serialize)]
pub struct ClientListBody {
    pub items: Vec<ClientBody>,
}

impl From<Client> for ClientBody {
    fn from(client: Client) -> Self {
        let texts = |uris: &[RedirectUri]| uris.iter().map(|uri| uri.as_str().to_owned()).collect();
        Self {
            client_id: client.id.as_str().to_owned(),
            name: client.name.as_str().to_owned(),
            kind: client.kind.as_str(),
            redirect_uris: texts(&client.redirect_uris),
            post_logout_redirect_uris: texts(&client.post_logout_redirect_uris),
            created_at: client.created_at.rfc3339(),
            client_secret: None,
        }
    }
}

impl From<WithSecret> for ClientBody {
    fn from(WithSecret { client, secret }: WithSecret) -> Self {
        Self { client_secret: secret.map(|secret| secret.expose()), ..client.into() }
    }
}
