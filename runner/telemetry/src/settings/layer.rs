//! The settings of one source, key by key, and the precedence between sources.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use crate::signal::Signal;
use canary_settings::{ConfigValue, Report};

/// The range of intervals and delays.
const INTERVAL_RANGE: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_hours(1);
const DEFAULT_SERVICE_NAME: &str = "canary";
const SERVICE_NAME: &str = opentelemetry_semantic_conventions::resource::SERVICE_NAME;

/// Names and values, such as headers.
pub(super) type Pairs = Vec<(Arc<str>, ConfigValue)>;

/// Selects one of the OTLP options.
pub(super) type Field = fn(&OtlpOptions) -> &Option<ConfigValue>;

/// The options of an OTLP exporter.
#[derive(Debug, Default)]
pub(super) struct OtlpOptions {
    pub(super) endpoint: Option<ConfigValue>,
    pub(super) protocol: Option<ConfigValue>,
    pub(super) headers: Option<Pairs>,
    pub(super) timeout: Option<ConfigValue>,
    pub(super) compression: Option<ConfigValue>,
    pub(super) certificate: Option<ConfigValue>,
    pub(super) client_certificate: Option<ConfigValue>,
    pub(super) client_key: Option<ConfigValue>,
    pub(super) insecure: Option<ConfigValue>,
}

impl OtlpOptions {
    /// Reads each option by its key in the file, which is the variable's name in lower case.
    pub(super) fn new(
        mut value: impl FnMut(&'static str) -> Option<ConfigValue>,
        headers: Option<Pairs>,
        report: &mut Report,
    ) -> Self {
        let options = Self {
            endpoint: value("endpoint"),
            protocol: value("protocol"),
            headers,
            timeout: value("timeout"),
            compression: value("compression"),
            certificate: value("certificate"),
            client_certificate: value("client_certificate"),
            client_key: value("client_key"),
            insecure: value("insecure"),
        };
        // Overridden files are secrets of the runner nevertheless.
        let files = [
            &options.certificate,
            &options.client_certificate,
            &options.client_key,
        ];
        for file in files.into_iter().flatten() {
            let _noted = file.path(report);
        }
        options
    }
}

/// A value for each signal.
#[derive(Debug, Default)]
pub(super) struct BySignal<T> {
    pub(super) traces: T,
    pub(super) metrics: T,
    pub(super) logs: T,
}

impl<T> BySignal<T> {
    pub(super) fn from_fn(mut value: impl FnMut(Signal) -> T) -> Self {
        Self {
            traces: value(Signal::Traces),
            metrics: value(Signal::Metrics),
            logs: value(Signal::Logs),
        }
    }

    pub(super) fn get(&self, signal: Signal) -> &T {
        match signal {
            Signal::Traces => &self.traces,
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.logs,
        }
    }
}

/// The settings of one source.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) disabled: Option<ConfigValue>,
    pub(super) exporters: BySignal<Option<ConfigValue>>,
    pub(super) all: OtlpOptions,
    pub(super) by_signal: BySignal<OtlpOptions>,
    pub(super) service_name: Option<ConfigValue>,
    pub(super) resource: Pairs,
    pub(super) interval: Option<ConfigValue>,
    pub(super) schedule_delay: Option<ConfigValue>,
    pub(super) sampler: Option<ConfigValue>,
    pub(super) sampler_arg: Option<ConfigValue>,
    pub(super) failures_always_sampled: Option<ConfigValue>,
    pub(super) propagators: Option<Vec<ConfigValue>>,
    pub(super) temporality: Option<ConfigValue>,
    pub(super) exemplar_filter: Option<ConfigValue>,
    pub(super) max_series_per_check: Option<ConfigValue>,
    pub(super) spool: SpoolOptions,
}

/// The options of the spool.
#[derive(Debug, Default)]
pub(super) struct SpoolOptions {
    /// Whether the spool is disabled.
    pub(super) is_none: bool,
    pub(super) folder: Option<ConfigValue>,
    pub(super) max_size: Option<ConfigValue>,
    pub(super) max_age: Option<ConfigValue>,
}

/// A value, and whether it is specific to a signal.
pub(super) struct Resolved<'a, T> {
    pub(super) value: &'a T,
    pub(super) is_signal_specific: bool,
}

/// All sources, in order of precedence.
pub(super) struct Layers {
    pub(super) variables: Layer,
    pub(super) file: Layer,
}

impl Layers {
    /// The effective value.
    pub(super) fn first<'a, T>(&'a self, field: impl Fn(&'a Layer) -> &'a Option<T>) -> Option<&'a T> {
        field(&self.variables).as_ref().or(field(&self.file).as_ref())
    }

    /// The effective value for a signal.
    pub(super) fn for_signal<'a, T: 'a>(
        &'a self,
        signal: Signal,
        field: impl Fn(&'a OtlpOptions) -> &'a Option<T>,
    ) -> Option<Resolved<'a, T>> {
        [&self.variables, &self.file].into_iter().find_map(|layer| {
            let own = field(layer.by_signal.get(signal)).as_ref();
            let found = |value, is_signal_specific| Resolved {
                value,
                is_signal_specific,
            };
            own.map(|value| found(value, true))
                .or_else(|| field(&layer.all).as_ref().map(|value| found(value, false)))
        })
    }

    /// Whether neither an exporter nor an endpoint is configured for a signal.
    pub(super) fn is_unconfigured(&self, signal: Signal) -> bool {
        self.first(|layer| layer.exporters.get(signal)).is_none()
            && self.for_signal(signal, |options| &options.endpoint).is_none()
    }

    pub(super) fn boolean<'a>(
        &'a self,
        field: impl Fn(&'a Layer) -> &'a Option<ConfigValue>,
        report: &mut Report,
    ) -> Option<bool> {
        self.first(field)?.boolean(report)
    }

    pub(super) fn duration<'a>(
        &'a self,
        field: impl Fn(&'a Layer) -> &'a Option<ConfigValue>,
        report: &mut Report,
    ) -> Option<Duration> {
        self.first(field)?.duration(INTERVAL_RANGE, report)
    }

    /// Within a source, the dedicated setting overrides the attribute
    /// (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#general-sdk-configuration>).
    pub(super) fn service_name(&self) -> String {
        let name_of = |layer: &Layer| {
            let attribute = || layer.resource.iter().rfind(|(name, _)| &**name == SERVICE_NAME);
            let own = layer.service_name.as_ref();
            own.or_else(|| attribute().map(|(_, value)| value))
                .map(|name| name.expose().to_owned())
        };
        name_of(&self.variables)
            .or_else(|| name_of(&self.file))
            .unwrap_or_else(|| DEFAULT_SERVICE_NAME.to_owned())
    }

    /// The merged resource attributes, each name once.
    pub(super) fn resource(&self) -> Vec<(String, String)> {
        let mut attributes: Vec<(String, String)> = Vec::new();
        for (name, value) in self.file.resource.iter().chain(&self.variables.resource) {
            let value = value.expose().to_owned();
            match attributes.iter_mut().find(|(known, _)| *known == **name) {
                Some((_, known)) => *known = value,
                None if &**name == SERVICE_NAME => {}
                None => attributes.push((name.to_string(), value)),
            }
        }
        attributes
    }
}
