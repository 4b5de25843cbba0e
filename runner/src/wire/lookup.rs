//! The addresses of a name, from the operating system, which waits for name servers for as long as it likes.
//!
//! One thread for each name at most, so that their number is bounded by that of the names in the settings, and one that
//! nobody answers holds up no other.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, LazyLock, PoisonError, Weak};

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::link::within;
use super::{Cause, Failure};
use crate::ledger::audit::Reserve;
use crate::liveness;

/// Addresses of a name that are tried, one after the other.
const MAX_ADDRESSES: usize = 4;

/// The names that are being looked up, each with the lock that the one who does so has.
static TURNS: LazyLock<std::sync::Mutex<HashMap<String, Weak<Mutex<()>>>>> = LazyLock::new(Default::default);

/// Addresses of `name` by `deadline`. The descriptor that the lookup takes is held for as long as it goes on.
///
/// Cancellation: the lookup goes on, and another one of that name waits for its end.
///
/// # Errors
/// There are none by then, or no thread to look them up on.
pub(super) async fn addresses(
    name: &str,
    port: u16,
    deadline: Instant,
    reserve: &Reserve,
) -> Result<Vec<SocketAddr>, Failure> {
    let failed = |error: io::Error| Failure::new(Cause::Lookup, format!("cannot look up `{name}`: {error}"));
    let turn = within(
        deadline,
        "no answer to an earlier lookup",
        turn(name).lock_owned(),
    )
    .await?;
    let (owned, held) = (name.to_owned(), reserve.hold());
    let lookup = liveness::once("lookup", move || {
        let found = (owned.as_str(), port).to_socket_addrs();
        drop((turn, held));
        found.map(|addresses| addresses.take(MAX_ADDRESSES).collect())
    });
    let found = within(deadline, "no address", lookup).await?;
    found.flatten().map_err(failed)
}

fn turn(name: &str) -> Arc<Mutex<()>> {
    let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    turns.retain(|_, turn| turn.strong_count() > 0);
    let known = turns.get(name).and_then(Weak::upgrade);
    known.unwrap_or_else(|| {
        let turn = Arc::new(Mutex::new(()));
        turns.insert(name.to_owned(), Arc::downgrade(&turn));
        turn
    })
}
