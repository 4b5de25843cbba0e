//! Servers that speak no TLS of today: what they choose of everything since TLS 1.0, and the certificate that they show. It
//! comes in clear there, so that no session is needed, and none is made.

mod answer;
mod hello;
mod suites;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustls::{AlertDescription, CertificateError};
use rustls_pki_types::{ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use super::judgement::{Question, date};
use super::observed::Observed;
use super::proof::Unproven;
use super::{
    Certificate, Demand, ReasonCode, Reasons, TlsOptions, TlsVersion, TrustStore, Unsecured, certificate,
    provider, roots_of, server_name, server_name_of,
};
use crate::ledger::Activity;
use crate::net::connect::told;
use crate::net::{Client, NetError, Phase, within};
use answer::{Reading, Shown};

/// How long the second look at a server may take.
const EXAMINED: Duration = Duration::from_secs(2);
const CHUNK: usize = 4096;
/// What a handshake offers besides versions and cipher suites.
const GROUPS: &str = "X25519, P-256, P-384 and P-521";
const SIGNATURES: &str = "signatures with SHA-256 or longer hashes";

/// What a server shows of itself in clear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// Such as `TLS 1.0`.
    pub version: String,
    /// As IANA names it.
    pub cipher_suite: String,
    /// As the server sent it, leaf first; 32 at most.
    pub chain: Vec<Certificate>,
    /// The path that verified, leaf first, root last.
    pub verified_chain: Option<Vec<Certificate>>,
    /// Why the chain is not trusted; none when it is. That the server holds the key is not proven.
    pub untrusted: Reasons,
}

/// Whether it may be that a server does not speak TLS of today: it says so, has a key of a kind that is not supported, or
/// goes without a word.
pub(super) fn has_nothing_in_common<S>(error: &io::Error, stream: &Observed<S>) -> bool {
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(rustls::Error::AlertReceived(alert)) => matches!(
            alert,
            AlertDescription::HandshakeFailure
                | AlertDescription::ProtocolVersion
                | AlertDescription::InsufficientSecurity
        ),
        Some(rustls::Error::PeerIncompatible(_)) => true,
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(reason))) => {
            let reason: &(dyn std::error::Error + 'static) = &*reason.0;
            let unproven = reason.downcast_ref::<Unproven>();
            unproven.is_some_and(|unproven| matches!(unproven, Unproven::Key { .. }))
        }
        Some(_) => false,
        None => {
            let is_gone =
                [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset].contains(&error.kind());
            is_gone && stream.is_silent()
        }
    }
}

impl Client {
    /// Connects once more and asks in the way of older clients, to say what the server chooses.
    ///
    /// Cancellation: dropping the future closes the connection.
    pub(super) async fn compare_offers(
        &self,
        said: NetError,
        (peer, source): (SocketAddr, IpAddr),
        wanted: Demand<'_>,
    ) -> Unsecured {
        let limit = self.limit(Some(EXAMINED));
        let examining = async {
            let stream = told(&self.page, peer, Some(source), limit).await?;
            stream.enter(Activity::Handshake);
            examine(&self.shared.trust, stream, wanted.host, wanted.options, limit).await
        };
        // What went wrong first is what counts.
        let Ok(shown) = within(limit, Phase::Handshake, examining).await else {
            return said.into();
        };
        let difference = shown.differs_from(wanted.options);
        let error = NetError::Tls(format!("{}; {difference}", in_words(&said)));
        // Of a certificate that cannot be read, nothing can be said but that.
        let is_readable = shown.chain.first().is_some_and(Certificate::is_readable);
        Unsecured {
            error,
            shown: is_readable.then_some(shown),
        }
    }
}

/// Without the word of its kind, which is added again.
fn in_words(said: &NetError) -> String {
    match said {
        NetError::Tls(said) => said.clone(),
        NetError::Closed => "the peer closed the connection without a word".to_owned(),
        NetError::Reset => "the peer reset the connection without a word".to_owned(),
        other => other.to_string(),
    }
}

impl Examination {
    /// What the server chose and why it is not what was offered, and what is wrong with its certificate.
    fn differs_from(&self, options: &TlsOptions) -> String {
        let offers_12 = options
            .min_version
            .is_none_or(|oldest| oldest == TlsVersion::Tls12);
        let is_offered = offers_12 && self.version == "TLS 1.2" && suites::is_of_today(&self.cipher_suite);
        let versions = match (offers_12, options.max_version) {
            (false, _) => "TLS 1.3",
            (true, Some(TlsVersion::Tls12)) => "TLS 1.2",
            (true, _) => "TLS 1.2 and 1.3",
        };
        let offered = match is_offered {
            // It is the rest of the offer that the server does not take, or the key that is not taken here.
            true => format!("as Canary offers it, with {GROUPS} for the key exchange and {SIGNATURES}"),
            false => format!("and Canary offers {versions} with ECDHE and AES-GCM or ChaCha20-Poly1305"),
        };
        let has_weak_key = self.untrusted.has(&[ReasonCode::WeakKey]);
        let chosen = (!is_offered || !has_weak_key).then(|| {
            format!(
                "of what older clients offer the server chooses {} with {}, {offered}",
                self.version, self.cipher_suite
            )
        });
        let leaf = self.chain.first();
        let certificate = match (self.untrusted.is_empty(), leaf) {
            (false, _) => Some(format!("of its certificate: {}", self.untrusted)),
            (true, Some(leaf)) => Some(format!(
                "its certificate is trusted, and ends {}",
                date(leaf.not_after)
            )),
            (true, None) => None,
        };
        let parts: Vec<String> = chosen.into_iter().chain(certificate).collect();
        parts.join("; ")
    }
}

async fn examine<S>(
    trust: &TrustStore,
    stream: S,
    host: &str,
    options: &TlsOptions,
    limit: Instant,
) -> Result<Examination, NetError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let roots = roots_of(trust, options, limit).await?;
    let name = server_name_of(server_name(options, host))?;
    let shown = ask(stream, &name).await?;
    let question = Question {
        chain: &shown.chain,
        sent: shown.sent,
        name: &name,
        staple: &[],
        now: UnixTime::now(),
        roots: &roots,
        algorithms: &provider().signature_verification_algorithms,
    };
    let judgement = question.judge();
    let chain = certificate::parse_chain(&shown.chain, &[]);
    let path = judgement.path.map(|path| certificate::parse_chain(&path, &chain));
    Ok(Examination {
        version: version(shown.version),
        cipher_suite: suites::name(shown.suite),
        chain,
        verified_chain: path,
        untrusted: judgement.reasons,
    })
}

async fn ask<S>(stream: S, name: &ServerName<'_>) -> Result<Shown, NetError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let name = match name {
        ServerName::DnsName(name) => Some(name.as_ref()),
        _ => None,
    };
    let mut random = [0; 32];
    random.fill_with(|| fastrand::u8(..));
    let mut stream = Observed::new(stream);
    stream.write_all(&hello::hello(name, random)).await?;
    stream.flush().await?;
    let mut reading = Reading::default();
    let mut buffer = [0; CHUNK];
    loop {
        let read = stream.read(&mut buffer).await?;
        let piece = buffer.get(..read).unwrap_or_default();
        if piece.is_empty() {
            return Err(NetError::Closed);
        }
        let shown = reading.feed(piece);
        if let Some(shown) = shown.map_err(|reason| stream.explain(NetError::Tls(reason.to_string())))? {
            return Ok(shown);
        }
    }
}

/// The certificates in what a server sent, for the fuzz targets.
#[cfg(feature = "fuzzing")]
pub(super) fn read<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Option<Vec<rustls_pki_types::CertificateDer<'static>>> {
    let mut reading = Reading::default();
    for piece in pieces {
        match reading.feed(piece) {
            Ok(None) => {}
            Ok(Some(shown)) => return Some(shown.chain),
            Err(_) => return None,
        }
    }
    None
}

fn version([major, minor]: [u8; 2]) -> String {
    match (major, minor) {
        (3, 0) => "SSL 3.0".to_owned(),
        (3, minor @ 1..=4) => format!("TLS 1.{}", minor - 1),
        _ => format!("a version of TLS with the number {major}.{minor}"),
    }
}

#[cfg(test)]
mod tests;
