//! A verdict, as far as the run's record has room for it.

use std::sync::Arc;

use crate::outcome::{Assertion, Measurement, Verdict, VerdictStatus};
use crate::record::{Entry, Part, Recorder, Text};
use crate::sandbox::bindings::v0_2::probe;
use crate::sandbox::cpu::CpuMeter;
use crate::sandbox::polls::HostFunction;

/// Bytes of texts that are judged in one poll: some milliseconds at most.
const SLICE: usize = 16 << 10;

/// Records a verdict: the summary first, then the first failing assertion. Counts as the guest's own computing, and
/// gives the worker back between slices.
pub(in crate::sandbox) async fn verdict(
    recorder: &Recorder,
    meter: &Arc<CpuMeter>,
    verdict: probe::Verdict,
) -> Verdict {
    let _host = meter.host_call(HostFunction::Verdict);
    let summary = recorder.text(Part::Conclusion, verdict.summary);
    let mut writer = Writer {
        entry: recorder.entry(Part::Verdict, usize::MAX),
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

/// Whether the guest says that it is the check that failed, and not its target.
pub(in crate::sandbox) fn is_own_fault(verdict: &probe::Verdict) -> bool {
    let is_it = |(key, value): &(String, String)| key == "fault" && value == "check";
    verdict.status == probe::Status::Fail && verdict.extra.iter().any(is_it)
}

struct Writer<'r> {
    entry: Entry<'r>,
    /// How much had been judged at the last pause.
    paused_at: usize,
}

impl Writer<'_> {
    async fn assertions(&mut self, assertions: Vec<probe::Assertion>) -> Vec<Assertion> {
        let mut has_failed = false;
        let mut kept = Vec::new();
        for assertion in assertions {
            self.entry.part(Part::Verdict);
            if !self.entry.admit::<Assertion>(kept.len()) {
                continue;
            }
            let status = VerdictStatus::from(assertion.status);
            if !has_failed && status == VerdictStatus::Fail {
                has_failed = true;
                self.entry.part(Part::Conclusion);
            }
            kept.push(Assertion {
                name: self.entry.text(assertion.name),
                status,
                message: self.entry.text(assertion.message),
            });
            self.pause().await;
        }
        self.entry.part(Part::Verdict);
        kept.shrink_to_fit();
        kept
    }

    async fn measurements(&mut self, measurements: Vec<probe::Measurement>) -> Vec<Measurement> {
        let mut kept = Vec::new();
        for measurement in measurements {
            if !self.entry.admit::<Measurement>(kept.len()) {
                continue;
            }
            kept.push(Measurement {
                name: self.entry.text(measurement.name),
                value: self.entry.number(measurement.value),
                unit: self.entry.text(measurement.unit),
                attributes: self.pairs(measurement.attributes).await,
            });
            self.pause().await;
        }
        kept.shrink_to_fit();
        kept
    }

    async fn pairs(&mut self, pairs: Vec<(String, String)>) -> Vec<(Text, Text)> {
        let mut kept = Vec::new();
        for (key, value) in pairs {
            kept.extend(self.entry.pair(kept.len(), key, value));
            self.pause().await;
        }
        kept.shrink_to_fit();
        kept
    }

    /// Lets others have the worker once a slice is judged.
    async fn pause(&mut self) {
        let judged = self.entry.judged();
        if judged - self.paused_at >= SLICE {
            self.paused_at = judged;
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::time::Duration;

    use super::*;
    use crate::outcome::StopCause;
    use crate::quota::{Quota, QuotaKind};
    use crate::record::MAX_TEXT;
    use crate::sandbox::line::Line;
    use crate::sandbox::polls::PollRegistry;
    use crate::suite::{CheckId, Secrets};

    fn meter(limit: Duration) -> Arc<CpuMeter> {
        let quota = Quota {
            cpu: limit,
            ..Quota::default()
        };
        let shown = PollRegistry::default().enter(&CheckId::new("a"));
        Arc::new(CpuMeter::new(
            &quota,
            Line::beside(2).place(&CheckId::new("a")),
            shown,
        ))
    }

    fn recorder() -> Arc<Recorder> {
        Recorder::new(Secrets::of(["correct-horse-battery"]), 16 << 20)
    }

    /// Full of long texts in every place.
    fn full() -> probe::Verdict {
        let text = || "%2541…".repeat(MAX_TEXT / 8);
        let pairs = || vec![(text(), text()); 16];
        let assertion = probe::Assertion {
            name: text(),
            status: probe::Status::Fail,
            message: text(),
        };
        let measurement = probe::Measurement {
            name: text(),
            value: 1.0,
            unit: text(),
            attributes: pairs(),
        };
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
    async fn a_verdict_that_takes_long_to_judge_is_ended_by_the_quota() {
        let (meter, recorder) = (meter(Duration::from_nanos(1)), recorder());
        let judged = verdict(&recorder, &meter, full());
        let ended = meter.measure(judged, || None).await;
        let quota = StopCause::Quota {
            what: QuotaKind::Cpu,
            limit: 0,
        };
        assert_eq!(ended.map(|_| ()), Err(quota));
        assert!(recorder.usage().bytes < 64 << 10, "{:?}", recorder.usage());
    }

    #[tokio::test]
    async fn no_poll_judges_more_than_a_slice_of_a_verdict() {
        let (meter, recorder) = (meter(Duration::from_secs(600)), recorder());
        let mut judged = Box::pin(verdict(&recorder, &meter, full()));
        let (mut before, mut most) = (0, 0);
        let verdict = std::future::poll_fn(|cx| {
            let polled = judged.as_mut().poll(cx);
            let bytes = recorder.usage().bytes;
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
}
