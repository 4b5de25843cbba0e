//! The heartbeat, a dead man's switch: pings a URL (healthchecks.io and the like) only while there is proof that the
//! runner works. The service that misses the pings raises the alarm that a dead runner cannot.
//!
//! The decisions are pure functions of `now` and [`HealthInput`]. `ping_sender` delivers the pings.

mod ping_sender;
mod settings;
mod stats;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

pub use self::settings::{Cadence, Settings, read};
pub use self::stats::{HeartbeatReport, PingStats};
use canary_net::ledger::audit::InternalFds;
use canary_suite::units;
use canary_telemetry::delivery::DeliveryReport;

/// Maximum length of the reason in a fail ping, in bytes; healthchecks.io stores as many.
pub const MAX_REASON: usize = 10_000;
/// Polls per interval: the more there are, the more precisely it is known when something last made progress.
const POLLS_PER_INTERVAL: u32 = 4;

/// A ping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ping {
    /// The service starts.
    Start,
    /// Checks run, exports succeed, and health has no issue that stops the heartbeat.
    Success,
    /// One of these is not the case.
    Fail {
        /// What is wrong, on one line of at most [`MAX_REASON`] bytes.
        reason: String,
    },
}

/// What the heartbeat's decisions are based on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HealthInput {
    /// Number of runs with a verdict so far: a run that was stopped, or whose plugin failed, does not prove that
    /// checks work.
    pub verdicts: u64,
    /// Export statistics; `None` when nothing is exported.
    pub exports: Option<ExportState>,
    /// Health issues that stop the heartbeat, on one line without secrets: sent verbatim.
    pub unhealthy_reason: Option<String>,
    /// The longest time in which progress is expected: the shortest interval of a check (for a cron expression, from
    /// its last run to its next due time), or the interval of the metrics export if that is longer.
    pub expected_interval: Duration,
    /// Whether no more runs are started because of shutdown: then missing verdicts are no failure.
    pub is_draining: bool,
}

/// Export statistics of all signals together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExportState {
    /// Requests that collectors accepted since the start.
    pub accepted: u64,
    /// How long the signal that is worst off has been failing; `None` if no signal's last attempt failed.
    pub failing_for: Option<Duration>,
}

impl ExportState {
    /// Sums up a report; `None` if no signal is exported.
    #[must_use]
    pub fn from_report(report: &DeliveryReport) -> Option<Self> {
        let signals = || report.signals.values();
        let accepted = signals().filter_map(|signal| signal.exports.get("success"));
        (!report.signals.is_empty()).then(|| Self {
            accepted: accepted.sum(),
            failing_for: signals().filter_map(|signal| signal.failing_for).max(),
        })
    }
}

/// A counter since the start, and when it last increased (initially the start).
#[derive(Debug)]
struct ProgressCounter {
    count: u64,
    last_progress: Instant,
}

impl ProgressCounter {
    fn observe(&mut self, count: u64, now: Instant) {
        if self.count != count {
            *self = Self {
                count,
                last_progress: now,
            };
        }
    }
}

/// Decides when which ping is due. Time and health are inputs.
#[derive(Debug)]
pub struct Heartbeat {
    cadence: Cadence,
    /// `None` before the first poll.
    due: Option<Instant>,
    runs: ProgressCounter,
    exports: ProgressCounter,
    /// Whether a success ping was ever due: from then on, exports that begin later have time until their first one.
    has_succeeded: bool,
    /// Whether the current failure has been reported.
    failure_reported: bool,
}

impl Heartbeat {
    /// Starts at `now`.
    #[must_use]
    pub fn new(cadence: Cadence, now: Instant) -> Self {
        let counter = || ProgressCounter {
            count: 0,
            last_progress: now,
        };
        Self {
            cadence,
            due: None,
            runs: counter(),
            exports: counter(),
            has_succeeded: false,
            failure_reported: false,
        }
    }

    /// The ping that is due `now`, if any: first the start ping; then, at the interval, success, or the first fail
    /// ping of an outage. During the rest of an outage nothing is sent, and the missing pings are the signal.
    pub fn poll(&mut self, now: Instant, input: &HealthInput) -> Option<Ping> {
        self.runs.observe(input.verdicts, now);
        match input.exports {
            Some(exports) => self.exports.observe(exports.accepted, now),
            // Exports that begin later have time until their first one.
            None => self.exports.last_progress = now,
        }
        let Some(due) = self.due else {
            self.due = Some(now + self.cadence.interval);
            return self.cadence.start.then_some(Ping::Start);
        };
        if now < due || self.is_too_early(now, input) {
            return None;
        }
        // After a pause of the process there is one ping, not a burst.
        let next = due + self.cadence.interval;
        self.due = Some(next.max(now + self.cadence.interval / 2));
        let Some(reason) = self.failure_reason(now, input) else {
            self.failure_reported = false;
            self.has_succeeded = true;
            return Some(Ping::Success);
        };
        let is_new = self.cadence.fail && !self.failure_reported;
        self.failure_reported |= is_new;
        is_new.then(|| Ping::Fail {
            reason: on_one_line(&reason),
        })
    }

    /// Whether nothing has happened since the start that could prove success: a crash loop must not look healthy. If
    /// runs are expected less often than pings, pings do not wait for them.
    fn is_too_early(&self, now: Instant, input: &HealthInput) -> bool {
        let is_expected = input.expected_interval <= self.cadence.interval;
        let is_proven = self.runs.count > 0 && (input.exports.is_none() || self.exports.count > 0);
        is_expected && !self.has_succeeded && !is_proven && self.failure_reason(now, input).is_none()
    }

    /// Records that a ping was not delivered. A failure is then reported again at the next due time.
    pub fn delivery_failed(&mut self, ping: &Ping) {
        if matches!(ping, Ping::Fail { .. }) {
            self.failure_reported = false;
        }
    }

    /// When to poll next, always after `now`. A ping that is overdue waits for the first proof of progress, without
    /// busy polling.
    #[must_use]
    pub fn next_poll(&self, now: Instant) -> Instant {
        let next = now + self.cadence.interval / POLLS_PER_INTERVAL;
        self.due
            .filter(|due| *due > now)
            .map_or(next, |due| due.min(next))
    }

    /// When the next ping is due, which is the deadline of the current one.
    fn next_due(&self, now: Instant) -> Instant {
        self.due.unwrap_or(now)
    }

    /// Why the heartbeat has to fail, if it has to.
    fn failure_reason(&self, now: Instant, input: &HealthInput) -> Option<String> {
        if let Some(reason) = &input.unhealthy_reason {
            return Some(reason.clone());
        }
        let Cadence { interval, grace, .. } = self.cadence;
        let patience = interval.max(input.expected_interval).saturating_add(grace);
        let stalled_for = |counter: &ProgressCounter| {
            Some(now - counter.last_progress).filter(|stalled| *stalled > patience)
        };
        if let Some(stalled) = stalled_for(&self.runs).filter(|_| !input.is_draining) {
            return Some(format!(
                "no run has reached a verdict for {}",
                in_seconds(stalled)
            ));
        }
        let exports = input.exports?;
        if let Some(failing) = exports.failing_for.filter(|failing| *failing > grace) {
            return Some(format!("exports have failed for {}", in_seconds(failing)));
        }
        let stalled = stalled_for(&self.exports)?;
        Some(format!("no export has succeeded for {}", in_seconds(stalled)))
    }
}

/// Sends pings until `stop` completes. One ping at a time, with at most three attempts; it is given up when the next
/// is due.
///
/// Cancellation: closes the open connection; the peer may have received the ping.
pub async fn run(
    settings: &Settings,
    mut health_input: impl FnMut() -> HealthInput,
    internal_fds: &InternalFds,
    stats: &PingStats,
    stop: impl Future<Output = ()>,
) {
    let mut heartbeat = Heartbeat::new(settings.cadence, Instant::now());
    let mut sender = ping_sender::PingSender::new(settings, internal_fds, stats);
    let beats = async {
        loop {
            if let Some(ping) = heartbeat.poll(Instant::now(), &health_input()) {
                let until = heartbeat.next_due(Instant::now());
                if !sender.send(&ping, until).await {
                    heartbeat.delivery_failed(&ping);
                }
            }
            tokio::time::sleep_until(heartbeat.next_poll(Instant::now())).await;
        }
    };
    tokio::select! {
        () = stop => {}
        () = beats => {}
    }
}

/// Rounded down to seconds, for readability.
fn in_seconds(duration: Duration) -> String {
    units::show(Duration::from_secs(duration.as_secs()))
}

fn on_one_line(reason: &str) -> String {
    let mut line = String::new();
    for char in reason.chars().filter(|char| !char.is_control()) {
        if line.len() + char.len_utf8() > MAX_REASON {
            break;
        }
        line.push(char);
    }
    line
}
