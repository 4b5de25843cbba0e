//! The dead man's switch: a ping to a URL (healthchecks.io and the like), sent only while there is proof that the runner
//! does its work. Whoever waits for it in vain raises the alarm that a dead runner cannot.
//!
//! What decides is pure: it is given `now` and what there is to see. `courier` brings the ping to its address.

mod courier;
mod record;
mod settings;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

pub use self::record::{HeartbeatReport, Record};
pub use self::settings::{Cadence, Settings, read};
use crate::ledger::audit::Reserve;
use crate::suite::units;
use crate::telemetry::delivery::DeliveryReport;

/// Bytes of the reason that a fail ping carries; healthchecks.io keeps as many.
pub const MAX_REASON: usize = 10_000;
/// Looks at what there is to see, from one due time to the next: the more there are, the better it is known when
/// something last moved.
const LOOKS: u32 = 4;

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ping {
    /// The service starts.
    Start,
    /// Checks run, what they tell gets through, and health is well.
    Success,
    /// They do not, or it is not.
    Fail {
        /// What is wrong, on one line of at most [`MAX_REASON`] bytes.
        reason: String,
    },
}

/// What there is to see of the runner at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vitals {
    /// Runs that came to a verdict so far: one that was stopped, or whose plugin broke, says nothing of its target.
    pub verdicts: u64,
    /// How exports go; absent when nothing is exported.
    pub exports: Option<ExportState>,
    /// What health complains of, on one line without secrets: it is sent as it is.
    pub sick: Option<String>,
    /// The longest time in which something must move while all is well: the interval of the check that runs most
    /// often, or from the last run of one with a cron expression to its next due time; or, if that is longer, the interval
    /// of the export of metrics. Suites whose checks are rare have a slow pulse.
    pub pace: Duration,
    /// Whether no run is started any more, since the runner goes down: that none ends says nothing then.
    pub is_draining: bool,
}

/// How exports go, all signals together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExportState {
    /// Requests that collectors accepted since the start.
    pub accepted: u64,
    /// How long every attempt has failed, of the signal that is worst off; absent when no last one did.
    pub failing_for: Option<Duration>,
}

impl ExportState {
    /// What a report says of all signals together; nothing where none is exported.
    #[must_use]
    pub fn of(report: &DeliveryReport) -> Option<Self> {
        let signals = || report.signals.values();
        let accepted = signals().filter_map(|signal| signal.exports.get("success"));
        (!report.signals.is_empty()).then(|| Self {
            accepted: accepted.sum(),
            failing_for: signals().filter_map(|signal| signal.failing_for).max(),
        })
    }
}

/// A count since the start, and when it was last seen to move; before that, the start.
#[derive(Debug)]
struct Motion {
    count: u64,
    moved: Instant,
}

impl Motion {
    fn see(&mut self, count: u64, now: Instant) {
        if self.count != count {
            *self = Self { count, moved: now };
        }
    }
}

/// Decides when which ping is due. Time and sight are inputs.
#[derive(Debug)]
pub struct Heartbeat {
    cadence: Cadence,
    /// Absent before the first look.
    due: Option<Instant>,
    runs: Motion,
    exports: Motion,
    /// Whether there was a success: from then on what begins later has time until its first.
    has_succeeded: bool,
    /// Whether the bad spell that goes on has been told.
    is_told: bool,
}

impl Heartbeat {
    /// Nothing has moved before `now`.
    #[must_use]
    pub fn new(cadence: Cadence, now: Instant) -> Self {
        let still = || Motion { count: 0, moved: now };
        Self {
            cadence,
            due: None,
            runs: still(),
            exports: still(),
            has_succeeded: false,
            is_told: false,
        }
    }

    /// The ping that is due `now`, if there is one: first the start, then, an interval apart, success or the first
    /// failure of a bad spell. In a bad spell silence is the message.
    pub fn judge(&mut self, now: Instant, seen: &Vitals) -> Option<Ping> {
        self.runs.see(seen.verdicts, now);
        match seen.exports {
            Some(exports) => self.exports.see(exports.accepted, now),
            // Should exports begin, they have time until their first.
            None => self.exports.moved = now,
        }
        let Some(due) = self.due else {
            self.due = Some(now + self.cadence.interval);
            return self.cadence.start.then_some(Ping::Start);
        };
        if now < due || self.is_too_early(now, seen) {
            return None;
        }
        // After a pause of the process there is one ping, and no burst.
        let next = due + self.cadence.interval;
        self.due = Some(next.max(now + self.cadence.interval / 2));
        let Some(reason) = self.complaint(now, seen) else {
            self.is_told = false;
            self.has_succeeded = true;
            return Some(Ping::Success);
        };
        let is_news = self.cadence.fail && !self.is_told;
        self.is_told |= is_news;
        is_news.then(|| Ping::Fail {
            reason: on_one_line(&reason),
        })
    }

    /// Whether nothing has moved yet since the start, and nothing had to: a runner that starts again and again is no
    /// success. Where everything is rarer than pings are, they do not wait for it.
    fn is_too_early(&self, now: Instant, seen: &Vitals) -> bool {
        let is_expected = seen.pace <= self.cadence.interval;
        let is_proven = self.runs.count > 0 && (seen.exports.is_none() || self.exports.count > 0);
        is_expected && !self.has_succeeded && !is_proven && self.complaint(now, seen).is_none()
    }

    /// A ping could not be brought to its address. A failure is then told again at the next due time.
    pub fn undelivered(&mut self, ping: &Ping) {
        if matches!(ping, Ping::Fail { .. }) {
            self.is_told = false;
        }
    }

    /// When to look the next time, always after `now`: a ping that is overdue waits for the first proof of work, and
    /// nothing is gained by looking for that without a break.
    #[must_use]
    pub fn next_look(&self, now: Instant) -> Instant {
        let look = now + self.cadence.interval / LOOKS;
        self.due
            .filter(|due| *due > now)
            .map_or(look, |due| due.min(look))
    }

    /// When the next ping may be due, and the one before must have arrived.
    fn next_due(&self, now: Instant) -> Instant {
        self.due.unwrap_or(now)
    }

    /// What is wrong.
    fn complaint(&self, now: Instant, seen: &Vitals) -> Option<String> {
        if let Some(sick) = &seen.sick {
            return Some(sick.clone());
        }
        let Cadence { interval, grace, .. } = self.cadence;
        let patience = interval.max(seen.pace).saturating_add(grace);
        let stood_still = |pulse: &Motion| Some(now - pulse.moved).filter(|still| *still > patience);
        if let Some(still) = stood_still(&self.runs).filter(|_| !seen.is_draining) {
            return Some(format!("no run has come to a verdict for {}", whole(still)));
        }
        let exports = seen.exports?;
        if let Some(failing) = exports.failing_for.filter(|failing| *failing > grace) {
            return Some(format!("exports have failed for {}", whole(failing)));
        }
        let still = stood_still(&self.exports)?;
        Some(format!("no export has got through for {}", whole(still)))
    }
}

/// Beats until `stop` is done; then sends nothing more. One ping at a time, each tried at most three times and given up
/// when the next is due.
///
/// Cancellation: closes the connection that is open; the peer may have the ping.
pub async fn run(
    settings: &Settings,
    mut vitals: impl FnMut() -> Vitals,
    reserve: &Reserve,
    record: &Record,
    stop: impl Future<Output = ()>,
) {
    let mut heartbeat = Heartbeat::new(settings.cadence, Instant::now());
    let mut courier = courier::Courier::new(settings, reserve, record);
    let beats = async {
        loop {
            if let Some(ping) = heartbeat.judge(Instant::now(), &vitals()) {
                let until = heartbeat.next_due(Instant::now());
                if !courier.deliver(&ping, until).await {
                    heartbeat.undelivered(&ping);
                }
            }
            tokio::time::sleep_until(heartbeat.next_look(Instant::now())).await;
        }
    };
    tokio::select! {
        () = stop => {}
        () = beats => {}
    }
}

/// Nobody is helped by milliseconds.
fn whole(duration: Duration) -> String {
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
