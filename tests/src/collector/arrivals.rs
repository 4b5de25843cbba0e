//! What arrived, in its order.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::header::HeaderMap;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::logs::Logs;
use super::metrics::Metrics;
use super::spans::Spans;

/// How many requests a collector remembers; older ones are forgotten, and counted.
pub const ARRIVALS_KEPT: usize = 65_536;

/// How many bytes of uncompressed requests a collector remembers; older ones are forgotten, and counted.
pub const KEPT_BYTES: usize = 256 * 1024 * 1024;

/// How many complaints a collector remembers.
const COMPLAINTS_KEPT: usize = 64;

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Data points.
    Metrics,
    /// Log records.
    Logs,
}

/// A request, decoded.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// Spans.
    Traces(ExportTraceServiceRequest),
    /// Data points.
    Metrics(ExportMetricsServiceRequest),
    /// Log records.
    Logs(ExportLogsServiceRequest),
}

impl Message {
    /// What it is about.
    #[must_use]
    pub const fn signal(&self) -> Signal {
        match self {
            Self::Traces(_) => Signal::Traces,
            Self::Metrics(_) => Signal::Metrics,
            Self::Logs(_) => Signal::Logs,
        }
    }
}

/// A request that arrived whole.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Its place in the order of arrival, from 0.
    pub number: u64,
    /// When its last byte was read.
    pub at: Instant,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body on the wire, in bytes: compressed, with gRPC's frame of five bytes.
    pub wire_bytes: usize,
    /// Its body, uncompressed, in bytes.
    pub bytes: usize,
    /// What it says.
    pub message: Message,
    /// Whether the collector took it: a good client sends it again where not, and never again where it did.
    pub taken: bool,
}

impl Arrival {
    /// The first value of a header, if it is there and readable.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What arrived up to a moment.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    /// The requests, oldest first: those that were taken, and those that were refused.
    pub requests: VecDeque<Arc<Arrival>>,
    /// How many older ones were forgotten.
    pub forgotten: u64,
    /// What was wrong with requests that are not OTLP, oldest first.
    pub complaints: Vec<String>,
    kept_bytes: usize,
}

impl Arrivals {
    /// The requests that were taken, oldest first.
    pub fn taken(&self) -> impl Iterator<Item = &Arrival> {
        self.requests
            .iter()
            .map(AsRef::as_ref)
            .filter(|arrival| arrival.taken)
    }

    /// All spans of requests that were taken, in order of arrival.
    #[must_use]
    pub fn spans(&self) -> Spans {
        self.taken().map(|arrival| &arrival.message).collect()
    }

    /// All metrics of requests that were taken, in order of arrival.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.taken().map(|arrival| &arrival.message).collect()
    }

    /// All log records of requests that were taken, in order of arrival.
    #[must_use]
    pub fn logs(&self) -> Logs {
        self.taken().map(|arrival| &arrival.message).collect()
    }

    fn push(&mut self, arrival: Arrival) {
        self.kept_bytes += arrival.bytes;
        self.requests.push_back(Arc::new(arrival));
        while self.requests.len() > ARRIVALS_KEPT || self.kept_bytes > KEPT_BYTES {
            let Some(oldest) = self.requests.pop_front() else {
                return;
            };
            self.kept_bytes -= oldest.bytes;
            self.forgotten += 1;
        }
    }
}

/// What arrives, shared between a collector and its connections.
#[derive(Default)]
pub(super) struct Inbox {
    arrivals: Mutex<Arrivals>,
    blocked: Condvar,
    waiting: Notify,
}

impl Inbox {
    pub(super) fn push(&self, arrive: impl FnOnce(u64) -> Arrival) {
        let mut arrivals = self.lock();
        let number = arrivals.forgotten + arrivals.requests.len() as u64;
        arrivals.push(arrive(number));
        self.tell(arrivals);
    }

    pub(super) fn complain(&self, complaint: String) {
        let mut arrivals = self.lock();
        if arrivals.complaints.len() < COMPLAINTS_KEPT {
            arrivals.complaints.push(complaint);
        }
        self.tell(arrivals);
    }

    fn tell(&self, changed: MutexGuard<'_, Arrivals>) {
        drop(changed);
        self.blocked.notify_all();
        self.waiting.notify_waiters();
    }

    pub(super) fn snapshot(&self) -> Arrivals {
        self.lock().clone()
    }

    /// What arrived when it is enough, or when the limit is over.
    pub(super) fn wait(
        &self,
        limit: Duration,
        enough: impl Fn(&Arrivals) -> bool,
    ) -> Result<Arrivals, Arrivals> {
        let waited = self
            .blocked
            .wait_timeout_while(self.lock(), limit, |arrivals| !enough(arrivals));
        let (arrivals, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            Err(arrivals.clone())
        } else {
            Ok(arrivals.clone())
        }
    }

    pub(super) async fn until(&self, enough: impl Fn(&Arrivals) -> bool) -> Arrivals {
        loop {
            // From here on no arrival is missed.
            let news = self.waiting.notified();
            let arrivals = self.snapshot();
            if enough(&arrivals) {
                return arrivals;
            }
            news.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Arrivals> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
