//! The TLS settings of a place, read anew for each connection, so that files may be exchanged under way.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::link::within;
use super::{Cause, Failure, TlsFiles};
use crate::net::tls::{explain, provider};
use crate::pem::{self, PemError};
use crate::regular_file;

/// Bytes of a file with certificates or a key.
const MAX_PEM_BYTES: u64 = 4 << 20;

/// Why no session can be tried.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    #[error("cannot read `{}`: {source}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("`{}` {problem}", .path.display())]
    Pem { path: PathBuf, problem: PemError },
    #[error("a client certificate needs its key, and a key its certificate")]
    HalfIdentity,
    #[error("TLS cannot be set up: {}", explain(.0))]
    Setup(#[from] rustls::Error),
}

/// Reads the files on a thread that may wait for them, by `deadline`: a file on a disk that hangs must hold up no
/// other connection.
pub(super) async fn config(
    files: TlsFiles,
    alpn: Option<&str>,
    deadline: Instant,
) -> Result<Arc<ClientConfig>, Failure> {
    let alpn = alpn.map(str::to_owned);
    let reading = spawn_blocking(move || read_config(&files, alpn));
    let settings = |error: &dyn std::error::Error| Failure::new(Cause::Settings, error.to_string());
    match within(deadline, "the files for TLS were not read", reading).await? {
        Ok(config) => config.map_err(|error| settings(&error)),
        Err(error) => Err(settings(&error)),
    }
}

fn read_config(files: &TlsFiles, alpn: Option<String>) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(files)?);
    let mut config = match identity(files)? {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key)?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.map(String::into_bytes).into_iter().collect();
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
    let parsed = pem::private_key(&read(key)?).map_err(|problem| pem_error(key, problem))?;
    Ok(Some((certificates(certificate)?, parsed)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    pem::certificates(&read(path)?, usize::MAX).map_err(|problem| pem_error(path, problem))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    regular_file::read(path, MAX_PEM_BYTES).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}

fn pem_error(path: &Path, problem: PemError) -> TlsError {
    TlsError::Pem {
        path: path.to_owned(),
        problem,
    }
}
