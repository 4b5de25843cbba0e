//! Alertmanager, which receives and stores alerts.
#![expect(
    clippy::expect_used,
    reason = "a server that does not answer must fail its test"
)]

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use super::service::{Plan, Service};
use crate::client::get;
use crate::command::find;

/// A configuration without notifications. Debian's package needs `/usr/share/prometheus/alertmanager/default.tmpl` even
/// so, which `.ci/tools` links.
const QUIET: &str = "route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n";

/// A single Alertmanager without notifications. Killed on drop.
#[derive(Debug)]
pub struct Alertmanager(Service);

impl Alertmanager {
    /// Starts it. `None` where `alertmanager` is not installed.
    #[must_use]
    pub fn start() -> Option<Self> {
        Some(Self(Service::start(&Plan {
            name: "alertmanager",
            program: find("alertmanager")?,
            listeners: 1,
            arrange: &|command, addresses, folder| {
                fs::write(folder.join("alertmanager.yml"), QUIET).expect("a new file");
                for address in addresses {
                    command.arg(format!("--web.listen-address={address}"));
                }
                command.args(["--config.file=alertmanager.yml", "--storage.path=data"]);
                command.arg("--cluster.listen-address=");
            },
            ready: Some("/-/ready"),
        })))
    }

    /// Its address; alerts are posted to `/api/v2/alerts`.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address(0)
    }

    /// The alerts it has.
    ///
    /// # Panics
    /// It does not answer.
    #[must_use]
    pub fn alerts(&self) -> Vec<Value> {
        let answer = get(self.address(), "/api/v2/alerts").expect("it runs");
        serde_json::from_slice(&answer.body).expect("a list")
    }

    /// Waits until its alerts satisfy `enough`, and returns them.
    ///
    /// # Panics
    /// The limit is over.
    pub fn wait_for(&self, limit: Duration, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        self.0.wait_for(limit, "it knows enough alerts", || {
            Some(self.alerts()).filter(|alerts| enough(alerts))
        })
    }
}
