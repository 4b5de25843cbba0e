//! Health issues of telemetry exports.

use super::{HealthIssue, Thresholds};
use canary_system::liveness::STALL;
use canary_telemetry::DeliveryStatus;

/// The issues of a reading, without those that are in `found` already.
pub(super) fn issues(
    reading: &DeliveryStatus,
    thresholds: Thresholds,
    found: &[HealthIssue],
) -> Vec<HealthIssue> {
    let mut issues = Vec::new();
    let is_stall = |issue: &HealthIssue| matches!(issue, HealthIssue::TelemetryStalled { .. });
    if reading.age > reading.expected_every + STALL && !found.iter().any(is_stall) {
        issues.push(HealthIssue::TelemetryStalled { time: reading.age });
    }
    if let Some(class) = reading.report.spool_failure {
        let reason = class.as_str();
        issues.push(HealthIssue::SpoolFailing { reason });
    }
    for (signal, report) in &reading.report.signals {
        let time = report.failing_for.map(|failing| failing + reading.age);
        if let Some(time) = time.filter(|time| *time > thresholds.exports_failing) {
            let signal = signal.as_str();
            issues.push(HealthIssue::ExportsFailing { signal, time });
        }
    }
    issues
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use canary_system::io_class::IoClass;
    use canary_telemetry::Signal;
    use canary_telemetry::delivery::{DeliveryReport, SignalReport};

    const SECOND: Duration = Duration::from_secs(1);

    fn reading(age: Duration, report: DeliveryReport) -> DeliveryStatus {
        DeliveryStatus {
            report,
            age,
            expected_every: 10 * SECOND,
        }
    }

    fn found(reading: &DeliveryStatus) -> Vec<HealthIssue> {
        issues(reading, Thresholds::default(), &[])
    }

    #[test]
    fn telemetry_is_stalled_when_its_reading_is_late_and_that_is_reported_once() {
        let on_time = reading(15 * SECOND, DeliveryReport::default());
        assert_eq!(found(&on_time), []);
        let time = 15 * SECOND + Duration::from_millis(1);
        let late = reading(time, DeliveryReport::default());
        let stalled = HealthIssue::TelemetryStalled { time };
        assert_eq!(found(&late), std::slice::from_ref(&stalled));
        let known = [HealthIssue::Starting, stalled];
        assert_eq!(issues(&late, Thresholds::default(), &known), []);
        assert_eq!(issues(&late, Thresholds::default(), &known[..1]).len(), 1);
    }

    #[test]
    fn a_signal_is_failing_after_five_minutes_of_which_the_last_reading_may_be_a_part() {
        let failing = |seconds: u32| SignalReport {
            failing_for: Some(seconds * SECOND),
            ..SignalReport::default()
        };
        let signals = [
            (Signal::Traces, failing(299)),
            (Signal::Logs, failing(300)),
            (Signal::Metrics, SignalReport::default()),
        ];
        let report = DeliveryReport {
            signals: signals.into(),
            ..DeliveryReport::default()
        };
        let signal = Signal::Logs.as_str();
        let time = 301 * SECOND;
        assert_eq!(
            found(&reading(SECOND, report.clone())),
            [HealthIssue::ExportsFailing { signal, time }]
        );
        assert_eq!(found(&reading(Duration::ZERO, report)), []);
    }

    #[test]
    fn a_disk_that_fails_is_named_by_its_kind_of_failure() {
        let report = DeliveryReport {
            spool_failure: Some(IoClass::Shortage),
            ..DeliveryReport::default()
        };
        let reason = IoClass::Shortage.as_str();
        assert_eq!(
            found(&reading(SECOND, report)),
            [HealthIssue::SpoolFailing { reason }]
        );
    }
}
