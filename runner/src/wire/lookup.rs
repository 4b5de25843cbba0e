//! The addresses of a name, from the operating system, which waits for name servers for as long as it likes.
//!
//! All who ask for a name at the same time share one lookup, on a thread of its own. One that does not end holds up neither
//! other names nor, after a while, later lookups of its own; how many there may be of a name is bounded.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use tokio::time::Instant;

use super::link::within;
use super::{Cause, Failure};
use crate::ledger::audit::Reserve;
use crate::liveness;

/// Addresses of a name that are tried, one after the other.
const MAX_ADDRESSES: usize = 4;
/// How old a lookup may be for others to join it. The operating system asks a second name server after 5 seconds.
const JOINED_WITHIN: Duration = Duration::from_secs(10);
/// Lookups of one name that go on at once, each on a thread: only those that hang get that old.
const MOST_OF_A_NAME: usize = 8;

static LOOKUPS: LazyLock<Lookups> = LazyLock::new(Lookups::default);

/// Addresses of `name` by `deadline`. The descriptor that the lookup takes is held for as long as it goes on.
///
/// Cancellation: the lookup goes on, for others that ask for that name meanwhile.
///
/// # Errors
/// There are none by then, or no thread to look them up on.
pub(super) async fn addresses(
    name: &str,
    port: u16,
    deadline: Instant,
    reserve: &Reserve,
) -> Result<Vec<SocketAddr>, Failure> {
    let (asked, held) = (name.to_owned(), reserve.hold());
    let lookup = LOOKUPS.join(name, move || {
        let found = (asked.as_str(), 0).to_socket_addrs();
        drop(held);
        found.map(|found| found.take(MAX_ADDRESSES).map(|address| address.ip()).collect())
    });
    let found = within(deadline, "no address", lookup).await?;
    let failed = |error| Failure::new(Cause::Lookup, format!("cannot look up `{name}`: {error}"));
    let found = found.map_err(failed)?;
    Ok(found.iter().map(|ip| SocketAddr::new(*ip, port)).collect())
}

/// What came of a lookup, for all who wait for it.
type Found = Result<Arc<[IpAddr]>, Arc<io::Error>>;

/// Lookups that go on, by name.
#[derive(Default)]
struct Lookups(Mutex<HashMap<String, Vec<Lookup>>>);

struct Lookup {
    began: Instant,
    has_ended: Arc<AtomicBool>,
    found: Shared<BoxFuture<'static, Found>>,
}

impl Lookups {
    /// The youngest lookup of `name` that goes on, or a new one.
    fn join(
        &self,
        name: &str,
        look_up: impl FnOnce() -> io::Result<Vec<IpAddr>> + Send + 'static,
    ) -> Shared<BoxFuture<'static, Found>> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        table.retain(|_, lookups| {
            lookups.retain(|lookup| !lookup.has_ended.load(Ordering::Acquire));
            !lookups.is_empty()
        });
        let lookups = table.entry(name.to_owned()).or_default();
        let is_full = lookups.len() >= MOST_OF_A_NAME;
        let youngest = lookups.last();
        let joined = youngest.filter(|lookup| is_full || lookup.began.elapsed() < JOINED_WITHIN);
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
        let end = End(Arc::clone(&has_ended));
        let found = async {
            let found = liveness::once("lookup", move || {
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

/// The end of a lookup, also of one for which there was no thread.
struct End(Arc<AtomicBool>);

impl Drop for End {
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
    async fn all_who_ask_at_the_same_time_share_one_lookup() {
        let (lookups, asked) = (Lookups::default(), Arc::new(AtomicUsize::new(0)));
        let (answer, answered) = channel();
        let answered = Arc::new(Mutex::new(answered));
        let waiting: Vec<_> = (0..20)
            .map(|_| {
                let (asked, answered) = (Arc::clone(&asked), Arc::clone(&answered));
                lookups.join("name", move || {
                    asked.fetch_add(1, Ordering::Relaxed);
                    answered.lock().unwrap().recv().unwrap();
                    Ok(vec![HERE])
                })
            })
            .collect();
        let other = lookups.join("other", || Ok(vec![])).await;
        assert_eq!(other.unwrap().len(), 0, "one name holds up no other");
        answer.send(()).unwrap();
        for found in join_all(waiting).await {
            assert_eq!(&*found.unwrap(), [HERE]);
        }
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn what_has_ended_is_looked_up_again() {
        let lookups = Lookups::default();
        let refused = lookups.join("name", || Err(io::Error::other("refused"))).await;
        assert_eq!(refused.unwrap_err().to_string(), "refused");
        assert_eq!(&*lookups.join("name", || Ok(vec![HERE])).await.unwrap(), [HERE]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lookup_that_hangs_does_not_hold_up_later_ones() {
        let lookups = Lookups::default();
        let (end, hung) = channel::<()>();
        let first = lookups.join("name", move || {
            let _ended = hung.recv();
            Ok(vec![])
        });
        assert!(first.clone().now_or_never().is_none());
        tokio::time::advance(JOINED_WITHIN).await;
        let later = lookups.join("name", || Ok(vec![HERE]));
        assert_eq!(&*later.await.unwrap(), [HERE]);
        drop(end);
        assert_eq!(first.await.unwrap().len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn lookups_of_a_name_have_a_bound_whatever_hangs() {
        let (lookups, asked) = (Lookups::default(), Arc::new(AtomicUsize::new(0)));
        let mut ends = Vec::new();
        for _ in 0..2 * MOST_OF_A_NAME {
            let (end, hung) = channel::<()>();
            let asked = Arc::clone(&asked);
            let lookup = lookups.join("name", move || {
                asked.fetch_add(1, Ordering::Relaxed);
                let _ended = hung.recv();
                Ok(vec![])
            });
            assert!(lookup.now_or_never().is_none());
            ends.push(end);
            tokio::time::advance(JOINED_WITHIN).await;
        }
        let table = lookups.0.lock().unwrap();
        assert_eq!(table["name"].len(), MOST_OF_A_NAME);
    }
}
