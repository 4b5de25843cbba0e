//! `canary:check/tls`: records only, used by `tcp` and `http`.

use crate::bindings::v0_1::tls;
use crate::state::State;
use canary_net::NetError;
use canary_net::bounded::Bounded;
use canary_net::tls::{Alpn, Certificate, TlsOptions, TlsSession, TlsVersion};

impl tls::Host for State {}

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
            without_sni: false,
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
            version: session.version.into(),
            cipher_suite: session.cipher_suite,
            alpn: session.alpn,
            chain: certificates(session.chain),
            verified_chain: session.verified_chain.map(certificates),
            verified: session.untrusted.as_result(),
            ocsp_staple: session.ocsp_staple,
        }
    }
}
