//! What is written in one place, key by key; and what holds where two places speak.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::Signal;
use crate::settings::{Report, Written};

/// Of intervals and delays.
const PAUSES: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_hours(1);
const DEFAULT_SERVICE_NAME: &str = "canary";
const SERVICE_NAME: &str = opentelemetry_semantic_conventions::resource::SERVICE_NAME;

/// Names and values, such as headers.
pub(super) type Pairs = Vec<(Arc<str>, Written)>;

/// A part of what is said of a route.
pub(super) type Field = fn(&Route) -> &Option<Written>;

/// What is said of the way to a collector.
#[derive(Debug, Default)]
pub(super) struct Route {
    pub(super) endpoint: Option<Written>,
    pub(super) protocol: Option<Written>,
    pub(super) headers: Option<Pairs>,
    pub(super) timeout: Option<Written>,
    pub(super) compression: Option<Written>,
    pub(super) certificate: Option<Written>,
    pub(super) client_certificate: Option<Written>,
    pub(super) client_key: Option<Written>,
    pub(super) insecure: Option<Written>,
}

impl Route {
    /// Takes each key by its name in the file, which is that of the variable in lower case.
    pub(super) fn of(
        mut value: impl FnMut(&'static str) -> Option<Written>,
        headers: Option<Pairs>,
        report: &mut Report,
    ) -> Self {
        let route = Self {
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
        // Those that a stronger place overrides are the runner's own all the same.
        let files = [&route.certificate, &route.client_certificate, &route.client_key];
        for file in files.into_iter().flatten() {
            let _noted = file.path(report);
        }
        route
    }
}

/// One value for each signal.
#[derive(Debug, Default)]
pub(super) struct BySignal<T> {
    pub(super) traces: T,
    pub(super) metrics: T,
    pub(super) logs: T,
}

impl<T> BySignal<T> {
    pub(super) fn of(mut value: impl FnMut(Signal) -> T) -> Self {
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

/// What is written in one place.
#[derive(Debug, Default)]
pub(super) struct Layer {
    pub(super) disabled: Option<Written>,
    pub(super) exporters: BySignal<Option<Written>>,
    pub(super) all: Route,
    pub(super) routes: BySignal<Route>,
    pub(super) service_name: Option<Written>,
    pub(super) resource: Pairs,
    pub(super) interval: Option<Written>,
    pub(super) schedule_delay: Option<Written>,
    pub(super) sampler: Option<Written>,
    pub(super) sampler_arg: Option<Written>,
    pub(super) failures_always_sampled: Option<Written>,
    pub(super) propagators: Option<Vec<Written>>,
    pub(super) temporality: Option<Written>,
    pub(super) exemplar_filter: Option<Written>,
    pub(super) max_series_per_check: Option<Written>,
    pub(super) spool: Spool,
}

/// What is said of the spool.
#[derive(Debug, Default)]
pub(super) struct Spool {
    /// That there is to be none.
    pub(super) is_none: bool,
    pub(super) folder: Option<Written>,
    pub(super) max_size: Option<Written>,
    pub(super) max_age: Option<Written>,
}

/// A value, and whether it is of one signal or of all.
pub(super) struct Found<'a, T> {
    pub(super) value: &'a T,
    pub(super) is_of_signal: bool,
}

/// Everything that is written, the stronger first.
pub(super) struct Layers {
    pub(super) variables: Layer,
    pub(super) file: Layer,
}

impl Layers {
    /// What holds.
    pub(super) fn first<'a, T>(&'a self, field: impl Fn(&'a Layer) -> &'a Option<T>) -> Option<&'a T> {
        field(&self.variables).as_ref().or(field(&self.file).as_ref())
    }

    /// What holds for a signal.
    pub(super) fn of<'a, T: 'a>(
        &'a self,
        signal: Signal,
        field: impl Fn(&'a Route) -> &'a Option<T>,
    ) -> Option<Found<'a, T>> {
        [&self.variables, &self.file].into_iter().find_map(|layer| {
            let own = field(layer.routes.get(signal)).as_ref();
            let found = |value, is_of_signal| Found { value, is_of_signal };
            own.map(|value| found(value, true))
                .or_else(|| field(&layer.all).as_ref().map(|value| found(value, false)))
        })
    }

    /// Whether nobody said what becomes of a signal.
    pub(super) fn is_silent(&self, signal: Signal) -> bool {
        self.first(|layer| layer.exporters.get(signal)).is_none()
            && self.of(signal, |route| &route.endpoint).is_none()
    }

    pub(super) fn boolean<'a>(
        &'a self,
        field: impl Fn(&'a Layer) -> &'a Option<Written>,
        report: &mut Report,
    ) -> Option<bool> {
        self.first(field)?.boolean(report)
    }

    pub(super) fn duration<'a>(
        &'a self,
        field: impl Fn(&'a Layer) -> &'a Option<Written>,
        report: &mut Report,
    ) -> Option<Duration> {
        self.first(field)?.duration(PAUSES, report)
    }

    /// In one place, the setting of its own wins over the attribute
    /// (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#general-sdk-configuration>).
    pub(super) fn service_name(&self) -> String {
        let of = |layer: &Layer| {
            let attribute = || layer.resource.iter().rfind(|(name, _)| &**name == SERVICE_NAME);
            let own = layer.service_name.as_ref();
            own.or_else(|| attribute().map(|(_, value)| value))
                .map(|name| name.expose().to_owned())
        };
        of(&self.variables)
            .or_else(|| of(&self.file))
            .unwrap_or_else(|| DEFAULT_SERVICE_NAME.to_owned())
    }

    /// The attributes of both places, each name once.
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
