//! What becomes of one signal, and the way to its collector.

use std::io;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::endpoint::{self, Endpoint};
use super::layer::{Field, Layers};
use super::{Compression, Destination, Exporter, Protocol, Signal, TlsFiles, choice};
use crate::pem;
use crate::settings::{Report, Written};
use crate::suite::Environment;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// Of one export: a collector that has not answered by then never will.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_mins(10);

/// What becomes of `signal`. What is wrong with its destination is told even if nothing is sent there, but for
/// files: those of another machine need not be here.
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
    let one = |field: Field| layers.of(signal, field).map(|found| found.value);
    let protocol = match one(|route| &route.protocol) {
        Some(written) => choice::protocol(written, report),
        None => Some(Protocol::HttpProtobuf),
    };
    let insecure = one(|route| &route.insecure).and_then(|written| written.boolean(report));
    let timeout = one(|route| &route.timeout).and_then(|written| written.duration(TIMEOUTS, report));
    let compression =
        one(|route| &route.compression).and_then(|written| choice::compression(written, report));
    let headers = layers.of(signal, |route| &route.headers);
    let headers = headers.map(|found| crate::settings::headers(found.value, report));
    let tls = tls(layers, signal, report);
    let protocol = protocol?;
    let url = match layers.of(signal, |route| &route.endpoint) {
        None => endpoint::default(signal, protocol),
        Some(found) => {
            let endpoint = Endpoint {
                written: found.value,
                is_of_signal: found.is_of_signal,
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
    let one = |field: Field| layers.of(signal, field).map(|found| found.value);
    let certificate = one(|route| &route.client_certificate);
    let key = one(|route| &route.client_key);
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
    if let Some((written, missing, variable, field)) = alone {
        let problem = written.problem(format!("there is no client {missing} to it"));
        report.add(problem.hint(format!("set `{variable}`, or `{field}` in the file")));
    }
    let mut path = |written: &Written| written.path(report);
    TlsFiles {
        ca: one(|route| &route.certificate).map(&mut path),
        client_certificate: certificate.map(&mut path),
        client_key: key.map(path),
        ..TlsFiles::default()
    }
}

/// What a PEM file must hold.
#[derive(Clone, Copy)]
enum Pem {
    Certificate,
    Key,
}

fn check_files(layers: &Layers, signal: Signal, environment: &dyn Environment, report: &mut Report) {
    let files: [(Field, Pem); 3] = [
        (|route| &route.certificate, Pem::Certificate),
        (|route| &route.client_certificate, Pem::Certificate),
        (|route| &route.client_key, Pem::Key),
    ];
    for (field, pem) in files {
        let Some(found) = layers.of(signal, field) else {
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
