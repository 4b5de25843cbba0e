//! The exporter and destination of a signal.

use std::io;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::endpoint::{self, Endpoint};
use super::layer::{Field, Layers};
use super::{Compression, Destination, Exporter, Protocol, TlsFiles, choice};
use crate::signal::Signal;
use canary_settings::{ConfigValue, Report};
use canary_suite::Environment;
use canary_system::pem;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// The time-out of one export: a collector that has not answered by then never will.
const TIMEOUT_RANGE: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_mins(10);

/// The exporter of `signal`. Problems of its destination are reported even if nothing is exported, except for files:
/// those of another machine need not exist here.
pub(super) fn exporter(
    layers: &Layers,
    signal: Signal,
    disabled: bool,
    environment: &dyn Environment,
    report: &mut Report,
) -> Exporter {
    let kind = choice::exporter(layers, signal, report);
    let destination = destination(layers, signal, report);
    match (kind, destination) {
        (choice::Kind::Otlp, Some(destination)) if !disabled => {
            check_files(layers, signal, environment, report);
            Exporter::Otlp(destination)
        }
        (choice::Kind::Console, _) if !disabled => Exporter::Console,
        _ => Exporter::None,
    }
}

fn destination(layers: &Layers, signal: Signal, report: &mut Report) -> Option<Destination> {
    let option = |field: Field| layers.for_signal(signal, field).map(|found| found.value);
    let protocol = match option(|options| &options.protocol) {
        Some(value) => choice::protocol(value, report),
        None => Some(Protocol::HttpProtobuf),
    };
    let insecure = option(|options| &options.insecure).and_then(|value| value.boolean(report));
    let timeout = option(|options| &options.timeout).and_then(|value| value.duration(TIMEOUT_RANGE, report));
    let compression =
        option(|options| &options.compression).and_then(|value| choice::compression(value, report));
    let headers = layers.for_signal(signal, |options| &options.headers);
    let headers = headers.map(|found| canary_settings::headers(found.value, report));
    let tls = tls(layers, signal, report);
    let protocol = protocol?;
    let url = match layers.for_signal(signal, |options| &options.endpoint) {
        None => endpoint::default(signal, protocol),
        Some(found) => {
            let endpoint = Endpoint {
                value: found.value,
                is_signal_specific: found.is_signal_specific,
                insecure: insecure.unwrap_or(false),
            };
            endpoint.url(signal, protocol, report)
        }
    };
    Some(Destination {
        url: url?,
        protocol,
        headers: headers.unwrap_or_default(),
        timeout: timeout.unwrap_or(DEFAULT_TIMEOUT),
        compression: compression.unwrap_or(Compression::None),
        tls,
    })
}

fn tls(layers: &Layers, signal: Signal, report: &mut Report) -> TlsFiles {
    let option = |field: Field| layers.for_signal(signal, field).map(|found| found.value);
    let certificate = option(|options| &options.client_certificate);
    let key = option(|options| &options.client_key);
    let alone = match (certificate, key) {
        (Some(certificate), None) => {
            Some((certificate, "key", "OTEL_EXPORTER_OTLP_CLIENT_KEY", "client_key"))
        }
        (None, Some(key)) => Some((
            key,
            "certificate",
            "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
            "client_certificate",
        )),
        _ => None,
    };
    if let Some((value, missing, variable, field)) = alone {
        let problem = value.problem(format!("requires a client {missing}"));
        report.add(problem.hint(format!("set `{variable}`, or `{field}` in the file")));
    }
    let mut path = |value: &ConfigValue| value.path(report);
    TlsFiles {
        ca: option(|options| &options.certificate).map(&mut path),
        client_certificate: certificate.map(&mut path),
        client_key: key.map(path),
        ..TlsFiles::default()
    }
}

/// The content of a PEM file.
#[derive(Clone, Copy)]
enum Pem {
    Certificate,
    Key,
}

fn check_files(layers: &Layers, signal: Signal, environment: &dyn Environment, report: &mut Report) {
    let files: [(Field, Pem); 3] = [
        (|options| &options.certificate, Pem::Certificate),
        (|options| &options.client_certificate, Pem::Certificate),
        (|options| &options.client_key, Pem::Key),
    ];
    for (field, pem) in files {
        let Some(found) = layers.for_signal(signal, field) else {
            continue;
        };
        if let Err(reason) = pem.check(&found.value.path(report), environment) {
            let message = format!("the file {} {reason}", found.value.quoted_path());
            report.add(found.value.problem(message));
        }
    }
}

impl Pem {
    fn check(self, path: &Path, environment: &dyn Environment) -> Result<(), String> {
        let bytes = environment.file(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => "does not exist".to_owned(),
            io::ErrorKind::FileTooLarge => "is too large for a PEM file".to_owned(),
            _ => format!("cannot be read: {error}"),
        })?;
        let checked = match self {
            Self::Certificate => pem::certificates(&bytes, 1).map(drop),
            Self::Key => pem::private_key(&bytes).map(drop),
        };
        checked.map_err(|error| error.to_string())
    }
}
