//! `canary:check/tls`.

use crate::bindings::v0_2::{tls, types};
use crate::host::convert;
use crate::polls::HostFunction;
use crate::state::State;
use canary_net::NetError;
use canary_net::bounded::Bounded;
use canary_net::check::{InvalidField, InvalidFields};
use canary_net::tls::{Alpn, Certificate, Examination, Reason, Reasons, TlsOptions, TlsSession, TlsVersion};

impl tls::Host for State {
    async fn check(&mut self, options: tls::Options) -> wasmtime::Result<Vec<types::InvalidField>> {
        let _host = self.meter.host_call(HostFunction::Check);
        let (options, mut fields) = bounded(options);
        fields.extend(options.check());
        Ok(invalid(fields))
    }
}

/// The options whose fields are short enough, and the invalid fields.
pub(super) fn bounded(options: tls::Options) -> (TlsOptions, InvalidFields) {
    let mut fields = InvalidFields::default();
    fields.check("extra", convert::reject_extra(&options.extra));
    let server_name = options
        .server_name
        .and_then(|name| fields.check("server-name", Bounded::new("the server name", name)));
    let alpn = fields.check("alpn", Alpn::new(options.alpn)).unwrap_or_default();
    let ca_certificates = options.ca_certificates.and_then(|pem| {
        let pem = Bounded::new("the list of ca certificates", pem);
        fields.check("ca-certificates", pem)
    });
    let client_identity = options.client_identity.and_then(|(chain, key)| {
        let chain = Bounded::new("the list of client certificates", chain);
        let chain = fields.check("client-certificate", chain);
        let key = fields.check("client-key", Bounded::new("the client key", key));
        chain.zip(key)
    });
    let options = TlsOptions {
        server_name,
        without_sni: !options.sni,
        alpn,
        min_version: options.min_version.map(TlsVersion::from),
        max_version: options.max_version.map(TlsVersion::from),
        ca_certificates,
        client_identity,
        require_valid: options.require_valid,
    };
    (options, fields)
}

/// Converts invalid fields to the contract's type.
pub(super) fn invalid(fields: InvalidFields) -> Vec<types::InvalidField> {
    let fields = fields.into_vec().into_iter();
    fields
        .map(|InvalidField { field, message }| types::InvalidField {
            field,
            message,
            extra: Vec::new(),
        })
        .collect()
}

impl TryFrom<tls::Options> for TlsOptions {
    type Error = NetError;

    fn try_from(options: tls::Options) -> Result<Self, NetError> {
        convert::reject_extra(&options.extra)?;
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
            without_sni: !options.sni,
            alpn: Alpn::new(options.alpn)?,
            min_version: options.min_version.map(TlsVersion::from),
            max_version: options.max_version.map(TlsVersion::from),
            ca_certificates: roots.transpose()?,
            client_identity: identity.transpose()?,
            require_valid: options.require_valid,
        })
    }
}

fn certificates(chain: Vec<Certificate>) -> Vec<tls::Certificate> {
    chain.into_iter().map(tls::Certificate::from).collect()
}

impl From<Examination> for tls::Examination {
    fn from(shown: Examination) -> Self {
        Self {
            version: shown.version,
            cipher_suite: shown.cipher_suite,
            chain: certificates(shown.chain),
            verified_chain: shown.verified_chain.map(certificates),
            reasons: reasons(&shown.untrusted),
            extra: Vec::new(),
        }
    }
}

impl From<TlsSession> for tls::Session {
    fn from(session: TlsSession) -> Self {
        Self {
            version: session.version.into(),
            cipher_suite: session.cipher_suite,
            alpn: session.alpn,
            chain: certificates(session.chain),
            verified_chain: session.verified_chain.map(certificates),
            reasons: reasons(&session.untrusted),
            ocsp_staple: session.ocsp_staple,
            extra: Vec::new(),
        }
    }
}

fn reasons(found: &Reasons) -> Vec<tls::Reason> {
    let reason = |reason: &Reason| tls::Reason {
        // Codes of the contract are hyphenated.
        code: reason.code.as_str().replace('_', "-"),
        message: reason.message.clone(),
        certificate: reason.certificate,
    };
    found.iter().map(reason).collect()
}
