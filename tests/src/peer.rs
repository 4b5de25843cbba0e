//! Servers on loopback for tests to talk to: good ones, broken ones and hostile ones.
//!
//! Each peer binds port 0 and lives as long as its [`Peer`] value. Dropping the value closes its listener and
//! every socket it holds before `drop` returns, whatever its tasks are doing.
//!
//! Peers run on the runtime of the test that starts them and use its clock: a test that pauses the clock decides
//! how fast a slow peer is, and a test that blocks its thread, as to wait for a child process, needs a
//! multi-threaded runtime.
#![expect(clippy::expect_used, reason = "a peer that cannot start must fail its test")]

pub mod canned;
pub mod compressed;
mod descriptors;
pub mod dns;
pub mod hostile;
pub mod http;
mod log;
pub mod plain;
pub mod socks;
pub mod starttls;
pub mod tls;
mod wire;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time;

pub use descriptors::descriptors_outside_peers;
pub use hostile::Hostile;
pub use log::ENTRIES_KEPT;
pub use wire::Wire;

use wire::{Slot, Switchboard};

/// What a peer has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections accepted since the start.
    pub accepted: usize,
    /// Connections held open now.
    pub open: usize,
    /// The most connections that were open at once.
    pub most_open: usize,
    /// Bytes received over all connections, TLS included.
    pub received: u64,
}

/// A server on loopback that lives as long as this value.
#[must_use = "a peer that is dropped is closed"]
pub struct Peer {
    address: SocketAddr,
    closers: Vec<Box<dyn Fn() + Send + Sync>>,
    switchboard: Arc<Switchboard>,
    tasks: JoinSet<()>,
    beside: Option<Box<Self>>,
}

impl Peer {
    /// Starts a TCP server on 127.0.0.1 that gives each connection to `session`.
    pub fn tcp<S, F>(session: S) -> Self
    where
        S: Fn(Wire) -> F + Send + 'static,
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
        S: Fn(Wire) -> F + Send + 'static,
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = StdListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let mut peer = Self::idle(listener.local_addr()?);
        let listener = peer.keep(listener);
        peer.tasks
            .spawn(serve(listener, peer.switchboard.clone(), session));
        Ok(peer)
    }

    /// A peer at `address` that does nothing yet.
    fn idle(address: SocketAddr) -> Self {
        let tasks = JoinSet::new();
        Self {
            address,
            closers: Vec::new(),
            switchboard: Arc::default(),
            tasks,
            beside: None,
        }
    }

    /// Keeps `socket` open until the peer is dropped.
    fn keep<T: AsRawFd + Send + 'static>(&mut self, socket: T) -> Slot<T> {
        let slot = Slot::new(socket);
        let closer = slot.clone();
        self.closers.push(Box::new(move || closer.close()));
        slot
    }

    /// Ties `other` to the life of this peer.
    fn with_beside(mut self, other: Self) -> Self {
        self.beside = Some(Box::new(other));
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

    /// Connections the peer holds open now: its own descriptors, without the listener.
    #[must_use]
    pub fn open(&self) -> usize {
        self.counts().open
    }

    /// Bytes received over all connections, TLS included.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.counts().received
    }

    /// All counts at one moment.
    #[must_use]
    pub fn counts(&self) -> Counts {
        *self.switchboard.counts.borrow()
    }

    /// Waits until the counts satisfy `reached`. Never ends if they don't: bound it with a time-out.
    pub async fn until(&self, reached: impl Fn(&Counts) -> bool) -> Counts {
        let mut counts = self.switchboard.counts.subscribe();
        let counts = counts.wait_for(reached).await;
        *counts.expect("the peer owns the sender")
    }

    /// The second server that this one tries to lure clients to, if it has one.
    #[must_use]
    pub fn beside(&self) -> Option<&Self> {
        self.beside.as_deref()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.closers.iter().for_each(|close| close());
        self.switchboard.close();
    }
}

/// How long the listener waits when the process has no descriptor left to accept with.
const ACCEPT_AGAIN: Duration = Duration::from_millis(10);

/// Accepts until the listener is taken away.
async fn serve<S, F>(listener: Slot<TcpListener>, switchboard: Arc<Switchboard>, session: S)
where
    S: Fn(Wire) -> F + Send + 'static,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            accepted = switchboard.accept(&listener) => match accepted {
                None => return,
                Some(Err(_)) => time::sleep(ACCEPT_AGAIN).await,
                Some(Ok(wire)) => drop(sessions.spawn(session(wire))),
            },
            // What a hostile client does to its own connection is no concern of the others.
            Some(_ended) = sessions.join_next() => {}
        }
    }
}

#[cfg(test)]
mod tests;
