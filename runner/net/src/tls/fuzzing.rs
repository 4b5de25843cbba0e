//! Fuzz targets for certificates, chains, stapled responses, and TLS options.

use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::certificate::parse_chain;
use super::verify::RecordingVerifier;
use super::{
    Certificate, MAX_ROOTS, NetError, Roots, TlsOptions, client_config, identity, parse_certificates,
};

/// Parses a certificate.
#[must_use]
pub fn read(der: &[u8]) -> Option<Certificate> {
    parse_chain(&[CertificateDer::from(der)], &[]).pop()
}

/// Whether a peer with this chain is trusted under a name, at a time in Unix seconds, and why not. `None` for an
/// invalid name.
pub fn validate(chain: &[&[u8]], root: &[u8], name: &str, now: u64) -> Option<Result<(), String>> {
    let name = ServerName::try_from(name.to_owned()).ok()?;
    let roots = Roots::new(vec![CertificateDer::from(root.to_vec())]);
    let verifier = RecordingVerifier::new(Arc::new(roots), false);
    let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(*der)).collect();
    let (leaf, above) = chain.split_first()?;
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now));
    drop(verifier.verify_server_cert(leaf, above, &name, &[], now));
    verifier.take().map(|seen| seen.untrusted.as_result())
}

/// Feeds the response of a legacy server in chunks of `size` bytes; returns the number and total size of its
/// certificates.
#[must_use]
pub fn examine(sent: &[u8], size: usize) -> Option<(usize, usize)> {
    let certificates = super::legacy::read(sent.chunks(size.max(1)))?;
    let length = certificates.iter().map(|certificate| certificate.len()).sum();
    Some((certificates.len(), length))
}

/// The fault of a leaf according to a stapled OCSP response, at a time in Unix seconds.
#[must_use]
pub fn check_staple(response: &[u8], leaf: &[u8], issuer: &[u8], now: i64) -> Option<String> {
    let (_, leaf) = x509_parser::parse_x509_certificate(leaf).ok()?;
    let (_, issuer) = x509_parser::parse_x509_certificate(issuer).ok()?;
    let staple = super::ocsp::Staple {
        response,
        leaf: &leaf,
        issuer: Some(&issuer),
        now,
        algorithms: &super::provider().signature_verification_algorithms,
    };
    staple.check().map(|reason| reason.message)
}

/// Prepares a handshake from a plugin's options.
///
/// # Errors
/// `Invalid`.
pub fn prepare(options: &TlsOptions) -> Result<(), NetError> {
    if let Some(pem) = &options.ca_certificates {
        parse_certificates(pem, "ca certificates", MAX_ROOTS)?;
    }
    let identity = Arc::new(identity(options)?);
    client_config(
        options,
        Arc::new(RecordingVerifier::new(Arc::default(), true)),
        identity,
    )
    .map(drop)
}
