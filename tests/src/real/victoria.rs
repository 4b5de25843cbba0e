//! vmagent, which receives OTLP and writes to Prometheus, and victoria-metrics, which stores it.
//!
//! Both receive OTLP over HTTP only, below [`PREFIX`].

use std::net::SocketAddr;
use std::ops::Deref;

use super::promql::Queries;
use super::service::{Plan, Service};
use crate::command::find;

/// Prefix of `/v1/metrics` in their paths.
const PREFIX: &str = "/opentelemetry";

/// A vmagent that writes to one store. Killed on drop.
#[derive(Debug)]
pub struct Vmagent(Service);

impl Vmagent {
    /// Starts it; `write_url` as [`super::Prometheus::write_url`] has it. `None` where `vmagent` is not installed.
    #[must_use]
    pub fn start(write_url: &str) -> Option<Self> {
        Some(Self(Service::start(&Plan {
            name: "vmagent",
            program: find("vmagent")?,
            listeners: 1,
            arrange: &|command, addresses, _| {
                for address in addresses {
                    command.arg(format!("-httpListenAddr={address}"));
                }
                command.arg(format!("-remoteWrite.url={write_url}"));
                command.args([
                    "-remoteWrite.forcePromProto",
                    "-remoteWrite.flushInterval=100ms",
                    "-remoteWrite.tmpDataPath=pending",
                    "-opentelemetry.usePrometheusNaming",
                ]);
            },
            ready: Some("/health"),
        })))
    }

    /// Its HTTP address.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.0.address(0)
    }

    /// The base of its endpoints: `OTEL_EXPORTER_OTLP_ENDPOINT` for it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}{PREFIX}", self.http())
    }
}

/// A single-node victoria-metrics with an empty store. Killed on drop; its store is deleted.
#[derive(Debug)]
pub struct VictoriaMetrics(Queries);

impl VictoriaMetrics {
    /// Starts it. `None` where `victoria-metrics` is not installed.
    #[must_use]
    pub fn start() -> Option<Self> {
        let service = Service::start(&Plan {
            name: "victoria-metrics",
            program: find("victoria-metrics")?,
            listeners: 1,
            arrange: &|command, addresses, _| {
                for address in addresses {
                    command.arg(format!("-httpListenAddr={address}"));
                }
                command.args([
                    "-storageDataPath=data",
                    "-opentelemetry.usePrometheusNaming",
                    "-search.latencyOffset=0s",
                ]);
            },
            ready: Some("/health"),
        });
        Some(Self(Queries {
            service,
            flush: Some("/internal/force_flush"),
            extra: "&nocache=1",
        }))
    }

    /// The base of its endpoints: `OTEL_EXPORTER_OTLP_ENDPOINT` for it.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}{PREFIX}", self.address())
    }
}

impl Deref for VictoriaMetrics {
    type Target = Queries;

    fn deref(&self) -> &Queries {
        &self.0
    }
}
