//! TLS on a leased stream. Fetching a certificate and judging it are apart: what a peer shows is reported in full,
//! with the reasons why it is not trusted.

mod adapted;
mod admission;
mod candidates;
mod certificate;
mod check;
mod der;
mod explain;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod identity;
mod judgement;
mod key;
mod legacy;
mod noted;
mod observed;
mod ocsp;
mod options;
mod p521;
mod proof;
mod pss;
mod reasons;
mod roots;
mod signature;
mod trust;
mod verify;
mod weight;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) use candidates::verifier;
pub use certificate::Certificate;
pub(super) use explain::find_failure;
pub use explain::{explain, explain_io};
pub use legacy::Examination;
pub use observed::Observed;
pub use options::{Alpn, TlsOptions};
pub use reasons::{Reason, ReasonCode, Reasons};
pub use trust::{TrustReader, TrustStore};

use super::bounded::{Pem, too_many};
use super::{Client, NetError, Phase};
use crate::grant::Host;
use crate::ledger::{Activity, LeasedStream};
use crate::pem;
use crate::record::{self, Part};
use crate::trace::{CertificateFacts, Handshake, StepKind};
use admission::await_admission;
use identity::Identity;
pub(crate) use roots::Roots;
use verify::Recorder;

/// Most certificates of a chain that are looked at, the leaf included.
const CHAIN: usize = 32;
/// Most roots that a plugin brings.
const ROOTS: usize = 512;

/// A TLS session on a leased connection.
pub type Secured = TlsStream<Observed<LeasedStream>>;

/// What a session is to be made with, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demand<'a> {
    /// The server's, which is asked for and verified where the options name no other.
    pub(super) host: &'a str,
    pub(super) options: &'a TlsOptions,
    /// Whether the handshake listens for a while to whether the server lets the client in, since nobody may read from the
    /// session.
    pub(super) awaits_admission: bool,
    /// Whether another connection to the same address would come as far as this one.
    pub(super) is_direct: bool,
}

/// Why there is no session, and what the server shows of itself without one.
#[derive(Debug)]
pub(super) struct Unsecured {
    pub(super) error: NetError,
    pub(super) shown: Option<Examination>,
}

impl From<NetError> for Unsecured {
    fn from(error: NetError) -> Self {
        Self { error, shown: None }
    }
}

impl From<std::io::Error> for Unsecured {
    fn from(error: std::io::Error) -> Self {
        NetError::from(error).into()
    }
}

impl From<Unsecured> for NetError {
    fn from(unsecured: Unsecured) -> Self {
        unsecured.error
    }
}

/// Why there is no session.
enum Failed {
    /// Maybe the server does not speak TLS of today.
    NothingInCommon(NetError),
    Otherwise(NetError),
}

impl From<NetError> for Failed {
    fn from(error: NetError) -> Self {
        Self::Otherwise(error)
    }
}

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
    /// Why the chain is not trusted; none when it is.
    pub untrusted: Reasons,
    /// DER.
    pub ocsp_staple: Option<Vec<u8>>,
}

/// The one cryptographic provider: two in a dependency graph make rustls's default panic.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let make = || {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        // In TLS 1.2 a server with a key on this curve has to see that the client knows it (RFC 8422, section 5.1).
        provider.kx_groups.push(&p521::P521);
        let algorithms = &mut provider.signature_verification_algorithms;
        *algorithms = pss::beside(algorithms);
        Arc::new(provider)
    };
    Arc::clone(PROVIDER.get_or_init(make))
}

impl Client {
    /// Turns a connection into a TLS session by the run's deadline; also says how long the handshake took. Where the server
    /// and this host have nothing in common, the error says what the server chooses of older things.
    ///
    /// Cancellation: dropping the future closes the connection.
    ///
    /// # Errors
    /// As [`handshake`], a server that refuses the client, and the time.
    pub(super) async fn secure(
        &self,
        stream: LeasedStream,
        wanted: Demand<'_>,
    ) -> Result<(Secured, TlsSession, Duration), Unsecured> {
        let ends = (stream.peer_addr()?, stream.local_addr()?.ip());
        match self.shake(stream, wanted).await {
            Ok(secured) => Ok(secured),
            Err(Failed::NothingInCommon(error)) if wanted.is_direct => {
                Err(self.compare_offers(error, ends, wanted).await)
            }
            Err(Failed::NothingInCommon(error) | Failed::Otherwise(error)) => Err(error.into()),
        }
    }

    async fn shake(
        &self,
        stream: LeasedStream,
        wanted: Demand<'_>,
    ) -> Result<(Secured, TlsSession, Duration), Failed> {
        let Demand { host, options, .. } = wanted;
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
        let shaken = async {
            let roots = roots_of(&self.shared.trust, options, limit).await?;
            let verifier = Arc::new(Recorder::new(roots, options.require_valid));
            let shaken = handshake(stream, host, options, &verifier).await;
            let session = shaken.as_ref().ok().map(|(_, session, _)| session);
            noted::note_chain(recorder, session, &verifier);
            let (mut stream, session, identity) = shaken?;
            let took = started_at.elapsed();
            let is_late = session.version == TlsVersion::Tls13 && identity.was_asked();
            if wanted.awaits_admission && is_late {
                await_admission(&mut stream, took).await?;
            }
            Ok((stream, session, took))
        };
        let late = Err(Failed::Otherwise(NetError::Timeout(Phase::Handshake)));
        let shaken = timeout_at(limit, shaken).await.unwrap_or(late);
        if let (Some(StepKind::Handshake(told)), Ok((_, session, _))) = (step.kind(), &shaken) {
            tell(told, session, recorder);
        }
        step.end(match &shaken {
            Ok(_) => None,
            Err(Failed::NothingInCommon(error) | Failed::Otherwise(error)) => Some(error.told()),
        });
        let (stream, session, took) = shaken?;
        stream.get_ref().0.inner().enter(Activity::Idle);
        Ok((stream, session, took))
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
    let above = session.chain.iter().skip(1).filter(|above| above.is_readable());
    told.chain_not_after = above.map(|above| above.not_after).min();
    told.untrusted = session.untrusted.as_result().err().map(|why| text(&why));
}

/// Turns a stream into a TLS session with `host`, whose chain `recorder` verifies and remembers.
///
/// Cancellation: dropping the future drops the stream.
///
/// # Errors
/// The options make no sense, the handshake failed, or the chain does not verify and must.
async fn handshake<S>(
    stream: S,
    host: &str,
    options: &TlsOptions,
    recorder: &Arc<Recorder>,
) -> Result<(TlsStream<Observed<S>>, TlsSession, Arc<Identity>), Failed>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let identity = Arc::new(identity(options)?);
    let config = client_config(options, Arc::clone(recorder), Arc::clone(&identity))?;
    let name = server_name_of(server_name(options, host))?;
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, Observed::new(stream));
    let stream = match connecting.into_fallible().await {
        Ok(stream) => stream,
        Err((error, mut stream)) => {
            let error = stream.parting_error(error).await;
            if pss::is_refused_signature(&error) && recorder.has_seen_pss_key() {
                return Err(Failed::Otherwise(NetError::Tls(pss::OVER_TLS_1_2.to_owned())));
            }
            // Who asks for a certificate took what was offered.
            let has_nothing = !identity.was_asked() && legacy::has_nothing_in_common(&error, &stream);
            let error = stream.explain(error);
            return Err(match has_nothing {
                true => Failed::NothingInCommon(error),
                false => Failed::Otherwise(error),
            });
        }
    };
    let session = session(stream.get_ref().1, recorder)?;
    Ok((stream, session, identity))
}

/// Those that the plugin brings, or the host's.
async fn roots_of(trust: &TrustStore, options: &TlsOptions, limit: Instant) -> Result<Arc<Roots>, NetError> {
    match &options.ca_certificates {
        Some(pem) => Ok(Arc::new(Roots::new(parse_certificates(
            pem,
            "ca certificates",
            ROOTS,
        )?))),
        None => trust.roots(limit).await,
    }
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

fn identity(options: &TlsOptions) -> Result<Identity, NetError> {
    let Some((chain, key)) = &options.client_identity else {
        return Ok(Identity::default());
    };
    let chain = parse_certificates(chain, "client certificates", CHAIN)?;
    let key = pem::private_key(key.as_bytes())
        .map_err(|error| NetError::Invalid(format!("client key: the text {error}")))?;
    Identity::new(chain, key)
}

fn client_config(
    options: &TlsOptions,
    recorder: Arc<Recorder>,
    identity: Arc<Identity>,
) -> Result<ClientConfig, NetError> {
    let invalid = |error: rustls::Error| NetError::Invalid(format!("tls options: {}", explain(&error)));
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions(options)?)
        .map_err(invalid)?
        .dangerous()
        .with_custom_certificate_verifier(recorder)
        .with_client_cert_resolver(identity);
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
        untrusted: seen.untrusted,
        ocsp_staple: seen.ocsp_staple,
    })
}
