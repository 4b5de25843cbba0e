//! Host functions and conversions that are identical in every version of the contract.

use std::time::Duration;

/// Implements them for each version, between its generated types and the host's own.
macro_rules! for_versions {
    ($($version:ident)+) => {$(
        mod $version {
            use super::nanos;
            use canary_net::dns::ResourceRecord;
            use canary_net::http::Hop;
            use canary_net::tls::{Certificate, TlsVersion};
            use canary_net::{Phase, Timings};
            use canary_run::outcome::{LogLevel, VerdictStatus};
            use crate::bindings::$version::{dns, http, log, probe, tls, types};
            use crate::polls::HostFunction;
            use crate::state::State;

            impl types::Host for State {}

            impl log::Host for State {
                async fn log(
                    &mut self,
                    level: log::Level,
                    message: String,
                    fields: Vec<(String, String)>,
                ) -> wasmtime::Result<()> {
                    let _host = self.meter.host_call(HostFunction::Log);
                    self.client.page().log(level.into(), message, fields);
                    Ok(())
                }
            }

            impl From<log::Level> for LogLevel {
                fn from(level: log::Level) -> Self {
                    match level {
                        log::Level::Trace => Self::Trace,
                        log::Level::Debug => Self::Debug,
                        log::Level::Info => Self::Info,
                        log::Level::Warn => Self::Warn,
                        log::Level::Error => Self::Error,
                    }
                }
            }

            impl From<Phase> for types::Phase {
                fn from(phase: Phase) -> Self {
                    match phase {
                        Phase::Resolve => Self::Resolve,
                        Phase::Connect => Self::Connect,
                        Phase::Handshake => Self::Handshake,
                        Phase::Send => Self::Send,
                        Phase::Wait => Self::Wait,
                        Phase::Receive => Self::Receive,
                    }
                }
            }

            impl From<Timings> for types::Timings {
                fn from(timings: Timings) -> Self {
                    Self {
                        resolve: timings.resolve.map(nanos),
                        connect: timings.connect.map(nanos),
                        handshake: timings.handshake.map(nanos),
                        send: timings.send.map(nanos),
                        wait: timings.wait.map(nanos),
                        receive: timings.receive.map(nanos),
                    }
                }
            }

            impl From<tls::Version> for TlsVersion {
                fn from(version: tls::Version) -> Self {
                    match version {
                        tls::Version::Tls12 => Self::Tls12,
                        tls::Version::Tls13 => Self::Tls13,
                    }
                }
            }

            impl From<TlsVersion> for tls::Version {
                fn from(version: TlsVersion) -> Self {
                    match version {
                        TlsVersion::Tls12 => Self::Tls12,
                        TlsVersion::Tls13 => Self::Tls13,
                    }
                }
            }

            impl From<Certificate> for tls::Certificate {
                fn from(certificate: Certificate) -> Self {
                    Self {
                        der: certificate.der,
                        subject: certificate.subject,
                        issuer: certificate.issuer,
                        serial: certificate.serial,
                        not_before: certificate.not_before,
                        not_after: certificate.not_after,
                        dns_names: certificate.dns_names,
                        ip_addresses: certificate.ip_addresses,
                        is_ca: certificate.is_ca,
                        public_key: certificate.public_key,
                        signature_algorithm: certificate.signature_algorithm,
                        fingerprint: certificate.fingerprint,
                    }
                }
            }

            impl From<Hop> for http::Hop {
                fn from(hop: Hop) -> Self {
                    Self {
                        url: hop.url,
                        status: hop.status,
                        peer: hop.peer,
                        timings: hop.timings.into(),
                    }
                }
            }

            impl From<ResourceRecord> for dns::Answer {
                fn from(record: ResourceRecord) -> Self {
                    Self {
                        name: record.name,
                        kind: record.kind,
                        ttl: record.ttl,
                        data: record.data,
                    }
                }
            }

            impl From<probe::Status> for VerdictStatus {
                fn from(status: probe::Status) -> Self {
                    match status {
                        probe::Status::Pass => Self::Pass,
                        probe::Status::Warn => Self::Warn,
                        probe::Status::Fail => Self::Fail,
                    }
                }
            }
        }
    )+};
}

for_versions!(v0_1 v0_2);

pub(super) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
