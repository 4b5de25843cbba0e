//! Arize Phoenix: a trace store with a query API.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use super::service::{Plan, Service};
use crate::client::get;
use crate::command::find;

/// Spans per query.
const PAGE: usize = 1000;

/// A Phoenix with an empty store, for traces over gRPC and HTTP. Killed on drop; its store is deleted.
#[derive(Debug)]
pub struct Phoenix(Service);

impl Phoenix {
    /// Starts it, which takes it about ten seconds. `None` where `phoenix` is not installed.
    #[must_use]
    pub fn start() -> Option<Self> {
        Some(Self(Service::start(&Plan {
            name: "phoenix",
            program: find("phoenix")?,
            listeners: 2,
            arrange: &|command, addresses, folder| {
                command.arg("serve").env("PHOENIX_WORKING_DIR", folder);
                command.env("PHOENIX_HOST", "127.0.0.1");
                for (name, address) in ["PHOENIX_PORT", "PHOENIX_GRPC_PORT"].iter().zip(addresses) {
                    command.env(name, address.port().to_string());
                }
                // Disables usage reports to the vendor.
                command.env("PHOENIX_TELEMETRY_ENABLED", "false");
                command.env("PHOENIX_ALLOW_EXTERNAL_RESOURCES", "false");
            },
            ready: Some("/readyz"),
        })))
    }

    /// Its HTTP address, for OTLP and queries.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.0.address(0)
    }

    /// Its gRPC address.
    #[must_use]
    pub fn grpc(&self) -> SocketAddr {
        self.0.address(1)
    }

    /// The spans in its store as OTLP's JSON, at most 1,000.
    #[must_use]
    pub fn spans(&self) -> Vec<Value> {
        let path = format!("/v1/projects/default/spans/otlpv1?limit={PAGE}");
        let answer = get(self.http(), &path).ok().filter(|answer| answer.status == 200);
        let body: Option<Value> = answer.and_then(|answer| serde_json::from_slice(&answer.body).ok());
        body.and_then(|body| body.get("data")?.as_array().cloned())
            .unwrap_or_default()
    }

    /// Waits until its store satisfies `enough`, and returns the spans.
    ///
    /// # Panics
    /// The limit is over.
    pub fn wait_for(&self, limit: Duration, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        self.0.wait_for(limit, "its store has enough", || {
            Some(self.spans()).filter(|spans| enough(spans))
        })
    }
}
