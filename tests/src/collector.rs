//! An OTLP collector inside the test process: it accepts OTLP over HTTP/1.1 or gRPC, stores every request that arrives,
//! and misbehaves on demand.
//!
//! ```no_run
//! use canary_tests::collector::{Collector, LIMIT, Mode, Protocol};
//!
//! let collector = Collector::start(Protocol::Http);
//! let endpoint = collector.url("http"); // for OTEL_EXPORTER_OTLP_ENDPOINT
//! collector.wait_for(LIMIT, |arrivals| !arrivals.spans().named("GET").is_empty());
//! collector.set(Mode::Status { code: 503, retry_after: Some(1) });
//! ```
//!
//! It has its own thread and runtime and runs in real time: the test may block its thread or pause its clock.
//! Dropping it closes every socket and joins the thread.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a collector that cannot start must fail its test"
)]

mod answer;
mod arrivals;
mod attributes;
mod decode;
mod fault_injection;
mod logs;
mod metrics;
mod mode;
mod serve;
mod spans;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpSocket;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::peer::Peer;

pub use arrivals::{Arrival, Arrivals, MAX_ARRIVAL_BYTES, MAX_ARRIVALS, Message, Signal};
pub use attributes::{Attributes, attributes};
pub use logs::{Log, Logs};
pub use metrics::{Measured, Metrics, Point};
pub use mode::{ClosePoint, Mode};
pub use spans::{Span, Spans};

use serve::Shared;

/// Default time-out of tests that wait for data to arrive.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The OTLP transport of a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 with protobuf bodies at `/v1/traces`, `/v1/metrics` and `/v1/logs`.
    Http,
    /// gRPC over HTTP/2 with prior knowledge, or by ALPN over TLS.
    Grpc,
}

/// A collector on loopback that lives as long as this value.
#[must_use = "a collector that is dropped is closed"]
pub struct Collector {
    shared: Arc<Shared>,
    tls: Option<TlsAcceptor>,
    /// `None` while it does not listen.
    peer: Option<Peer>,
    /// Bound but never listening: reserves the port while the collector does not listen.
    reserved: SocketAddr,
    _reservation: TcpSocket,
    runtime: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Collector {
    /// Starts a collector without TLS.
    pub fn start(protocol: Protocol) -> Self {
        Self::launch(protocol, None)
    }

    /// Starts a collector over TLS; whether clients must show a certificate is up to `config`, as
    /// [`crate::certificate::Certificate::server_config_with`] makes it.
    pub fn start_tls(protocol: Protocol, mut config: ServerConfig) -> Self {
        config.alpn_protocols = match protocol {
            Protocol::Http => vec![b"http/1.1".to_vec()],
            Protocol::Grpc => vec![b"h2".to_vec()],
        };
        Self::launch(protocol, Some(Arc::new(config).into()))
    }

    fn launch(protocol: Protocol, tls: Option<TlsAcceptor>) -> Self {
        let reservation = TcpSocket::new_v4().expect("a socket");
        reservation.set_reuseaddr(true).expect("it is new");
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        reservation.bind(anywhere).expect("a free port on loopback");
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name("collector".to_owned());
        // The thread ends when the sender is dropped.
        let thread = thread.spawn(move || runtime.block_on(async { drop(stopped.await) }));
        let mut collector = Self {
            shared: Arc::new(Shared::new(protocol)),
            tls,
            peer: None,
            reserved: reservation.local_addr().expect("it is bound"),
            _reservation: reservation,
            runtime: handle,
            stop: Some(stop),
            thread: Some(thread.expect("a thread")),
        };
        collector.listen();
        collector
    }

    /// The address it listens on, or will listen on again.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.reserved
    }

    /// `scheme://address`, the base of its endpoints.
    #[must_use]
    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.reserved)
    }

    /// Sets how requests are handled from now on, including those on open connections.
    pub fn set(&self, mode: Mode) {
        self.shared.set(mode);
    }

    /// Closes its listener and every connection. New connections are refused.
    pub fn stop_listening(&mut self) {
        self.peer = None;
    }

    /// Listens again on the same port.
    pub fn listen(&mut self) {
        let (shared, tls) = (self.shared.clone(), self.tls.clone());
        let _inside = self.runtime.enter();
        let peer = Peer::tcp_on(self.reserved, move |connection| {
            serve::connection(connection, tls.clone(), shared.clone())
        });
        self.peer = Some(peer.expect("the port is reserved"));
    }

    /// Connections held open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.peer.as_ref().map_or(0, Peer::open)
    }

    /// Connections accepted since it last started to listen.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.peer.as_ref().map_or(0, Peer::accepted)
    }

    /// Everything that has arrived so far.
    #[must_use]
    pub fn arrivals(&self) -> Arrivals {
        self.shared.arrivals.snapshot()
    }

    /// Blocks the thread until what arrived satisfies `enough`, and returns it.
    ///
    /// # Panics
    /// The limit is over.
    pub fn wait_for(&self, limit: Duration, enough: impl Fn(&Arrivals) -> bool) -> Arrivals {
        match self.shared.arrivals.wait(limit, enough) {
            Ok(arrivals) => arrivals,
            Err(arrivals) => panic!("not within {limit:?}; what arrived: {arrivals:#?}"),
        }
    }

    /// Waits until what arrived satisfies `enough`, and returns it. For tests whose sender runs on the same thread.
    /// Waits forever otherwise: use a time-out.
    pub async fn until(&self, enough: impl Fn(&Arrivals) -> bool) -> Arrivals {
        self.shared.arrivals.until(enough).await
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.peer = None;
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic of a session has been reported by the test that caused it.
            let _ended = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
