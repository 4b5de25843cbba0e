//! Settings with a fixed set of values. Values of OpenTelemetry that are not supported are rejected by name.

use std::time::Duration;

use super::layer::Layers;
use super::{Compression, Protocol};
use crate::signal::Signal;
use canary_record::trace::propagation::{Format, Propagation};
use canary_record::trace::sampler::{Ratio, Sampler};
use canary_settings::{ConfigValue, Report};

pub(super) const DEFAULT_INTERVAL: Duration = Duration::from_secs(15);
pub(super) const DEFAULT_SCHEDULE_DELAY: Duration = Duration::from_secs(1);
const DEFAULT_MAX_SERIES: u64 = 200;
const MAX_SERIES: std::ops::RangeInclusive<u64> = 1..=100_000;

/// The exporter type.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    None,
    Console,
    Otlp,
}

/// Known but unsupported values, and what to use instead.
type Unsupported<'a> = &'a [(&'a str, &'a str)];

/// Whether a value is unsupported, which is reported.
fn is_unsupported(value: &ConfigValue, unsupported: Unsupported<'_>, report: &mut Report) -> bool {
    let matches = |(word, _): &&(&str, &str)| word.eq_ignore_ascii_case(value.expose());
    let Some((word, hint)) = unsupported.iter().find(matches) else {
        return false;
    };
    report.add(value.problem(format!("`{word}` is not supported")).hint(*hint));
    true
}

/// The exporter type: OTLP if an endpoint is set, otherwise none, unless configured.
pub(super) fn exporter(layers: &Layers, signal: Signal, report: &mut Report) -> Kind {
    const VALUES: [(&str, Kind); 3] = [
        ("otlp", Kind::Otlp),
        ("console", Kind::Console),
        ("none", Kind::None),
    ];
    let otlp = "write `otlp`, `console` or `none`";
    let served = "leave it out: metrics are served to Prometheus at `/metrics` of the admin address as well";
    let unsupported = [
        ("prometheus", served),
        ("zipkin", otlp),
        ("jaeger", otlp),
        ("logging", otlp),
    ];
    match layers.first(|layer| layer.exporters.get(signal)) {
        None if layers.is_unconfigured(signal) => Kind::None,
        None => Kind::Otlp,
        Some(value) if value.expose().contains(',') => {
            let problem = value.problem(format!("{} names several exporters", value.quoted()));
            report.add(problem.hint("choose one; a collector can forward to several backends"));
            Kind::None
        }
        Some(value) if is_unsupported(value, &unsupported, report) => Kind::None,
        Some(value) => value.one_of("exporter", &VALUES, report).unwrap_or(Kind::None),
    }
}

pub(super) fn protocol(value: &ConfigValue, report: &mut Report) -> Option<Protocol> {
    const VALUES: [(&str, Protocol); 2] = [
        ("grpc", Protocol::Grpc),
        ("http/protobuf", Protocol::HttpProtobuf),
    ];
    let unsupported = [(
        "http/json",
        "write `http/protobuf`; every collector accepts it on the same port",
    )];
    if is_unsupported(value, &unsupported, report) {
        None
    } else {
        value.one_of("protocol", &VALUES, report)
    }
}

pub(super) fn compression(value: &ConfigValue, report: &mut Report) -> Option<Compression> {
    const VALUES: [(&str, Compression); 2] = [("none", Compression::None), ("gzip", Compression::Gzip)];
    value.one_of("compression", &VALUES, report)
}

/// Only cumulative temporality is supported: a receiver that misses some exports loses nothing.
pub(super) fn reject_temporality(layers: &Layers, report: &mut Report) {
    let hint = "write `cumulative`; a collector can convert it to deltas";
    let Some(value) = layers.first(|layer| &layer.temporality) else {
        return;
    };
    if !is_unsupported(value, &[("delta", hint), ("lowmemory", hint)], report) {
        value.one_of("temporality", &[("cumulative", ())], report);
    }
}

/// Exemplars are recorded when the trace of a run is known, so that `always_on` equals `trace_based`.
pub(super) fn exemplars(layers: &Layers, report: &mut Report) -> bool {
    const VALUES: [(&str, bool); 3] = [("trace_based", true), ("always_on", true), ("always_off", false)];
    let value = layers.first(|layer| &layer.exemplar_filter);
    value
        .and_then(|value| value.one_of("exemplar filter", &VALUES, report))
        .unwrap_or(true)
}

pub(super) fn max_series(layers: &Layers, report: &mut Report) -> u64 {
    let value = layers.first(|layer| &layer.max_series_per_check);
    value
        .and_then(|value| value.count(MAX_SERIES, report))
        .unwrap_or(DEFAULT_MAX_SERIES)
}

#[derive(Clone, Copy)]
enum SamplerKind {
    On,
    Off,
    Ratio,
}

/// A run is the root of its trace, so that `parentbased_x` equals `x`.
pub(super) fn sampler(layers: &Layers, report: &mut Report) -> Sampler {
    const VALUES: [(&str, SamplerKind); 6] = [
        ("always_on", SamplerKind::On),
        ("always_off", SamplerKind::Off),
        ("traceidratio", SamplerKind::Ratio),
        ("parentbased_always_on", SamplerKind::On),
        ("parentbased_always_off", SamplerKind::Off),
        ("parentbased_traceidratio", SamplerKind::Ratio),
    ];
    let hint = "write `always_on`, `always_off` or `traceidratio`";
    let unsupported = [
        ("jaeger_remote", hint),
        ("parentbased_jaeger_remote", hint),
        ("xray", hint),
    ];
    let arg = layers.first(|layer| &layer.sampler_arg);
    let ratio = arg.and_then(|value| ratio(value, report));
    let Some(value) = layers.first(|layer| &layer.sampler) else {
        // By the specification an argument without a sampler is ignored in the environment; in a file it is a mistake.
        if let Some(arg) = arg.filter(|arg| ratio.is_some() && !arg.is_variable()) {
            let problem = arg.problem("no sampler uses it");
            report.add(problem.hint("set `sampler: traceidratio`"));
        }
        return Sampler::AlwaysOn;
    };
    if is_unsupported(value, &unsupported, report) {
        return Sampler::AlwaysOn;
    }
    match value.one_of("sampler", &VALUES, report) {
        None | Some(SamplerKind::On) => Sampler::AlwaysOn,
        Some(SamplerKind::Off) => Sampler::AlwaysOff,
        Some(SamplerKind::Ratio) => ratio.map_or(Sampler::AlwaysOn, Sampler::Ratio),
    }
}

fn ratio(value: &ConfigValue, report: &mut Report) -> Option<Ratio> {
    let ratio = value.expose().parse().ok().and_then(Ratio::new);
    if ratio.is_none() {
        let problem = value.problem(format!("invalid ratio {}", value.quoted()));
        report.add(problem.hint("write a number from `0` to `1`, such as `0.1` for every tenth trace"));
    }
    ratio
}

/// `baggage` is accepted and has no effect, since a run carries none.
pub(super) fn propagation(layers: &Layers, report: &mut Report) -> Propagation {
    const VALUES: [(&str, Option<Format>); 5] = [
        ("tracecontext", Some(Format::TraceContext)),
        ("baggage", None),
        ("b3", Some(Format::B3)),
        ("b3multi", Some(Format::B3Multi)),
        ("none", None),
    ];
    let hint = "write `tracecontext`, `b3` or `b3multi`";
    let unsupported = [("jaeger", hint), ("xray", hint), ("ottrace", hint)];
    let Some(value) = layers.first(|layer| &layer.propagators) else {
        return Propagation::default();
    };
    let is_none = |word: &&ConfigValue| word.expose().eq_ignore_ascii_case("none");
    if let Some(none) = value.iter().find(is_none).filter(|_| value.len() > 1) {
        report.add(
            none.problem("`none` cannot be combined with other propagators")
                .hint("use one or the other"),
        );
    }
    let format = |word: &ConfigValue| {
        if is_unsupported(word, &unsupported, report) {
            None
        } else {
            word.one_of("propagator", &VALUES, report).flatten()
        }
    };
    Propagation::new(value.iter().filter_map(format))
}
