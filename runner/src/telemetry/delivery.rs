//! How encoded OTLP requests get to the collector, and how nothing is lost while it is away.
//!
//! ```text
//! append -> batch + journal \
//!                            queue -> lane -> transport -> collector
//! push  ------------------- /   \-> spool, as long as it must wait
//! ```
//!
//! What is more than may wait at once is pushed as a series, each request when there is room for it.
//!
//! One lane a signal, so that signals do not block each other; in each, requests go out in the order in which they
//! were begun, and a request leaves the queue only when its fate is known. A collector can have a request twice,
//! when the answer to the first time was lost: never less than once.

mod answer;
mod backoff;
mod batch;
mod console;
mod disk;
mod envelope;
mod frame;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod held;
mod journal;
mod lane;
mod notice;
mod outlet;
mod parts;
mod points;
mod queue;
mod report;
mod request;
mod share;
#[cfg(test)]
pub(crate) mod simulated;
mod split;
mod spool;
mod stamp;
mod store;
mod suspects;
#[cfg(test)]
mod tests;
mod transport;

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

use super::settings::{Exporter, Signal, SpoolSettings};
use crate::age::Clock;
use crate::ledger::audit::Reserve;
use crate::liveness::{Impact, Registry, Tasks};
use crate::suite::KnownSecrets;
use console::Console;
use disk::Disk;
use envelope::Envelope;
use lane::{Lane, Shared};
use notice::Notices;
use outlet::Outlet;
use queue::Queue;
use store::Store;
use transport::Transport;

/// What delivery is made of.
pub struct DeliverySettings {
    /// Where each signal goes; a signal that is absent goes nowhere.
    pub exporters: BTreeMap<Signal, Exporter>,
    /// Whose telemetry it is; for frames, since whole requests say it themselves.
    pub resource: Resource,
    /// What made the frames.
    pub scope: InstrumentationScope,
    /// How long a batch stays open (OTEL_BSP_SCHEDULE_DELAY).
    pub batch_delay: Duration,
    /// Where requests wait; absent: in memory. Where there is no more room, what checks have waiting beyond their share
    /// goes first, and then the oldest.
    pub spool: Option<SpoolSettings>,
    /// Bytes of the requests of a signal that wait in memory where they cannot wait in the spool: [`MAX_MEMORY`].
    pub memory: u64,
    /// Where [`Exporter::Console`] writes its lines.
    pub console: Box<dyn Write + Send>,
    /// Where connections and files that stay open are counted.
    pub reserve: Reserve,
    /// What no text of a collector shows, and which its own secrets join.
    pub secrets: KnownSecrets,
    /// Where each lane reports that it makes progress.
    pub liveness: Registry,
    /// Takes what an operator should hear. What finds the channel full is not said.
    pub notices: mpsc::Sender<Notice>,
}

/// Lanes, queues and spool, on the thread that made it.
///
/// Dropping it sends nothing more and writes nothing more: frames stay in the journal and spooled requests in the
/// spool, as after a kill. [`Delivery::finish`] is the way to end.
#[derive(Debug)]
pub struct Delivery {
    shared: Arc<Shared>,
    lanes: Tasks,
}

impl Delivery {
    /// Takes over what an earlier process left in the spool and starts sending. Never fails: a spool that cannot be
    /// used is a [`Notice`], and tried again.
    ///
    /// Must be called on the runtime that the lanes are to run on; its file I/O is done in line, so that runtime
    /// should be nobody else's.
    #[must_use]
    pub fn start(settings: DeliverySettings) -> Self {
        let notices = Notices::new(settings.notices);
        let console = Console::new(settings.console);
        let outlets: BTreeMap<Signal, Outlet> = settings
            .exporters
            .into_iter()
            .filter_map(|(signal, exporter)| {
                let host = (settings.reserve.clone(), &settings.secrets);
                Some((signal, outlet(signal, exporter, &console, host)?))
            })
            .collect();
        let queues = outlets.iter().map(|(signal, outlet)| {
            Queue::new(*signal, outlet.is_collector(), notices.clone()).within(settings.memory)
        });
        let has_collector = outlets.values().any(Outlet::is_collector);
        let store = Store::open(
            queues,
            Disk::new(
                settings.spool.filter(|_| has_collector),
                settings.reserve.clone(),
                notices.clone(),
            ),
            Envelope::new(&settings.resource, &settings.scope),
            (settings.batch_delay, Clock::default()),
            &notices,
        );
        let shared = Arc::new(Shared::new(store, outlets.keys().copied()));
        let mut lanes = Tasks::default();
        for (signal, outlet) in outlets {
            let name = format!("export of {}", signal.word());
            let progress = settings.liveness.register(name, Impact::Readiness);
            let shared = Arc::clone(&shared);
            lanes.spawn(progress, |progress| {
                Lane::new(signal, outlet, shared, progress).run()
            });
        }
        Self { shared, lanes }
    }

    /// Whether a signal goes anywhere.
    #[must_use]
    pub fn exports(&self, signal: Signal) -> bool {
        self.shared.store().exports(signal)
    }

    /// Takes spans or log records, to be sent with others. Once this returns, a kill of the process does not lose them, if
    /// there is a spool and its disk is well. Waits for nobody.
    pub fn append(&self, signal: Signal, frame: &Frame) {
        if !frame.is_empty() && self.shared.store().append(signal, frame) {
            self.shared.wake(signal);
        }
    }

    /// So many checks share the room for what waits.
    pub fn divide(&self, checks: usize) {
        self.shared.store().divide(checks);
    }

    /// Takes a whole encoded request, to be sent as it is. Waits for nobody.
    pub fn push(&self, signal: Signal, request: impl Into<Request>) {
        let request = request.into();
        if !request.bytes.is_empty() {
            self.shared.store().push(signal, request);
            self.shared.wake(signal);
        }
    }

    /// What is pushed from now on is a series of requests, which may be more than there is room for at once.
    pub fn begin_series(&self, signal: Signal) {
        self.shared.store().begin_series(signal);
    }

    /// Ends when the next request of the series can be pushed, and nothing is dropped for it that could be delivered.
    ///
    /// Cancellation: nothing is lost.
    pub async fn room(&self, signal: Signal) {
        self.shared.room(signal).await;
    }

    /// The same; false when that would take a collector that was away at its last attempt.
    ///
    /// Cancellation: nothing is lost.
    pub async fn room_unless_away(&self, signal: Signal) -> bool {
        tokio::select! {
            biased;
            () = self.shared.room(signal) => true,
            () = self.shared.settled() => false,
        }
    }

    /// Has everything that can be sent sent at once.
    pub fn flush(&self) {
        self.shared.store().close_batches();
        self.shared.wake_all();
    }

    /// How delivery goes.
    #[must_use]
    pub fn report(&self) -> DeliveryReport {
        self.shared.store().report()
    }

    /// Sends what can be sent by `deadline`, writes the rest to the spool, and says how it went. It does not wait for
    /// a collector that was away at its last attempt.
    ///
    /// Cancellation: as if dropped.
    pub async fn finish(mut self, deadline: Instant) -> DeliveryReport {
        self.flush();
        // What was not sent in time is spooled like all that could not be sent.
        drop(timeout_at(deadline, self.shared.settled()).await);
        self.lanes.shutdown().await;
        let mut store = self.shared.store();
        store.end();
        store.report()
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.lanes.abort_all();
        self.shared.store().close();
    }
}

fn outlet(
    signal: Signal,
    exporter: Exporter,
    console: &Console,
    (reserve, secrets): (Reserve, &KnownSecrets),
) -> Option<Outlet> {
    match exporter {
        Exporter::None => None,
        Exporter::Console => Some(Outlet::Console(signal, console.clone())),
        Exporter::Otlp(destination) => Some(Outlet::Collector(Box::new(Transport::new(
            signal,
            destination,
            reserve,
            secrets,
        )))),
        #[cfg(test)]
        Exporter::Simulated(collector) => Some(Outlet::Simulated(signal, collector)),
    }
}
