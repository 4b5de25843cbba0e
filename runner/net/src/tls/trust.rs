//! The host's root certificates. A run never reads a file: a thread of the runner does, and a run only waits briefly
//! for the first read.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls_native_certs::CertificateResult;
use rustls_pki_types::TrustAnchor;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::Roots;
use crate::NetError;
use canary_system::regular_file::{self, Owner};

/// How long a run waits for the first read.
const FIRST_READ_TIMEOUT: Duration = Duration::from_secs(1);

/// The host's roots, as last read. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TrustStore(watch::Receiver<Trust>);

/// The store of the most recently started host, for the runner's own connections.
static HOST_STORE: Mutex<Option<TrustStore>> = Mutex::new(None);
/// Stands for the paths of all certificate files.
const FILES: &str = "the trusted certificates";

/// Reads the roots for the [`TrustStore`] returned with it.
#[derive(Debug)]
pub struct TrustReader(watch::Sender<Trust>);

#[derive(Debug, Clone)]
struct Trust {
    /// `None` until a read found any.
    roots: Option<Arc<Roots>>,
    /// Why the last read failed.
    failure: Option<String>,
}

impl Default for TrustStore {
    /// Mozilla's roots, which are built in.
    fn default() -> Self {
        let (_, store) = Trust::channel(Some(Arc::new(Roots::mozilla())));
        store
    }
}

impl Trust {
    fn channel(roots: Option<Arc<Roots>>) -> (TrustReader, TrustStore) {
        let (tx, rx) = watch::channel(Self { roots, failure: None });
        (TrustReader(tx), TrustStore(rx))
    }
}

impl TrustStore {
    /// The operating system's roots, and the reader that updates them.
    #[must_use]
    pub fn system() -> (TrustReader, Self) {
        let (reader, store) = Trust::channel(None);
        *host_store() = Some(store.clone());
        (reader, store)
    }

    /// The host's roots for a connection of the runner itself; Mozilla's if there are none. A command without a host
    /// reads them here, on a separate thread, so that no runtime thread blocks on the disk.
    ///
    /// # Errors
    /// `TrustStore` if they were not read within one second, or by `limit`.
    pub async fn host_anchors(limit: Instant) -> Result<Vec<TrustAnchor<'static>>, NetError> {
        let store = host_store().get_or_insert_with(Self::read_once).clone();
        match store.roots(limit).await {
            Ok(roots) => Ok(roots.anchors.clone()),
            Err(_) if store.failure().is_some() => Ok(Roots::mozilla().anchors),
            Err(error) => Err(error),
        }
    }

    fn read_once() -> Self {
        let (reader, store) = Trust::channel(None);
        // If the thread cannot be started the reader is dropped, which the waiting side notices.
        let started = regular_file::spawn(Owner::TrustStore, Path::new(FILES), move || reader.read(), drop);
        drop(started);
        store
    }

    /// Why the last read failed; the roots of the read before stay in use.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.0.borrow().failure.clone()
    }

    /// Waits for the first read, for at most one second and until `limit`.
    ///
    /// # Errors
    /// `TrustStore` if there are no roots.
    pub(super) async fn roots(&self, limit: Instant) -> Result<Arc<Roots>, NetError> {
        let mut trust = self.0.clone();
        let read = trust.wait_for(|trust| trust.roots.is_some() || trust.failure.is_some());
        let wait = limit.min(Instant::now() + FIRST_READ_TIMEOUT);
        let read = match timeout_at(wait, read).await {
            Ok(Ok(trust)) => trust.clone(),
            Ok(Err(_)) => return Err(NetError::TrustStore("they were not read".to_owned())),
            Err(_) => return Err(NetError::TrustStore("reading them takes too long".to_owned())),
        };
        read.roots
            .ok_or_else(|| NetError::TrustStore(read.failure.unwrap_or_default()))
    }
}

fn host_store() -> MutexGuard<'static, Option<TrustStore>> {
    HOST_STORE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TrustReader {
    /// Reads the roots of the operating system; Mozilla's if it has none. On failure the previous roots stay in use.
    /// Blocks on the disk.
    pub fn read(&self) {
        let read = roots(rustls_native_certs::load_native_certs());
        self.0.send_modify(|trust| match read {
            Ok(roots) => {
                *trust = Trust {
                    roots: Some(Arc::new(roots)),
                    failure: None,
                }
            }
            Err(failure) => trust.failure = Some(failure),
        });
    }
}

fn roots(read: CertificateResult) -> Result<Roots, String> {
    let native = Roots::new(read.certs);
    match (native.anchors.is_empty(), read.errors.first()) {
        (false, _) => Ok(native),
        (true, None) => Ok(Roots::mozilla()),
        (true, Some(error)) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_a_minute() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_waits_a_second_for_roots_that_nobody_can_read() {
        let (_reader, store) = TrustStore::system();
        let began = Instant::now();
        let refused = store.roots(in_a_minute()).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the host's trusted certificates cannot be read: reading them takes too long"
        );
        assert_eq!(began.elapsed(), FIRST_READ_TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_has_its_roots_as_soon_as_they_are_read() {
        let (reader, store) = TrustStore::system();
        let mut waiting = std::pin::pin!(store.roots(in_a_minute()));
        assert!(futures_util::poll!(waiting.as_mut()).is_pending());
        reader
            .0
            .send_modify(|trust| trust.roots = Some(Arc::new(Roots::mozilla())));
        assert!(!waiting.await.unwrap().anchors.is_empty());
    }

    #[tokio::test]
    async fn roots_that_cannot_be_read_again_stay_in_use() {
        let (reader, store) = TrustStore::system();
        reader
            .0
            .send_modify(|trust| trust.roots = Some(Arc::new(Roots::mozilla())));
        reader
            .0
            .send_modify(|trust| trust.failure = Some("no such file".to_owned()));
        assert!(store.roots(in_a_minute()).await.is_ok());
        assert_eq!(store.failure().as_deref(), Some("no such file"));
    }

    #[test]
    fn a_host_that_names_no_roots_has_those_of_mozilla() {
        assert!(!roots(CertificateResult::default()).unwrap().anchors.is_empty());
    }
}
