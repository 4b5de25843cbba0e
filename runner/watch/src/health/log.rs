//! The log of health issues: a line when one begins, and a line when it has ended. What is not asked for at `/readyz` is
//! in the log all the same.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::{HealthIssue, HealthReport};

/// How often health is evaluated for the log: an issue that comes and goes between two evaluations is not logged.
const INTERVAL: Duration = Duration::from_secs(5);

/// Longest time between two beats of a thread that is not held up.
const MAX_BEAT: Duration = Duration::from_secs(3);

/// When health is evaluated for the log, by a thread that asks at each of its beats, about once a second.
#[derive(Debug)]
pub struct Evaluations {
    last_beat: Instant,
    next: Instant,
    /// Whether the last evaluation was put off.
    was_put_off: bool,
}

impl Evaluations {
    /// The first one is at `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            last_beat: now,
            next: now,
            was_put_off: false,
        }
    }

    /// Whether it is time for one. After the process was suspended, every component looks as if it had made no
    /// progress, until it runs again; so an evaluation is put off if the beat is late, but not twice in a row.
    pub fn is_due(&mut self, now: Instant) -> bool {
        let is_late = now.saturating_duration_since(self.last_beat) > MAX_BEAT;
        self.last_beat = now;
        if now < self.next {
            return false;
        }
        self.next = now + INTERVAL;
        self.was_put_off = is_late && !self.was_put_off;
        !self.was_put_off
    }
}

/// Issues that are logged as begun. One line stands for all issues of a code, so their number is bounded.
#[derive(Debug, Default)]
pub struct IssueLog {
    begun: BTreeMap<&'static str, Instant>,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssueLine {
    /// An issue has begun.
    Begun(String),
    /// No issue of a code is left.
    Ended(String),
}

impl IssueLog {
    /// What has changed since the last report.
    pub fn update(&mut self, report: &HealthReport, now: Instant) -> Vec<IssueLine> {
        let mut lines = Vec::new();
        // Every service starts.
        let issues = report.issues.iter();
        for issue in issues.filter(|issue| !matches!(issue, HealthIssue::Starting)) {
            self.begun.entry(issue.code()).or_insert_with(|| {
                lines.push(IssueLine::Begun(format!(
                    "not ready: {issue} (`{}`)",
                    issue.code()
                )));
                now
            });
        }
        self.begun.retain(|code, since| {
            let is_left = report.issues.iter().any(|issue| issue.code() == *code);
            if !is_left {
                let seconds = now.saturating_duration_since(*since).as_secs();
                lines.push(IssueLine::Ended(format!("`{code}` has ended after {seconds} s")));
            }
            is_left
        });
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(issues: &[HealthIssue]) -> HealthReport {
        HealthReport {
            issues: issues.to_vec(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn health_is_evaluated_at_an_interval_and_later_after_the_process_was_suspended() {
        let begun = Instant::now();
        let mut evaluations = Evaluations::new(begun);
        let mut due = |seconds| evaluations.is_due(begun + Duration::from_secs(seconds));
        let found: Vec<u64> = (0..12).filter(|second| due(*second)).collect();
        assert_eq!(found, [0, 5, 10]);
        // Suspended for 16 s.
        let found: Vec<u64> = (28..40).filter(|second| due(*second)).collect();
        assert_eq!(found, [33, 38]);
        // On a machine that is always late, it is evaluated half as often.
        let found: Vec<u64> = (45..100).step_by(5).filter(|second| due(*second)).collect();
        assert_eq!(found, [50, 60, 70, 80, 90]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_issue_has_a_line_when_it_begins_and_one_when_it_has_ended() {
        let mut log = IssueLog::default();
        let exports = |signal| HealthIssue::ExportsFailing {
            signal,
            time: Duration::from_secs(300),
        };
        let both = report(&[exports("traces"), exports("logs"), HealthIssue::Starting]);
        let begun = "not ready: exporting traces has been failing for 300 s (`exports_failing`)";
        assert_eq!(
            log.update(&both, Instant::now()),
            [IssueLine::Begun(begun.to_owned())]
        );
        tokio::time::advance(Duration::from_secs(45)).await;
        assert_eq!(log.update(&both, Instant::now()), []);
        assert_eq!(log.update(&report(&[exports("logs")]), Instant::now()), []);
        let ended = "`exports_failing` has ended after 45 s";
        assert_eq!(
            log.update(&report(&[]), Instant::now()),
            [IssueLine::Ended(ended.to_owned())]
        );
        assert_eq!(log.update(&report(&[]), Instant::now()), []);
    }
}
