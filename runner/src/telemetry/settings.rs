//! What an operator decides of telemetry: from the file's section and the `OTEL_*` variables to settings that are
//! right by type.
//!
//! The variables win over the file, the file over the defaults, and what is said of one signal over what is said
//! of all, in this order: variable of the signal, variable of all, key of the signal, key of all.
//! The names are those of OpenTelemetry
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>,
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
use crate::settings::{Problems, Report, Section, is_public};
use crate::suite::Environment;
use crate::trace::propagation::Propagation;
use crate::trace::sampler::Sampler;
use crate::wire::TlsFiles;

/// One of the three things that OpenTelemetry carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Signal {
    /// Spans.
    Traces,
    /// Numbers.
    Metrics,
    /// Records.
    Logs,
}

impl Signal {
    /// Each.
    pub const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    /// `traces`, `metrics` or `logs`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }
}

/// What carries OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP/gRPC.
    Grpc,
    /// OTLP/HTTP with binary bodies.
    HttpProtobuf,
}

/// What is done to a request before it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Nothing.
    None,
    /// RFC 1952.
    Gzip,
}

/// What becomes of a signal.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a runner has three of them")]
pub enum Exporter {
    /// Nothing.
    None,
    /// It is printed.
    Console,
    /// It is sent.
    Otlp(Destination),
    /// A test takes it.
    #[cfg(test)]
    #[allow(private_interfaces, reason = "it is for the tests of this crate")]
    Simulated(super::delivery::simulated::Collector),
}

/// Where one signal goes. `Debug` shows neither header values nor the query of the URL.
#[derive(Clone, PartialEq, Eq)]
pub struct Destination {
    /// Of http/protobuf the whole URL of the signal, such as `http://collector:4318/v1/traces`; of gRPC the scheme,
    /// the host and the port.
    pub url: Url,
    /// What carries it.
    pub protocol: Protocol,
    /// Sent with each request; the values are marked as sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The one deadline of an export; 10 s unless told otherwise.
    pub timeout: Duration,
    /// What is done to requests.
    pub compression: Compression,
    /// Read at each connect, so that renewed files are taken.
    pub tls: TlsFiles,
}

impl Destination {
    /// The values of headers without their scheme, such as `Bearer`, and what the URL may have as a token.
    pub(super) fn secrets(&self) -> Vec<Cow<'_, str>> {
        let headers = self.headers.iter().filter(|(name, _)| !is_public(name.as_str()));
        let headers = headers.filter_map(|(_, value)| value.to_str().ok());
        let words = headers.flat_map(credentials).map(Cow::Borrowed);
        let password = self.url.password().map(Cow::Borrowed);
        let query = self.url.query_pairs().map(|(_, value)| value);
        words.chain(password).chain(query).collect()
    }
}

/// The words of a header's value, without the first where others follow it.
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

/// Bounds of what waits on disk while the collector is away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolSettings {
    /// Where it waits.
    pub folder: PathBuf,
    /// Of all signals together.
    pub max_bytes: u64,
    /// What is older goes.
    pub max_age: Duration,
}

/// What an operator decides of telemetry.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `OTEL_SDK_DISABLED`: nothing is recorded and nothing exported.
    pub disabled: bool,
    /// Nobody said where to export to, and nobody said that nothing is exported. To be told once.
    pub nothing_to_export_to: bool,
    /// What becomes of spans.
    pub traces: Exporter,
    /// What becomes of metrics.
    pub metrics: Exporter,
    /// What becomes of log records.
    pub logs: Exporter,
    /// `service.name`; `canary` unless told otherwise.
    pub service_name: String,
    /// Further attributes of the resource, each name once, without `service.name`.
    pub resource: Vec<(String, String)>,
    /// From one export of metrics to the next; 15 s unless told otherwise.
    pub interval: Duration,
    /// How long spans and log records may wait for others; 1 s unless told otherwise.
    pub schedule_delay: Duration,
    /// Which traces of runs that passed are kept.
    pub sampler: Sampler,
    /// Whether traces of runs that did not pass are all kept; true unless told otherwise.
    pub failures_always_sampled: bool,
    /// How a trace context is written into headers.
    pub propagation: Propagation,
    /// Whether metrics carry exemplars: those of sampled runs.
    pub exemplars: bool,
    /// Series that one check may have of what its plugin or its peers name: measurements, assertions, hosts and
    /// certificates; 200 unless told otherwise.
    pub max_series_per_check: u64,
    /// What waits on disk; absent: what cannot be sent is lost.
    pub spool: Option<SpoolSettings>,
}

impl Settings {
    /// What becomes of a signal.
    #[must_use]
    pub fn exporter(&self, signal: Signal) -> &Exporter {
        match signal {
            Signal::Traces => &self.traces,
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.logs,
        }
    }

    /// What requests to collectors carry and nobody else may see.
    pub fn secrets(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let exporters = Signal::ALL.into_iter().map(|signal| self.exporter(signal));
        exporters.flat_map(|exporter| match exporter {
            Exporter::Otlp(destination) => destination.secrets(),
            Exporter::None | Exporter::Console => Vec::new(),
            #[cfg(test)]
            Exporter::Simulated(_) => Vec::new(),
        })
    }

    /// The same, but nothing leaves the process unless it is asked for.
    #[must_use]
    pub fn unsent(&self) -> Self {
        Self {
            traces: Exporter::None,
            metrics: Exporter::None,
            logs: Exporter::None,
            spool: None,
            ..self.clone()
        }
    }
}

/// Puts together what the file and the environment say. `state_dir` is where the spool lies by default: without it,
/// and without a folder of its own, there is no spool. Certificates are read once, to see that they are there.
///
/// # Errors
/// Every problem of the file and of the environment; `report` brings those that are known already.
pub fn read(
    section: Section,
    environment: &dyn Environment,
    state_dir: Option<&Path>,
    mut report: Report,
) -> Result<Settings, Problems> {
    let settings = read_into(section, environment, state_dir, &mut report);
    report.finish(settings)
}

/// The same, for whom more than telemetry is in `report`. None of the settings may be used before that is finished.
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
    choice::refuse_temporality(layers, report);
    Settings {
        disabled,
        nothing_to_export_to: !disabled && Signal::ALL.into_iter().all(|signal| layers.is_silent(signal)),
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
        spool: spool::spool(&layers.file.spool, state_dir, report),
    }
}
