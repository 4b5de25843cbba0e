//! The PEM files of an endpoint: read for each connection, within a limit. If they cannot be read because of a
//! transient error, the last successfully read contents are used.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::{Failure, FailureCause, TlsFiles};
use canary_net::tls::explain;
use canary_system::pem::{self, PemError};
use canary_system::regular_file::{self, Owner, Stalled};

/// Maximum size of a file with certificates or a key, in bytes.
const MAX_PEM_BYTES: u64 = 4 << 20;
/// How long to wait for the disk if there are cached contents.
const CACHED_READ_TIMEOUT: Duration = Duration::from_secs(2);

/// Why TLS cannot be set up.
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

impl TlsError {
    /// `Settings` if someone has to fix a file or the settings; any other cause may be transient.
    fn cause(&self) -> FailureCause {
        let Self::Read { source, .. } = self else {
            return FailureCause::Settings;
        };
        match source.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::FileTooLarge => FailureCause::Settings,
            io::ErrorKind::TimedOut => FailureCause::Timeout,
            _ => FailureCause::Connect,
        }
    }
}

type Chain = Vec<CertificateDer<'static>>;

/// The contents of the files.
#[derive(Debug, Default)]
pub(super) struct TlsMaterial {
    /// Absent for the host's roots.
    pub(super) roots: Option<RootCertStore>,
    pub(super) identity: Option<(Chain, PrivateKeyDer<'static>)>,
}

/// The last successfully read contents of the files of one endpoint. Clones share them; `Debug` does not show them.
#[derive(Clone)]
pub struct TlsFileCache {
    /// Identifies the endpoint among the owners of files.
    owner: Owner,
    cached: Arc<Mutex<Cached>>,
}

#[derive(Default)]
struct Cached {
    material: Option<Arc<TlsMaterial>>,
    /// Whether a warning was logged that cached contents are used.
    is_stale: bool,
}

impl Default for TlsFileCache {
    fn default() -> Self {
        Self {
            owner: Owner::peer(),
            cached: Arc::default(),
        }
    }
}

impl std::fmt::Debug for TlsFileCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsFileCache")
    }
}

impl PartialEq for TlsFileCache {
    /// The cache is not part of the settings.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for TlsFileCache {}

impl TlsFileCache {
    /// The contents of the files, or the cached ones if they cannot be read now.
    ///
    /// Cancellation: the reading thread is abandoned, and ends when the disk responds.
    pub(super) async fn material(
        &self,
        files: &TlsFiles,
        deadline: Instant,
    ) -> Result<Arc<TlsMaterial>, Failure> {
        let own = files.clone();
        self.read(files, deadline, move || read(&own)).await
    }

    async fn read(
        &self,
        files: &TlsFiles,
        deadline: Instant,
        work: impl FnOnce() -> Result<TlsMaterial, TlsError> + Send + 'static,
    ) -> Result<Arc<TlsMaterial>, Failure> {
        let paths = [&files.ca, &files.client_certificate, &files.client_key];
        let Some(path) = paths.into_iter().find_map(Option::as_ref) else {
            return Ok(Arc::default());
        };
        let cached = self.lock().material.clone();
        let until = match cached {
            Some(_) => deadline.min(Instant::now() + CACHED_READ_TIMEOUT),
            None => deadline,
        };
        match (run_until(until, self.owner, path, work).await, cached) {
            (Ok(material), _) => Ok(self.store(material)),
            (Err(error), Some(cached)) if error.cause() != FailureCause::Settings => {
                self.warn(&error);
                Ok(cached)
            }
            (Err(error), _) => Err(Failure::new(error.cause(), error.to_string())),
        }
    }

    fn store(&self, material: TlsMaterial) -> Arc<TlsMaterial> {
        let material = Arc::new(material);
        *self.lock() = Cached {
            material: Some(Arc::clone(&material)),
            is_stale: false,
        };
        material
    }

    /// Logs a warning, once until the files can be read again.
    fn warn(&self, error: &TlsError) {
        if !std::mem::replace(&mut self.lock().is_stale, true) {
            tracing::warn!("{error}; using the previous contents until it can be read again");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Cached> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs blocking `work` on a separate thread, and waits for it until `until`.
async fn run_until(
    until: Instant,
    owner: Owner,
    path: &Path,
    work: impl FnOnce() -> Result<TlsMaterial, TlsError> + Send + 'static,
) -> Result<TlsMaterial, TlsError> {
    let began = Instant::now();
    let failed = |source| TlsError::Read {
        path: path.to_owned(),
        source,
    };
    let (tx, rx) = oneshot::channel();
    // The receiver may have been dropped.
    let deliver = move |read| drop(tx.send(read));
    let _started = regular_file::spawn(owner, path, work, deliver).map_err(failed)?;
    match timeout_at(until, rx).await {
        Ok(Ok(read)) => read,
        Ok(Err(_)) => Err(failed(io::Error::other("the thread that reads it panicked"))),
        Err(_) => {
            let limit = until.saturating_duration_since(began);
            Err(failed(Stalled::TimedOut { limit }.into()))
        }
    }
}

fn read(files: &TlsFiles) -> Result<TlsMaterial, TlsError> {
    let roots = files.ca.as_deref().map(roots).transpose()?;
    let identity = match (&files.client_certificate, &files.client_key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some((certificates(certificate)?, private_key(key)?)),
        _ => return Err(TlsError::HalfIdentity),
    };
    Ok(TlsMaterial { roots, identity })
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Chain, TlsError> {
    pem::certificates(&bytes(path)?, usize::MAX).map_err(|problem| broken(path, problem))
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    pem::private_key(&bytes(path)?).map_err(|problem| broken(path, problem))
}

fn bytes(path: &Path) -> Result<Vec<u8>, TlsError> {
    let path = path.to_owned();
    regular_file::read_blocking(&path, MAX_PEM_BYTES).map_err(|source| TlsError::Read { path, source })
}

fn broken(path: &Path, problem: PemError) -> TlsError {
    let path = path.to_owned();
    TlsError::Pem { path, problem }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn files() -> TlsFiles {
        TlsFiles {
            ca: Some("/hung/ca.pem".into()),
            ..TlsFiles::default()
        }
    }

    fn failing(source: io::Error) -> Result<TlsMaterial, TlsError> {
        let path = "/hung/ca.pem".into();
        Err(TlsError::Read { path, source })
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    fn late() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn only_errors_that_someone_has_to_fix_are_attributed_to_the_settings() {
        use rustix::io::Errno;
        for (number, cause) in [
            (Errno::NOENT, FailureCause::Settings),
            (Errno::ACCESS, FailureCause::Settings),
            (Errno::MFILE, FailureCause::Connect),
            (Errno::NFILE, FailureCause::Connect),
            (Errno::AGAIN, FailureCause::Connect),
            (Errno::NOMEM, FailureCause::Connect),
            (Errno::IO, FailureCause::Connect),
            (Errno::STALE, FailureCause::Connect),
            (Errno::TIMEDOUT, FailureCause::Timeout),
        ] {
            let files = files();
            let work = move || failing(io::Error::from_raw_os_error(number.raw_os_error()));
            let failure = files.cache.read(&files, late(), work).await.unwrap_err();
            assert_eq!(failure.cause, cause, "{number}");
        }
    }

    #[tokio::test]
    async fn cached_contents_are_used_while_the_disk_fails_or_hangs() {
        let files = files();
        let memory = &files.cache;
        let first = memory
            .read(&files, late(), || Ok(TlsMaterial::default()))
            .await
            .unwrap();
        let short = || {
            failing(io::Error::from_raw_os_error(
                rustix::io::Errno::MFILE.raw_os_error(),
            ))
        };
        let used = memory.read(&files, late(), short).await.unwrap();
        assert!(Arc::ptr_eq(&first, &used));
        let (release, released) = channel::<()>();
        let hangs = move || {
            released.recv().unwrap_or_default();
            Ok(TlsMaterial::default())
        };
        let used = memory.read(&files, soon(), hangs).await.unwrap();
        assert!(Arc::ptr_eq(&first, &used));
        // The thread still hangs: no other read is attempted.
        let used = memory
            .read(&files, late(), || failing(io::ErrorKind::NotFound.into()))
            .await
            .unwrap();
        assert!(Arc::ptr_eq(&first, &used));
        drop(release);
    }

    #[tokio::test]
    async fn hanging_files_of_one_endpoint_do_not_block_others() {
        let mut hanging = Vec::new();
        for _ in 0..20 {
            let (release, released) = channel::<()>();
            let hangs = move || {
                released.recv().unwrap_or_default();
                Ok(TlsMaterial::default())
            };
            let files = files();
            let failure = files.cache.read(&files, soon(), hangs).await.unwrap_err();
            assert_eq!(failure.cause, FailureCause::Timeout);
            hanging.push((files, release));
        }
        let other = files();
        assert!(
            other
                .cache
                .read(&other, late(), || Ok(TlsMaterial::default()))
                .await
                .is_ok()
        );
    }

    #[tokio::test]
    async fn errors_that_someone_has_to_fix_are_not_hidden_by_cached_contents() {
        let files = files();
        let memory = &files.cache;
        memory
            .read(&files, late(), || Ok(TlsMaterial::default()))
            .await
            .unwrap();
        let gone = || failing(io::ErrorKind::NotFound.into());
        let failure = memory.read(&files, late(), gone).await.unwrap_err();
        assert_eq!(failure.cause, FailureCause::Settings);
    }
}
