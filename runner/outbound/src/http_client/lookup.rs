//! Name resolution by the operating system, which may block for any length of time.
//!
//! Concurrent lookups of a name share one resolution on a separate thread. A hanging resolution blocks neither other
//! names nor, after a while, later lookups of the same name; the number per name is bounded.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::time::Instant;

use super::connection::within;
use super::{Failure, FailureCause};
use canary_net::ledger::audit::InternalFds;
use canary_system::liveness;

/// Maximum number of addresses of a name that are tried, one after the other.
const MAX_ADDRESSES: usize = 4;
/// The maximum age of a lookup that others can join. The operating system queries a second name server after 5 seconds.
const MAX_JOIN_AGE: Duration = Duration::from_secs(10);
/// Maximum number of concurrent lookups of one name, each on a thread. It is reached only if lookups hang.
const MAX_LOOKUPS_PER_NAME: usize = 8;

static LOOKUPS: LazyLock<Lookups> = LazyLock::new(Lookups::default);

/// Resolves `name` by `deadline`. The descriptor that the lookup uses is accounted for until it ends.
///
/// Cancellation: the lookup continues, for others that resolve the same name meanwhile.
///
/// # Errors
/// The lookup failed or did not end by then, or no thread could be started.
pub(super) async fn addresses(
    name: &str,
    port: u16,
    deadline: Instant,
    internal_fds: &InternalFds,
) -> Result<Vec<SocketAddr>, Failure> {
    let (host, fd_guard) = (name.to_owned(), internal_fds.acquire());
    let lookup = LOOKUPS.join(name, move || {
        let found = (host.as_str(), 0).to_socket_addrs();
        drop(fd_guard);
        found.map(|found| found.take(MAX_ADDRESSES).map(|address| address.ip()).collect())
    });
    let found = within(deadline, "no address", lookup).await?;
    let failed = |error| Failure::new(FailureCause::Lookup, format!("cannot look up `{name}`: {error}"));
    let found = found.map_err(failed)?;
    Ok(found.iter().map(|ip| SocketAddr::new(*ip, port)).collect())
}

/// The result of a lookup, shared by all waiters.
type LookupResult = Result<Arc<[IpAddr]>, Arc<io::Error>>;

/// The running lookups by name.
#[derive(Default)]
struct Lookups(Mutex<HashMap<String, Vec<Lookup>>>);

struct Lookup {
    began: Instant,
    has_ended: Arc<AtomicBool>,
    found: Shared<BoxFuture<'static, LookupResult>>,
}

impl Lookups {
    /// Joins the youngest running lookup of `name`, or starts a new one.
    fn join(
        &self,
        name: &str,
        look_up: impl FnOnce() -> io::Result<Vec<IpAddr>> + Send + 'static,
    ) -> Shared<BoxFuture<'static, LookupResult>> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.retain(|_, lookups| {
            lookups.retain(|lookup| !lookup.has_ended.load(Ordering::Acquire));
            !lookups.is_empty()
        });
        let lookups = table.entry(name.to_owned()).or_default();
        let is_full = lookups.len() >= MAX_LOOKUPS_PER_NAME;
        let youngest = lookups.last();
        let joined = youngest.filter(|lookup| is_full || lookup.began.elapsed() < MAX_JOIN_AGE);
        if let Some(lookup) = joined {
            return lookup.found.clone();
        }
        let lookup = Lookup::begin(look_up);
        let found = lookup.found.clone();
        lookups.push(lookup);
        found
    }
}

impl Lookup {
    fn begin(look_up: impl FnOnce() -> io::Result<Vec<IpAddr>> + Send + 'static) -> Self {
        let has_ended = Arc::new(AtomicBool::new(false));
        let end = EndGuard(Arc::clone(&has_ended));
        let found = async {
            let found = liveness::run_blocking("lookup", move || {
                let found = look_up();
                drop(end);
                found
            });
            found.await.flatten().map(Arc::from).map_err(Arc::new)
        };
        Self {
            began: Instant::now(),
            has_ended,
            found: found.boxed().shared(),
        }
    }
}

/// Marks the end of a lookup on drop, also if no thread could be started.
struct EndGuard(Arc<AtomicBool>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::mpsc::channel;

    use futures_util::future::join_all;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[tokio::test]
    async fn concurrent_lookups_of_a_name_are_shared() {
        let (lookups, started) = (Lookups::default(), Arc::new(AtomicUsize::new(0)));
        let (answer_tx, answer_rx) = channel();
        let answer_rx = Arc::new(Mutex::new(answer_rx));
        let waiting: Vec<_> = (0..20)
            .map(|_| {
                let (started, answer_rx) = (Arc::clone(&started), Arc::clone(&answer_rx));
                lookups.join("name", move || {
                    started.fetch_add(1, Ordering::Relaxed);
                    answer_rx.lock().unwrap().recv().unwrap();
                    Ok(vec![HERE])
                })
            })
            .collect();
        let other = lookups.join("other", || Ok(vec![])).await;
        assert_eq!(other.unwrap().len(), 0, "one name holds up no other");
        answer_tx.send(()).unwrap();
        for found in join_all(waiting).await {
            assert_eq!(&*found.unwrap(), [HERE]);
        }
        assert_eq!(started.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_lookup_that_has_ended_is_not_reused() {
        let lookups = Lookups::default();
        let refused = lookups.join("name", || Err(io::Error::other("refused"))).await;
        assert_eq!(refused.unwrap_err().to_string(), "refused");
        assert_eq!(&*lookups.join("name", || Ok(vec![HERE])).await.unwrap(), [HERE]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hanging_lookup_does_not_block_later_ones() {
        let lookups = Lookups::default();
        let (end, hung) = channel::<()>();
        let first = lookups.join("name", move || {
            let _ended = hung.recv();
            Ok(vec![])
        });
        assert!(first.clone().now_or_never().is_none());
        tokio::time::advance(MAX_JOIN_AGE).await;
        let later = lookups.join("name", || Ok(vec![HERE]));
        assert_eq!(&*later.await.unwrap(), [HERE]);
        drop(end);
        assert_eq!(first.await.unwrap().len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_hanging_lookups_of_a_name_is_bounded() {
        let (lookups, started) = (Lookups::default(), Arc::new(AtomicUsize::new(0)));
        let mut ends = Vec::new();
        for _ in 0..2 * MAX_LOOKUPS_PER_NAME {
            let (end, hung) = channel::<()>();
            let started = Arc::clone(&started);
            let lookup = lookups.join("name", move || {
                started.fetch_add(1, Ordering::Relaxed);
                let _ended = hung.recv();
                Ok(vec![])
            });
            assert!(lookup.now_or_never().is_none());
            ends.push(end);
            tokio::time::advance(MAX_JOIN_AGE).await;
        }
        let table = lookups.0.lock().unwrap();
        assert_eq!(table["name"].len(), MAX_LOOKUPS_PER_NAME);
    }
}
