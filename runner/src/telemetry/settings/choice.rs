//! Settings that are one word of a few. OpenTelemetry knows more words than a runner has a use for: those are
//! refused by name.

use std::time::Duration;

use super::layer::Layers;
use super::{Compression, Protocol, Signal};
use crate::settings::{Report, Written};
use crate::trace::propagation::{Format, Propagation};
use crate::trace::sampler::{Ratio, Sampler};

pub(super) const DEFAULT_INTERVAL: Duration = Duration::from_secs(15);
pub(super) const DEFAULT_SCHEDULE_DELAY: Duration = Duration::from_secs(1);
const DEFAULT_MAX_SERIES: u64 = 200;
const MAX_SERIES: std::ops::RangeInclusive<u64> = 1..=100_000;

/// What becomes of a signal.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    None,
    Console,
    Otlp,
}

/// Words that are known and not supported, and what to do instead.
type Refused<'a> = &'a [(&'a str, &'a str)];

/// Whether a word is one that is refused, which is reported.
fn is_refused(written: &Written, refused: Refused<'_>, report: &mut Report) -> bool {
    let is_meant = |(word, _): &&(&str, &str)| word.eq_ignore_ascii_case(written.expose());
    let Some((word, hint)) = refused.iter().find(is_meant) else {
        return false;
    };
    report.add(written.problem(format!("`{word}` is not supported")).hint(*hint));
    true
}

/// Sent where an endpoint is set, else dropped, unless a word says what becomes of it.
pub(super) fn exporter(layers: &Layers, signal: Signal, report: &mut Report) -> Kind {
    const WORDS: [(&str, Kind); 3] = [
        ("otlp", Kind::Otlp),
        ("console", Kind::Console),
        ("none", Kind::None),
    ];
    let otlp = "write `otlp`, `console` or `none`";
    let served = "leave it out: metrics are served to Prometheus at `/metrics` of the admin address as well";
    let refused = [
        ("prometheus", served),
        ("zipkin", otlp),
        ("jaeger", otlp),
        ("logging", otlp),
    ];
    match layers.first(|layer| layer.exporters.get(signal)) {
        None if layers.is_silent(signal) => Kind::None,
        None => Kind::Otlp,
        Some(written) if written.expose().contains(',') => {
            let problem = written.problem(format!("{} names several exporters", written.quoted()));
            report.add(problem.hint("choose one; a collector can pass on what it gets"));
            Kind::None
        }
        Some(written) if is_refused(written, &refused, report) => Kind::None,
        Some(written) => written.word("exporter", &WORDS, report).unwrap_or(Kind::None),
    }
}

pub(super) fn protocol(written: &Written, report: &mut Report) -> Option<Protocol> {
    const WORDS: [(&str, Protocol); 2] = [
        ("grpc", Protocol::Grpc),
        ("http/protobuf", Protocol::HttpProtobuf),
    ];
    let refused = [(
        "http/json",
        "write `http/protobuf`: it goes to the same port of every collector",
    )];
    match is_refused(written, &refused, report) {
        true => None,
        false => written.word("protocol", &WORDS, report),
    }
}

pub(super) fn compression(written: &Written, report: &mut Report) -> Option<Compression> {
    const WORDS: [(&str, Compression); 2] = [("none", Compression::None), ("gzip", Compression::Gzip)];
    written.word("compression", &WORDS, report)
}

/// Every sum is cumulative: what is away for a while then misses nothing.
pub(super) fn refuse_temporality(layers: &Layers, report: &mut Report) {
    let hint = "write `cumulative`; a collector can turn it into deltas";
    let Some(written) = layers.first(|layer| &layer.temporality) else {
        return;
    };
    if !is_refused(written, &[("delta", hint), ("lowmemory", hint)], report) {
        written.word("temporality", &[("cumulative", ())], report);
    }
}

/// Metrics are made when a run is over and its trace is known, so that `always_on` could add nothing.
pub(super) fn exemplars(layers: &Layers, report: &mut Report) -> bool {
    const WORDS: [(&str, bool); 3] = [("trace_based", true), ("always_on", true), ("always_off", false)];
    let written = layers.first(|layer| &layer.exemplar_filter);
    written
        .and_then(|written| written.word("exemplar filter", &WORDS, report))
        .unwrap_or(true)
}

pub(super) fn max_series(layers: &Layers, report: &mut Report) -> u64 {
    let written = layers.first(|layer| &layer.max_series_per_check);
    written
        .and_then(|written| written.count(MAX_SERIES, report))
        .unwrap_or(DEFAULT_MAX_SERIES)
}

#[derive(Clone, Copy)]
enum Rule {
    On,
    Off,
    Ratio,
}

/// A run is the root of its trace, so that `parentbased_x` is `x`.
pub(super) fn sampler(layers: &Layers, report: &mut Report) -> Sampler {
    const WORDS: [(&str, Rule); 6] = [
        ("always_on", Rule::On),
        ("always_off", Rule::Off),
        ("traceidratio", Rule::Ratio),
        ("parentbased_always_on", Rule::On),
        ("parentbased_always_off", Rule::Off),
        ("parentbased_traceidratio", Rule::Ratio),
    ];
    let hint = "write `always_on`, `always_off` or `traceidratio`";
    let refused = [
        ("jaeger_remote", hint),
        ("parentbased_jaeger_remote", hint),
        ("xray", hint),
    ];
    let arg = layers.first(|layer| &layer.sampler_arg);
    let ratio = arg.and_then(|written| ratio(written, report));
    let Some(written) = layers.first(|layer| &layer.sampler) else {
        // A variable without the other is of no effect by the specification; in a file it was meant.
        if let Some(arg) = arg.filter(|arg| ratio.is_some() && !arg.is_variable()) {
            let problem = arg.problem("there is no sampler that would take it");
            report.add(problem.hint("set `sampler: traceidratio`"));
        }
        return Sampler::AlwaysOn;
    };
    if is_refused(written, &refused, report) {
        return Sampler::AlwaysOn;
    }
    match written.word("sampler", &WORDS, report) {
        None | Some(Rule::On) => Sampler::AlwaysOn,
        Some(Rule::Off) => Sampler::AlwaysOff,
        Some(Rule::Ratio) => ratio.map_or(Sampler::AlwaysOn, Sampler::Ratio),
    }
}

fn ratio(written: &Written, report: &mut Report) -> Option<Ratio> {
    let ratio = written.expose().parse().ok().and_then(Ratio::new);
    if ratio.is_none() {
        let problem = written.problem(format!("{} is no ratio", written.quoted()));
        report.add(problem.hint("write a number from `0` to `1`, such as `0.1` for every tenth trace"));
    }
    ratio
}

/// Baggage is taken for what it is: nothing, since a run carries none.
pub(super) fn propagation(layers: &Layers, report: &mut Report) -> Propagation {
    const WORDS: [(&str, Option<Format>); 5] = [
        ("tracecontext", Some(Format::TraceContext)),
        ("baggage", None),
        ("b3", Some(Format::B3)),
        ("b3multi", Some(Format::B3Multi)),
        ("none", None),
    ];
    let hint = "write `tracecontext`, `b3` or `b3multi`";
    let refused = [("jaeger", hint), ("xray", hint), ("ottrace", hint)];
    let Some(written) = layers.first(|layer| &layer.propagators) else {
        return Propagation::default();
    };
    let is_none = |word: &&Written| word.expose().eq_ignore_ascii_case("none");
    if let Some(none) = written.iter().find(is_none).filter(|_| written.len() > 1) {
        report.add(
            none.problem("`none` stands beside other propagators")
                .hint("write one or the other"),
        );
    }
    let format = |word: &Written| match is_refused(word, &refused, report) {
        true => None,
        false => word.word("propagator", &WORDS, report).flatten(),
    };
    Propagation::new(written.iter().filter_map(format))
}
