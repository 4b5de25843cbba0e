//! Probes servers that support no modern TLS: which parameters they choose from everything since TLS 1.0, and their
//! certificate. These versions send it in plain text, so no session is established.

mod flight;
mod hello;
mod suites;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustls::{AlertDescription, CertificateError};
use rustls_pki_types::{ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use super::chain_validation::ChainValidator;
use super::dates::date;
use super::proof::KeyProofError;
use super::sniffed::SniffedStream;
use super::{
    Certificate, Examination, ReasonCode, TlsFailure, TlsOptions, TlsParameters, TlsVersion, TrustStore,
    certificate, parse_server_name, provider, roots_for, server_name,
};
use crate::connect::connect_recorded;
use crate::ledger::Activity;
use crate::{Client, NetError, Phase, timeout_phase};
use flight::{FlightParser, ServerFlight};

/// Time limit of the probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
const CHUNK: usize = 4096;
/// What a modern handshake offers besides versions and cipher suites.
const GROUPS: &str = "X25519, P-256, P-384 and P-521";
const SIGNATURES: &str = "signatures with SHA-256 or longer hashes";

/// Whether the server possibly supports no modern TLS: it says so, has an unsupported key type, or disconnects without
/// a response.
pub(super) fn has_nothing_in_common<S>(error: &io::Error, stream: &SniffedStream<S>) -> bool {
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
            let proof_error = reason.downcast_ref::<KeyProofError>();
            proof_error.is_some_and(|proof_error| matches!(proof_error, KeyProofError::Key { .. }))
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
    /// Connects again and offers legacy parameters, to report which ones the server chooses.
    ///
    /// Cancellation: dropping the future closes the connection.
    pub(super) async fn compare_offers(
        &self,
        error: NetError,
        (peer, source): (SocketAddr, IpAddr),
        parameters: TlsParameters<'_>,
    ) -> TlsFailure {
        let limit = self.deadline_after(Some(PROBE_TIMEOUT));
        let examining = async {
            let stream = connect_recorded(&self.page, peer, Some(source), limit).await?;
            stream.set_activity(Activity::Handshake);
            examine(
                &self.services.trust,
                stream,
                parameters.host,
                parameters.options,
                limit,
            )
            .await
        };
        // The original error takes precedence.
        let Ok(examination) = timeout_phase(limit, Phase::Handshake, examining).await else {
            return error.into();
        };
        let difference = examination.differs_from(parameters.options);
        let error = NetError::Tls(format!("{}; {difference}", message_of(&error)));
        // An unreadable certificate is not worth reporting.
        let is_readable = examination.chain.first().is_some_and(Certificate::is_readable);
        TlsFailure {
            error,
            examination: is_readable.then_some(examination),
        }
    }
}

/// The message without its prefix, which is added again.
fn message_of(error: &NetError) -> String {
    match error {
        NetError::Tls(error) => error.clone(),
        NetError::Closed => "the peer closed the connection without an alert".to_owned(),
        NetError::Reset => "the peer reset the connection without an alert".to_owned(),
        other => other.to_string(),
    }
}

impl Examination {
    /// What the server chose and how that differs from the offer, and the faults of its certificate.
    fn differs_from(&self, options: &TlsOptions) -> String {
        let offers_12 = options
            .min_version
            .is_none_or(|oldest| oldest == TlsVersion::Tls12);
        let is_offered = offers_12 && self.version == "TLS 1.2" && suites::is_modern(&self.cipher_suite);
        let versions = match (offers_12, options.max_version) {
            (false, _) => "TLS 1.3",
            (true, Some(TlsVersion::Tls12)) => "TLS 1.2",
            (true, _) => "TLS 1.2 and 1.3",
        };
        let offered = if is_offered {
            // The server rejects another part of the offer, or its key is rejected here.
            format!("which Canary offers too, with {GROUPS} for the key exchange and {SIGNATURES}")
        } else {
            format!("but Canary offers {versions} with ECDHE and AES-GCM or ChaCha20-Poly1305")
        };
        let has_weak_key = self.untrusted.has(&[ReasonCode::WeakKey]);
        let chosen = (!is_offered || !has_weak_key).then(|| {
            format!(
                "with the offer of an older client, the server chooses {} with {}, {offered}",
                self.version, self.cipher_suite
            )
        });
        let leaf = self.chain.first();
        let certificate = match (self.untrusted.is_empty(), leaf) {
            (false, _) => Some(format!("its certificate: {}", self.untrusted)),
            (true, Some(leaf)) => Some(format!(
                "its certificate is trusted and expires {}",
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
    let roots = roots_for(trust, options, limit).await?;
    let name = parse_server_name(server_name(options, host))?;
    let sent = if options.without_sni { None } else { sni(&name) };
    let flight = probe(stream, sent).await?;
    let validator = ChainValidator {
        chain: &flight.chain,
        sent: flight.sent,
        name: &name,
        staple: &[],
        now: UnixTime::now(),
        roots: &roots,
        algorithms: &provider().signature_verification_algorithms,
    };
    let chain_validation = validator.validate();
    let chain = certificate::parse_chain(&flight.chain, &[]);
    let path = chain_validation
        .path
        .map(|path| certificate::parse_chain(&path, &chain));
    Ok(Examination {
        version: version(flight.version),
        cipher_suite: suites::name(flight.suite),
        chain,
        verified_chain: path,
        untrusted: chain_validation.reasons,
    })
}

/// The name to send: addresses are not sent.
fn sni<'a>(name: &'a ServerName<'_>) -> Option<&'a str> {
    match name {
        ServerName::DnsName(name) => Some(name.as_ref()),
        _ => None,
    }
}

async fn probe<S>(stream: S, name: Option<&str>) -> Result<ServerFlight, NetError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut random = [0; 32];
    random.fill_with(|| fastrand::u8(..));
    let mut stream = SniffedStream::new(stream);
    stream.write_all(&hello::hello(name, random)).await?;
    stream.flush().await?;
    let mut parser = FlightParser::default();
    let mut buffer = [0; CHUNK];
    loop {
        let read = stream.read(&mut buffer).await?;
        let chunk = buffer.get(..read).unwrap_or_default();
        if chunk.is_empty() {
            return Err(NetError::Closed);
        }
        let flight = parser.feed(chunk);
        if let Some(flight) = flight.map_err(|reason| stream.explain(NetError::Tls(reason.to_string())))? {
            return Ok(flight);
        }
    }
}

/// The certificates in a server's response, for the fuzz targets.
#[cfg(feature = "fuzzing")]
pub(super) fn read<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Option<Vec<rustls_pki_types::CertificateDer<'static>>> {
    let mut parser = FlightParser::default();
    for chunk in pieces {
        match parser.feed(chunk) {
            Ok(None) => {}
            Ok(Some(flight)) => return Some(flight.chain),
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
