//! Threads and tasks of the runner that make no progress, and receivers that take nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Complaint, Limits, Sources};
use crate::alert;
use crate::alert::report::NotifierReport;
use crate::liveness::{Impact, Stall};
use crate::watch::pulse::{PUBLISHING, SCHEDULER, WORKERS};

/// How each notifier fares, by its name.
type Notifiers = BTreeMap<Arc<str>, NotifierReport>;

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
    let alerts = sources.alerts.as_ref().map(|alerts| alerts.now());
    let notifiers = alerts.unwrap_or_default().notifiers;
    let mut complaints = judge(sources.liveness.stalls(), &notifiers, limits);
    if !sources.pulse.read().has_begun {
        complaints.insert(0, Complaint::Starting);
    }
    complaints
}

fn judge(mut stalls: Vec<Stall>, notifiers: &Notifiers, limits: Limits) -> Vec<Complaint> {
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
    let notifiers = notifiers.iter();
    let failing = notifiers.filter_map(|(name, report)| notifier_failing(name, report, limits, is_only));
    let mut complaints: Vec<Complaint> = stalls.into_iter().map(stalled).chain(failing).collect();
    complaints.sort_by_key(|complaint| (!complaint.is_fatal(), !complaint.stops_heartbeat()));
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

/// For how long nothing was delivered, and why.
fn failing(report: &NotifierReport, limits: Limits) -> Option<(Duration, &str)> {
    let failing = report.failing.as_ref()?;
    let time = failing.since.elapsed();
    (time > limits.notifier_failing).then_some((time, failing.message.as_str()))
}

/// The same, or how late it is delivered.
fn trouble(report: &NotifierReport, limits: Limits) -> Option<(Duration, Option<&str>)> {
    let failing = failing(report, limits).map(|(time, message)| (time, Some(message)));
    let late = report.late.map(|time| (time, None));
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

    fn stall(name: &str, impact: Impact) -> Stall {
        Stall {
            name: name.into(),
            impact,
            activity: "waiting",
            time: Duration::from_secs(9),
            is_dead: false,
        }
    }

    fn late(seconds: u64) -> NotifierReport {
        NotifierReport {
            late: Some(Duration::from_secs(seconds)),
            ..NotifierReport::default()
        }
    }

    /// What is wrong when these are stalled, and notifiers are so late.
    fn judged(stalls: Vec<Stall>, late_by: &[(&str, u64)]) -> Vec<Complaint> {
        let notifiers = late_by.iter();
        let notifiers = notifiers.map(|(name, seconds)| (Arc::from(*name), late(*seconds)));
        judge(stalls, &notifiers.collect(), Limits::default())
    }

    #[test]
    fn the_heartbeat_stops_when_no_notifier_is_left_that_works() {
        let lane = |name: &str| stall(&format!("notifier {name}"), Impact::Readiness);
        let stops = |stalls: Vec<Stall>, late_by: &[(&str, u64)]| {
            let judged = judged(stalls, late_by);
            judged.iter().filter(|found| found.stops_heartbeat()).count()
        };
        let other = || stall("export of spans", Impact::Readiness);
        assert_eq!(stops(vec![lane("chat"), other()], &[]), 0);
        assert_eq!(stops(vec![lane("chat"), other()], &[("chat", 0), ("mail", 0)]), 0);
        assert_eq!(
            stops(vec![lane("chat"), other()], &[("chat", 0), ("mail", 400)]),
            2
        );
        assert_eq!(stops(vec![lane("chat"), other()], &[("chat", 0)]), 1);
        assert_eq!(stops(vec![], &[("chat", 400), ("mail", 400)]), 2);
        assert_eq!(stops(vec![], &[("chat", 400), ("mail", 300)]), 0);
        assert_eq!(stops(vec![], &[]), 0);
    }

    #[test]
    fn what_is_fatal_comes_first_and_then_what_stops_the_heartbeat() {
        let found = judged(
            vec![
                stall("a", Impact::Readiness),
                stall("b", Impact::Heartbeat),
                stall("c", Impact::Liveness),
            ],
            &[("chat", 0)],
        );
        let lines: Vec<_> = found.iter().map(ToString::to_string).collect();
        let names: Vec<_> = lines.iter().map(|line| &line[..3]).collect();
        assert_eq!(names, ["`c`", "`b`", "`a`"]);
        assert!(found[0].is_fatal() && !found[1].is_fatal());
    }

    #[test]
    fn a_notifier_whose_only_lane_is_fatal_stays_fatal() {
        let lane = stall("notifier chat", Impact::Liveness);
        assert!(judged(vec![lane], &[("chat", 0)])[0].is_fatal());
    }

    #[test]
    fn a_component_that_has_ended_is_not_one_that_is_slow() {
        let word = |name: &str, activity, is_dead| {
            let stall = Stall {
                activity,
                is_dead,
                ..stall(name, Impact::Liveness)
            };
            stalled(stall).word()
        };
        assert_eq!(word(SCHEDULER, PUBLISHING, false), "publisher_stalled");
        assert_eq!(word(SCHEDULER, "running", false), "scheduler_stalled");
        assert_eq!(word(WORKERS, "running", false), "workers_stalled");
        assert_eq!(word("telemetry", "running", false), "telemetry_stalled");
        assert_eq!(word("alert", "running", false), "component_stalled");
        for name in [SCHEDULER, WORKERS, "telemetry", "alert"] {
            assert_eq!(word(name, PUBLISHING, true), "component_died");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_notifier_is_failing_when_it_delivers_nothing_and_when_it_delivers_late() {
        let failing = Failing {
            since: Instant::now(),
            message: "the answer is 503".to_owned(),
        };
        let report = |failing: Option<&Failing>, late| NotifierReport {
            waiting: 7,
            failing: failing.cloned(),
            late: Some(Duration::from_secs(late)),
            ..NotifierReport::default()
        };
        // What fails for a minute may pass.
        for seconds in [59, 1] {
            advance(Duration::from_secs(seconds)).await;
            assert_eq!(trouble(&report(Some(&failing), 300), Limits::default()), None);
            let late = report(Some(&failing), 301);
            assert_eq!(
                trouble(&late, Limits::default()),
                Some((Duration::from_secs(301), None))
            );
        }
        advance(Duration::from_secs(1)).await;
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
