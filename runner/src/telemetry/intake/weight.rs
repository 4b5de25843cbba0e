//! What an event weighs: its texts, and what is around them.

use crate::outcome::{LogLine, Outcome, Run, Verdict};
use crate::record::Text;
use crate::telemetry::Event;
use crate::trace::{Step, StepKind};

/// Bytes of an event that has no text.
const EVENT: usize = 512;
/// Bytes of an item of a list that has no text.
const ITEM: usize = 128;

/// The bytes that an event takes, roughly; never much fewer than there are.
pub(super) fn of(event: &Event) -> usize {
    EVENT
        + match event {
            Event::Finished(run, _) => of_run(run),
            Event::Missed(check, ..) => check.as_str().len(),
            Event::Reloaded(Err(problems)) => problems.len(),
            // The suite is there anyway.
            Event::Suite(_) | Event::Reloaded(Ok(_)) => 0,
        }
}

fn of_run(run: &Run) -> usize {
    let log: usize = run.log.iter().map(of_line).sum();
    let steps: usize = run.trail.steps.iter().map(of_step).sum();
    let items = run.trail.connections.len() + run.trail.denied.len();
    let outcome = match &run.outcome {
        Outcome::Completed(verdict) => of_verdict(verdict),
        Outcome::Stopped(_) => 0,
        Outcome::Faulted(fault) => fault.to_string().len(),
    };
    log + steps + items * ITEM + outcome
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
    verdict.summary.len() + assertions + measurements + of_pairs(&verdict.attributes)
}

fn of_step(step: &Step) -> usize {
    let text = |text: &Option<Text>| text.as_ref().map_or(0, |text| text.len());
    let kind = match &step.kind {
        StepKind::Instantiate | StepKind::Connect { .. } => 0,
        StepKind::Lookup(lookup) => {
            lookup.name.len() + lookup.addresses.len() * size_of::<std::net::IpAddr>()
        }
        StepKind::Handshake(handshake) => {
            let leaf = handshake.leaf.as_ref();
            let leaf = leaf.map_or(0, |leaf| {
                leaf.subject.len() + leaf.issuer.len() + leaf.fingerprint.len()
            });
            let texts = [&handshake.cipher_suite, &handshake.alpn, &handshake.untrusted];
            handshake.server_name.len() + leaf + texts.map(text).iter().sum::<usize>()
        }
        StepKind::Request(request) => {
            request.method.len() + request.url.len() + request.scheme.len() + request.host.len()
        }
    };
    ITEM + kind + step.error.as_ref().map_or(0, |error| error.message.len())
}
