//! Conversions between the contract's types and those of this crate.

use std::time::Duration;

use super::milliseconds;
use crate::contract::canary::check::{
    dns as wit_dns, http as wit_http, log as wit_log, tcp as wit_tcp, tls as wit_tls, types,
};
use crate::contract::exports::canary::check::probe as wit_probe;
use crate::error::{ErrorCode, NetError, Phase, Progress, QuotaDenial};
use crate::log::Level;
use crate::plumbing::{Description, Request};
use crate::tcp::{ConnectionInfo, IpFamily, Timings};
use crate::timestamp::Timestamp;
use crate::verdict::{Assertion, Measurement, Status, Verdict};
use crate::{Metric, Problem, Quotas, TargetForm, dns, http, tls};

/// Implements `From` for enums with the same variants on both sides.
macro_rules! same_variants {
    ($($from:path => $into:path: $($variant:ident)+;)+) => {$(
        impl From<$from> for $into {
            fn from(value: $from) -> Self {
                match value {
                    $(<$from>::$variant => Self::$variant,)+
                }
            }
        }
    )+};
}

same_variants! {
    types::Phase => Phase: Resolve Connect Handshake Send Wait Receive;
    IpFamily => types::IpFamily: Any Ipv4 Ipv6 PreferIpv4 PreferIpv6;
    tls::Version => wit_tls::Version: Tls12 Tls13;
    wit_tls::Version => tls::Version: Tls12 Tls13;
    Level => wit_log::Level: Trace Debug Info Warn Error;
    Status => wit_probe::Status: Pass Warn Fail;
}

impl From<types::NetError> for NetError {
    fn from(error: types::NetError) -> Self {
        Self {
            code: ErrorCode::of(&error.code),
            phase: error.phase.map(Into::into),
            message: error.message,
            quota: error.quota.map(|denial| {
                Box::new(QuotaDenial {
                    what: denial.what,
                    limit: denial.limit,
                })
            }),
            progress: error.progress.map(|progress| {
                Box::new(Progress {
                    received: progress.received,
                    announced: progress.announced,
                })
            }),
            peer_sent: error.peer_sent,
        }
    }
}

impl From<types::Timings> for Timings {
    fn from(timings: types::Timings) -> Self {
        Self {
            resolve: timings.resolve.map(Duration::from_nanos),
            connect: timings.connect.map(Duration::from_nanos),
            handshake: timings.handshake.map(Duration::from_nanos),
            send: timings.send.map(Duration::from_nanos),
            wait: timings.wait.map(Duration::from_nanos),
            receive: timings.receive.map(Duration::from_nanos),
        }
    }
}

impl From<wit_tcp::ConnectionInfo> for ConnectionInfo {
    fn from(info: wit_tcp::ConnectionInfo) -> Self {
        Self {
            peer: info.peer,
            local: info.local,
            timings: info.timings.into(),
            bytes_in: info.bytes_in,
            bytes_out: info.bytes_out,
        }
    }
}

impl From<&tls::Options> for wit_tls::Options {
    fn from(options: &tls::Options) -> Self {
        Self {
            server_name: options.server_name.clone(),
            sni: options.sni,
            alpn: options.alpn.clone(),
            min_version: options.min_version.map(Into::into),
            max_version: options.max_version.map(Into::into),
            ca_certificates: options.ca_certificates.clone(),
            client_identity: options.client_identity.clone(),
            require_valid: options.require_valid,
            extra: Vec::new(),
        }
    }
}

impl From<wit_tls::Certificate> for tls::Certificate {
    fn from(certificate: wit_tls::Certificate) -> Self {
        Self {
            der: certificate.der,
            subject: certificate.subject,
            issuer: certificate.issuer,
            serial: certificate.serial,
            not_before: Timestamp::from_unix(certificate.not_before),
            not_after: Timestamp::from_unix(certificate.not_after),
            dns_names: certificate.dns_names,
            ip_addresses: certificate.ip_addresses,
            is_ca: certificate.is_ca,
            public_key: certificate.public_key,
            signature_algorithm: certificate.signature_algorithm,
            fingerprint: certificate.fingerprint,
        }
    }
}

fn chain(certificates: Vec<wit_tls::Certificate>) -> Vec<tls::Certificate> {
    certificates.into_iter().map(Into::into).collect()
}

impl From<wit_tls::Examination> for tls::Examination {
    fn from(shown: wit_tls::Examination) -> Self {
        Self {
            version: shown.version,
            cipher_suite: shown.cipher_suite,
            chain: chain(shown.chain),
            verified_chain: shown.verified_chain.map(chain),
            reasons: shown.reasons.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<wit_tls::Session> for tls::Session {
    fn from(session: wit_tls::Session) -> Self {
        Self {
            version: session.version.into(),
            cipher_suite: session.cipher_suite,
            alpn: session.alpn,
            chain: chain(session.chain),
            verified_chain: session.verified_chain.map(chain),
            reasons: session.reasons.into_iter().map(Into::into).collect(),
            ocsp_staple: session.ocsp_staple,
        }
    }
}

impl From<wit_tls::Reason> for tls::Reason {
    fn from(reason: wit_tls::Reason) -> Self {
        let certificate = reason.certificate.and_then(|index| usize::try_from(index).ok());
        Self {
            certificate,
            ..Self::new(reason.code, reason.message)
        }
    }
}

impl From<http::Request> for wit_http::Request {
    fn from(request: http::Request) -> Self {
        let options = request.options;
        Self {
            method: request.method,
            url: request.url,
            headers: request.headers,
            body: request.body,
            options: wit_http::RequestOptions {
                versions: options.versions.iter().map(ToString::to_string).collect(),
                ip_family: options.ip_family.into(),
                source_address: options.source_address,
                max_redirects: options.max_redirects,
                max_body: options.max_body,
                read_for: options.read_for.map(milliseconds),
                timeout: options.timeout.map(milliseconds),
                connect_to: options.connect_to,
                address: options.address.map(|address| address.to_string()),
                proxy: options.proxy,
                proxy_tls: options.proxy_tls.as_ref().map(Into::into),
                tls: options.tls.as_ref().map(Into::into),
                propagate_trace: options.propagate_trace,
                digest: options.digest.map(|digest| (digest.username, digest.password)),
                extra: Vec::new(),
            },
        }
    }
}

impl From<wit_http::Hop> for http::Hop {
    fn from(hop: wit_http::Hop) -> Self {
        Self {
            url: hop.url,
            status: hop.status,
            peer: hop.peer,
            timings: hop.timings.into(),
        }
    }
}

impl From<wit_http::Response> for http::Response {
    fn from(response: wit_http::Response) -> Self {
        Self {
            url: response.url,
            status: response.status,
            version: http::Version::of(&response.version),
            headers: response.headers,
            body: response.body,
            truncated: response.truncated,
            complete: response.complete,
            body_length: response.body_length,
            peer: response.peer,
            timings: response.timings.into(),
            tls: response.tls.map(Into::into),
            hops: response.hops.into_iter().map(Into::into).collect(),
            authentication_error: response.authentication_error,
        }
    }
}

impl From<wit_http::Head> for http::Head {
    fn from(head: wit_http::Head) -> Self {
        Self {
            url: head.url,
            status: head.status,
            version: http::Version::of(&head.version),
            headers: head.headers,
            peer: head.peer,
            tls: head.tls.map(Into::into),
            hops: head.hops.into_iter().map(Into::into).collect(),
            authentication_error: head.authentication_error,
        }
    }
}

impl From<wit_dns::Answer> for dns::Answer {
    fn from(answer: wit_dns::Answer) -> Self {
        Self {
            name: answer.name,
            kind: answer.kind,
            ttl: answer.ttl,
            data: answer.data,
        }
    }
}

impl From<wit_dns::Reply> for dns::Reply {
    fn from(reply: wit_dns::Reply) -> Self {
        Self {
            code: reply.code,
            authoritative: reply.authoritative,
            authenticated: reply.authenticated,
            answers: reply.answers.into_iter().map(Into::into).collect(),
            authorities: reply.authorities.into_iter().map(Into::into).collect(),
            duration: Duration::from_nanos(reply.duration),
        }
    }
}

impl From<wit_probe::Request> for Request {
    fn from(request: wit_probe::Request) -> Self {
        Self {
            check: request.check,
            target: request.target,
            config: request.config,
            attempt: request.attempt,
            now: request.now,
            time_left: request.time_left,
            expect_failure: request.expect_failure,
            quotas: Quotas::named(request.quotas.iter().map(|(key, limit)| (key.as_str(), *limit))),
        }
    }
}

impl From<TargetForm> for wit_probe::TargetForm {
    fn from(form: TargetForm) -> Self {
        match form {
            TargetForm::Url(schemes) => Self::Url(owned(schemes)),
            TargetForm::HostPort => Self::HostPort,
            TargetForm::Host => Self::Host,
            TargetForm::Text => Self::Text,
        }
    }
}

impl From<Metric> for wit_probe::Metric {
    fn from(metric: Metric) -> Self {
        Self {
            name: metric.name.into(),
            unit: metric.unit.into(),
            text: metric.text.into(),
        }
    }
}

impl From<Description> for wit_probe::Description {
    fn from(description: Description) -> Self {
        Self {
            name: description.name,
            version: description.version,
            summary: description.summary,
            config_schema: description.config_schema,
            targets: description.targets.iter().copied().map(Into::into).collect(),
            measurements: description.measurements.iter().copied().map(Into::into).collect(),
            secrets: owned(description.secrets),
            extra: Vec::new(),
        }
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().copied().map(Into::into).collect()
}

impl From<Problem> for wit_probe::Problem {
    fn from(problem: Problem) -> Self {
        let (pointer, message, hint) = problem.into_parts();
        Self {
            pointer,
            message,
            hint,
            extra: Vec::new(),
        }
    }
}

impl From<Assertion> for wit_probe::Assertion {
    fn from(assertion: Assertion) -> Self {
        Self {
            name: assertion.name,
            status: assertion.status.into(),
            message: assertion.message,
        }
    }
}

impl From<Measurement> for wit_probe::Measurement {
    fn from(measurement: Measurement) -> Self {
        let Measurement {
            name,
            value,
            unit,
            attributes,
        } = measurement;
        Self {
            name,
            value,
            unit,
            attributes,
        }
    }
}

impl From<Verdict> for wit_probe::Verdict {
    fn from(verdict: Verdict) -> Self {
        let (status, summary) = (verdict.status().into(), verdict.summary());
        let fault = verdict
            .is_unknown()
            .then(|| ("fault".to_owned(), "check".to_owned()));
        let (assertions, measurements, attributes) = verdict.into_parts();
        Self {
            status,
            summary,
            assertions: assertions.into_iter().map(Into::into).collect(),
            measurements: measurements.into_iter().map(Into::into).collect(),
            attributes,
            extra: fault.into_iter().collect(),
        }
    }
}
