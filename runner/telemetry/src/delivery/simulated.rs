//! A collector implemented as a function, and injected disk failures, for tests.
#![expect(clippy::expect_used, reason = "what cannot be simulated must fail its test")]

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use hyper::body::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use tokio::time::timeout;

use crate::signal::Signal;
use canary_outbound::http_client::{Failure, FailureCause};

/// The maximum duration of one request.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

type Answering = Pin<Box<dyn Future<Output = Status> + Send>>;

/// The response of a simulated collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// An HTTP status, with the seconds of a `Retry-After`.
    Http(u16, Option<u64>),
    /// Connection refused.
    Refused,
}

/// A simulated collector. Clones share the same function.
#[derive(Clone)]
pub struct Collector(Arc<dyn Fn(Signal, Bytes) -> Answering + Send + Sync>);

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collector")
    }
}

impl PartialEq for Collector {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Collector {}

impl Collector {
    /// A collector that answers with what `answer` returns.
    pub fn new<F>(answer: impl Fn(Signal, Bytes) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Status> + Send + 'static,
    {
        Self(Arc::new(move |signal, request| Box::pin(answer(signal, request))))
    }

    /// The status of its response, with the seconds of a `Retry-After`.
    pub(super) async fn answer(
        &self,
        signal: Signal,
        request: Bytes,
    ) -> Result<(StatusCode, Option<u64>), Failure> {
        match timeout(TIMEOUT, (self.0)(signal, request)).await {
            Ok(Status::Http(status, after)) => {
                Ok((StatusCode::from_u16(status).expect("a status of HTTP"), after))
            }
            Ok(Status::Refused) => Err(Failure::new(FailureCause::Connect, "connection refused")),
            Err(_) => Err(Failure::new(FailureCause::Timeout, "no answer")),
        }
    }
}

thread_local! {
    static FAILURE: Cell<Option<i32>> = const { Cell::new(None) };
    static STEP_FAILURE: Cell<Option<(Step, i32)>> = const { Cell::new(None) };
}

/// A disk operation that can be made to fail on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Syncing a folder.
    Sync,
    /// Removing a file.
    Remove,
}

#[cfg(test)]
/// Makes this operation fail with an OS error in every spool of this thread, or clears that.
pub(super) fn fail_step(failing: Option<(Step, i32)>) {
    STEP_FAILURE.set(failing);
}

pub(super) fn step_failure(step: Step) -> Option<io::Error> {
    let failing = STEP_FAILURE.get().filter(|(failing, _)| *failing == step);
    failing.map(|(_, errno)| io::Error::from_raw_os_error(errno))
}

/// Makes every spool operation on this thread fail with an OS error, or clears that.
pub fn fail_disk(errno: Option<i32>) {
    FAILURE.set(errno);
}

pub(super) fn disk_failure() -> Option<io::Error> {
    FAILURE.get().map(io::Error::from_raw_os_error)
}

/// The trace ids of the runs whose spans are in a request.
pub fn trace_ids(signal: Signal, request: &Bytes) -> Vec<[u8; 16]> {
    if signal != Signal::Traces {
        return Vec::new();
    }
    let request = ExportTraceServiceRequest::decode(request.clone()).expect("a request of OTLP");
    let scopes = request.resource_spans.iter().flat_map(|spans| &spans.scope_spans);
    let spans = scopes.flat_map(|scope| &scope.spans);
    let roots = spans.filter(|span| span.parent_span_id.is_empty());
    let id = |id: &Vec<u8>| id.as_slice().try_into().expect("an id of 16 bytes");
    roots.map(|root| id(&root.trace_id)).collect()
}
