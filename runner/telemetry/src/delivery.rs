//! Delivery of encoded OTLP requests to the collector, without losing any while it is unreachable.
//!
//! ```text
//! append -> batch + journal \
//!                            queue -> worker -> transport -> collector
//! push  ------------------- /   \-> spool, while the collector is unreachable
//! ```
//!
//! An export that is larger than the queue may hold is pushed as a series: each request waits until there is room for
//! it.
//!
//! Each signal has its own worker, so that signals do not block each other. A worker sends requests in the order in
//! which they were created, and a request leaves the queue only when its result is known. Delivery is at least once: a
//! collector may receive a request twice if the response to the first attempt was lost.

mod batch;
mod console;
mod deferred;
mod disk;
mod envelope;
mod export_result;
mod frame;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod journal;
mod notice;
mod parsed_request;
mod points;
mod queue;
mod report;
mod request;
mod request_id;
mod share;
#[cfg(any(test, feature = "test-util"))]
pub mod simulated;
mod sink;
mod split;
mod spool;
mod store;
mod suspects;
#[cfg(test)]
mod tests;
mod transport;
mod worker;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

pub use frame::Frame;
pub use notice::Notice;
pub use queue::MAX_MEMORY;
pub use report::{DeliveryReport, DropReason, SignalReport};
pub use request::Request;
pub use share::Owner;

use super::settings::{Exporter, SpoolSettings};
use crate::signal::Signal;
use canary_net::ledger::audit::InternalFds;
use canary_suite::SecretRegistry;
use canary_system::age::Clock;
use canary_system::liveness::{Impact, Registry, Tasks};
use console::Console;
use disk::Disk;
use envelope::Envelope;
use notice::NoticeSender;
use queue::Queue;
use sink::Sink;
use store::Store;
use transport::Transport;
use worker::{ExportWorker, Shared};

/// The configuration of a [`Delivery`].
pub(crate) struct DeliverySettings {
    /// The exporter of each signal; a signal without an entry is not exported.
    pub exporters: BTreeMap<Signal, Exporter>,
    /// The resource of batched frames; requests passed to [`Delivery::push`] already contain theirs.
    pub resource: Resource,
    /// The instrumentation scope of batched frames.
    pub scope: InstrumentationScope,
    /// How long a batch stays open (OTEL_BSP_SCHEDULE_DELAY).
    pub batch_delay: Duration,
    /// The spool for requests that cannot be sent; `None` buffers in memory only. When it is full, data of checks
    /// beyond their share is dropped first, then the oldest requests.
    pub spool: Option<SpoolSettings>,
    /// Maximum size of the requests of one signal in memory when they cannot be spooled, in bytes: [`MAX_MEMORY`].
    pub memory: u64,
    /// Where [`Exporter::Console`] writes its lines.
    pub console: Box<dyn Write + Send>,
    /// Counts the runner's own open connections and files.
    pub internal_fds: InternalFds,
    /// Secrets to redact in messages of a collector; the secrets of the destinations are added.
    pub secrets: SecretRegistry,
    /// Receives the progress of each export worker.
    pub liveness: Registry,
    /// Receives notices for the operator; a notice is dropped when the channel is full.
    pub notices: mpsc::Sender<Notice>,
}

/// The export workers, queues and spool, all on the thread that created it.
///
/// Dropping it neither sends nor writes anything: frames stay in the journal and spooled requests in the spool, as
/// after a kill. Call [`Delivery::finish`] for an orderly shutdown.
#[derive(Debug)]
pub(crate) struct Delivery {
    shared: Arc<Shared>,
    workers: Tasks,
}

impl Delivery {
    /// Recovers the spool of an earlier process and starts sending. Never fails: an unusable spool is reported as a
    /// [`Notice`] and retried.
    ///
    /// Must be called on the runtime that runs the workers. File I/O is done inline, so nothing else should use that
    /// runtime.
    #[must_use]
    pub(crate) fn start(settings: DeliverySettings) -> Self {
        let notices = NoticeSender::new(settings.notices);
        let console = Console::new(settings.console);
        let sinks: BTreeMap<Signal, Sink> = settings
            .exporters
            .into_iter()
            .filter_map(|(signal, exporter)| {
                let host = (settings.internal_fds.clone(), &settings.secrets);
                Some((signal, sink(signal, exporter, &console, host)?))
            })
            .collect();
        let queues = sinks.iter().map(|(signal, sink)| {
            Queue::new(*signal, sink.is_collector(), notices.clone()).with_memory_limit(settings.memory)
        });
        let has_collector = sinks.values().any(Sink::is_collector);
        let store = Store::open(
            queues,
            Disk::new(
                settings.spool.filter(|_| has_collector),
                settings.internal_fds.clone(),
                notices.clone(),
            ),
            Envelope::new(&settings.resource, &settings.scope),
            (settings.batch_delay, Clock::default()),
            &notices,
        );
        let shared = Arc::new(Shared::new(store, sinks.keys().copied()));
        let mut workers = Tasks::default();
        for (signal, sink) in sinks {
            let name = format!("export of {}", signal.as_str());
            let progress = settings.liveness.register(name, Impact::Readiness);
            let shared = Arc::clone(&shared);
            workers.spawn(progress, |progress| {
                ExportWorker::new(signal, sink, shared, progress).run()
            });
        }
        Self { shared, workers }
    }

    /// Whether a signal is exported.
    #[must_use]
    pub(crate) fn exports(&self, signal: Signal) -> bool {
        self.shared.store().exports(signal)
    }

    /// Appends spans or log records to the current batch. Once this returns, a kill of the process does not lose them,
    /// provided that there is a healthy spool. Never blocks.
    pub(crate) fn append(&self, signal: Signal, frame: &Frame) {
        if !frame.is_empty() && self.shared.store().append(signal, frame) {
            self.shared.wake(signal);
        }
    }

    /// Sets the number of checks among which the buffer space is shared.
    pub(crate) fn set_check_count(&self, checks: usize) {
        self.shared.store().set_check_count(checks);
    }

    /// Queues a complete encoded request to be sent unchanged. Never blocks.
    pub(crate) fn push(&self, signal: Signal, request: impl Into<Request>) {
        let request = request.into();
        if !request.bytes.is_empty() {
            self.shared.store().push(signal, request);
            self.shared.wake(signal);
        }
    }

    /// Begins a series of requests, which may be larger than the queue.
    pub(crate) fn begin_series(&self, signal: Signal) {
        self.shared.store().begin_series(signal);
    }

    /// Waits until the next request of the series can be pushed without dropping anything that could be delivered.
    ///
    /// Cancellation: nothing is lost.
    pub(crate) async fn wait_for_room(&self, signal: Signal) {
        self.shared.wait_for_room(signal).await;
    }

    /// Like [`Delivery::wait_for_room`], but returns false if the collector was unreachable at the last attempt.
    ///
    /// Cancellation: nothing is lost.
    pub(crate) async fn wait_for_room_if_reachable(&self, signal: Signal) -> bool {
        tokio::select! {
            biased;
            () = self.shared.wait_for_room(signal) => true,
            () = self.shared.wait_idle() => false,
        }
    }

    /// Closes all batches and wakes all workers.
    pub(crate) fn flush(&self) {
        self.shared.store().close_batches();
        self.shared.wake_all();
    }

    /// The current state of delivery.
    #[must_use]
    pub(crate) fn report(&self) -> DeliveryReport {
        self.shared.store().report()
    }

    /// Sends what can be sent by `deadline`, spools the rest and returns the final report. Does not wait for a
    /// collector that was unreachable at the last attempt.
    ///
    /// Cancellation: equivalent to dropping it.
    pub(crate) async fn finish(mut self, deadline: Instant) -> DeliveryReport {
        self.flush();
        // What was not sent in time is spooled below.
        drop(timeout_at(deadline, self.shared.wait_idle()).await);
        self.workers.shutdown().await;
        let mut store = self.shared.store();
        store.shutdown();
        store.report()
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.workers.abort_all();
        self.shared.store().close();
    }
}

fn sink(
    signal: Signal,
    exporter: Exporter,
    console: &Console,
    (internal_fds, secrets): (InternalFds, &SecretRegistry),
) -> Option<Sink> {
    match exporter {
        Exporter::None => None,
        Exporter::Console => Some(Sink::Console(signal, console.clone())),
        Exporter::Otlp(destination) => Some(Sink::Collector(Box::new(Transport::new(
            signal,
            destination,
            internal_fds,
            secrets,
        )))),
        #[cfg(any(test, feature = "test-util"))]
        Exporter::Simulated(collector) => Some(Sink::Simulated(signal, collector)),
    }
}
