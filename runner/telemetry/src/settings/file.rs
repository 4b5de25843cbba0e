//! The `telemetry` section of the file.

use super::layer::{BySignal, Layer, OtlpOptions, Pairs, SpoolOptions};
use super::pairs;
use canary_settings::{Report, Section};

/// The settings of the file.
pub(super) fn layer(mut section: Section, report: &mut Report) -> Layer {
    let mut signals = BySignal::from_fn(|signal| section.section(signal.as_str(), report));
    let exporters = BySignal {
        traces: signals.traces.value("exporter"),
        metrics: signals.metrics.value("exporter"),
        logs: signals.logs.value("exporter"),
    };
    let layer = Layer {
        disabled: section.value("disabled"),
        exporters,
        all: otlp_options(&mut section, report),
        by_signal: BySignal {
            traces: signal_options(signals.traces, report),
            metrics: signal_options(signals.metrics, report),
            logs: signal_options(signals.logs, report),
        },
        service_name: section.text("service_name", report),
        resource: resource(&mut section, report),
        interval: section.value("interval"),
        schedule_delay: section.value("schedule_delay"),
        sampler: section.value("sampler"),
        sampler_arg: section.value("sampler_arg"),
        failures_always_sampled: section.value("failures_always_sampled"),
        propagators: section.list("propagators", report),
        temporality: section.value("temporality"),
        exemplar_filter: section.value("exemplar_filter"),
        max_series_per_check: section.value("max_series_per_check"),
        spool: spool(&mut section, report),
    };
    section.finish(report);
    layer
}

fn otlp_options(section: &mut Section, report: &mut Report) -> OtlpOptions {
    let headers = section.pairs("headers", report);
    OtlpOptions::new(|key| section.value(key), headers, report)
}

fn signal_options(mut section: Section, report: &mut Report) -> OtlpOptions {
    let options = otlp_options(&mut section, report);
    section.finish(report);
    options
}

fn resource(section: &mut Section, report: &mut Report) -> Pairs {
    let attributes = section.pairs("resource", report).unwrap_or_default();
    pairs::bounded_attributes(attributes, report)
}

/// `spool: none`, or a mapping.
fn spool(section: &mut Section, report: &mut Report) -> SpoolOptions {
    if section.is_none("spool") {
        return SpoolOptions {
            is_none: true,
            ..SpoolOptions::default()
        };
    }
    let mut section = section.section("spool", report);
    let spool = SpoolOptions {
        is_none: false,
        folder: section.value("folder"),
        max_size: section.value("max_size"),
        max_age: section.value("max_age"),
    };
    section.finish(report);
    spool
}
