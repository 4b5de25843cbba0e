//! The server certificate. Its files are checked for changes when connections arrive, so that renewed certificates are
//! loaded; no connection waits for that.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::Instant;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use canary_net::tls::provider;
use canary_settings::Identity;
use canary_system::io_class;
use canary_system::pem::{self, PemError};
use canary_system::regular_file::{self, FileVersion, Owner};

/// Maximum size of a file with certificates or a key, in bytes.
const MAX_PEM_BYTES: u64 = 4 << 20;
/// The minimum time between two checks of the files.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Why the certificate cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file does not exist, or cannot be read.
    #[error("cannot read `{}`", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A file is not valid PEM.
    #[error("`{}` {problem}", .path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// The problem.
        problem: PemError,
    },
    /// The key is not supported, or does not match the certificate.
    #[error("the key in `{}` does not match the certificate", .path.display())]
    Setup {
        /// The file of the key.
        path: PathBuf,
        /// The error of rustls.
        source: rustls::Error,
    },
}

impl TlsError {
    /// Whether the error may be transient.
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
    /// Locked for a few assignments, never during file I/O.
    loaded: Mutex<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    /// The versions of the loaded files; absent if a file did not exist.
    stamps: [Option<FileVersion>; 2],
    config: Arc<ServerConfig>,
    /// When the last check of the files ended; absent while one is running.
    checked_at: Option<Instant>,
    /// Whether reading the files failed with a transient error.
    is_failing: bool,
}

impl Tls {
    pub(super) fn load(identity: &Identity) -> Result<Self, TlsError> {
        // Before reading the files, so that a change meanwhile is detected later.
        let stamps = stamps(identity);
        let loaded = Loaded {
            stamps,
            config: config(identity)?,
            checked_at: Some(Instant::now()),
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

    /// The DNS names of the certificate.
    pub(super) fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    /// The configuration as of the last successful load. If a check of the files is due, starts it on a separate
    /// thread, since their disk may hang.
    pub(super) fn config(&self) -> Arc<ServerConfig> {
        let mut loaded = self.files.loaded();
        if loaded
            .checked_at
            .is_some_and(|checked_at| checked_at.elapsed() >= CHECK_INTERVAL)
        {
            let files = Arc::clone(&self.files);
            let spawned = std::thread::Builder::new()
                .name("canary-admin-files".to_owned())
                .spawn(move || files.refresh());
            // If no thread can be started, the next connection tries again.
            if spawned.is_ok() {
                loaded.checked_at = None;
            }
        }
        Arc::clone(&loaded.config)
    }
}

impl Files {
    /// Reloads the files if they have changed.
    fn refresh(&self) {
        let stamps = stamps(&self.identity);
        let is_same = self.loaded().stamps == stamps;
        let read = (!is_same).then(|| config(&self.identity));
        let mut loaded = self.loaded();
        loaded.checked_at = Some(Instant::now());
        match read {
            None => {}
            Some(Ok(config)) => (loaded.stamps, loaded.config) = (stamps, config),
            Some(Err(error)) => {
                // A transient error is retried at the next check, and logged only once.
                let is_transient = error.is_transient();
                if !is_transient {
                    loaded.stamps = stamps;
                }
                if !std::mem::replace(&mut loaded.is_failing, is_transient) || !is_transient {
                    tracing::warn!(
                        "cannot reload the admin certificate, keeping the current one: {:#}",
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

fn stamps(identity: &Identity) -> [Option<FileVersion>; 2] {
    [&identity.certificate, &identity.key].map(|path| {
        let found = regular_file::metadata(Owner::Admin, path).ok()?;
        Some(FileVersion::from_metadata(&found))
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

/// The DNS names of the leaf certificate.
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

    /// A loaded certificate with its files, which are deleted with the folder.
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
    fn connections_do_not_wait_for_a_check_of_the_files() {
        let (_folder, identity, tls) = loaded();
        let first = tls.config();
        // A different size, since the time stamps of the file system may be coarse.
        write(&identity, &["localhost", "canary.example.com"]);
        // A check that never ends.
        tls.files.loaded().checked_at = None;
        assert!(Arc::ptr_eq(&tls.config(), &first));
        tls.files.refresh();
        assert!(!Arc::ptr_eq(&tls.config(), &first));
        let second = tls.config();
        std::fs::remove_file(&identity.certificate).unwrap();
        tls.files.refresh();
        assert!(Arc::ptr_eq(&tls.config(), &second));
    }

    #[test]
    fn a_renewed_certificate_with_the_same_size_and_time_is_loaded() {
        let (folder, identity, tls) = loaded();
        let first = tls.config();
        let times = std::fs::metadata(&identity.key).unwrap();
        // The same bytes, copied with the same modification time.
        for path in [&identity.certificate, &identity.key] {
            let copy = folder.path().join("copy");
            std::fs::copy(path, &copy).unwrap();
            let copied = std::fs::File::options().write(true).open(&copy).unwrap();
            copied.set_modified(times.modified().unwrap()).unwrap();
            std::fs::rename(copy, path).unwrap();
        }
        tls.files.refresh();
        assert!(!Arc::ptr_eq(&tls.config(), &first));
    }
}
