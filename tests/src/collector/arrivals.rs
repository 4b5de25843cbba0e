//! The requests that arrived, in order.

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

/// Maximum number of requests a collector stores; older ones are dropped and counted.
pub const MAX_ARRIVALS: usize = 65_536;

/// Maximum size of all stored requests in uncompressed bytes; older ones are dropped and counted.
pub const MAX_ARRIVAL_BYTES: usize = 256 * 1024 * 1024;

/// Maximum number of problems a collector stores.
const MAX_PROBLEMS: usize = 64;

/// The signal of a request.
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
    /// The signal of the message.
    #[must_use]
    pub const fn signal(&self) -> Signal {
        match self {
            Self::Traces(_) => Signal::Traces,
            Self::Metrics(_) => Signal::Metrics,
            Self::Logs(_) => Signal::Logs,
        }
    }
}

/// A request that arrived completely.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Position in the order of arrival, from 0.
    pub number: u64,
    /// When its last byte was read.
    pub at: Instant,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body on the wire, in bytes: compressed, with gRPC's frame of five bytes.
    pub wire_bytes: usize,
    /// Its body, uncompressed, in bytes.
    pub bytes: usize,
    /// The decoded message.
    pub message: Message,
    /// Whether the collector accepted it: a correct client resends it if not, and never resends it if so.
    pub accepted: bool,
}

impl Arrival {
    /// The first value of a header, if it is there and readable.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A snapshot of everything that arrived.
#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    /// The requests, oldest first, accepted and refused ones.
    pub requests: VecDeque<Arc<Arrival>>,
    /// How many older requests were dropped.
    pub forgotten: u64,
    /// Why requests could not be decoded as OTLP, oldest first.
    pub problems: Vec<String>,
    total_bytes: usize,
}

impl Arrivals {
    /// The accepted requests, oldest first.
    pub fn accepted(&self) -> impl Iterator<Item = &Arrival> {
        self.requests
            .iter()
            .map(AsRef::as_ref)
            .filter(|arrival| arrival.accepted)
    }

    /// All spans of accepted requests, in order of arrival.
    #[must_use]
    pub fn spans(&self) -> Spans {
        self.accepted().map(|arrival| &arrival.message).collect()
    }

    /// All metrics of accepted requests, in order of arrival.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.accepted().map(|arrival| &arrival.message).collect()
    }

    /// All log records of accepted requests, in order of arrival.
    #[must_use]
    pub fn logs(&self) -> Logs {
        self.accepted().map(|arrival| &arrival.message).collect()
    }

    fn push(&mut self, arrival: Arrival) {
        self.total_bytes += arrival.bytes;
        self.requests.push_back(Arc::new(arrival));
        while self.requests.len() > MAX_ARRIVALS || self.total_bytes > MAX_ARRIVAL_BYTES {
            let Some(oldest) = self.requests.pop_front() else {
                return;
            };
            self.total_bytes -= oldest.bytes;
            self.forgotten += 1;
        }
    }
}

/// The arrivals, shared between a collector and its connections.
#[derive(Default)]
pub(super) struct ArrivalLog {
    arrivals: Mutex<Arrivals>,
    blocked: Condvar,
    waiting: Notify,
}

impl ArrivalLog {
    pub(super) fn push(&self, arrive: impl FnOnce(u64) -> Arrival) {
        let mut arrivals = self.lock();
        let number = arrivals.forgotten + arrivals.requests.len() as u64;
        arrivals.push(arrive(number));
        self.wake_waiters(arrivals);
    }

    pub(super) fn add_problem(&self, problem: String) {
        let mut arrivals = self.lock();
        if arrivals.problems.len() < MAX_PROBLEMS {
            arrivals.problems.push(problem);
        }
        self.wake_waiters(arrivals);
    }

    fn wake_waiters(&self, changed: MutexGuard<'_, Arrivals>) {
        drop(changed);
        self.blocked.notify_all();
        self.waiting.notify_waiters();
    }

    pub(super) fn snapshot(&self) -> Arrivals {
        self.lock().clone()
    }

    /// The arrivals once `enough` is satisfied; the arrivals so far as an error after `limit`.
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
            // Registered before the snapshot, so that no arrival is missed.
            let arrived = self.waiting.notified();
            let arrivals = self.snapshot();
            if enough(&arrivals) {
                return arrivals;
            }
            arrived.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Arrivals> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
