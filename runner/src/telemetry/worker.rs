//! The one owner of metrics and delivery, on a thread of its own.

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
use super::exposition::{Book, Exposition, HostView};
use super::intake::{EventReceiver, MAX_BYTES, intake};
use super::logs::Severity;
use super::metrics::Export;
use super::settings::{Settings, Signal};
use super::spans::Selection;
use super::{Active, Encoded, Event, Telemetry, logs, spans};

/// Notices that may wait to be told; further ones are not told.
const NOTICES_WAITING: usize = 256;
/// How long a run that was told of may wait for others: until then a kill of the process loses its spans.
const GATHER: Duration = Duration::from_millis(5);
/// Bytes of spans or records that are gathered before they go to the journal.
const GATHERED: usize = 64 << 10;
/// What is said of an export that is not whole when the next one is due.
const BEHIND: &str = "metrics are delivered more slowly than they are due: the next export comes when this one is through; \
    see the collector, or raise OTEL_METRIC_EXPORT_INTERVAL";
/// How long the end may take: what is not sent by then is in the spool, or lost.
pub const FLUSH: Duration = Duration::from_secs(5);

/// Makes spans, metrics and log records of events, and hands them to delivery.
pub struct Worker {
    events: EventReceiver,
    book: Arc<Book>,
    delivery: DeliverySettings,
    notices: mpsc::Receiver<Notice>,
    interval: Duration,
    selection: Selection,
    lost: Arc<AtomicU64>,
}

/// Makes the two ends of telemetry, and what `/metrics` shows of it.
#[must_use]
pub fn start(
    settings: &Settings,
    resource: Resource,
    host: HostView,
    console: Box<dyn std::io::Write + Send>,
) -> (Telemetry, Exposition, Worker) {
    let lost: Arc<AtomicU64> = Arc::default();
    let (events, waiting) = intake(MAX_BYTES, Arc::clone(&lost));
    let (notices, told) = mpsc::channel(NOTICES_WAITING);
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
        reserve: host.reserve.clone(),
        secrets: host.secrets.clone(),
        liveness: host.liveness.clone(),
        notices,
    };
    let active: Arc<Active> = Arc::default();
    let book = Arc::new(Book::new(settings, resource, scope, host, Arc::clone(&active)));
    let worker = Worker {
        events: waiting,
        book: Arc::clone(&book),
        delivery,
        notices: told,
        interval: settings.interval,
        selection: Selection {
            failures: settings.failures_always_sampled,
        },
        lost,
    };
    let events = (!settings.disabled).then_some(events);
    let telemetry = Telemetry { events, active };
    (telemetry, Exposition::new(book), worker)
}

impl Worker {
    /// Works until `stop`, then sends what is left within [`FLUSH`].
    pub async fn run(self, stop: CancellationToken) {
        let Self {
            mut events,
            book,
            delivery,
            mut notices,
            interval,
            selection,
            lost,
        } = self;
        let mut desk = Desk {
            book,
            delivery: Delivery::start(delivery),
            gathered: BTreeMap::new(),
            selection,
            export: None,
            is_behind: false,
            lost,
            told_lost: 0,
        };
        // From the start on it is known that something is to be exported, before the first export is due.
        desk.book.note_delivery(&desk.delivery.report());
        let mut exports = interval_at(Instant::now() + interval, interval);
        exports.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = exports.tick() => desk.export(),
                Some(notice) = notices.recv() => desk.tell(&notice),
                is_open = events.ready() => {
                    if !is_open {
                        // Everyone who could report something is gone.
                        break;
                    }
                    // Work on many at once costs much less than work on each.
                    sleep(GATHER).await;
                    desk.take_all(&events);
                    desk.push_now();
                }
                () = desk.room() => {
                    desk.push_next();
                    // Lanes and scrapes have their turn too.
                    yield_now().await;
                }
            }
        }
        desk.take_all(&events);
        let end = Instant::now() + FLUSH;
        desk.export_whole(end).await;
        desk.delivery.finish(end).await;
    }
}

/// What the worker works on.
struct Desk {
    book: Arc<Book>,
    delivery: Delivery,
    /// One behind the other: a frame is a repeated field, and so are several.
    gathered: BTreeMap<Signal, Frame>,
    selection: Selection,
    /// Of metrics, and not whole yet.
    export: Option<Export>,
    is_behind: bool,
    lost: Arc<AtomicU64>,
    told_lost: u64,
}

impl Desk {
    /// Everything that waits. Numbers are seen only after the journal has what they count: nothing is awaited here.
    fn take_all(&mut self, events: &EventReceiver) {
        while let Some(event) = events.pop() {
            self.take(event);
        }
        self.hand_over();
    }

    /// A panic while one event is told of must not end telemetry.
    fn take(&mut self, event: Event) {
        if catch_unwind(AssertUnwindSafe(|| self.record(event))).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn record(&mut self, event: Event) {
        let now = SystemTime::now();
        match event {
            Event::Finished(run, standing) => {
                let owner = Owner::of(run.check.id.as_str());
                let selection = self.selection;
                self.gather(Signal::Traces, owner, || spans::frame(&run, selection));
                self.gather(Signal::Logs, owner, || logs::of_run(&run, &standing, now));
                self.book.metrics().finished(&run, &standing, now);
            }
            Event::Missed(check, reason, count) => {
                let owner = Owner::of(check.as_str());
                self.gather(Signal::Logs, owner, || {
                    logs::of_missed(&check, reason, count, now)
                });
                self.book.metrics().missed(&check, reason, count);
            }
            Event::Reloaded(answer) => {
                self.gather(Signal::Logs, Owner::RUNNER, || logs::of_reload(&answer, now));
                self.book.metrics().reloaded(answer.is_ok());
            }
            Event::Suite(checks) => {
                self.delivery.divide(checks.len());
                self.book.metrics().keep(&checks, now);
            }
        }
    }

    /// Nothing is made for a signal that goes nowhere: most runners export no logs, and many nothing at all.
    fn gather(&mut self, signal: Signal, owner: Owner, encode: impl FnOnce() -> Option<Encoded>) {
        if !self.delivery.exports(signal) {
            return;
        }
        let Some(Encoded { bytes, left_out }) = encode() else {
            return;
        };
        if left_out > 0 {
            self.book.metrics().left_out(signal, left_out);
        }
        let gathered = self.gathered.entry(signal).or_default();
        gathered.extend(Frame::new(owner, bytes));
        if gathered.len() >= GATHERED {
            self.hand_over();
        }
    }

    fn hand_over(&mut self) {
        for (signal, frame) in &mut self.gathered {
            self.delivery.append(*signal, &std::mem::take(frame));
        }
    }

    fn export(&mut self) {
        let report = self.delivery.report();
        self.book.note_delivery(&report);
        self.tell_lost();
        if !self.delivery.exports(Signal::Metrics) {
            return;
        }
        if self.export.is_some() {
            // The last one goes on: what is more than the collector takes in time would only pile up.
            self.tell_behind(&report);
            return;
        }
        self.is_behind = false;
        self.delivery.begin_series(Signal::Metrics);
        let begun = catch_unwind(AssertUnwindSafe(|| self.book.begin_export()));
        self.export = begun.ok();
    }

    /// Ends when the next request of an export can go to delivery; never, where there is no export.
    async fn room(&self) {
        match self.export {
            Some(_) => self.delivery.room(Signal::Metrics).await,
            None => std::future::pending().await,
        }
    }

    /// Hands on the next request of the export.
    fn push_next(&mut self) {
        let Some(export) = &mut self.export else { return };
        // A panic ends this export, and not telemetry.
        let next = catch_unwind(AssertUnwindSafe(|| self.book.next_request(export)));
        match next.ok().flatten() {
            Some(request) => self.delivery.push(Signal::Metrics, request),
            None => self.export = None,
        }
    }

    /// Hands on one request if there is room, so that an export goes on however much comes.
    fn push_now(&mut self) {
        if self.room().now_or_never().is_some() {
            self.push_next();
        }
    }

    /// The last export. What finds no room in time goes to the spool, or is lost and counted.
    async fn export_whole(&mut self, end: Instant) {
        self.export = None;
        self.export();
        self.delivery.flush();
        while self.export.is_some() {
            let has_room = timeout_at(end, self.delivery.room_unless_away(Signal::Metrics)).await;
            if has_room != Ok(true) {
                break;
            }
            self.push_next();
            yield_now().await;
        }
        while self.export.is_some() {
            self.push_next();
        }
    }

    fn tell(&mut self, notice: &Notice) {
        self.runner(severity(notice), "canary.telemetry", &notice.to_string());
    }

    /// Events that found no room, told once an export.
    fn tell_lost(&mut self) {
        let lost = self.lost.load(Ordering::Relaxed);
        let new = lost - std::mem::replace(&mut self.told_lost, lost);
        if new > 0 {
            self.book.note_lost(lost);
            let text = format!("{new} events were lost: telemetry did not keep up");
            self.runner(Severity::Error, "canary.telemetry.lost", &text);
        }
    }

    /// Says once that exports take longer than they may; of a collector that is away, other notices speak.
    fn tell_behind(&mut self, report: &DeliveryReport) {
        let metrics = report.signals.get(&Signal::Metrics);
        let is_away = metrics.is_some_and(|metrics| metrics.failing_for.is_some());
        if !is_away && !std::mem::replace(&mut self.is_behind, true) {
            self.runner(Severity::Warn, "canary.telemetry.behind", BEHIND);
        }
    }

    fn runner(&mut self, severity: Severity, event: &str, text: &str) {
        match severity {
            Severity::Info => tracing::info!("{text}"),
            Severity::Warn => tracing::warn!("{text}"),
            Severity::Error => tracing::error!("{text}"),
        }
        self.gather(Signal::Logs, Owner::RUNNER, || {
            logs::of_runner(severity, event, text.to_owned(), SystemTime::now())
        });
        self.hand_over();
    }
}

fn severity(notice: &Notice) -> Severity {
    match notice {
        Notice::Delivering { .. } | Notice::SpoolRecovered { .. } => Severity::Info,
        Notice::Unreachable { .. } | Notice::HeldBack { .. } => Severity::Warn,
        Notice::Refused { .. }
        | Notice::PartlyRejected { .. }
        | Notice::Losing { .. }
        | Notice::SpoolFailed { .. } => Severity::Error,
    }
}
