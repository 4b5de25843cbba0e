//! For the fuzz targets: certificates as they are read and judged, and what a plugin asks of a handshake.

use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::certificate::parse_chain;
use super::verify::Recorder;
use super::{CHAIN, ROOTS};
use super::{Certificate, NetError, Roots, TlsOptions, client_config, identity, parse_certificates};

/// What a certificate says.
#[must_use]
pub fn read(der: &[u8]) -> Option<Certificate> {
    parse_chain(&[CertificateDer::from(der)], &[]).pop()
}

/// Whether a peer that shows this chain is trusted under a name, at Unix seconds, and why not. Nothing for a name that
/// is none.
pub fn judge(chain: &[&[u8]], root: &[u8], name: &str, now: u64) -> Option<Result<(), String>> {
    let name = ServerName::try_from(name.to_owned()).ok()?;
    let roots = Roots::new(vec![CertificateDer::from(root.to_vec())]);
    let recorder = Recorder::new(Arc::new(roots), false);
    let chain: Vec<_> = chain.iter().map(|der| CertificateDer::from(*der)).collect();
    let (leaf, above) = chain.split_first()?;
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now));
    drop(recorder.verify_server_cert(leaf, above, &name, &[], now));
    recorder.take().map(|seen| seen.untrusted.as_result())
}

/// Whether what an old server sends, in pieces of a size, shows certificates; how many of them, and how long they are.
#[must_use]
pub fn examine(sent: &[u8], size: usize) -> Option<(usize, usize)> {
    let shown = super::legacy::read(sent.chunks(size.max(1)))?;
    let length = shown.iter().map(|certificate| certificate.len()).sum();
    Some((shown.len(), length))
}

/// What is wrong with a leaf by the OCSP answer that came along, at Unix seconds.
#[must_use]
pub fn judge_staple(response: &[u8], leaf: &[u8], issuer: &[u8], now: i64) -> Option<String> {
    let (_, leaf) = x509_parser::parse_x509_certificate(leaf).ok()?;
    let (_, issuer) = x509_parser::parse_x509_certificate(issuer).ok()?;
    let staple = super::ocsp::Staple {
        response,
        leaf: &leaf,
        issuer: Some(&issuer),
        now,
        algorithms: &super::provider().signature_verification_algorithms,
    };
    staple.judge().map(|reason| reason.message)
}

/// Makes ready what a plugin asks of a handshake.
///
/// # Errors
/// `Invalid`.
pub fn prepare(options: &TlsOptions) -> Result<(), NetError> {
    if let Some(pem) = &options.ca_certificates {
        parse_certificates(pem, "ca certificates", ROOTS)?;
    }
    let identity = Arc::new(identity(options)?);
    client_config(options, Arc::new(Recorder::new(Arc::default(), true)), identity).map(drop)
}

/// Most certificates of a chain.
pub const LONGEST_CHAIN: usize = CHAIN;
