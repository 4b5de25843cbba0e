//! The size of a run, and runs without their details.

use super::{LogLine, Outcome, Run, Verdict};
use canary_record::Text;
use canary_record::trace::{Connection, Denied, PhaseTime, Step, StepKind, Trail};

/// Bytes charged for a list item besides its texts.
const ITEM: usize = 128;

impl Run {
    /// The approximate size in bytes; never much less than the real one.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.core_weight() + self.details_weight()
    }

    /// The size of what [`Run::without_details`] retains.
    #[must_use]
    pub(crate) fn core_weight(&self) -> usize {
        let text = match &self.outcome {
            Outcome::Completed(verdict) => verdict.summary.len(),
            Outcome::Stopped(_) => 0,
            Outcome::Faulted(fault) => fault.to_string().len(),
        };
        let usage = &self.usage;
        let counts = usage.opened.len() + usage.closed.len() + usage.denials.len();
        size_of::<Self>() + counts * ITEM + text
    }

    /// The size of what [`Run::without_details`] drops.
    #[must_use]
    pub(crate) fn details_weight(&self) -> usize {
        let log: usize = self.log.iter().map(of_line).sum();
        log + of_trail(&self.trail) + self.verdict_said().map_or(0, of_verdict)
    }

    /// The same run without its log, its trail, and the details of its verdict, for when there is no space for all of
    /// it. What is dropped counts as cut.
    #[must_use]
    pub fn without_details(&self) -> Self {
        let mut usage = self.usage.clone();
        usage.record.cut += count(self.entries());
        usage.record.cut_bytes += count(self.details_weight());
        Self {
            check: self.check.clone(),
            plugin_digest: self.plugin_digest.clone(),
            lag: self.lag,
            queued: self.queued,
            started_at: self.started_at,
            duration: self.duration,
            attempts: self.attempts,
            outcome: self.outcome.without_details(),
            usage,
            log: Vec::new(),
            trail: Trail {
                steps_lost: self.trail.steps_lost + count(self.trail.steps.len()),
                ..Trail::default()
            },
            trace: self.trace,
        }
    }

    /// The number of entries in its details.
    fn entries(&self) -> usize {
        let trail = &self.trail;
        let lists = trail.steps.len() + trail.phases.len() + trail.denied.len() + trail.connections.len();
        let said = self.verdict_said().map_or(0, |verdict| {
            verdict.assertions.len() + verdict.measurements.len() + verdict.attributes.len()
        });
        let lines = trail.conversation.as_ref().map_or(0, |said| said.lines.len());
        self.log.len() + lists + said + lines
    }

    fn verdict_said(&self) -> Option<&Verdict> {
        match &self.outcome {
            Outcome::Completed(verdict) => Some(verdict),
            Outcome::Stopped(_) | Outcome::Faulted(_) => None,
        }
    }
}

impl Outcome {
    fn without_details(&self) -> Self {
        match self {
            Self::Completed(verdict) => Self::Completed(Verdict {
                status: verdict.status,
                summary: verdict.summary.clone(),
                assertions: Vec::new(),
                measurements: Vec::new(),
                attributes: Vec::new(),
            }),
            Self::Stopped(_) | Self::Faulted(_) => self.clone(),
        }
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn of_line(line: &LogLine) -> usize {
    ITEM + line.message.len() + of_pairs(&line.fields)
}

fn of_pairs(pairs: &[(Text, Text)]) -> usize {
    pairs
        .iter()
        .map(|(key, value)| ITEM + key.len() + value.len())
        .sum()
}

fn of_verdict(verdict: &Verdict) -> usize {
    let assertions = verdict.assertions.iter();
    let assertions: usize = assertions
        .map(|assertion| ITEM + assertion.name.len() + assertion.message.len())
        .sum();
    let measurements = verdict.measurements.iter();
    let measurements: usize = measurements
        .map(|number| ITEM + number.name.len() + number.unit.len() + of_pairs(&number.attributes))
        .sum();
    assertions + measurements + of_pairs(&verdict.attributes)
}

fn of_trail(trail: &Trail) -> usize {
    let steps: usize = trail.steps.iter().map(of_step).sum();
    let items = trail.connections.len() * size_of::<Connection>()
        + trail.denied.len() * size_of::<Denied>()
        + trail.phases.len() * size_of::<PhaseTime>();
    let lines = trail.conversation.iter().flat_map(|said| &said.lines);
    let conversation: usize = lines.map(|line| ITEM + line.text.len()).sum();
    steps + items + conversation
}

fn of_step(step: &Step) -> usize {
    let text = |text: &Option<Text>| text.as_ref().map_or(0, |text| text.len());
    let texts = match &step.kind {
        StepKind::Instantiate | StepKind::Connect { .. } => 0,
        StepKind::Lookup(lookup) => lookup.name.len(),
        StepKind::Handshake(handshake) => {
            let leaf = handshake.leaf.as_ref();
            let leaf = leaf.map_or(0, |leaf| {
                leaf.subject.len() + leaf.issuer.len() + leaf.fingerprint.len()
            });
            let texts = [&handshake.cipher_suite, &handshake.alpn, &handshake.untrusted];
            handshake.server_name.len() + leaf + texts.map(text).iter().sum::<usize>()
        }
        StepKind::Request(request) => request.method.len() + request.url.len() + request.host.len(),
    };
    let error = step.error.as_ref().map_or(0, |error| error.message.len());
    usize::try_from(step.weight()).unwrap_or(usize::MAX) + texts + error
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::{Fault, LogLevel, sample};
    use canary_record::RecordUsage;

    fn logging(lines: usize) -> Run {
        let line = |_| LogLine {
            at: std::time::Duration::ZERO,
            level: LogLevel::Info,
            message: "m".repeat(1 << 10).into(),
            fields: vec![("key".into(), "value".into())],
        };
        Run {
            log: (0..lines).map(line).collect(),
            ..sample::run()
        }
    }

    #[test]
    fn a_run_weighs_at_least_its_texts() {
        let more = logging(64).weight() - logging(0).weight();
        assert!(more > 64 << 10, "{more}");
        assert!(sample::run().weight() < 8 << 10, "an ordinary run is light");
    }

    #[test]
    fn without_its_details_a_run_says_how_it_ended_and_counts_what_it_lacks() {
        let run = logging(64);
        let bare = run.without_details();
        assert_eq!(
            (
                bare.outcome.summary(),
                bare.outcome.as_str(),
                bare.duration,
                bare.trace
            ),
            (
                run.outcome.summary(),
                run.outcome.as_str(),
                run.duration,
                run.trace
            )
        );
        assert!(bare.log.is_empty() && bare.trail.steps.is_empty());
        assert_eq!(bare.trail.steps_lost, 5);
        assert_eq!((bare.details_weight(), bare.weight()), (0, run.core_weight()));
        let RecordUsage { cut, cut_bytes, .. } = bare.usage.record;
        assert!(cut >= 64 + 5 && cut_bytes >= 64 << 10, "{cut}, {cut_bytes}");
    }

    #[test]
    fn what_broke_a_run_stays() {
        let broken = Run {
            outcome: Outcome::Faulted(Fault::Trap("unreachable".into())),
            ..logging(1)
        };
        assert_eq!(broken.without_details().outcome, broken.outcome);
    }
}
