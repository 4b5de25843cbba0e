//! Threads and tasks of the runner that make no progress, and receivers that take nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Complaint, Limits, Sources};
use crate::alert;
use crate::alert::report::NotifierReport;
use crate::liveness::{Impact, Stall};
use crate::watch::pulse::{PUBLISHING, SCHEDULER, WORKERS};

/// A notifier whose receiver takes nothing, or less than there is to tell.
#[derive(Debug, Clone, PartialEq)]
pub struct NotifierFailing {
    /// Which one.
    pub notifier: Arc<str>,
    /// Since the first failure after the last success; for one that does not fail, how long something has waited.
    pub time: Duration,
    /// Notifications that wait for it.
    pub waiting: u64,
    /// Why the last attempt failed, if it did.
    pub message: Option<String>,
    /// Whether no other notifier works.
    pub is_only: bool,
}

impl fmt::Display for NotifierFailing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            notifier,
            waiting,
            message,
            ..
        } = self;
        let time = self.time.as_secs();
        match message {
            Some(message) => write!(
                f,
                "notifier `{notifier}` has delivered nothing for {time} s, and {waiting} notifications wait: {message}"
            ),
            None => write!(
                f,
                "notifier `{notifier}` delivers late: {waiting} notifications wait, one of them for {time} s"
            ),
        }
    }
}

/// What is wrong with them, the worst first.
pub(super) fn complaints(sources: &Sources, limits: Limits) -> Vec<Complaint> {
    let mut stalls = sources.liveness.stalls();
    let alerts = sources.alerts.as_ref().map(|alerts| alerts.now());
    let notifiers = alerts.unwrap_or_default().notifiers;
    let is_stalled = |name: &str| {
        let component = alert::component(name);
        stalls.iter().any(|stall| stall.name == component)
    };
    let is_silent =
        |(name, report): (&Arc<str>, &NotifierReport)| is_stalled(name) || trouble(report, limits).is_some();
    // When none is left that works, nobody hears of a check that is down.
    let is_only = !notifiers.is_empty() && notifiers.iter().all(is_silent);
    if is_only {
        let is_notifier =
            |stall: &&mut Stall| notifiers.keys().any(|name| stall.name == alert::component(name));
        for stall in stalls.iter_mut().filter(is_notifier) {
            stall.impact = stall.impact.max(Impact::Heartbeat);
        }
    }
    let failing = notifiers
        .iter()
        .filter_map(|(name, report)| notifier_failing(name, report, limits, is_only));
    let mut complaints: Vec<Complaint> = stalls.into_iter().map(stalled).chain(failing).collect();
    complaints.sort_by_key(|complaint| (!complaint.is_fatal(), !complaint.stops_heartbeat()));
    if !sources.pulse.read().has_begun {
        complaints.insert(0, Complaint::Starting);
    }
    complaints
}

fn stalled(stall: Stall) -> Complaint {
    let time = stall.time;
    match &*stall.name {
        _ if stall.is_dead => Complaint::ComponentDied(stall),
        SCHEDULER if stall.activity == PUBLISHING => Complaint::PublisherStalled { time },
        SCHEDULER => Complaint::SchedulerStalled { time },
        WORKERS => Complaint::WorkersStalled { time },
        "telemetry" => Complaint::TelemetryStalled { time },
        _ => Complaint::ComponentStalled(stall),
    }
}

/// For how long nothing was delivered and why, or how late it is delivered.
fn trouble(report: &NotifierReport, limits: Limits) -> Option<(Duration, Option<&str>)> {
    let failing = report.failing.as_ref();
    let failing = failing.map(|failing| (failing.since.elapsed(), Some(failing.message.as_str())));
    let late = report.late.map(|time| (time, None));
    let failing = failing.filter(|(time, _)| *time > limits.notifier_failing);
    failing.or(late.filter(|(time, _)| *time > limits.notifier_late))
}

fn notifier_failing(
    name: &Arc<str>,
    report: &NotifierReport,
    limits: Limits,
    is_only: bool,
) -> Option<Complaint> {
    let (time, message) = trouble(report, limits)?;
    Some(Complaint::NotifierFailing(NotifierFailing {
        notifier: Arc::clone(name),
        time,
        waiting: report.waiting,
        message: message.map(str::to_owned),
        is_only,
    }))
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, advance};

    use super::*;
    use crate::alert::report::Failing;

    #[tokio::test(start_paused = true)]
    async fn a_notifier_is_failing_when_it_delivers_nothing_and_when_it_delivers_late() {
        let failing = Failing {
            since: Instant::now(),
            message: "the answer is 503".to_owned(),
        };
        advance(Duration::from_secs(61)).await;
        let report = |failing: Option<&Failing>, late| NotifierReport {
            waiting: 7,
            failing: failing.cloned(),
            late: Some(Duration::from_secs(late)),
            ..NotifierReport::default()
        };
        let said = |report: &NotifierReport| {
            let complaint = notifier_failing(&"chat".into(), report, Limits::default(), true);
            complaint.map(|complaint| complaint.to_string())
        };
        assert_eq!(said(&report(None, 300)), None);
        assert_eq!(
            said(&report(None, 301)).unwrap(),
            "notifier `chat` delivers late: 7 notifications wait, one of them for 301 s"
        );
        assert_eq!(
            said(&report(Some(&failing), 301)).unwrap(),
            "notifier `chat` has delivered nothing for 61 s, and 7 notifications wait: the answer is 503"
        );
    }
}
