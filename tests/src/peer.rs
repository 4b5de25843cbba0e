//! Test servers on loopback: well-behaved, broken and hostile ones.
//!
//! Each peer binds port 0 and lives as long as its [`Peer`] value. Dropping the value closes its listener and all its
//! sockets before `drop` returns, whatever its tasks are doing.
//!
//! Peers run on the runtime of the test and use its clock: a test that pauses the clock controls how fast a slow peer
//! is, and a test that blocks its thread, for example to wait for a child process, needs a multi-threaded runtime.
#![expect(clippy::expect_used, reason = "a peer that cannot start must fail its test")]

pub mod canned;
pub mod compressed;
mod connection;
mod descriptors;
pub mod digest;
pub mod dns;
pub mod hostile;
pub mod http;
mod log;
pub mod plain;
pub mod socks;
pub mod starttls;
pub mod tls;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time;

pub use connection::Connection;
pub use descriptors::descriptors_outside_peers;
pub use hostile::Hostile;
pub use log::MAX_ENTRIES;

use connection::{ConnectionRegistry, Slot};

/// Connection counters of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections accepted since the start.
    pub accepted: usize,
    /// Open connections.
    pub open: usize,
    /// Maximum of simultaneously open connections.
    pub most_open: usize,
    /// Bytes received over all connections, TLS included.
    pub received: u64,
}

/// A server on loopback. It is closed on drop.
#[must_use = "a peer that is dropped is closed"]
pub struct Peer {
    address: SocketAddr,
    closers: Vec<Box<dyn Fn() + Send + Sync>>,
    registry: Arc<ConnectionRegistry>,
    tasks: JoinSet<()>,
    redirect_target: Option<Box<Self>>,
}

impl Peer {
    /// Starts a TCP server on 127.0.0.1 that gives each connection to `session`.
    pub fn tcp<S, F>(session: S) -> Self
    where
        S: Fn(Connection) -> F + Send + 'static,
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        Self::tcp_on((Ipv4Addr::LOCALHOST, 0).into(), session).expect("a free port on loopback")
    }

    /// Starts a TCP server on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be bound, as `::1` where there is no IPv6.
    pub fn tcp_on<S, F>(address: SocketAddr, session: S) -> io::Result<Self>
    where
        S: Fn(Connection) -> F + Send + 'static,
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = StdListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let mut peer = Self::idle(listener.local_addr()?);
        let listener = peer.keep(listener);
        peer.tasks.spawn(serve(listener, peer.registry.clone(), session));
        Ok(peer)
    }

    /// A peer at `address` without sockets or tasks.
    fn idle(address: SocketAddr) -> Self {
        let tasks = JoinSet::new();
        Self {
            address,
            closers: Vec::new(),
            registry: Arc::default(),
            tasks,
            redirect_target: None,
        }
    }

    /// Keeps `socket` open until the peer is dropped.
    fn keep<T: AsRawFd + Send + 'static>(&mut self, socket: T) -> Slot<T> {
        let slot = Slot::new(socket);
        let closer = slot.clone();
        self.closers.push(Box::new(move || closer.close()));
        slot
    }

    /// Makes this peer own `other`, the target of its redirects.
    fn with_redirect_target(mut self, other: Self) -> Self {
        self.redirect_target = Some(Box::new(other));
        self
    }

    /// Where the peer listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `scheme://address path`, such as `http://127.0.0.1:4711/health`.
    #[must_use]
    pub fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://{}{path}", self.address)
    }

    /// Connections accepted since the start.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.counts().accepted
    }

    /// Open connections: the peer's descriptors without the listener.
    #[must_use]
    pub fn open(&self) -> usize {
        self.counts().open
    }

    /// Bytes received over all connections, TLS included.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.counts().received
    }

    /// A snapshot of all counters.
    #[must_use]
    pub fn counts(&self) -> Counts {
        *self.registry.counts.borrow()
    }

    /// Waits until the counters satisfy `reached`. Waits forever otherwise: use a time-out.
    pub async fn until(&self, reached: impl Fn(&Counts) -> bool) -> Counts {
        let mut counts = self.registry.counts.subscribe();
        let counts = counts.wait_for(reached).await;
        *counts.expect("the peer owns the sender")
    }

    /// The second server, to which this one redirects its clients, if it has one.
    #[must_use]
    pub fn redirect_target(&self) -> Option<&Self> {
        self.redirect_target.as_deref()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.closers.iter().for_each(|close| close());
        self.registry.close();
    }
}

/// Delay after `accept` failed because the process has no descriptor left.
const ACCEPT_RETRY: Duration = Duration::from_millis(10);

/// Accepts connections until the listener is closed.
async fn serve<S, F>(listener: Slot<TcpListener>, registry: Arc<ConnectionRegistry>, session: S)
where
    S: Fn(Connection) -> F + Send + 'static,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            accepted = registry.accept(&listener) => match accepted {
                None => return,
                Some(Err(_)) => time::sleep(ACCEPT_RETRY).await,
                Some(Ok(connection)) => drop(sessions.spawn(session(connection))),
            },
            // Errors of one connection do not affect the others.
            Some(_ended) = sessions.join_next() => {}
        }
    }
}

#[cfg(test)]
mod tests;
