//! The `telemetry` section of the file.

use super::layer::{BySignal, Layer, Pairs, Route, Spool};
use super::pairs;
use crate::settings::{Report, Section};

/// What the file says.
pub(super) fn layer(mut section: Section, report: &mut Report) -> Layer {
    let mut signals = BySignal::of(|signal| section.section(signal.word(), report));
    let exporters = BySignal {
        traces: signals.traces.value("exporter"),
        metrics: signals.metrics.value("exporter"),
        logs: signals.logs.value("exporter"),
    };
    let layer = Layer {
        disabled: section.value("disabled"),
        exporters,
        all: route(&mut section, report),
        routes: BySignal {
            traces: whole_route(signals.traces, report),
            metrics: whole_route(signals.metrics, report),
            logs: whole_route(signals.logs, report),
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

fn route(section: &mut Section, report: &mut Report) -> Route {
    let headers = section.pairs("headers", report);
    Route::of(|key| section.value(key), headers, report)
}

fn whole_route(mut section: Section, report: &mut Report) -> Route {
    let route = route(&mut section, report);
    section.finish(report);
    route
}

fn resource(section: &mut Section, report: &mut Report) -> Pairs {
    let attributes = section.pairs("resource", report).unwrap_or_default();
    pairs::bounded_attributes(attributes, report)
}

/// `spool: none`, or a mapping.
fn spool(section: &mut Section, report: &mut Report) -> Spool {
    if section.is_none("spool") {
        return Spool {
            is_none: true,
            ..Spool::default()
        };
    }
    let mut section = section.section("spool", report);
    let spool = Spool {
        is_none: false,
        folder: section.value("folder"),
        max_size: section.value("max_size"),
        max_age: section.value("max_age"),
    };
    section.finish(report);
    spool
}
