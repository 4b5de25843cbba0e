//! `canary:check/tls`: records only, used by `tcp` and `http`.

use crate::net::NetError;
use crate::net::bounded::Bounded;
use crate::net::tls::{Alpn, Certificate, TlsOptions, TlsSession, TlsVersion};
use crate::sandbox::bindings::{tls, types};
use crate::sandbox::state::State;

impl types::Host for State {}
impl tls::Host for State {}

impl From<tls::Version> for TlsVersion {
    fn from(version: tls::Version) -> Self {
        match version {
            tls::Version::Tls12 => Self::Tls12,
            tls::Version::Tls13 => Self::Tls13,
        }
    }
}

impl TryFrom<tls::Options> for TlsOptions {
    type Error = NetError;

    fn try_from(options: tls::Options) -> Result<Self, NetError> {
        let server_name = options
            .server_name
            .map(|name| Bounded::new("the server name", name));
        let roots = options
            .ca_certificates
            .map(|pem| Bounded::new("the list of ca certificates", pem));
        let identity = options.client_identity.map(|(chain, key)| {
            Ok::<_, NetError>((
                Bounded::new("the list of client certificates", chain)?,
                Bounded::new("the client key", key)?,
            ))
        });
        Ok(Self {
            server_name: server_name.transpose()?,
            alpn: Alpn::new(options.alpn)?,
            min_version: options.min_version.map(TlsVersion::from),
            max_version: options.max_version.map(TlsVersion::from),
            ca_certificates: roots.transpose()?,
            client_identity: identity.transpose()?,
            require_valid: options.require_valid,
        })
    }
}

impl From<TlsSession> for tls::Session {
    fn from(session: TlsSession) -> Self {
        let certificates = |chain: Vec<Certificate>| chain.into_iter().map(tls::Certificate::from).collect();
        Self {
            version: match session.version {
                TlsVersion::Tls12 => tls::Version::Tls12,
                TlsVersion::Tls13 => tls::Version::Tls13,
            },
            cipher_suite: session.cipher_suite,
            alpn: session.alpn,
            chain: certificates(session.chain),
            verified_chain: session.verified_chain.map(certificates),
            verified: session.verified,
            ocsp_staple: session.ocsp_staple,
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
