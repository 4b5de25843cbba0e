//! Prometheus.
#![expect(clippy::expect_used, reason = "a server that cannot start must fail its test")]

use std::fs;
use std::ops::Deref;

use super::promql::Queries;
use super::service::{Plan, Service};
use crate::command::find;

/// A Prometheus with an empty store, remote-write receiver and exemplar storage. Killed on drop; its store is deleted.
#[derive(Debug)]
pub struct Prometheus(Queries);

impl Prometheus {
    /// Starts it; it scrapes nothing. `None` where `prometheus` is not installed.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::start_with("{}")
    }

    /// Starts it with a configuration: what it scrapes, which rules it follows. `None` where `prometheus` is not
    /// installed.
    #[must_use]
    pub fn start_with(configuration: &str) -> Option<Self> {
        let service = Service::start(&Plan {
            name: "prometheus",
            program: find("prometheus")?,
            listeners: 1,
            arrange: &|command, addresses, folder| {
                fs::write(folder.join("prometheus.yml"), configuration).expect("a new file");
                for address in addresses {
                    command.arg(format!("--web.listen-address={address}"));
                }
                command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"]);
                command.args([
                    "--web.enable-remote-write-receiver",
                    "--enable-feature=exemplar-storage",
                ]);
            },
            ready: Some("/-/ready"),
        });
        Some(Self(Queries {
            service,
            flush: None,
            extra: "",
        }))
    }

    /// Its remote-write URL.
    #[must_use]
    pub fn write_url(&self) -> String {
        format!("http://{}/api/v1/write", self.address())
    }
}

impl Deref for Prometheus {
    type Target = Queries;

    fn deref(&self) -> &Queries {
        &self.0
    }
}
