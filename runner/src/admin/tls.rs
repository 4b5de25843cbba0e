//! What the address shows itself by. Its files are looked at again when connections come, so that renewed ones are taken;
//! no connection waits for that.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::Instant;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use crate::io_class;
use crate::net::tls::provider;
use crate::pem::{self, PemError};
use crate::regular_file::{self, Owner, Stamp};
use crate::settings::Identity;

/// Bytes of a file with certificates or a key.
const MAX_PEM_BYTES: u64 = 4 << 20;
/// From one look at the files to the next.
const LOOK: Duration = Duration::from_secs(1);

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

impl TlsError {
    /// Whether it may pass by itself.
    fn is_transient(&self) -> bool {
        matches!(self, Self::Read { source, .. } if io_class::is_transient(source))
    }
}

#[derive(Debug)]
pub(super) struct Tls {
    names: Vec<String>,
    files: Arc<Files>,
}

#[derive(Debug)]
struct Files {
    identity: Identity,
    /// Held for a few assignments, never while the files are looked at.
    loaded: Mutex<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    /// Of the files that it was made of; absent where there was none.
    stamps: [Option<Stamp>; 2],
    config: Arc<ServerConfig>,
    /// When the last look at the files ended; absent while one goes on.
    looked: Option<Instant>,
    /// Whether the files could not be read for a reason that may pass.
    is_failing: bool,
}

impl Tls {
    pub(super) fn load(identity: &Identity) -> Result<Self, TlsError> {
        // Before they are read: what changes meanwhile is another change.
        let stamps = stamps(identity);
        let loaded = Loaded {
            stamps,
            config: config(identity)?,
            looked: Some(Instant::now()),
            is_failing: false,
        };
        Ok(Self {
            names: names(&chain(&identity.certificate)?),
            files: Arc::new(Files {
                identity: identity.clone(),
                loaded: Mutex::new(loaded),
            }),
        })
    }

    /// The names of the certificate.
    pub(super) fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    /// By the files as they were at the last look, and by what they were while they are of no use. Has them looked at
    /// again, on a thread that may hang: their disk may.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        let mut loaded = self.files.loaded();
        if loaded.looked.is_some_and(|looked| looked.elapsed() >= LOOK) {
            let files = Arc::clone(&self.files);
            let looking = std::thread::Builder::new()
                .name("canary-admin-files".to_owned())
                .spawn(move || files.look());
            // Without a thread to spare there is another try at the next connection.
            if looking.is_ok() {
                loaded.looked = None;
            }
        }
        Arc::clone(&loaded.config)
    }
}

impl Files {
    fn look(&self) {
        let stamps = stamps(&self.identity);
        let is_same = self.loaded().stamps == stamps;
        let read = (!is_same).then(|| config(&self.identity));
        let mut loaded = self.loaded();
        loaded.looked = Some(Instant::now());
        match read {
            None => {}
            Some(Ok(config)) => (loaded.stamps, loaded.config) = (stamps, config),
            Some(Err(error)) => {
                // What may pass by itself is tried again at the next look, which does not repeat itself.
                let is_transient = error.is_transient();
                if !is_transient {
                    loaded.stamps = stamps;
                }
                if !std::mem::replace(&mut loaded.is_failing, is_transient) || !is_transient {
                    tracing::warn!(
                        "the admin address keeps its old certificate: {:#}",
                        anyhow::Error::new(error)
                    );
                }
                return;
            }
        }
        loaded.is_failing = false;
    }

    fn loaded(&self) -> MutexGuard<'_, Loaded> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamps(identity: &Identity) -> [Option<Stamp>; 2] {
    [&identity.certificate, &identity.key].map(|path| {
        let found = regular_file::metadata(Owner::Admin, path).ok()?;
        Some(Stamp::of(&found))
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

#[cfg(test)]
mod tests {
    use canary_tests::certificate::Authority;

    use super::*;

    fn write(identity: &Identity, names: &[&str]) {
        let leaf = Authority::new("Test Root").leaf(names).issue();
        std::fs::write(&identity.certificate, leaf.chain_pem()).unwrap();
        std::fs::write(&identity.key, leaf.key_pem()).unwrap();
    }

    /// What is served of files in a folder, which goes with it.
    fn loaded() -> (tempfile::TempDir, Identity, Tls) {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity {
            certificate: folder.path().join("admin.pem"),
            key: folder.path().join("admin.key"),
        };
        write(&identity, &["localhost"]);
        let tls = Tls::load(&identity).unwrap();
        (folder, identity, tls)
    }

    #[test]
    fn files_are_looked_at_by_nobody_who_waits_for_a_connection() {
        let (_folder, identity, tls) = loaded();
        let first = tls.config();
        // Larger, for the clock of the disk may be coarse.
        write(&identity, &["localhost", "canary.example.com"]);
        // A look that does not come to an end.
        tls.files.loaded().looked = None;
        assert!(Arc::ptr_eq(&tls.config(), &first));
        tls.files.look();
        assert!(!Arc::ptr_eq(&tls.config(), &first));
        let second = tls.config();
        std::fs::remove_file(&identity.certificate).unwrap();
        tls.files.look();
        assert!(Arc::ptr_eq(&tls.config(), &second));
    }

    #[test]
    fn a_renewed_certificate_of_the_same_size_and_time_is_taken() {
        let (folder, identity, tls) = loaded();
        let first = tls.config();
        let times = std::fs::metadata(&identity.key).unwrap();
        // The same bytes, by a copy that keeps the time.
        for path in [&identity.certificate, &identity.key] {
            let copy = folder.path().join("copy");
            std::fs::copy(path, &copy).unwrap();
            let copied = std::fs::File::options().write(true).open(&copy).unwrap();
            copied.set_modified(times.modified().unwrap()).unwrap();
            std::fs::rename(copy, path).unwrap();
        }
        tls.files.look();
        assert!(!Arc::ptr_eq(&tls.config(), &first));
    }
}
