//! What the address shows itself by. Its files are looked at for each connection, so that renewed ones are taken.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use crate::net::tls::provider;
use crate::pem::{self, PemError};
use crate::regular_file::{self, Owner};
use crate::settings::Identity;

/// Bytes of a file with certificates or a key.
const MAX_PEM_BYTES: u64 = 4 << 20;

/// Why there is no identity to show.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not there, or not for this user.
    #[error("cannot read `{}`", .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Of the operating system.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("`{}` {problem}", .path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        problem: PemError,
    },
    /// The key is of no use, or that of another certificate.
    #[error("the key in `{}` does not go with the certificate", .path.display())]
    Setup {
        /// Of the key.
        path: PathBuf,
        /// Of the library.
        source: rustls::Error,
    },
}

/// Tells two versions of a file apart.
type Stamp = Option<(SystemTime, u64)>;

#[derive(Debug)]
pub(super) struct Tls {
    identity: Identity,
    names: Vec<String>,
    /// Of the one thread that accepts; held for a look at two files.
    loaded: Mutex<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    stamps: [Stamp; 2],
    config: Arc<ServerConfig>,
}

impl Tls {
    pub(super) fn load(identity: &Identity) -> Result<Self, TlsError> {
        // Before they are read: what changes meanwhile is another change.
        let stamps = stamps(identity);
        let config = config(identity)?;
        Ok(Self {
            names: names(&chain(&identity.certificate)?),
            identity: identity.clone(),
            loaded: Mutex::new(Loaded { stamps, config }),
        })
    }

    /// The names of the certificate.
    pub(super) fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    /// By the files as they are now; by what they were while they are of no use.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = stamps(&self.identity);
        if stamps != loaded.stamps {
            loaded.stamps = stamps;
            match config(&self.identity) {
                Ok(config) => loaded.config = config,
                Err(error) => tracing::warn!(
                    "the admin address keeps its old certificate: {:#}",
                    anyhow::Error::new(error)
                ),
            }
        }
        TlsAcceptor::from(Arc::clone(&loaded.config))
    }
}

fn stamps(identity: &Identity) -> [Stamp; 2] {
    [&identity.certificate, &identity.key].map(|path| {
        let found = regular_file::metadata(Owner::Admin, path).ok()?;
        Some((found.modified().ok()?, found.len()))
    })
}

fn config(identity: &Identity) -> Result<Arc<ServerConfig>, TlsError> {
    let Identity { certificate, key } = identity;
    let setup = |source| TlsError::Setup {
        path: key.clone(),
        source,
    };
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(setup)?;
    let mut config = builder
        .with_no_client_auth()
        .with_single_cert(chain(certificate)?, private(key)?)
        .map_err(setup)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    pem::certificates(&read(path)?, usize::MAX).map_err(|problem| not_pem(path, problem))
}

fn private(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    pem::private_key(&read(path)?).map_err(|problem| not_pem(path, problem))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    regular_file::read(Owner::Admin, path, MAX_PEM_BYTES).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}

fn not_pem(path: &Path, problem: PemError) -> TlsError {
    TlsError::Pem {
        path: path.to_owned(),
        problem,
    }
}

/// DNS names of the leaf.
fn names(chain: &[CertificateDer<'_>]) -> Vec<String> {
    let leaf = chain.first().and_then(|leaf| parse_x509_certificate(leaf).ok());
    let Some((_, leaf)) = leaf else { return Vec::new() };
    let alternatives = leaf.subject_alternative_name().ok().flatten();
    let names = alternatives.map(|found| found.value.general_names.as_slice());
    let dns = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    };
    names.unwrap_or_default().iter().filter_map(dns).collect()
}
