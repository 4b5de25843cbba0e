//! `@elastic/mockotlpserver`: a receiver that prints each request as a line of JSON.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use super::service::{Plan, Service};
use crate::command::find;

/// The command has no option for ports, so the library is used.
const SCRIPT: &str = "
const {MockOtlpServer} = require(process.env.LIB + '/mockotlpserver.js');
const {JSONPrinter} = require(process.env.LIB + '/printers.js');
const log = require(process.env.LIB + '/luggite.js').createLogger({name: 'mock', level: 'warn'});
const host = '127.0.0.1';
new JSONPrinter(log, 0).subscribe();
new MockOtlpServer({
    log, services: ['http', 'grpc'], httpHostname: host, grpcHostname: host,
    grpcPort: Number(process.env.GRPC_PORT), httpPort: Number(process.env.HTTP_PORT),
}).start();
";

/// A mock OTLP server for gRPC and HTTP. Killed on drop.
#[derive(Debug)]
pub struct MockServer(Service);

impl MockServer {
    /// Starts it. `None` where `mockotlpserver` or `node` is not installed.
    ///
    /// # Panics
    /// `mockotlpserver` is not the link that npm makes.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a broken installation must fail its test")]
    pub fn start() -> Option<Self> {
        let command = find("mockotlpserver")?.canonicalize().expect("it was found");
        let library = command.parent().expect("it is a file in a folder");
        Some(Self(Service::start(&Plan {
            name: "mockotlpserver",
            program: find("node")?,
            listeners: 2,
            arrange: &|command, addresses, _| {
                command.args(["-e", SCRIPT]).env("LIB", library);
                for (name, address) in ["GRPC_PORT", "HTTP_PORT"].iter().zip(addresses) {
                    command.env(name, address.port().to_string());
                }
            },
            ready: None,
        })))
    }

    /// Its gRPC address.
    #[must_use]
    pub fn grpc(&self) -> SocketAddr {
        self.0.address(0)
    }

    /// Its HTTP address. It does not support compression.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.0.address(1)
    }

    /// Every request that it has printed, in its order: objects with `resourceSpans`, `resourceMetrics` or
    /// `resourceLogs`. Attributes are objects, ids hexadecimal, and times texts.
    #[must_use]
    pub fn requests(&self) -> Vec<Value> {
        let lines = self.0.lines();
        let requests = lines.iter().filter(|line| line.starts_with("{\"resource"));
        requests
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Every span that it has printed, in its order.
    #[must_use]
    pub fn spans(&self) -> Vec<Value> {
        let requests = self.requests();
        let list = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
        let resources = requests.iter().flat_map(|request| list(request, "resourceSpans"));
        let scopes = resources.flat_map(|resource| list(&resource, "scopeSpans"));
        scopes.flat_map(|scope| list(&scope, "spans")).collect()
    }

    /// Waits until what it printed satisfies `enough`, and returns the requests.
    ///
    /// # Panics
    /// The limit is over.
    pub fn wait_for(&self, limit: Duration, enough: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        self.0.wait_for(limit, "it prints enough", || {
            Some(self.requests()).filter(|requests| enough(requests))
        })
    }
}
