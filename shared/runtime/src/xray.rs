//! One X-Ray subsegment for each request, while the deployment's parameter `Tracing` is on. Lambda itself records the function's
//! segment; this adds what the function knows: the method and the status.
//! Source: AWS X-Ray Developer Guide, "AWS X-Ray segment documents" and "Sending trace data with UDP".

use std::{
    net::UdpSocket,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::json;
use twostep_domain::random;

use crate::{
    config::{ConfigError, Environment},
    entropy,
};

/// What comes before each document.
const HEADER: &str = "{\"format\": \"json\", \"version\": 1}\n";

/// Sends subsegments to Lambda's X-Ray daemon.
pub struct XRay {
    /// `None` while tracing is off.
    daemon: Option<(UdpSocket, String)>,
}

impl XRay {
    /// Lambda sets `AWS_XRAY_DAEMON_ADDRESS` to the address of its daemon.
    ///
    /// # Errors
    /// [`ConfigError`] if a variable is not Unicode.
    pub fn open(env: &Environment) -> Result<Self, ConfigError> {
        let address = env.optional("AWS_XRAY_DAEMON_ADDRESS")?;
        let socket = address.and_then(|address| Some((UdpSocket::bind("127.0.0.1:0").ok()?, address)));
        // A trace is never worth a request's time.
        let daemon = socket.filter(|(socket, _)| socket.set_nonblocking(true).is_ok());
        Ok(Self { daemon })
    }

    /// Records a request that belongs to the trace of Lambda's `header`, if that is sampled. Times are in seconds since the
    /// Unix epoch. A subsegment that can't be sent is lost.
    pub fn record(&self, header: &str, method: &str, status: u16, began: f64, ended: f64) {
        let Some((socket, address)) = &self.daemon else { return };
        let Some(Sampled { trace, parent }) = Sampled::parse(header) else { return };
        let id = u64::from_be_bytes(random::bytes(&mut entropy::system()));
        let document = json!({
            "type": "subsegment",
            "name": "request",
            "id": format!("{id:016x}"),
            "trace_id": trace,
            "parent_id": parent,
            "start_time": began,
            "end_time": ended,
            "error": (400..500).contains(&status),
            "throttle": status == 429,
            "fault": status >= 500,
            "annotations": { "method": method, "status": status },
        });
        let _ = socket.send_to(format!("{HEADER}{document}").as_bytes(), address);
    }
}

/// Seconds since the Unix epoch, as segment documents have them.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a trace shows real time")]
pub fn seconds() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// A sampled request's place in its trace.
struct Sampled<'a> {
    trace: &'a str,
    parent: &'a str,
}

impl<'a> Sampled<'a> {
    /// Reads `Root=…;Parent=…;Sampled=1`, in any order and with other fields (X-Ray Developer Guide, "Tracing header").
    fn parse(header: &'a str) -> Option<Self> {
        let field = |name: &str| {
            let mut fields = header.split(';').filter_map(|field| field.trim().split_once('='));
            fields.find_map(|(found, value)| (found == name).then_some(value))
        };
        (field("Sampled")? == "1").then_some(())?;
        Some(Self { trace: field("Root")?, parent: field("Parent")? })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::*;

    const TRACE: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a:0";

    fn daemon() -> (UdpSocket, XRay) {
        let daemon = UdpSocket::bind("127.0.0.1:0").unwrap();
        daemon.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let address = daemon.local_addr().unwrap().to_string();
        (daemon, XRay::open(&Environment::of([("AWS_XRAY_DAEMON_ADDRESS", address)])).unwrap())
    }

    fn received(daemon: &UdpSocket) -> Option<Value> {
        let mut packet = [0; 2048];
        let length = daemon.recv(&mut packet).ok()?;
        let text = std::str::from_utf8(&packet[..length]).unwrap();
        Some(serde_json::from_str(text.strip_prefix(HEADER).expect("the daemon's header")).expect("JSON"))
    }

    #[test]
    fn a_sampled_request_becomes_a_subsegment_of_lambdas_segment() {
        let (daemon, xray) = daemon();
        xray.record(TRACE, "POST", 503, 1_800_000_000.25, 1_800_000_000.5);
        let document = received(&daemon).expect("a document");
        assert_eq!(document["trace_id"], "1-5759e988-bd862e3fe1be46a994272793");
        assert_eq!((&document["parent_id"], &document["type"]), (&json!("53995c3f42cd8ad8"), &json!("subsegment")));
        let id = document["id"].as_str().unwrap();
        assert!(id.len() == 16 && id.chars().all(|digit| digit.is_ascii_hexdigit()), "{id}");
        assert_eq!((&document["fault"], &document["error"]), (&json!(true), &json!(false)));
        assert_eq!(document["annotations"], json!({ "method": "POST", "status": 503 }));
        xray.record(TRACE, "POST", 429, 1.0, 2.0);
        assert_eq!(received(&daemon).unwrap()["throttle"], true);
    }

    #[test]
    fn without_a_daemon_or_a_sampled_trace_nothing_is_sent() {
        let (daemon, xray) = daemon();
        for header in
            ["", "Root=1-2-3;Parent=4;Sampled=0", "Root=1-2-3;Sampled=1", "Sampled=1", &TRACE.replace(';', ",")]
        {
            xray.record(header, "GET", 200, 1.0, 2.0);
        }
        assert_eq!(received(&daemon), None);
        XRay::open(&Environment::of([])).unwrap().record(TRACE, "GET", 200, 1.0, 2.0);
    }
}
