//! Between the types of the contract and those of this crate.

use std::time::Duration;

use crate::contract::canary::check::{
    dns as wit_dns, http as wit_http, log as wit_log, tcp as wit_tcp, tls as wit_tls, types,
};
use crate::contract::exports::canary::check::probe as wit_probe;
use crate::error::{NetError, Phase, ResourceKind};
use crate::log::Level;
use crate::tcp::{ConnectionInfo, IpFamily, Timings};
use crate::timestamp::Timestamp;
use crate::verdict::{Assertion, Measurement, Status, Verdict};
use crate::{Description, Request, dns, http, tls};

/// Enums with the same variants on both sides.
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
    types::ResourceKind => ResourceKind: Sockets Fds Connections Lookups BytesIn BytesOut;
    IpFamily => types::IpFamily: Any Ipv4 Ipv6;
    tls::Version => wit_tls::Version: Tls12 Tls13;
    wit_tls::Version => tls::Version: Tls12 Tls13;
    http::Version => wit_http::Version: Http10 Http11 Http2;
    wit_http::Version => http::Version: Http10 Http11 Http2;
    Level => wit_log::Level: Trace Debug Info Warn Error;
    Status => wit_probe::Status: Pass Warn Fail;
}

impl From<types::NetError> for NetError {
    fn from(error: types::NetError) -> Self {
        match error {
            types::NetError::Denied(place) => Self::Denied(place),
            types::NetError::Quota(denial) => Self::Quota {
                what: denial.what.into(),
                limit: denial.limit,
            },
            types::NetError::HostExhausted => Self::HostExhausted,
            types::NetError::Timeout(phase) => Self::Timeout(phase.into()),
            types::NetError::Unresolved(answer) => Self::Unresolved(answer),
            types::NetError::Refused => Self::Refused,
            types::NetError::Unreachable => Self::Unreachable,
            types::NetError::Reset => Self::Reset,
            types::NetError::Closed => Self::Closed,
            types::NetError::Tls(reason) => Self::Tls(reason),
            types::NetError::Protocol(reason) => Self::Protocol(reason),
            types::NetError::Invalid(reason) => Self::Invalid(reason),
            types::NetError::Other(reason) => Self::Other(reason),
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
            alpn: options.alpn.clone(),
            min_version: options.min_version.map(Into::into),
            max_version: options.max_version.map(Into::into),
            ca_certificates: options.ca_certificates.clone(),
            client_identity: options.client_identity.clone(),
            require_valid: options.require_valid,
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

impl From<wit_tls::Session> for tls::Session {
    fn from(session: wit_tls::Session) -> Self {
        let chain =
            |certificates: Vec<wit_tls::Certificate>| certificates.into_iter().map(Into::into).collect();
        Self {
            version: session.version.into(),
            cipher_suite: session.cipher_suite,
            alpn: session.alpn,
            chain: chain(session.chain),
            verified_chain: session.verified_chain.map(chain),
            verified: session.verified,
            ocsp_staple: session.ocsp_staple,
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
                version: options.version.map(Into::into),
                ip_family: options.ip_family.into(),
                max_redirects: options.max_redirects,
                max_body: options.max_body,
                connect_to: options.connect_to,
                proxy: options.proxy,
                tls: options.tls.as_ref().map(Into::into),
                propagate_trace: options.propagate_trace,
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
            version: response.version.into(),
            headers: response.headers,
            body: response.body,
            truncated: response.truncated,
            body_length: response.body_length,
            peer: response.peer,
            timings: response.timings.into(),
            tls: response.tls.map(Into::into),
            hops: response.hops.into_iter().map(Into::into).collect(),
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
            target_syntax: description.target_syntax,
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
        let (assertions, measurements, attributes) = verdict.into_parts();
        Self {
            status,
            summary,
            assertions: assertions.into_iter().map(Into::into).collect(),
            measurements: measurements.into_iter().map(Into::into).collect(),
            attributes,
        }
    }
}
