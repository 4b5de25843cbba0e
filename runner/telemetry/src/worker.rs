//! The telemetry worker: owns metrics and delivery, on its own thread.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt as _;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::delivery::{Delivery, DeliveryReport, DeliverySettings, Frame, MAX_MEMORY, Notice, Owner};
use super::event_queue::{EventReceiver, MAX_BYTES, event_queue};
use super::logs::Severity;
use super::metrics::Export;
use super::registry::{HostView, MetricsHandle, MetricsRegistry};
use super::settings::Settings;
use super::spans::Selection;
use super::{ActiveRuns, Encoded, Event, Telemetry, logs, spans};
use crate::signal::Signal;

/// Maximum number of pending notices; further ones are dropped.
const MAX_PENDING_NOTICES: usize = 256;
/// How long events are collected before they are processed together; until then a kill of the process loses their
/// spans.
const EVENT_BATCH_DELAY: Duration = Duration::from_millis(5);
/// Maximum size of pending spans or records before they are appended to the journal, in bytes.
const MAX_PENDING_BYTES: usize = 64 << 10;
/// Logged when an export is not complete when the next one is due.
const EXPORT_BEHIND: &str = "exporting metrics takes longer than its interval, so the next export is late; check the \
    collector, or raise OTEL_METRIC_EXPORT_INTERVAL";
/// Time limit for the final export; what is not sent by then is spooled or lost.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// Turns events into spans, metrics and log records and passes them to delivery.
pub struct Worker {
    events: EventReceiver,
    registry: Arc<MetricsRegistry>,
    delivery: DeliverySettings,
    notices: mpsc::Receiver<Notice>,
    interval: Duration,
    selection: Selection,
    lost_events: Arc<AtomicU64>,
}

/// Creates the sending end, the metrics handle and the worker of telemetry.
#[must_use]
pub fn start(
    settings: &Settings,
    resource: Resource,
    host: HostView,
    console: Box<dyn std::io::Write + Send>,
) -> (Telemetry, MetricsHandle, Worker) {
    let lost_events: Arc<AtomicU64> = Arc::default();
    let (events, receiver) = event_queue(MAX_BYTES, Arc::clone(&lost_events));
    let (notices_tx, notices_rx) = mpsc::channel(MAX_PENDING_NOTICES);
    let scope = InstrumentationScope {
        name: "canary".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    };
    let exporters = Signal::ALL.map(|signal| (signal, settings.exporter(signal).clone()));
    let delivery = DeliverySettings {
        exporters: exporters.into(),
        resource: resource.clone(),
        scope: scope.clone(),
        batch_delay: settings.schedule_delay,
        spool: settings.spool.clone(),
        memory: MAX_MEMORY,
        console,
        internal_fds: host.internal_fds.clone(),
        secrets: host.secrets.clone(),
        liveness: host.liveness.clone(),
        notices: notices_tx,
    };
    let active: Arc<ActiveRuns> = Arc::default();
    let registry = Arc::new(MetricsRegistry::new(
        settings,
        resource,
        scope,
        host,
        Arc::clone(&active),
    ));
    let worker = Worker {
        events: receiver,
        registry: Arc::clone(&registry),
        delivery,
        notices: notices_rx,
        interval: settings.interval,
        selection: Selection {
            failures: settings.failures_always_sampled,
        },
        lost_events,
    };
    let events = (!settings.disabled).then_some(events);
    let telemetry = Telemetry { events, active };
    (telemetry, MetricsHandle::new(registry), worker)
}

impl Worker {
    /// Runs until `stop`, then sends the rest within [`FLUSH_TIMEOUT`].
    pub async fn run(self, stop: CancellationToken) {
        let Self {
            mut events,
            registry,
            delivery,
            mut notices,
            interval,
            selection,
            lost_events,
        } = self;
        let mut state = ExporterState {
            registry,
            delivery: Delivery::start(delivery),
            pending: BTreeMap::new(),
            selection,
            export: None,
            is_export_behind: false,
            lost_events,
            reported_lost: 0,
        };
        // Recorded before the first export is due, so that it is known from the start that something is exported.
        state.registry.record_delivery(&state.delivery.report());
        let mut exports = interval_at(Instant::now() + interval, interval);
        exports.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = exports.tick() => state.start_export(),
                Some(notice) = notices.recv() => state.log_notice(&notice),
                is_open = events.ready() => {
                    if !is_open {
                        // All senders are gone.
                        break;
                    }
                    // Processing events together is much cheaper than one at a time.
                    sleep(EVENT_BATCH_DELAY).await;
                    state.process_events(&events);
                    state.push_if_ready();
                }
                () = state.wait_for_room() => {
                    state.push_next_request();
                    // Lets export workers and scrapes run.
                    yield_now().await;
                }
            }
        }
        state.process_events(&events);
        let end = Instant::now() + FLUSH_TIMEOUT;
        state.export_final(end).await;
        let report = state.delivery.finish(end).await;
        state.registry.record_delivery(&report);
        // A command that runs once exports only now, so its log has no failure of its collector yet.
        let pending = std::iter::from_fn(|| notices.try_recv().ok());
        for notice in Notice::at_end(pending, &report) {
            log_text(severity(&notice), &notice.to_string());
        }
    }
}

/// The state of the running worker.
struct ExporterState {
    registry: Arc<MetricsRegistry>,
    delivery: Delivery,
    /// Frames are repeated fields, so several can be concatenated.
    pending: BTreeMap<Signal, Frame>,
    selection: Selection,
    /// The export of metrics in progress.
    export: Option<Export>,
    is_export_behind: bool,
    lost_events: Arc<AtomicU64>,
    reported_lost: u64,
}

impl ExporterState {
    /// Processes all queued events. Nothing is awaited here, so a scrape sees counters only after the journal has the
    /// spans they count.
    fn process_events(&mut self, events: &EventReceiver) {
        while let Some(event) = events.pop() {
            self.process_event(event);
        }
        self.flush_pending();
    }

    /// A panic while processing one event must not end telemetry.
    fn process_event(&mut self, event: Event) {
        if catch_unwind(AssertUnwindSafe(|| self.record_event(event))).is_err() {
            self.lost_events.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn record_event(&mut self, event: Event) {
        let now = SystemTime::now();
        match event {
            Event::Finished(run, standing) => {
                let owner = Owner::of_check(run.check.id.as_str());
                let selection = self.selection;
                self.buffer(Signal::Traces, owner, || spans::encode_run(&run, selection));
                self.buffer(Signal::Logs, owner, || logs::encode_run(&run, &standing, now));
                self.registry.metrics().record_run(&run, &standing, now);
            }
            Event::Missed(check, reason, count) => {
                let owner = Owner::of_check(check.as_str());
                self.buffer(Signal::Logs, owner, || {
                    logs::encode_missed(&check, reason, count, now)
                });
                self.registry.metrics().record_missed(&check, reason, count);
            }
            Event::Reloaded(answer) => {
                self.buffer(Signal::Logs, Owner::RUNNER, || logs::encode_reload(&answer, now));
                self.registry.metrics().record_reload(answer.is_ok());
            }
            Event::Suite(checks) => {
                self.delivery.set_check_count(checks.len());
                self.registry.metrics().apply_suite(&checks, now);
            }
        }
    }

    /// Encodes nothing for a signal that is not exported: most runners export no logs, and many nothing at all.
    fn buffer(&mut self, signal: Signal, owner: Owner, encode: impl FnOnce() -> Option<Encoded>) {
        if !self.delivery.exports(signal) {
            return;
        }
        let Some(Encoded { bytes, left_out }) = encode() else {
            return;
        };
        if left_out > 0 {
            self.registry.metrics().record_omitted_items(signal, left_out);
        }
        let pending = self.pending.entry(signal).or_default();
        pending.extend(Frame::new(owner, bytes));
        if pending.len() >= MAX_PENDING_BYTES {
            self.flush_pending();
        }
    }

    fn flush_pending(&mut self) {
        for (signal, frame) in &mut self.pending {
            self.delivery.append(*signal, &std::mem::take(frame));
        }
    }

    fn start_export(&mut self) {
        let report = self.delivery.report();
        self.registry.record_delivery(&report);
        self.report_lost_events();
        if !self.delivery.exports(Signal::Metrics) {
            return;
        }
        if self.export.is_some() {
            // The previous export is still in progress: starting another would only build up a backlog.
            self.report_slow_export(&report);
            return;
        }
        self.is_export_behind = false;
        self.delivery.begin_series(Signal::Metrics);
        let export = catch_unwind(AssertUnwindSafe(|| self.registry.begin_export()));
        self.export = export.ok();
    }

    /// Waits until the next request of the export can be pushed; pending forever if there is no export.
    async fn wait_for_room(&self) {
        match self.export {
            Some(_) => self.delivery.wait_for_room(Signal::Metrics).await,
            None => std::future::pending().await,
        }
    }

    /// Pushes the next request of the export.
    fn push_next_request(&mut self) {
        let Some(export) = &mut self.export else { return };
        // A panic ends this export, not telemetry.
        let next = catch_unwind(AssertUnwindSafe(|| self.registry.next_request(export)));
        match next.ok().flatten() {
            Some(request) => self.delivery.push(Signal::Metrics, request),
            None => self.export = None,
        }
    }

    /// Pushes one request if there is room, so that an export progresses even under a constant load of events.
    fn push_if_ready(&mut self) {
        if self.wait_for_room().now_or_never().is_some() {
            self.push_next_request();
        }
    }

    /// The final export. Requests that find no room in time are spooled, or lost and counted.
    async fn export_final(&mut self, end: Instant) {
        self.export = None;
        self.start_export();
        self.delivery.flush();
        while self.export.is_some() {
            let has_room = timeout_at(end, self.delivery.wait_for_room_if_reachable(Signal::Metrics)).await;
            if has_room != Ok(true) {
                break;
            }
            self.push_next_request();
            yield_now().await;
        }
        while self.export.is_some() {
            self.push_next_request();
        }
    }

    fn log_notice(&mut self, notice: &Notice) {
        self.log(severity(notice), "canary.telemetry", &notice.to_string());
    }

    /// Logs events dropped by the queue, at most once per export.
    fn report_lost_events(&mut self) {
        let lost = self.lost_events.load(Ordering::Relaxed);
        let new = lost - std::mem::replace(&mut self.reported_lost, lost);
        if new > 0 {
            self.registry.record_lost_events(lost);
            let text = format!("dropped {new} events: telemetry cannot keep up");
            self.log(Severity::Error, "canary.telemetry.lost", &text);
        }
    }

    /// Logs once that exports take longer than their interval; for an unreachable collector there are other notices.
    fn report_slow_export(&mut self, report: &DeliveryReport) {
        let metrics = report.signals.get(&Signal::Metrics);
        let is_unreachable = metrics.is_some_and(|metrics| metrics.failing_for.is_some());
        if !is_unreachable && !std::mem::replace(&mut self.is_export_behind, true) {
            self.log(Severity::Warn, "canary.telemetry.behind", EXPORT_BEHIND);
        }
    }

    fn log(&mut self, severity: Severity, event: &str, text: &str) {
        log_text(severity, text);
        self.buffer(Signal::Logs, Owner::RUNNER, || {
            logs::encode_runner_event(severity, event, text.to_owned(), SystemTime::now())
        });
        self.flush_pending();
    }
}

fn log_text(severity: Severity, text: &str) {
    match severity {
        Severity::Info => tracing::info!("{text}"),
        Severity::Warn => tracing::warn!("{text}"),
        Severity::Error => tracing::error!("{text}"),
    }
}

fn severity(notice: &Notice) -> Severity {
    match notice {
        Notice::Recovered { .. } | Notice::SpoolRecovered { .. } => Severity::Info,
        Notice::Unreachable { .. } | Notice::Deferred { .. } => Severity::Warn,
        Notice::NotExported { .. }
        | Notice::Refused { .. }
        | Notice::PartlyRejected { .. }
        | Notice::RequestsDropped { .. }
        | Notice::SpoolFailed { .. } => Severity::Error,
    }
}
