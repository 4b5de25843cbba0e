//! The `OTEL_*` variables.

use super::layer::{BySignal, Layer, Route, Spool};
use super::{Signal, pairs};
use crate::settings::{Report, Written};
use crate::suite::Environment;

const OTLP: &str = "OTEL_EXPORTER_OTLP_";

/// What the environment says.
pub(super) fn layer(environment: &dyn Environment, report: &mut Report) -> Layer {
    let value = |name: &str| Written::variable(name, environment);
    let upper = |signal: Signal| signal.word().to_ascii_uppercase();
    Layer {
        disabled: value("OTEL_SDK_DISABLED"),
        exporters: BySignal::of(|signal| value(&format!("OTEL_{}_EXPORTER", upper(signal)))),
        all: route(OTLP, environment, report),
        routes: BySignal::of(|signal| route(&format!("{OTLP}{}_", upper(signal)), environment, report)),
        service_name: value("OTEL_SERVICE_NAME"),
        resource: value("OTEL_RESOURCE_ATTRIBUTES")
            .map(|list| pairs::attributes(&list, report))
            .unwrap_or_default(),
        interval: value("OTEL_METRIC_EXPORT_INTERVAL"),
        schedule_delay: value("OTEL_BSP_SCHEDULE_DELAY"),
        sampler: value("OTEL_TRACES_SAMPLER"),
        sampler_arg: value("OTEL_TRACES_SAMPLER_ARG"),
        propagators: value("OTEL_PROPAGATORS").map(|list| pairs::words(&list)),
        temporality: value("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"),
        exemplar_filter: value("OTEL_METRICS_EXEMPLAR_FILTER"),
        // Those have no name in OpenTelemetry.
        failures_always_sampled: None,
        max_series_per_check: None,
        spool: Spool::default(),
    }
}

fn route(prefix: &str, environment: &dyn Environment, report: &mut Report) -> Route {
    let value = |name: &str| {
        let name = format!("{prefix}{}", name.to_ascii_uppercase());
        Written::variable(&name, environment)
    };
    let headers = value("headers").map(|list| pairs::headers(&list, report));
    Route::of(value, headers, report)
}
