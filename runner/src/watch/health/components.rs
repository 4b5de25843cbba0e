//! Threads and tasks of the runner that make no progress, and receivers that take nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Complaint, Limits, Sources};
use crate::alert;
use crate::alert::report::NotifierReport;
use crate::liveness::{Impact, Stall};
use crate::watch::pulse::{PUBLISHING, SCHEDULER, WORKERS};

/// A notifier whose receiver takes nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct NotifierFailing {
    /// Which one.
    pub notifier: Arc<str>,
    /// Since the first failure after the last success.
    pub time: Duration,
    /// Notifications that wait for it.
    pub waiting: u64,
    /// Why the last attempt failed.
    pub message: String,
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
        write!(
            f,
            "notifier `{notifier}` has delivered nothing for {time} s, and {waiting} notifications wait: {message}"
        )
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
    let is_silent = |(name, report): (&Arc<str>, &NotifierReport)| {
        is_stalled(name) || failing_for(report, limits).is_some()
    };
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

fn failing_for(report: &NotifierReport, limits: Limits) -> Option<Duration> {
    let time = report.failing.as_ref()?.since.elapsed();
    (time > limits.notifier_failing).then_some(time)
}

fn notifier_failing(
    name: &Arc<str>,
    report: &NotifierReport,
    limits: Limits,
    is_only: bool,
) -> Option<Complaint> {
    Some(Complaint::NotifierFailing(NotifierFailing {
        notifier: Arc::clone(name),
        time: failing_for(report, limits)?,
        waiting: report.waiting,
        message: report.failing.as_ref()?.message.clone(),
        is_only,
    }))
}
