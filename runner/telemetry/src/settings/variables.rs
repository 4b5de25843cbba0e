//! The `OTEL_*` variables.

use super::layer::{BySignal, Layer, OtlpOptions, SpoolOptions};
use super::pairs;
use crate::signal::Signal;
use canary_settings::{ConfigValue, Report};
use canary_suite::Environment;

const OTLP: &str = "OTEL_EXPORTER_OTLP_";

/// The settings of the environment.
pub(super) fn layer(environment: &dyn Environment, report: &mut Report) -> Layer {
    let value = |name: &str| ConfigValue::variable(name, environment);
    let upper = |signal: Signal| signal.as_str().to_ascii_uppercase();
    Layer {
        disabled: value("OTEL_SDK_DISABLED"),
        exporters: BySignal::from_fn(|signal| value(&format!("OTEL_{}_EXPORTER", upper(signal)))),
        all: otlp_options(OTLP, environment, report),
        by_signal: BySignal::from_fn(|signal| {
            otlp_options(&format!("{OTLP}{}_", upper(signal)), environment, report)
        }),
        service_name: value("OTEL_SERVICE_NAME"),
        resource: value("OTEL_RESOURCE_ATTRIBUTES")
            .map(|list| pairs::attributes(&list, report))
            .unwrap_or_default(),
        interval: value("OTEL_METRIC_EXPORT_INTERVAL"),
        schedule_delay: value("OTEL_BSP_SCHEDULE_DELAY"),
        sampler: value("OTEL_TRACES_SAMPLER"),
        sampler_arg: value("OTEL_TRACES_SAMPLER_ARG"),
        propagators: value("OTEL_PROPAGATORS").map(|list| pairs::split_list(&list)),
        temporality: value("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"),
        exemplar_filter: value("OTEL_METRICS_EXEMPLAR_FILTER"),
        // OpenTelemetry has no variables for these.
        failures_always_sampled: None,
        max_series_per_check: None,
        spool: SpoolOptions::default(),
    }
}

fn otlp_options(prefix: &str, environment: &dyn Environment, report: &mut Report) -> OtlpOptions {
    let value = |name: &str| {
        let name = format!("{prefix}{}", name.to_ascii_uppercase());
        ConfigValue::variable(&name, environment)
    };
    let headers = value("headers").map(|list| pairs::headers(&list, report));
    OtlpOptions::new(value, headers, report)
}
