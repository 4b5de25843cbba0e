//! The PEM files of a place: read for each connection, within a limit. What was read well before is used on while they
//! cannot be read for a reason that may pass.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::{Cause, Failure, TlsFiles};
use crate::net::tls::explain;
use crate::pem::{self, PemError};
use crate::regular_file::{self, Owner, Stalled};

/// Bytes of a file with certificates or a key.
const MAX_PEM_BYTES: u64 = 4 << 20;
/// How long a disk may take when there is something to go on with.
const PATIENCE: Duration = Duration::from_secs(2);

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

impl TlsError {
    /// Whether it is the same until somebody mends a file or the settings; anything else may pass.
    fn cause(&self) -> Cause {
        let Self::Read { source, .. } = self else {
            return Cause::Settings;
        };
        match source.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::InvalidInput
            | io::ErrorKind::FileTooLarge => Cause::Settings,
            io::ErrorKind::TimedOut => Cause::Timeout,
            _ => Cause::Connect,
        }
    }
}

type Chain = Vec<CertificateDer<'static>>;

/// What the files hold.
#[derive(Debug, Default)]
pub(super) struct Material {
    /// Absent: the host's.
    pub(super) roots: Option<RootCertStore>,
    pub(super) identity: Option<(Chain, PrivateKeyDer<'static>)>,
}

/// What the files of one place held when they were read last. Clones share it; `Debug` shows nothing of it.
#[derive(Clone)]
pub(crate) struct Memory {
    /// The place, among those whose files are read.
    owner: Owner,
    last: Arc<Mutex<Last>>,
}

#[derive(Default)]
struct Last {
    material: Option<Arc<Material>>,
    /// Whether somebody was warned that it is used on.
    is_stale: bool,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            owner: Owner::peer(),
            last: Arc::default(),
        }
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memory")
    }
}

impl PartialEq for Memory {
    /// What is remembered is no part of the settings.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Memory {}

impl Memory {
    /// What the files hold, or held when they could be read last.
    ///
    /// Cancellation: the thread that reads is given up, and ends when the disk answers.
    pub(super) async fn material(
        &self,
        files: &TlsFiles,
        deadline: Instant,
    ) -> Result<Arc<Material>, Failure> {
        let own = files.clone();
        self.read(files, deadline, move || read(&own)).await
    }

    async fn read(
        &self,
        files: &TlsFiles,
        deadline: Instant,
        work: impl FnOnce() -> Result<Material, TlsError> + Send + 'static,
    ) -> Result<Arc<Material>, Failure> {
        let paths = [&files.ca, &files.client_certificate, &files.client_key];
        let Some(path) = paths.into_iter().find_map(Option::as_ref) else {
            return Ok(Arc::default());
        };
        let last = self.lock().material.clone();
        let until = match last {
            Some(_) => deadline.min(Instant::now() + PATIENCE),
            None => deadline,
        };
        match (by(until, self.owner, path, work).await, last) {
            (Ok(material), _) => Ok(self.remember(material)),
            (Err(error), Some(last)) if error.cause() != Cause::Settings => {
                self.warn(&error);
                Ok(last)
            }
            (Err(error), _) => Err(Failure::new(error.cause(), error.to_string())),
        }
    }

    fn remember(&self, material: Material) -> Arc<Material> {
        let material = Arc::new(material);
        *self.lock() = Last {
            material: Some(Arc::clone(&material)),
            is_stale: false,
        };
        material
    }

    /// Once, until the files can be read again.
    fn warn(&self, error: &TlsError) {
        if !std::mem::replace(&mut self.lock().is_stale, true) {
            tracing::warn!("{error}; what was read before is used until it can be read again");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does `work` on a thread that may wait for a disk, and waits for it `until` then.
async fn by(
    until: Instant,
    owner: Owner,
    path: &Path,
    work: impl FnOnce() -> Result<Material, TlsError> + Send + 'static,
) -> Result<Material, TlsError> {
    let began = Instant::now();
    let failed = |source| TlsError::Read {
        path: path.to_owned(),
        source,
    };
    let (tx, rx) = oneshot::channel();
    // Nobody waits when it was given up.
    let deliver = move |read| drop(tx.send(read));
    let _started = regular_file::start(owner, path, work, deliver).map_err(failed)?;
    match timeout_at(until, rx).await {
        Ok(Ok(read)) => read,
        Ok(Err(_)) => Err(failed(io::Error::other("the thread that reads it panicked"))),
        Err(_) => {
            let limit = until.saturating_duration_since(began);
            Err(failed(Stalled::Now { limit }.into()))
        }
    }
}

fn read(files: &TlsFiles) -> Result<Material, TlsError> {
    let roots = files.ca.as_deref().map(roots).transpose()?;
    let identity = match (&files.client_certificate, &files.client_key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some((certificates(certificate)?, private_key(key)?)),
        _ => return Err(TlsError::HalfIdentity),
    };
    Ok(Material { roots, identity })
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
    regular_file::read_here(&path, MAX_PEM_BYTES).map_err(|source| TlsError::Read { path, source })
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

    fn failing(source: io::Error) -> Result<Material, TlsError> {
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
    async fn only_what_somebody_has_to_mend_is_blamed_on_the_settings() {
        use rustix::io::Errno;
        for (number, cause) in [
            (Errno::NOENT, Cause::Settings),
            (Errno::ACCESS, Cause::Settings),
            (Errno::MFILE, Cause::Connect),
            (Errno::NFILE, Cause::Connect),
            (Errno::AGAIN, Cause::Connect),
            (Errno::NOMEM, Cause::Connect),
            (Errno::IO, Cause::Connect),
            (Errno::STALE, Cause::Connect),
            (Errno::TIMEDOUT, Cause::Timeout),
        ] {
            let files = files();
            let work = move || failing(io::Error::from_raw_os_error(number.raw_os_error()));
            let failure = files.memory.read(&files, late(), work).await.unwrap_err();
            assert_eq!(failure.cause, cause, "{number}");
        }
    }

    #[tokio::test]
    async fn what_was_read_before_is_used_while_the_disk_fails_or_hangs() {
        let files = files();
        let memory = &files.memory;
        let first = memory
            .read(&files, late(), || Ok(Material::default()))
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
            Ok(Material::default())
        };
        let used = memory.read(&files, soon(), hangs).await.unwrap();
        assert!(Arc::ptr_eq(&first, &used));
        // The thread still waits: nothing is tried, and nobody waits.
        let used = memory
            .read(&files, late(), || failing(io::ErrorKind::NotFound.into()))
            .await
            .unwrap();
        assert!(Arc::ptr_eq(&first, &used));
        drop(release);
    }

    #[tokio::test]
    async fn files_that_hang_for_one_place_hold_up_no_other() {
        let mut held = Vec::new();
        for _ in 0..20 {
            let (release, released) = channel::<()>();
            let hangs = move || {
                released.recv().unwrap_or_default();
                Ok(Material::default())
            };
            let files = files();
            let failure = files.memory.read(&files, soon(), hangs).await.unwrap_err();
            assert_eq!(failure.cause, Cause::Timeout);
            held.push((files, release));
        }
        let other = files();
        assert!(
            other
                .memory
                .read(&other, late(), || Ok(Material::default()))
                .await
                .is_ok()
        );
    }

    #[tokio::test]
    async fn what_somebody_has_to_mend_is_not_covered_up_by_what_was_read_before() {
        let files = files();
        let memory = &files.memory;
        memory
            .read(&files, late(), || Ok(Material::default()))
            .await
            .unwrap();
        let gone = || failing(io::ErrorKind::NotFound.into());
        let failure = memory.read(&files, late(), gone).await.unwrap_err();
        assert_eq!(failure.cause, Cause::Settings);
    }
}
