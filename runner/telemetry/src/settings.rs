//! The telemetry settings: validated from the `telemetry` section of the file and the `OTEL_*` variables.
//!
//! Variables override the file, the file overrides the defaults, and settings of one signal override those of all
//! signals, in this order: variable of the signal, variable of all, key of the signal, key of all. The names are those
//! of OpenTelemetry (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>,
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>).

mod choice;
mod destination;
mod endpoint;
mod file;
mod layer;
mod pairs;
mod resource;
mod spool;
#[cfg(test)]
mod tests;
mod variables;

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use url::Url;

use self::layer::Layers;
pub use self::resource::{Process, resource};
use crate::signal::Signal;
use canary_outbound::http_client::TlsFiles;
use canary_record::trace::propagation::Propagation;
use canary_record::trace::sampler::Sampler;
use canary_settings::{Problems, Report, Section, is_public};
use canary_suite::Environment;

/// The OTLP transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP/gRPC.
    Grpc,
    /// OTLP/HTTP with protobuf bodies.
    HttpProtobuf,
}

/// The compression of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Nothing.
    None,
    /// gzip (RFC 1952).
    Gzip,
}

/// The exporter of a signal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a runner has three of them")]
pub enum Exporter {
    /// The signal is not exported.
    None,
    /// Requests are printed as JSON.
    Console,
    /// Requests are sent to a collector.
    Otlp(Destination),
    /// Requests go to a simulated collector.
    #[cfg(any(test, feature = "test-util"))]
    #[allow(private_interfaces, reason = "it is for the tests of this crate")]
    Simulated(super::delivery::simulated::Collector),
}

/// The destination of a signal. `Debug` shows neither header values nor the query of the URL.
#[derive(Clone, PartialEq, Eq)]
pub struct Destination {
    /// For http/protobuf the complete URL of the signal, such as `http://collector:4318/v1/traces`; for gRPC scheme,
    /// host and port.
    pub url: Url,
    /// The protocol.
    pub protocol: Protocol,
    /// Sent with each request; the values are marked as sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The time-out of an export; 10 s by default.
    pub timeout: Duration,
    /// The compression of requests.
    pub compression: Compression,
    /// Read at each connect, so that renewed files are used.
    pub tls: TlsFiles,
}

impl Destination {
    /// Header values without their scheme, such as `Bearer`, and the credentials that the URL may contain.
    pub(super) fn secrets(&self) -> Vec<Cow<'_, str>> {
        let headers = self.headers.iter().filter(|(name, _)| !is_public(name.as_str()));
        let headers = headers.filter_map(|(_, value)| value.to_str().ok());
        let words = headers.flat_map(credentials).map(Cow::Borrowed);
        let password = self.url.password().map(Cow::Borrowed);
        let query = self.url.query_pairs().map(|(_, value)| value);
        words.chain(password).chain(query).collect()
    }
}

/// The words of a header value, without the first if there are several.
fn credentials(value: &str) -> impl Iterator<Item = &str> {
    let words = value.split_whitespace();
    let scheme = usize::from(words.clone().count() > 1);
    words.skip(scheme)
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = self.url.clone();
        if url.query().is_some() {
            url.set_query(Some("redacted"));
        }
        let names: Vec<&HeaderName> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Destination")
            .field("url", &url.as_str())
            .field("protocol", &self.protocol)
            .field("headers", &names)
            .field("timeout", &self.timeout)
            .field("compression", &self.compression)
            .field("tls", &self.tls)
            .finish()
    }
}

/// The settings of the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolSettings {
    /// The folder.
    pub folder: PathBuf,
    /// Maximum size of all signals together, in bytes.
    pub max_bytes: u64,
    /// Maximum age of a request.
    pub max_age: Duration,
}

/// The telemetry settings.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `OTEL_SDK_DISABLED`: nothing is recorded and nothing exported.
    pub disabled: bool,
    /// Neither an endpoint nor `none` is configured; the operator is informed once.
    pub is_unconfigured: bool,
    /// The exporter of spans.
    pub traces: Exporter,
    /// The exporter of metrics.
    pub metrics: Exporter,
    /// The exporter of log records.
    pub logs: Exporter,
    /// `service.name`; `canary` by default.
    pub service_name: String,
    /// Further resource attributes, each name once, without `service.name`.
    pub resource: Vec<(String, String)>,
    /// The interval between exports of metrics; 15 s by default.
    pub interval: Duration,
    /// How long spans and log records are batched; 1 s by default.
    pub schedule_delay: Duration,
    /// The sampler for traces of runs that passed.
    pub sampler: Sampler,
    /// Whether traces of all other runs are exported; true by default.
    pub failures_always_sampled: bool,
    /// The header formats of a propagated trace context.
    pub propagation: Propagation,
    /// Whether metrics have exemplars, which refer to sampled runs.
    pub exemplars: bool,
    /// Maximum number of series of a check with names chosen by its plugin or its peers: measurements, assertions,
    /// hosts and certificates; 200 by default.
    pub max_series_per_check: u64,
    /// The spool; `None` means that undeliverable data is lost.
    pub spool: Option<SpoolSettings>,
}

impl Settings {
    /// The exporter of a signal.
    #[must_use]
    pub fn exporter(&self, signal: Signal) -> &Exporter {
        match signal {
            Signal::Traces => &self.traces,
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.logs,
        }
    }

    /// Secrets in requests to collectors.
    pub fn secrets(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let exporters = Signal::ALL.into_iter().map(|signal| self.exporter(signal));
        exporters.flat_map(|exporter| match exporter {
            Exporter::Otlp(destination) => destination.secrets(),
            Exporter::None | Exporter::Console => Vec::new(),
            #[cfg(any(test, feature = "test-util"))]
            Exporter::Simulated(_) => Vec::new(),
        })
    }

    /// The same settings without any export.
    #[must_use]
    pub fn without_export(&self) -> Self {
        Self {
            traces: Exporter::None,
            metrics: Exporter::None,
            logs: Exporter::None,
            spool: None,
            ..self.clone()
        }
    }
}

/// Reads and validates the settings of the file and the environment. `state_dir` is the parent of the default spool
/// folder: without it and without an explicit folder there is no spool. Certificates are read once to validate them.
///
/// # Errors
/// All problems of the file and the environment, including those already in `report`.
pub fn read(
    section: Section,
    environment: &dyn Environment,
    state_dir: Option<&Path>,
    mut report: Report,
) -> Result<Settings, Problems> {
    let settings = read_into(section, environment, state_dir, &mut report);
    report.finish(settings)
}

/// Like [`read`], but adds to a report that covers more than telemetry. The settings must not be used unless that
/// report has no errors.
pub fn read_into(
    section: Section,
    environment: &dyn Environment,
    state_dir: Option<&Path>,
    report: &mut Report,
) -> Settings {
    let layers = Layers {
        variables: variables::layer(environment, report),
        file: file::layer(section, report),
    };
    settings(&layers, environment, state_dir, report)
}

fn settings(
    layers: &Layers,
    environment: &dyn Environment,
    state_dir: Option<&Path>,
    report: &mut Report,
) -> Settings {
    let disabled = layers.boolean(|layer| &layer.disabled, report).unwrap_or(false);
    let [traces, metrics, logs] =
        Signal::ALL.map(|signal| destination::exporter(layers, signal, disabled, environment, report));
    choice::reject_temporality(layers, report);
    Settings {
        disabled,
        is_unconfigured: !disabled
            && Signal::ALL
                .into_iter()
                .all(|signal| layers.is_unconfigured(signal)),
        traces,
        metrics,
        logs,
        service_name: layers.service_name(),
        resource: layers.resource(),
        interval: layers
            .duration(|layer| &layer.interval, report)
            .unwrap_or(choice::DEFAULT_INTERVAL),
        schedule_delay: layers
            .duration(|layer| &layer.schedule_delay, report)
            .unwrap_or(choice::DEFAULT_SCHEDULE_DELAY),
        sampler: choice::sampler(layers, report),
        failures_always_sampled: layers
            .boolean(|layer| &layer.failures_always_sampled, report)
            .unwrap_or(true),
        propagation: choice::propagation(layers, report),
        exemplars: choice::exemplars(layers, report),
        max_series_per_check: choice::max_series(layers, report),
        spool: spool::spool_settings(&layers.file.spool, state_dir, report),
    }
}
