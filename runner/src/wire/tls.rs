//! The TLS settings of a place, read anew for each connection, so that files may be exchanged under way.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{Place, Protocol, TlsFiles};
use crate::net::tls::provider;

/// Why no session can be tried.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    #[error("cannot read `{}`: {source}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` is not PEM: {source}", .path.display())]
    Pem { path: PathBuf, source: pem::Error },
    #[error("`{}` has no certificate in it", .path.display())]
    NoCertificate { path: PathBuf },
    #[error("a client certificate needs its key, and a key its certificate")]
    HalfIdentity,
    #[error("TLS cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
}

pub(super) fn config(place: &Place) -> Result<Arc<ClientConfig>, TlsError> {
    let files = &place.tls;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(files)?);
    let mut config = match identity(files)? {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    };
    let protocol = match place.protocol {
        Protocol::Http1 => "http/1.1",
        Protocol::Http2 => "h2",
    };
    config.alpn_protocols = vec![protocol.into()];
    Ok(Arc::new(config))
}

/// The operator's, or else the system's, or else Mozilla's.
fn roots(files: &TlsFiles) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    match &files.ca {
        Some(path) => {
            for certificate in certificates(path)? {
                roots.add(certificate)?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            }
        }
    }
    Ok(roots)
}

type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn identity(files: &TlsFiles) -> Result<Option<Identity>, TlsError> {
    let (certificate, key) = match (&files.client_certificate, &files.client_key) {
        (None, None) => return Ok(None),
        (Some(certificate), Some(key)) => (certificate, key),
        _ => return Err(TlsError::HalfIdentity),
    };
    let parsed = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|source| pem_error(key, source))?;
    Ok(Some((certificates(certificate)?, parsed)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = read(path)?;
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = parsed.map_err(|source| pem_error(path, source))?;
    match certificates.is_empty() {
        true => Err(TlsError::NoCertificate {
            path: path.to_owned(),
        }),
        false => Ok(certificates),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}

fn pem_error(path: &Path, source: pem::Error) -> TlsError {
    TlsError::Pem {
        path: path.to_owned(),
        source,
    }
}
