//! TLS on a leased stream. Fetching a certificate chain and validating it are separate: the peer's chain is reported in
//! full, with the reasons why it is not trusted.

mod adapted;
mod authority;
mod candidates;
mod certificate;
mod chain_validation;
mod check;
mod client_auth;
mod dates;
mod der;
mod examination;
pub(crate) mod explain;
mod failure;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod identifiers;
mod identity;
mod key;
mod legacy;
mod ocsp;
mod options;
mod p521;
mod proof;
mod pss;
mod reasons;
mod roots;
mod signature;
pub(crate) mod sniffed;
mod transcript;
mod trust;
mod verify;
mod weight;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, ClientConnection};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub use candidates::verifier;
pub use certificate::Certificate;
pub(super) use check::check_server_name;
pub use examination::Examination;
pub(crate) use explain::alert::is_client_rejection;
pub use explain::{explain, explain_io};
use failure::HandshakeError;
pub(crate) use failure::TlsFailure;
use options::versions;
pub use options::{Alpn, TlsOptions};
pub use reasons::{Reason, ReasonCode, Reasons};
pub use sniffed::SniffedStream;
pub use trust::{TrustReader, TrustStore};

use super::bounded::{Pem, too_many};
use super::carrier::{Carrier, TlsConnection};
use super::{Client, NetError, Phase};
use crate::ledger::Activity;
use canary_record::Section;
use canary_record::trace::{CertificateFacts, Handshake, StepKind};
use canary_suite::grant::Host;
use canary_system::pem;
use client_auth::await_client_auth;
use identity::Identity;
pub(crate) use roots::Roots;
use verify::RecordingVerifier;

/// Maximum number of certificates of a chain that are examined, including the leaf.
const MAX_CHAIN: usize = 32;
/// Maximum number of roots that a plugin may provide.
const MAX_ROOTS: usize = 512;

/// Parameters of a handshake.
#[derive(Debug, Clone, Copy)]
pub(super) struct TlsParameters<'a> {
    /// The host of the server; the default server name, unless the options set another one.
    pub(super) host: &'a str,
    pub(super) options: &'a TlsOptions,
    /// Whether to wait for the server's decision on the client certificate, since the caller might never read.
    pub(super) awaits_client_auth: bool,
    /// Whether a new connection to the same address would reach the same state as this one.
    pub(super) is_direct: bool,
    /// Whether the server is a proxy, and not the target.
    pub(super) is_proxy: bool,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// The result of a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSession {
    /// The negotiated version.
    pub version: TlsVersion,
    /// The negotiated cipher suite, such as `TLS13_AES_256_GCM_SHA384`.
    pub cipher_suite: String,
    /// The negotiated protocol.
    pub alpn: Option<String>,
    /// As sent by the peer, leaf first; at most 32.
    pub chain: Vec<Certificate>,
    /// The path that was verified, leaf first, root last.
    pub verified_chain: Option<Vec<Certificate>>,
    /// Why the chain is not trusted; empty if it is.
    pub untrusted: Reasons,
    /// The stapled OCSP response, in DER.
    pub ocsp_staple: Option<Vec<u8>>,
}

/// The crypto provider. It is passed explicitly, because rustls's default panics if a dependency graph contains two.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let make = || {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        // In TLS 1.2 a server with a key on this curve has to see that the client supports it (RFC 8422, section 5.1).
        provider.kx_groups.push(&p521::P521);
        let algorithms = &mut provider.signature_verification_algorithms;
        *algorithms = pss::with_pss_algorithms(algorithms);
        Arc::new(provider)
    };
    Arc::clone(PROVIDER.get_or_init(make))
}

impl Client {
    /// Performs a handshake by the run's deadline; also returns its duration. If the server has nothing in common with
    /// this host, the error names the legacy parameters that the server chooses.
    ///
    /// Cancellation: dropping the future closes the connection.
    ///
    /// # Errors
    /// As for [`handshake`], a server that rejects the client, and the time; all in the phase of the handshake.
    pub(super) async fn secure(
        &self,
        stream: Carrier,
        parameters: TlsParameters<'_>,
    ) -> Result<(TlsConnection, TlsSession, Duration), TlsFailure> {
        let secured = self.secure_or_examine(stream, parameters).await;
        secured.map_err(TlsFailure::in_handshake)
    }

    async fn secure_or_examine(
        &self,
        stream: Carrier,
        parameters: TlsParameters<'_>,
    ) -> Result<(TlsConnection, TlsSession, Duration), TlsFailure> {
        let ends = (stream.tcp().peer_addr()?, stream.tcp().local_addr()?.ip());
        match self.perform_handshake(stream, parameters).await {
            Ok(secured) => Ok(secured),
            Err(HandshakeError::Incompatible(error)) if parameters.is_direct => {
                Err(self.compare_offers(error, ends, parameters).await)
            }
            Err(HandshakeError::Incompatible(error) | HandshakeError::Other(error)) => Err(error.into()),
        }
    }

    async fn perform_handshake(
        &self,
        stream: Carrier,
        parameters: TlsParameters<'_>,
    ) -> Result<(TlsConnection, TlsSession, Duration), HandshakeError> {
        let TlsParameters { host, options, .. } = parameters;
        let limit = self.deadline_after(None);
        let recorder = self.page.recorder();
        let begun = Handshake {
            server_name: recorder.host(Section::Trail, server_name(options, host)),
            without_sni: options.without_sni,
            is_proxy: parameters.is_proxy,
            peer: stream.tcp().peer_addr().ok().map(|peer| recorder.peer(peer)),
            ..Handshake::default()
        };
        let mut step = self.page.begin_step(StepKind::Handshake(Box::new(begun)), limit);
        let started_at = Instant::now();
        stream.tcp().set_activity(Activity::Handshake);
        let outcome = async {
            let roots = roots_for(&self.services.trust, options, limit).await?;
            let verifier = Arc::new(RecordingVerifier::new(roots, options.require_valid));
            let outcome = handshake(stream, host, options, &verifier).await;
            let session = outcome.as_ref().ok().map(|(_, session, _)| session);
            transcript::record_chain(recorder, session, &verifier);
            let (mut stream, session, identity) = outcome?;
            let took = started_at.elapsed();
            let is_late = session.version == TlsVersion::Tls13 && identity.was_requested();
            if parameters.awaits_client_auth && is_late {
                await_client_auth(&mut stream, took).await?;
            }
            Ok((stream, session, took))
        };
        let late = Err(HandshakeError::Other(NetError::Timeout(Phase::Handshake)));
        let outcome = timeout_at(limit, outcome).await.unwrap_or(late);
        if let (Some(StepKind::Handshake(summary)), Ok((_, session, _))) = (step.kind(), &outcome) {
            record_session(summary, session, recorder);
        }
        step.end(match &outcome {
            Ok(_) => None,
            Err(HandshakeError::Incompatible(error) | HandshakeError::Other(error)) => {
                Some(error.code_and_message())
            }
        });
        let (stream, session, took) = outcome?;
        stream.get_ref().0.inner().tcp().set_activity(Activity::Idle);
        Ok((stream, session, took))
    }
}

fn record_session(summary: &mut Handshake, session: &TlsSession, recorder: &canary_record::Recorder) {
    let text = |text: &str| recorder.text(Section::Trail, text);
    summary.version = Some(match session.version {
        TlsVersion::Tls12 => "1.2",
        TlsVersion::Tls13 => "1.3",
    });
    summary.cipher_suite = Some(text(&session.cipher_suite));
    summary.alpn = session.alpn.as_deref().map(text);
    summary.leaf = session.chain.first().map(|leaf| CertificateFacts {
        subject: text(&leaf.subject),
        issuer: text(&leaf.issuer),
        not_before: leaf.not_before,
        not_after: leaf.not_after,
        fingerprint: text(&leaf.fingerprint),
    });
    let above = session.chain.iter().skip(1).filter(|above| above.is_readable());
    summary.chain_not_after = above.map(|above| above.not_after).min();
    summary.untrusted = session.untrusted.as_result().err().map(|why| text(&why));
}

/// Performs a handshake on a stream with `host`; `verifier` verifies and records the chain.
///
/// Cancellation: dropping the future drops the stream.
///
/// # Errors
/// The options are invalid, the handshake failed, or the chain is invalid and must be valid.
async fn handshake<S>(
    stream: S,
    host: &str,
    options: &TlsOptions,
    verifier: &Arc<RecordingVerifier>,
) -> Result<(TlsStream<SniffedStream<S>>, TlsSession, Arc<Identity>), HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let identity = Arc::new(identity(options)?);
    let config = client_config(options, Arc::clone(verifier), Arc::clone(&identity))?;
    let name = parse_server_name(server_name(options, host))?;
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, SniffedStream::new(stream));
    let stream = match connecting.into_fallible().await {
        Ok(stream) => stream,
        Err((error, mut stream)) => {
            let error = stream.parting_error(error).await;
            if pss::is_refused_signature(&error) && verifier.has_seen_pss_key() {
                return Err(HandshakeError::Other(NetError::Tls(pss::OVER_TLS_1_2.to_owned())));
            }
            // A server that requests a certificate has accepted the offered parameters.
            let has_nothing = !identity.was_requested() && legacy::has_nothing_in_common(&error, &stream);
            let error = stream.explain(error);
            return Err(if has_nothing {
                HandshakeError::Incompatible(error)
            } else {
                HandshakeError::Other(error)
            });
        }
    };
    let session = session(stream.get_ref().1, verifier)?;
    Ok((stream, session, identity))
}

/// The roots that the plugin provides, or the host's.
async fn roots_for(trust: &TrustStore, options: &TlsOptions, limit: Instant) -> Result<Arc<Roots>, NetError> {
    match &options.ca_certificates {
        Some(pem) => Ok(Arc::new(Roots::new(parse_certificates(
            pem,
            "ca certificates",
            MAX_ROOTS,
        )?))),
        None => trust.roots(limit).await,
    }
}

fn server_name<'a>(options: &'a TlsOptions, host: &'a str) -> &'a str {
    options.server_name.as_ref().map_or(host, |name| name.as_str())
}

/// The name for SNI and verification, in ASCII and without a trailing dot.
fn parse_server_name(text: &str) -> Result<ServerName<'static>, NetError> {
    // The name may come from a redirect: if it is not a valid server name, that is not the plugin's fault.
    let unfit = |_| NetError::Tls(format!("`{text}` is not a valid server name for TLS"));
    match Host::parse(text).map_err(|error| NetError::Tls(error.to_string()))? {
        Host::Name(name) => ServerName::try_from(name).map_err(unfit),
        Host::Address(address) => Ok(ServerName::from(address)),
    }
}

fn identity(options: &TlsOptions) -> Result<Identity, NetError> {
    let Some((chain, key)) = &options.client_identity else {
        return Ok(Identity::default());
    };
    let chain = parse_certificates(chain, "client certificates", MAX_CHAIN)?;
    let key = pem::private_key(key.as_bytes())
        .map_err(|error| NetError::Invalid(format!("client key: the text {error}")))?;
    Identity::new(chain, key)
}

fn client_config(
    options: &TlsOptions,
    verifier: Arc<RecordingVerifier>,
    identity: Arc<Identity>,
) -> Result<ClientConfig, NetError> {
    let invalid = |error: rustls::Error| NetError::Invalid(format!("tls options: {}", explain(&error)));
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions(options)?)
        .map_err(invalid)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(identity);
    config.alpn_protocols = options.alpn.clone().into_protocols();
    config.enable_sni = !options.without_sni;
    // A check needs a full handshake each time, and no cache may outlive the run.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn parse_certificates(pem: &Pem, what: &str, max: usize) -> Result<Vec<CertificateDer<'static>>, NetError> {
    match pem::certificates(pem.as_bytes(), max + 1) {
        Ok(certificates) if certificates.len() > max => Err(too_many(what, max)),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(NetError::Invalid(format!("{what}: the text {error}"))),
    }
}

fn session(connection: &ClientConnection, verifier: &RecordingVerifier) -> Result<TlsSession, NetError> {
    let incomplete = || NetError::Tls("the handshake ended without its parameters".to_owned());
    let version = match connection.protocol_version().ok_or_else(incomplete)? {
        rustls::ProtocolVersion::TLSv1_2 => TlsVersion::Tls12,
        _ => TlsVersion::Tls13,
    };
    let suite = connection.negotiated_cipher_suite().ok_or_else(incomplete)?;
    let seen = verifier.take().ok_or_else(incomplete)?;
    let chain = certificate::parse_chain(&seen.chain, &[]);
    let verified_chain = seen
        .verified_chain
        .map(|path| certificate::parse_chain(&path, &chain));
    Ok(TlsSession {
        version,
        cipher_suite: format!("{:?}", suite.suite()),
        alpn: connection
            .alpn_protocol()
            .map(|name| String::from_utf8_lossy(name).into_owned()),
        chain,
        verified_chain,
        untrusted: seen.untrusted,
        ocsp_staple: seen.ocsp_staple,
    })
}
