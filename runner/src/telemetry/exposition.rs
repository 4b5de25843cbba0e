//! The metrics as they are now, for an export or a scrape.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use tokio::time::Instant;

use super::Active;
use super::delivery::{DeliveryReport, Request};
pub use super::metrics::Format;
use super::metrics::{Export, Exported, HeartbeatReading, HostReading, Metrics, ProcessReading, Scrape};
use super::settings::Settings;
use crate::alert;
use crate::console::Streams;
use crate::ledger::Ledger;
use crate::ledger::audit::{Audit, Reserve};
use crate::liveness::Registry;
use crate::suite::{CheckId, KnownSecrets};

/// What telemetry reads of the host whenever it tells of it.
pub struct HostView {
    /// Who owns which descriptor.
    pub ledger: Arc<Ledger>,
    /// Tells when there is one that nobody owns.
    pub audit: Audit,
    /// Where the descriptors of telemetry itself are counted.
    pub reserve: Reserve,
    /// What no text shows.
    pub secrets: KnownSecrets,
    /// How notifications fare, where there are alerts.
    pub alerts: Option<alert::Reports>,
    /// What the process writes to.
    pub streams: Streams,
    /// Where telemetry reports that it makes progress.
    pub liveness: Registry,
}

/// The metrics, with what they are told of.
pub(super) struct Book {
    /// Written by the worker, read by a scrape; both on one thread, each for a moment.
    metrics: Mutex<Metrics>,
    resource: Resource,
    scope: InstrumentationScope,
    host: HostView,
    active: Arc<Active>,
    started: Instant,
    /// Absent where there is no heartbeat.
    heartbeat: OnceLock<Box<dyn Fn() -> HeartbeatReading + Send + Sync>>,
    /// Absent where nobody looks for them.
    slow_polls: OnceLock<Box<dyn Fn() -> BTreeMap<&'static str, u64> + Send + Sync>>,
    /// Absent where no last runs are kept.
    dropped_details: OnceLock<Box<dyn Fn() -> BTreeMap<CheckId, u64> + Send + Sync>>,
    /// As of the last export of metrics; nothing where nothing is exported to a collector.
    delivery: Mutex<Option<(DeliveryReport, Instant)>>,
    /// From one export of metrics to the next.
    interval: Duration,
}

/// How exports went when they were last looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryReading {
    /// Each signal.
    pub report: DeliveryReport,
    /// How long ago that was.
    pub age: Duration,
    /// How often it is looked at.
    pub expected_every: Duration,
}

impl Book {
    pub(super) fn new(
        settings: &Settings,
        resource: Resource,
        scope: InstrumentationScope,
        host: HostView,
        active: Arc<Active>,
    ) -> Self {
        Self {
            metrics: Mutex::new(Metrics::new(settings, SystemTime::now())),
            resource,
            scope,
            host,
            active,
            started: Instant::now(),
            heartbeat: OnceLock::new(),
            slow_polls: OnceLock::new(),
            dropped_details: OnceLock::new(),
            delivery: Mutex::default(),
            interval: settings.interval,
        }
    }

    pub(super) fn metrics(&self) -> MutexGuard<'_, Metrics> {
        // Metrics are sums: a panic half-way loses a number, and never the book.
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note_delivery(&self, report: &DeliveryReport) {
        self.metrics().delivery(report);
        if !report.signals.is_empty() {
            *self.delivery() = Some((report.clone(), Instant::now()));
        }
    }

    fn delivery(&self) -> MutexGuard<'_, Option<(DeliveryReport, Instant)>> {
        self.delivery.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note_lost(&self, events: u64) {
        self.metrics().events_lost(events);
    }

    /// An export of what is known now.
    pub(super) fn begin_export(&self) -> Export {
        drop(self.read_host());
        Export::new(self.resource.clone(), self.scope.clone())
    }

    /// The next request of an export; nothing when it is whole.
    pub(super) fn next_request(&self, export: &mut Export) -> Option<Request> {
        let next = export.next_request(&self.metrics(), SystemTime::now());
        next.map(|Exported { request, owners }| Request::new(request.encode_to_vec(), &owners))
    }

    fn read_host(&self) -> MutexGuard<'_, Metrics> {
        let HostView {
            ledger,
            audit,
            alerts,
            streams,
            ..
        } = &self.host;
        let mut metrics = self.metrics();
        if let Some(alerts) = alerts {
            metrics.alerts(&alerts.now());
        }
        let mut connections = BTreeMap::new();
        for lease in ledger.live() {
            *connections.entry(lease.owner.check).or_insert(0) += 1;
        }
        metrics.host(&HostReading {
            budget: ledger.capacity(),
            leased: ledger.leased(),
            // Without a descriptor left there is no reading either.
            unaccounted: audit.leaked(ledger).ok(),
            connections,
            runs: self
                .active
                .runs()
                .iter()
                .map(|(id, count)| (id.clone(), *count))
                .collect(),
            heartbeat: self.heartbeat.get().map(|read| read()),
            dropped_texts: [
                ("stdout", streams.stdout.dropped()),
                ("stderr", streams.log.dropped()),
            ],
            slow_polls: self.slow_polls.get().map(|read| read()).unwrap_or_default(),
            dropped_details: self.dropped_details.get().map(|read| read()).unwrap_or_default(),
            pools: ledger.pools().read(),
        });
        metrics.settle();
        if let Some(process) = ProcessReading::take(self.started) {
            metrics.process(&process);
        }
        metrics
    }
}

/// What `/metrics` shows.
#[derive(Clone)]
pub struct Exposition(Arc<Book>);

impl Exposition {
    pub(super) fn new(book: Arc<Book>) -> Self {
        Self(book)
    }

    /// Tells of a heartbeat too. There is one at most: the first counts.
    pub fn beating(&self, heartbeat: impl Fn() -> HeartbeatReading + Send + Sync + 'static) {
        self.0.heartbeat.get_or_init(|| Box::new(heartbeat));
    }

    /// Exports the counts of slow polls too, by function. The first source counts.
    pub fn count_slow_polls(&self, counts: impl Fn() -> BTreeMap<&'static str, u64> + Send + Sync + 'static) {
        self.0.slow_polls.get_or_init(|| Box::new(counts));
    }

    /// Exports the counts of last runs that lost their details too, by check. The first source counts.
    pub fn count_dropped_details(&self, counts: impl Fn() -> BTreeMap<CheckId, u64> + Send + Sync + 'static) {
        self.0.dropped_details.get_or_init(|| Box::new(counts));
    }

    /// How exports go; nothing where there are none, or before the first was due.
    #[must_use]
    pub fn delivery(&self) -> Option<DeliveryReading> {
        let delivery = self.0.delivery();
        let (report, at) = delivery.as_ref()?;
        Some(DeliveryReading {
            report: report.clone(),
            age: at.elapsed(),
            expected_every: self.0.interval,
        })
    }

    /// The text of the metrics as they are now, in parts.
    pub fn parts(&self, format: Format) -> impl Iterator<Item = String> + Send + use<> {
        let book = Arc::clone(&self.0);
        drop(book.read_host());
        let mut scrape = Scrape::new(format, &book.resource);
        std::iter::from_fn(move || scrape.next_part(&book.metrics()))
    }
}
