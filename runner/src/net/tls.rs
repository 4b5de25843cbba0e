//! TLS on a leased stream. Fetching a certificate and judging it are apart: what a peer shows is reported in full,
//! with the reasons why it is not trusted.

mod candidates;
mod certificate;
mod explain;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod options;
mod trust;
mod verify;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) use candidates::verifier;
pub use certificate::Certificate;
pub use explain::{explain, explain_io};
pub use options::{Alpn, TlsOptions};
pub use trust::{TrustReader, TrustStore};

use super::bounded::{Pem, too_many};
use super::{Client, NetError, Phase, within};
use crate::grant::Host;
use crate::ledger::{Activity, LeasedStream};
use crate::pem;
use crate::record::{self, Part};
use crate::trace::{CertificateFacts, Handshake, StepKind};
use verify::Recorder;

/// Most certificates of a chain that are looked at, the leaf included.
const CHAIN: usize = 32;
/// Most roots that a plugin brings.
const ROOTS: usize = 512;

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// What a handshake showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSession {
    /// As negotiated.
    pub version: TlsVersion,
    /// Such as `TLS13_AES_256_GCM_SHA384`.
    pub cipher_suite: String,
    /// As negotiated.
    pub alpn: Option<String>,
    /// As the peer sent it, leaf first; 32 at most.
    pub chain: Vec<Certificate>,
    /// The path that verified, leaf first, root last.
    pub verified_chain: Option<Vec<Certificate>>,
    /// Why the chain is not trusted.
    pub verified: Result<(), String>,
    /// DER.
    pub ocsp_staple: Option<Vec<u8>>,
}

/// Certificates that a chain may end in.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    anchors: Vec<TrustAnchor<'static>>,
    /// Those of the anchors, in their order; none for Mozilla's.
    certificates: Vec<CertificateDer<'static>>,
}

impl Roots {
    fn mozilla() -> Self {
        Self {
            anchors: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
            certificates: Vec::new(),
        }
    }

    fn new(certificates: Vec<CertificateDer<'static>>) -> Self {
        let (anchors, certificates) = certificates
            .into_iter()
            .filter_map(|der| {
                let anchor = webpki::anchor_from_trusted_cert(&der).ok()?.to_owned();
                Some((anchor, der))
            })
            .unzip();
        Self {
            anchors,
            certificates,
        }
    }
}

/// The one cryptographic provider: two in a dependency graph make rustls's default panic.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider())))
}

impl Client {
    /// Turns a connection into a TLS session with `host` by `limit`; also says how long that took.
    ///
    /// Cancellation: dropping the future closes the connection.
    ///
    /// # Errors
    /// As [`handshake`], and the time.
    pub(super) async fn secure(
        &self,
        stream: LeasedStream,
        host: &str,
        options: &TlsOptions,
    ) -> Result<(TlsStream<LeasedStream>, TlsSession, Duration), NetError> {
        let limit = self.limit(None);
        let recorder = self.page.recorder();
        let begun = Handshake {
            server_name: recorder.text(Part::Trail, server_name(options, host)),
            peer: stream.peer_addr().ok().map(|peer| recorder.peer(peer)),
            ..Handshake::default()
        };
        let mut step = self.page().begin(StepKind::Handshake(Box::new(begun)), limit);
        let started_at = Instant::now();
        stream.enter(Activity::Handshake);
        let shaken = handshake(&self.shared.trust, stream, host, options, limit);
        let shaken = within(limit, Phase::Handshake, shaken).await;
        if let (Some(StepKind::Handshake(told)), Ok((_, session))) = (step.kind(), &shaken) {
            tell(told, session, recorder);
        }
        step.end(shaken.as_ref().err().map(NetError::told));
        let (stream, session) = shaken?;
        stream.get_ref().0.enter(Activity::Idle);
        Ok((stream, session, started_at.elapsed()))
    }
}

fn tell(told: &mut Handshake, session: &TlsSession, recorder: &record::Recorder) {
    let text = |text: &str| recorder.text(Part::Trail, text);
    told.version = Some(match session.version {
        TlsVersion::Tls12 => "1.2",
        TlsVersion::Tls13 => "1.3",
    });
    told.cipher_suite = Some(text(&session.cipher_suite));
    told.alpn = session.alpn.as_deref().map(text);
    told.leaf = session.chain.first().map(|leaf| CertificateFacts {
        subject: text(&leaf.subject),
        issuer: text(&leaf.issuer),
        not_before: leaf.not_before,
        not_after: leaf.not_after,
        fingerprint: text(&leaf.fingerprint),
    });
    told.chain_not_after = session.chain.iter().skip(1).map(|above| above.not_after).min();
    told.untrusted = session.verified.as_ref().err().map(|why| text(why));
}

/// Turns a stream into a TLS session with `host`; waits for the host's roots to `limit` at most.
///
/// Cancellation: dropping the future drops the stream.
///
/// # Errors
/// The options make no sense, the host has no roots, the handshake failed, or the chain does not verify and must.
pub async fn handshake<S>(
    trust: &TrustStore,
    stream: S,
    host: &str,
    options: &TlsOptions,
    limit: Instant,
) -> Result<(TlsStream<S>, TlsSession), NetError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let roots = match &options.ca_certificates {
        Some(pem) => Arc::new(Roots::new(parse_certificates(pem, "ca certificates", ROOTS)?)),
        None => trust.roots(limit).await?,
    };
    let recorder = Arc::new(Recorder::new(roots, options.require_valid));
    let config = client_config(options, Arc::clone(&recorder))?;
    let name = server_name_of(server_name(options, host))?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let session = session(stream.get_ref().1, &recorder)?;
    Ok((stream, session))
}

fn server_name<'a>(options: &'a TlsOptions, host: &'a str) -> &'a str {
    options.server_name.as_ref().map_or(host, |name| name.as_str())
}

/// The name to ask for and to verify, in ASCII and without a dot at its end.
fn server_name_of(text: &str) -> Result<ServerName<'static>, NetError> {
    // A peer may have chosen it, with a redirect: what TLS cannot carry is not the plugin's fault.
    let unfit = |_| NetError::Tls(format!("`{text}` cannot be a server name in TLS"));
    match Host::parse(text).map_err(|error| NetError::Tls(error.to_string()))? {
        Host::Name(name) => ServerName::try_from(name).map_err(unfit),
        Host::Address(address) => Ok(ServerName::from(address)),
    }
}

fn client_config(options: &TlsOptions, recorder: Arc<Recorder>) -> Result<ClientConfig, NetError> {
    let invalid = |error: rustls::Error| NetError::Invalid(format!("tls options: {}", explain(&error)));
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions(options)?)
        .map_err(invalid)?
        .dangerous()
        .with_custom_certificate_verifier(recorder);
    let mut config = match &options.client_identity {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let chain = parse_certificates(chain, "client certificates", CHAIN)?;
            let key = pem::private_key(key.as_bytes())
                .map_err(|error| NetError::Invalid(format!("client key: the text {error}")))?;
            builder.with_client_auth_cert(chain, key).map_err(invalid)?
        }
    };
    config.alpn_protocols = options.alpn.clone().into_protocols();
    // A check wants the whole handshake each time, and no cache that outlives the run.
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn versions(options: &TlsOptions) -> Result<&'static [&'static SupportedProtocolVersion], NetError> {
    use rustls::version::{TLS12, TLS13};
    let min = options.min_version.unwrap_or(TlsVersion::Tls12);
    let max = options.max_version.unwrap_or(TlsVersion::Tls13);
    static ONLY_12: [&SupportedProtocolVersion; 1] = [&TLS12];
    static BOTH: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
    static ONLY_13: [&SupportedProtocolVersion; 1] = [&TLS13];
    match (min, max) {
        (TlsVersion::Tls12, TlsVersion::Tls12) => Ok(&ONLY_12),
        (TlsVersion::Tls12, TlsVersion::Tls13) => Ok(&BOTH),
        (TlsVersion::Tls13, TlsVersion::Tls13) => Ok(&ONLY_13),
        (TlsVersion::Tls13, TlsVersion::Tls12) => Err(NetError::Invalid(
            "the minimum TLS version is above the maximum".to_owned(),
        )),
    }
}

fn parse_certificates(pem: &Pem, what: &str, most: usize) -> Result<Vec<CertificateDer<'static>>, NetError> {
    match pem::certificates(pem.as_bytes(), most + 1) {
        Ok(certificates) if certificates.len() > most => Err(too_many(what, most)),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(NetError::Invalid(format!("{what}: the text {error}"))),
    }
}

fn session(connection: &rustls::ClientConnection, recorder: &Recorder) -> Result<TlsSession, NetError> {
    let incomplete = || NetError::Tls("the handshake ended without its parameters".to_owned());
    let version = match connection.protocol_version().ok_or_else(incomplete)? {
        rustls::ProtocolVersion::TLSv1_2 => TlsVersion::Tls12,
        _ => TlsVersion::Tls13,
    };
    let suite = connection.negotiated_cipher_suite().ok_or_else(incomplete)?;
    let seen = recorder.take().ok_or_else(incomplete)?;
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
        verified: seen.verified,
        ocsp_staple: seen.ocsp_staple,
    })
}
