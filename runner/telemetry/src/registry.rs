//! The registry of metrics, and the handle through which they are exported or scraped.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use tokio::time::Instant;

use super::ActiveRuns;
use super::delivery::{DeliveryReport, Request};
pub use super::metrics::Format;
use super::metrics::{Export, ExportRequest, HeartbeatStats, HostStats, Metrics, ProcessStats, Scrape};
use super::settings::Settings;
use canary_console::Streams;
use canary_net::ledger::Ledger;
use canary_net::ledger::audit::{Audit, InternalFds};
use canary_outbound::alert_report::AlertReports;
use canary_suite::{CheckId, SecretRegistry};
use canary_system::liveness::Registry;

/// The host state that telemetry samples for metrics.
pub struct HostView {
    /// Owners of the descriptors.
    pub ledger: Arc<Ledger>,
    /// Detects descriptors without an owner.
    pub audit: Audit,
    /// Counts the descriptors of telemetry itself.
    pub internal_fds: InternalFds,
    /// Secrets to redact.
    pub secrets: SecretRegistry,
    /// The state of the notifiers, if alerts are configured.
    pub alerts: Option<AlertReports>,
    /// The output streams of the process.
    pub streams: Streams,
    /// Receives the progress of the telemetry tasks.
    pub liveness: Registry,
}

/// The metrics and the sources they are sampled from.
pub(super) struct MetricsRegistry {
    /// Written by the worker and read by scrapes; both on one thread and each only briefly.
    metrics: Mutex<Metrics>,
    resource: Resource,
    scope: InstrumentationScope,
    host: HostView,
    active: Arc<ActiveRuns>,
    started: Instant,
    /// Set if there is a heartbeat.
    heartbeat: OnceLock<Box<dyn Fn() -> HeartbeatStats + Send + Sync>>,
    /// Set if slow polls are watched.
    slow_polls: OnceLock<Box<dyn Fn() -> BTreeMap<&'static str, u64> + Send + Sync>>,
    /// Set if last runs are stored.
    dropped_details: OnceLock<Box<dyn Fn() -> BTreeMap<CheckId, u64> + Send + Sync>>,
    /// As of the last export of metrics; `None` if nothing is exported to a collector.
    delivery: Mutex<Option<(DeliveryReport, Instant)>>,
    /// The interval between exports of metrics.
    interval: Duration,
}

/// The state of exports when it was last sampled.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryStatus {
    /// The state of each signal.
    pub report: DeliveryReport,
    /// The age of this sample.
    pub age: Duration,
    /// The sampling interval.
    pub expected_every: Duration,
}

impl MetricsRegistry {
    pub(super) fn new(
        settings: &Settings,
        resource: Resource,
        scope: InstrumentationScope,
        host: HostView,
        active: Arc<ActiveRuns>,
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
        // Metrics are sums: a panic half-way loses a number at worst.
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn record_delivery(&self, report: &DeliveryReport) {
        self.metrics().record_delivery(report);
        if !report.signals.is_empty() {
            *self.delivery() = Some((report.clone(), Instant::now()));
        }
    }

    fn delivery(&self) -> MutexGuard<'_, Option<(DeliveryReport, Instant)>> {
        self.delivery.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn record_lost_events(&self, events: u64) {
        self.metrics().record_lost_events(events);
    }

    /// Begins an export of the current metrics.
    pub(super) fn begin_export(&self) -> Export {
        drop(self.collect());
        Export::new(self.resource.clone(), self.scope.clone())
    }

    /// The next request of an export; `None` when it is complete.
    pub(super) fn next_request(&self, export: &mut Export) -> Option<Request> {
        let next = export.next_request(&self.metrics(), SystemTime::now());
        next.map(|ExportRequest { request, owners }| Request::new(request.encode_to_vec(), &owners))
    }

    fn collect(&self) -> MutexGuard<'_, Metrics> {
        let HostView {
            ledger,
            audit,
            alerts,
            streams,
            ..
        } = &self.host;
        let mut metrics = self.metrics();
        if let Some(alerts) = alerts {
            metrics.record_alerts(&alerts.now());
        }
        let mut connections = BTreeMap::new();
        for lease in ledger.live() {
            *connections.entry(lease.owner.check).or_insert(0) += 1;
        }
        metrics.record_host(&HostStats {
            budget: ledger.capacity(),
            leased: ledger.leased(),
            // Counting needs a descriptor: without one left there is no value.
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
            pools: ledger.pools().snapshots(),
        });
        metrics.update_gauges();
        if let Some(process) = ProcessStats::read(self.started) {
            metrics.record_process(&process);
        }
        metrics
    }
}

/// A handle to the metrics, for `/metrics` and for further sources.
#[derive(Clone)]
pub struct MetricsHandle(Arc<MetricsRegistry>);

impl MetricsHandle {
    pub(super) fn new(registry: Arc<MetricsRegistry>) -> Self {
        Self(registry)
    }

    /// Adds the heartbeat as a source. There is at most one: the first call wins.
    pub fn set_heartbeat_source(&self, heartbeat: impl Fn() -> HeartbeatStats + Send + Sync + 'static) {
        self.0.heartbeat.get_or_init(|| Box::new(heartbeat));
    }

    /// Adds the counts of slow polls by host function as a source. The first call wins.
    pub fn set_slow_polls_source(
        &self,
        counts: impl Fn() -> BTreeMap<&'static str, u64> + Send + Sync + 'static,
    ) {
        self.0.slow_polls.get_or_init(|| Box::new(counts));
    }

    /// Adds the counts of last runs without details by check as a source. The first call wins.
    pub fn set_dropped_details_source(
        &self,
        counts: impl Fn() -> BTreeMap<CheckId, u64> + Send + Sync + 'static,
    ) {
        self.0.dropped_details.get_or_init(|| Box::new(counts));
    }

    /// The state of exports; `None` if there are none, or before the first was due.
    #[must_use]
    pub fn delivery_status(&self) -> Option<DeliveryStatus> {
        let delivery = self.0.delivery();
        let (report, at) = delivery.as_ref()?;
        Some(DeliveryStatus {
            report: report.clone(),
            age: at.elapsed(),
            expected_every: self.0.interval,
        })
    }

    /// Renders the current metrics as text, in chunks.
    pub fn render(&self, format: Format) -> impl Iterator<Item = String> + Send + use<> {
        let registry = Arc::clone(&self.0);
        drop(registry.collect());
        let mut scrape = Scrape::new(format, &registry.resource);
        std::iter::from_fn(move || scrape.next_chunk(&registry.metrics()))
    }
}
