//! Recording of verdicts, within the run's record budget.

use std::sync::Arc;

use crate::bindings::v0_2::probe;
use crate::cpu::CpuMeter;
use crate::polls::HostFunction;
use canary_net::ledger::Page;
use canary_record::{Entry, Section, Text};
use canary_run::outcome::{Assertion, LogLevel, Measurement, Verdict, VerdictStatus};

/// Bytes of texts that are recorded in one poll: some milliseconds at most.
const SLICE: usize = 16 << 10;
/// Record budget used by a measurement in addition to its texts, in bytes.
const MEASUREMENT_BYTES: u64 = size_of::<Measurement>() as u64;

/// Records a verdict: the summary first, then the first failing assertion. The time counts as the guest's own CPU
/// time, and the worker thread is yielded between slices. Measurements beyond their quota are left out.
pub(crate) async fn record_verdict(page: &Page, meter: &Arc<CpuMeter>, verdict: probe::Verdict) -> Verdict {
    let _host = meter.host_call(HostFunction::Verdict);
    let recorder = page.recorder();
    let summary = recorder.text(Section::Conclusion, verdict.summary);
    let mut writer = Writer {
        page,
        entry: recorder.entry(Section::Verdict, usize::MAX),
        paused_at: 0,
    };
    Verdict {
        status: verdict.status.into(),
        summary,
        assertions: writer.assertions(verdict.assertions).await,
        measurements: writer.measurements(verdict.measurements).await,
        attributes: writer.pairs(verdict.attributes).await,
    }
}

/// Whether the guest reports that the check itself failed, and not its target.
pub(crate) fn is_own_fault(verdict: &probe::Verdict) -> bool {
    let is_it = |(key, value): &(String, String)| key == "fault" && value == "check";
    verdict.status == probe::Status::Fail && verdict.extra.iter().any(is_it)
}

/// Why a measurement cannot be used, for the log of the run.
fn problem(measurement: &probe::Measurement) -> Option<String> {
    let probe::Measurement { name, value, .. } = measurement;
    if name.is_empty() {
        return Some("a measurement without a name was left out".to_owned());
    }
    let value = match value {
        value if value.is_nan() => "not a number",
        value if value.is_infinite() => "infinite",
        _ => return None,
    };
    Some(format!(
        "the measurement `{name}` was left out: its value is {value}"
    ))
}

struct Writer<'r> {
    page: &'r Page,
    entry: Entry<'r>,
    /// Bytes that had been recorded at the last yield.
    paused_at: usize,
}

impl Writer<'_> {
    async fn assertions(&mut self, assertions: Vec<probe::Assertion>) -> Vec<Assertion> {
        let mut has_failed = false;
        let mut recorded = Vec::new();
        for assertion in assertions {
            self.entry.section(Section::Verdict);
            if !self.entry.admit::<Assertion>(recorded.len()) {
                continue;
            }
            let status = VerdictStatus::from(assertion.status);
            if !has_failed && status == VerdictStatus::Fail {
                has_failed = true;
                self.entry.section(Section::Conclusion);
            }
            recorded.push(Assertion {
                name: self.entry.text(assertion.name),
                status,
                message: self.entry.text(assertion.message),
            });
            self.pause().await;
        }
        self.entry.section(Section::Verdict);
        recorded.shrink_to_fit();
        recorded
    }

    async fn measurements(&mut self, measurements: Vec<probe::Measurement>) -> Vec<Measurement> {
        let mut recorded = Vec::new();
        for measurement in measurements {
            if let Some(problem) = problem(&measurement) {
                self.page.log(LogLevel::Warn, problem, Vec::new());
                continue;
            }
            let has_room = || self.page.recorder().admit(Section::Verdict, MEASUREMENT_BYTES);
            if self.page.count_measurement().is_err() || !has_room() {
                continue;
            }
            recorded.push(Measurement {
                name: self.entry.text(measurement.name),
                value: self.entry.number(measurement.value),
                unit: self.entry.text(measurement.unit),
                attributes: self.pairs(measurement.attributes).await,
            });
            self.pause().await;
        }
        recorded.shrink_to_fit();
        recorded
    }

    async fn pairs(&mut self, pairs: Vec<(String, String)>) -> Vec<(Text, Text)> {
        let mut recorded = Vec::new();
        for (key, value) in pairs {
            recorded.extend(self.entry.pair(recorded.len(), key, value));
            self.pause().await;
        }
        recorded.shrink_to_fit();
        recorded
    }

    /// Yields the worker thread after each slice.
    async fn pause(&mut self) {
        let recorded = self.entry.scanned_bytes();
        if recorded - self.paused_at >= SLICE {
            self.paused_at = recorded;
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::time::Duration;

    use super::*;
    use crate::cpu_queue::CpuFairQueue;
    use crate::polls::PollRegistry;
    use canary_net::ledger::{Budget, Ledger, PageOwner};
    use canary_record::quota::{Quota, QuotaKind};
    use canary_record::{MAX_TEXT, Recorder};
    use canary_run::outcome::StopCause;
    use canary_suite::{CheckId, Secrets};

    fn meter(limit: Duration) -> Arc<CpuMeter> {
        let quota = Quota {
            cpu: limit,
            ..Quota::default()
        };
        let run_poll = PollRegistry::default().enter(&CheckId::new("a"));
        Arc::new(CpuMeter::new(
            &quota,
            CpuFairQueue::for_workers(2).turn(&PageOwner::service("a")),
            run_poll,
        ))
    }

    fn page(measurements: u64) -> Arc<Page> {
        let quota = Quota {
            measurements,
            ..Quota::default()
        };
        let recorder = Recorder::new(Secrets::new(["correct-horse-battery"]), 16 << 20);
        Ledger::new(Budget::new(1)).open_page(PageOwner::service("a"), quota, recorder)
    }

    fn measured(name: String, unit: String, attributes: Vec<(String, String)>) -> probe::Measurement {
        probe::Measurement {
            name,
            value: 1.0,
            unit,
            attributes,
        }
    }

    /// A verdict with long texts in every field.
    fn full() -> probe::Verdict {
        let text = || "%2541…".repeat(MAX_TEXT / 8);
        let pairs = || vec![(text(), text()); 16];
        let assertion = probe::Assertion {
            name: text(),
            status: probe::Status::Fail,
            message: text(),
        };
        let measurement = measured(text(), text(), pairs());
        probe::Verdict {
            status: probe::Status::Fail,
            summary: text(),
            assertions: vec![assertion; 16],
            measurements: vec![measurement; 16],
            attributes: pairs(),
            extra: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_verdict_that_takes_long_to_record_is_ended_by_the_quota() {
        let (meter, page) = (meter(Duration::from_nanos(1)), page(16));
        let recorded = record_verdict(&page, &meter, full());
        let ended = meter.measure(recorded, || None).await;
        let quota = StopCause::Quota {
            what: QuotaKind::Cpu,
            limit: 0,
        };
        assert_eq!(ended.map(|_| ()), Err(quota));
        assert!(
            page.recorder().usage().bytes < 64 << 10,
            "{:?}",
            page.recorder().usage()
        );
    }

    #[tokio::test]
    async fn no_poll_records_more_than_a_slice_of_a_verdict() {
        let (meter, page) = (meter(Duration::from_secs(600)), page(16));
        let mut recorded = Box::pin(record_verdict(&page, &meter, full()));
        let (mut before, mut most) = (0, 0);
        let verdict = std::future::poll_fn(|cx| {
            let polled = recorded.as_mut().poll(cx);
            let bytes = page.recorder().usage().bytes;
            most = most.max(bytes - before);
            before = bytes;
            polled
        })
        .await;
        assert_eq!(verdict.measurements.len(), 16);
        assert!(before > 1 << 20, "{before}");
        let slice = u64::try_from(SLICE + 4 * MAX_TEXT).unwrap();
        assert!(most < slice, "{most} bytes in one poll");
    }

    #[tokio::test]
    async fn a_measurement_without_a_name_or_a_finite_value_is_left_out_and_logged() {
        let (meter, page) = (meter(Duration::from_secs(600)), page(16));
        let mut verdict = full();
        let values = [
            ("a", 1.0),
            ("b", f64::NAN),
            ("c", f64::NEG_INFINITY),
            ("", 2.0),
            ("d", 3.0),
        ];
        let measurement = |(name, value): (&str, f64)| probe::Measurement {
            value,
            ..measured(name.to_owned(), "s".to_owned(), Vec::new())
        };
        verdict.measurements = values.map(measurement).to_vec();
        let recorded = record_verdict(&page, &meter, verdict).await.measurements;
        let names: Vec<&str> = recorded.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["a", "d"]);
        let log: Vec<String> = page
            .take_log()
            .iter()
            .map(|line| line.message.to_string())
            .collect();
        assert_eq!(
            log,
            [
                "the measurement `b` was left out: its value is not a number",
                "the measurement `c` was left out: its value is infinite",
                "a measurement without a name was left out",
            ]
        );
    }

    #[tokio::test]
    async fn measurements_beyond_the_quota_are_left_out_and_the_first_are_kept() {
        for (limit, kept, denied) in [(0, 0, Some(300)), (256, 256, Some(44)), (1_000, 300, None)] {
            let (meter, page) = (meter(Duration::from_secs(600)), page(limit));
            let mut verdict = full();
            let names = (0..300).map(|number| format!("m{number}"));
            verdict.measurements = names
                .map(|name| measured(name, "s".to_owned(), Vec::new()))
                .collect();
            let recorded = record_verdict(&page, &meter, verdict).await.measurements;
            assert_eq!(recorded.len(), kept);
            let last = recorded.last().map(|last| last.name.to_string());
            assert_eq!(last, kept.checked_sub(1).map(|last| format!("m{last}")));
            let denials = page.usage().denials.get(&QuotaKind::Measurements).copied();
            assert_eq!(denials, denied, "{limit}");
        }
    }
}
