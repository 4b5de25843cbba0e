//! Health issues of threads, tasks and notifiers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{HealthIssue, NotifierFailing, Sources, Thresholds};
use crate::supervisor_status::{PUBLISHING, SCHEDULER, WORKERS};
use canary_outbound::alert_report::{NotifierReport, component_name};
use canary_system::liveness::{Impact, Stall};

/// Reports of the notifiers, by name.
type Notifiers = BTreeMap<Arc<str>, NotifierReport>;

/// The issues of components and notifiers, the worst first.
pub(super) fn issues(sources: &Sources, thresholds: Thresholds) -> Vec<HealthIssue> {
    let alerts = sources.alerts.as_ref().map(|alerts| alerts.now());
    let notifiers = alerts.unwrap_or_default().notifiers;
    let mut issues = classify(sources.liveness.stalls(), &notifiers, thresholds);
    if !sources.supervisor_status.snapshot().has_started {
        issues.insert(0, HealthIssue::Starting);
    }
    issues
}

fn classify(mut stalls: Vec<Stall>, notifiers: &Notifiers, thresholds: Thresholds) -> Vec<HealthIssue> {
    let is_stalled = |name: &str| {
        let component = component_name(name);
        stalls.iter().any(|stall| stall.name == component)
    };
    let is_silent = |(name, report): (&Arc<str>, &NotifierReport)| {
        is_stalled(name) || failure_or_delay(report, thresholds).is_some()
    };
    // If no notifier works, nobody learns of a check that is down.
    let is_only = !notifiers.is_empty() && notifiers.iter().all(is_silent);
    if is_only {
        let is_notifier =
            |stall: &&mut Stall| notifiers.keys().any(|name| stall.name == component_name(name));
        for stall in stalls.iter_mut().filter(is_notifier) {
            stall.impact = stall.impact.max(Impact::Heartbeat);
        }
    }
    let notifiers = notifiers.iter();
    let failing = notifiers.filter_map(|(name, report)| notifier_failing(name, report, thresholds, is_only));
    let mut issues: Vec<HealthIssue> = stalls.into_iter().map(stall_issue).chain(failing).collect();
    issues.sort_by_key(|issue| (!issue.is_fatal(), !issue.stops_heartbeat()));
    issues
}

fn stall_issue(stall: Stall) -> HealthIssue {
    let time = stall.time;
    match &*stall.name {
        _ if stall.is_dead => HealthIssue::ComponentDied(stall),
        SCHEDULER if stall.activity == PUBLISHING => HealthIssue::PublisherStalled { time },
        SCHEDULER => HealthIssue::SchedulerStalled { time },
        WORKERS => HealthIssue::WorkersStalled { time },
        "telemetry" => HealthIssue::TelemetryStalled { time },
        _ => HealthIssue::ComponentStalled(stall),
    }
}

/// For how long deliveries have failed, and why, if that exceeds the threshold.
fn failing(report: &NotifierReport, thresholds: Thresholds) -> Option<(Duration, &str)> {
    let failing = report.failing.as_ref()?;
    let time = failing.since.elapsed();
    (time > thresholds.notifier_failing).then_some((time, failing.message.as_str()))
}

/// The same, or else the delay of deliveries if that exceeds its threshold.
fn failure_or_delay(report: &NotifierReport, thresholds: Thresholds) -> Option<(Duration, Option<&str>)> {
    let failing = failing(report, thresholds).map(|(time, message)| (time, Some(message)));
    let late = report.late.map(|time| (time, None));
    failing.or(late.filter(|(time, _)| *time > thresholds.notifier_late))
}

fn notifier_failing(
    name: &Arc<str>,
    report: &NotifierReport,
    thresholds: Thresholds,
    is_only: bool,
) -> Option<HealthIssue> {
    let (time, message) = failure_or_delay(report, thresholds)?;
    Some(HealthIssue::NotifierFailing(NotifierFailing {
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
    use canary_outbound::alert_report::Failing;

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

    /// The issues with these stalls, and notifiers with these delays.
    fn issues_of(stalls: Vec<Stall>, late_by: &[(&str, u64)]) -> Vec<HealthIssue> {
        let notifiers = late_by.iter();
        let notifiers = notifiers.map(|(name, seconds)| (Arc::from(*name), late(*seconds)));
        classify(stalls, &notifiers.collect(), Thresholds::default())
    }

    #[test]
    fn the_heartbeat_stops_when_no_notifier_is_left_that_works() {
        let worker_stall = |name: &str| stall(&format!("notifier {name}"), Impact::Readiness);
        let stops = |stalls: Vec<Stall>, late_by: &[(&str, u64)]| {
            let issues_of = issues_of(stalls, late_by);
            issues_of.iter().filter(|found| found.stops_heartbeat()).count()
        };
        let other = || stall("export of spans", Impact::Readiness);
        assert_eq!(stops(vec![worker_stall("chat"), other()], &[]), 0);
        assert_eq!(
            stops(vec![worker_stall("chat"), other()], &[("chat", 0), ("mail", 0)]),
            0
        );
        assert_eq!(
            stops(vec![worker_stall("chat"), other()], &[("chat", 0), ("mail", 400)]),
            2
        );
        assert_eq!(stops(vec![worker_stall("chat"), other()], &[("chat", 0)]), 1);
        assert_eq!(stops(vec![], &[("chat", 400), ("mail", 400)]), 2);
        assert_eq!(stops(vec![], &[("chat", 400), ("mail", 300)]), 0);
        assert_eq!(stops(vec![], &[]), 0);
    }

    #[test]
    fn what_is_fatal_comes_first_and_then_what_stops_the_heartbeat() {
        let found = issues_of(
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
    fn a_notifier_whose_only_worker_is_fatal_stays_fatal() {
        let worker_stall = stall("notifier chat", Impact::Liveness);
        assert!(issues_of(vec![worker_stall], &[("chat", 0)])[0].is_fatal());
    }

    #[test]
    fn a_component_that_has_ended_is_not_one_that_is_slow() {
        let code = |name: &str, activity, is_dead| {
            let stall = Stall {
                activity,
                is_dead,
                ..stall(name, Impact::Liveness)
            };
            stall_issue(stall).code()
        };
        assert_eq!(code(SCHEDULER, PUBLISHING, false), "publisher_stalled");
        assert_eq!(code(SCHEDULER, "running", false), "scheduler_stalled");
        assert_eq!(code(WORKERS, "running", false), "workers_stalled");
        assert_eq!(code("telemetry", "running", false), "telemetry_stalled");
        assert_eq!(code("alert", "running", false), "component_stalled");
        for name in [SCHEDULER, WORKERS, "telemetry", "alert"] {
            assert_eq!(code(name, PUBLISHING, true), "component_died");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_notifier_is_failing_when_it_delivers_nothing_and_when_it_delivers_late() {
        let failing = Failing {
            since: Instant::now(),
            message: "HTTP 503".to_owned(),
        };
        let report = |failing: Option<&Failing>, late| NotifierReport {
            waiting: 7,
            failing: failing.cloned(),
            late: Some(Duration::from_secs(late)),
            ..NotifierReport::default()
        };
        // A failure of up to a minute may be transient.
        for seconds in [59, 1] {
            advance(Duration::from_secs(seconds)).await;
            assert_eq!(
                failure_or_delay(&report(Some(&failing), 300), Thresholds::default()),
                None
            );
            let late = report(Some(&failing), 301);
            assert_eq!(
                failure_or_delay(&late, Thresholds::default()),
                Some((Duration::from_secs(301), None))
            );
        }
        advance(Duration::from_secs(1)).await;
        let message_of = |report: &NotifierReport| {
            let issue = notifier_failing(&"chat".into(), report, Thresholds::default(), true);
            issue.map(|issue| issue.to_string())
        };
        assert_eq!(message_of(&report(None, 300)), None);
        assert_eq!(
            message_of(&report(None, 301)).unwrap(),
            "notifier `chat` is behind: 7 notifications queued, one of them for 301 s"
        );
        assert_eq!(
            message_of(&report(Some(&failing), 301)).unwrap(),
            "notifier `chat` has been failing for 61 s, 7 notifications queued: HTTP 503"
        );
    }
}
