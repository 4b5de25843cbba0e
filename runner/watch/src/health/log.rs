//! The log of health issues: a line when one begins, and a line when it has ended. What is not asked for at `/readyz` is
//! in the log all the same.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::{HealthIssue, HealthReport};

/// How often health is evaluated for the log: an issue that comes and goes between two evaluations is not logged.
pub const INTERVAL: Duration = Duration::from_secs(5);

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
