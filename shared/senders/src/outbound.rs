//! Requests to addresses that an operator names. They reach public addresses only, or this machine on a laptop.
//!
//! A host is resolved once, and the connection goes to an address that was checked, so an answer of the DNS that changes
//! afterwards changes nothing. Redirects are not followed.

use std::{io, net::SocketAddr};

use reqwest::{
    dns::{Addrs, Name, Resolve, Resolving},
    header::{CONTENT_TYPE, HeaderMap},
};
use twostep_crypto::standard_webhooks::SignedHeaders;
use twostep_domain::{
    network::is_public,
    target::{Reach, TargetUrl},
};

use crate::http;

#[derive(Clone)]
pub struct Outbound {
    http: reqwest::Client,
}

/// An answer, as far as it was read.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// At most 16 KiB of it.
    pub body: Vec<u8>,
    /// Seconds, if the answer says when to come again.
    pub retry_after: Option<u64>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoReply {
    /// No connection was made: nothing was sent.
    NotReached,
    /// The target took the request, perhaps.
    Timeout,
    ConnectionLost,
}

impl NoReply {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotReached => "not_reached",
            Self::Timeout => "timeout",
            Self::ConnectionLost => "connection_lost",
        }
    }
}

impl Outbound {
    const LONGEST_REPLY: usize = 16 * 1024;

    /// # Errors
    /// If no TLS client can be made on this machine.
    pub fn new(reach: Reach) -> Result<Self, reqwest::Error> {
        let http = http::client().no_proxy().dns_resolver(CheckedResolver { reach }).build()?;
        Ok(Self { http })
    }

    /// Posts JSON, signed, once.
    ///
    /// # Errors
    /// [`NoReply`]
    pub async fn post(&self, url: &TargetUrl, signed: &SignedHeaders, body: String) -> Result<Reply, NoReply> {
        let mut request = self.http.post(url.as_str()).header(CONTENT_TYPE, "application/json");
        for (name, value) in [
            ("webhook-id", &signed.id),
            ("webhook-timestamp", &signed.timestamp),
            ("webhook-signature", &signed.signature),
        ] {
            request = request.header(name, value);
        }
        let mut response = request.body(body).send().await.map_err(|error| {
            if error.is_connect() {
                NoReply::NotReached
            } else if error.is_timeout() {
                NoReply::Timeout
            } else {
                NoReply::ConnectionLost
            }
        })?;
        let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
        let mut body = Vec::new();
        while body.len() < Self::LONGEST_REPLY {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) if error.is_timeout() => return Err(NoReply::Timeout),
                Err(_) => return Err(NoReply::ConnectionLost),
            }
        }
        body.truncate(Self::LONGEST_REPLY);
        Ok(Reply { status, body, retry_after })
    }
}

fn retry_after(headers: &HeaderMap) -> Option<u64> {
    headers.get("retry-after")?.to_str().ok()?.parse().ok()
}

/// Resolves a host to the addresses that may be called.
struct CheckedResolver {
    reach: Reach,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.reach;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed = allowed(found, reach);
            if allowed.is_empty() {
                return Err(io::Error::other("the host has no public address").into());
            }
            let allowed: Addrs = Box::new(allowed.into_iter());
            Ok(allowed)
        })
    }
}

/// A host that has a private address beside a public one is suspect as a whole.
fn allowed(found: impl Iterator<Item = SocketAddr>, reach: Reach) -> Vec<SocketAddr> {
    let found: Vec<_> = found.collect();
    let is_allowed =
        |address: &SocketAddr| is_public(address.ip()) || (reach == Reach::Loopback && address.ip().is_loopback());
    if found.iter().all(is_allowed) { found } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };
    use twostep_crypto::{
        Pepper,
        standard_webhooks::{Receiver, SigningSecret},
    };
    use twostep_domain::time::Timestamp;

    use super::*;

    fn signed() -> SignedHeaders {
        let secret = SigningSecret::of(&Pepper::new(&[1; 32]), Receiver::Webhook { id: "a" });
        secret.sign("msg_1", Timestamp(1_800_000_000), "{}")
    }

    /// A server that answers one request with `answer`.
    async fn answering(answer: Vec<u8>) -> TargetUrl {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://localhost:{}/hook", listener.local_addr().unwrap().port());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let answer = answer.clone();
                tokio::spawn(async move {
                    let _ = stream.read(&mut [0; 4096]).await;
                    let _ = stream.write_all(&answer).await;
                });
            }
        });
        TargetUrl::parse(&url, Reach::Loopback).unwrap()
    }

    #[test]
    fn a_host_with_an_address_that_is_not_public_is_not_called() {
        let addresses = |all: &[&str]| all.iter().map(|ip| format!("{ip}:0").parse().unwrap()).collect::<Vec<_>>();
        let good = addresses(&["8.8.8.8", "1.1.1.1"]);
        assert_eq!(allowed(good.clone().into_iter(), Reach::Public), good);
        for bad in [&["8.8.8.8", "10.0.0.1"][..], &["127.0.0.1"], &["169.254.169.254"], &["[::1]"], &["[fd00::1]"]] {
            assert!(allowed(addresses(bad).into_iter(), Reach::Public).is_empty(), "{bad:?}");
        }
        assert_eq!(allowed(addresses(&["127.0.0.1"]).into_iter(), Reach::Loopback).len(), 1);
        assert!(allowed(addresses(&["192.168.0.1"]).into_iter(), Reach::Loopback).is_empty());
    }

    #[tokio::test]
    async fn a_name_that_resolves_to_this_machine_is_reached_on_a_laptop_only() {
        let url = answering(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()).await;
        let reply = Outbound::new(Reach::Loopback).unwrap().post(&url, &signed(), "{}".into()).await;
        assert_eq!(reply.unwrap().status, 204);
        let reply = Outbound::new(Reach::Public).unwrap().post(&url, &signed(), "{}".into()).await;
        assert_eq!(reply.unwrap_err(), NoReply::NotReached);
    }

    #[tokio::test]
    async fn redirects_are_answers_and_long_answers_are_cut() {
        let client = Outbound::new(Reach::Loopback).unwrap();
        let url =
            answering(b"HTTP/1.1 307 Moved\r\nlocation: http://localhost:1/\r\ncontent-length: 0\r\n\r\n".to_vec())
                .await;
        assert_eq!(client.post(&url, &signed(), "{}".into()).await.unwrap().status, 307);
        let mut long = b"HTTP/1.1 200 OK\r\nretry-after: 7\r\ncontent-length: 1000000\r\n\r\n".to_vec();
        long.extend(vec![b'x'; 1_000_000]);
        let reply = client.post(&answering(long).await, &signed(), "{}".into()).await.unwrap();
        assert_eq!((reply.body.len(), reply.retry_after), (16 * 1024, Some(7)));
    }

    #[tokio::test]
    async fn a_target_that_breaks_off_may_have_taken_the_request() {
        let client = Outbound::new(Reach::Loopback).unwrap();
        let url = answering(Vec::new()).await;
        assert_eq!(client.post(&url, &signed(), "{}".into()).await.unwrap_err(), NoReply::ConnectionLost);
        let nobody = TargetUrl::parse("http://localhost:1/", Reach::Loopback).unwrap();
        assert_eq!(client.post(&nobody, &signed(), "{}".into()).await.unwrap_err(), NoReply::NotReached);
    }
}
