//! TCP: from a granted name to a connected, leased socket.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::{Client, Family, NetError, Phase, Timings, within};
use crate::grant::{Destination, Via};
use crate::ledger::{Lease, LeasedStream, Page};
use crate::trace::StepKind;

/// How long one address is tried alone before the next is tried beside it (RFC 8305, section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Addresses tried for one connect.
const ADDRESSES_TRIED: usize = 8;

/// How to connect.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConnectOptions {
    /// Which addresses to use.
    pub family: Family,
    /// Local address to connect from.
    pub source: Option<IpAddr>,
    /// For resolving and connecting; absent: what is left of the run.
    pub timeout: Option<Duration>,
}

impl Client {
    /// Resolves and connects.
    ///
    /// Cancellation: dropping the future closes every socket that it opened.
    ///
    /// # Errors
    /// A grant, a quota, the time, or what the operating system said of the last address.
    pub async fn connect(
        &self,
        to: &Destination,
        via: Via,
        options: ConnectOptions,
    ) -> Result<(LeasedStream, Timings), NetError> {
        let limit = self.limit(options.timeout);
        // An IPv4-mapped one would turn the unspecified IPv6 address into IPv4's loopback.
        let source = options.source.map(|source| source.to_canonical());
        let started_at = Instant::now();
        let resolving = self.addresses(to, via, options.family, limit);
        let addresses = within(limit, Phase::Resolve, resolving).await?;
        let resolved_at = Instant::now();
        let peers = peers(addresses, to.port(), source);
        let stream = within(limit, Phase::Connect, race(&self.page, peers, source, limit)).await?;
        let timings = Timings {
            resolve: Some(resolved_at - started_at),
            connect: Some(resolved_at.elapsed()),
            ..Timings::default()
        };
        Ok((stream, timings))
    }
}

/// Families take turns, in the order in which they came, so that a dead one costs one delay only.
fn peers(addresses: Vec<IpAddr>, port: u16, source: Option<IpAddr>) -> Vec<SocketAddr> {
    let usable = addresses
        .into_iter()
        .filter(|to| source.is_none_or(|from| from.is_ipv4() == to.is_ipv4()));
    let (v6, v4): (Vec<_>, Vec<_>) = usable.partition(IpAddr::is_ipv6);
    let longest = v6.len().max(v4.len());
    let turns = (0..longest).flat_map(|turn| [v6.get(turn), v4.get(turn)]);
    turns
        .flatten()
        .take(ADDRESSES_TRIED)
        .map(|address| SocketAddr::new(*address, port))
        .collect()
}

/// The first of `peers` to connect; the sockets of the others are closed before it returns.
async fn race(
    page: &Arc<Page>,
    peers: Vec<SocketAddr>,
    source: Option<IpAddr>,
    limit: Instant,
) -> Result<LeasedStream, NetError> {
    let mut waiting = peers.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut last = NetError::Unresolved("no address fits the source address".to_owned());
    loop {
        let next = waiting.next();
        let is_last = next.is_none();
        if let Some(peer) = next {
            attempts.push(told(page, peer, source, limit));
        }
        let head_start = async {
            if is_last {
                std::future::pending().await
            } else {
                sleep(ATTEMPT_DELAY).await
            }
        };
        let ended = tokio::select! {
            biased;
            ended = attempts.next() => ended,
            () = head_start => continue,
        };
        match ended {
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => last = error,
            None if is_last => return Err(last),
            None => {}
        }
    }
}

/// One connect to one address, as a step of the run's record.
async fn told(
    page: &Arc<Page>,
    peer: SocketAddr,
    source: Option<IpAddr>,
    limit: Instant,
) -> Result<LeasedStream, NetError> {
    let step = page.begin(
        StepKind::Connect {
            peer: page.recorder().peer(peer),
        },
        limit,
    );
    let opened = open(page, peer, source).await;
    step.end(opened.as_ref().err().map(NetError::told));
    opened
}

/// One connect to one address. Dropping the future closes its socket.
pub(super) async fn open(
    page: &Arc<Page>,
    peer: SocketAddr,
    source: Option<IpAddr>,
) -> Result<LeasedStream, NetError> {
    let lease = Lease::acquire(page, peer).await?;
    let socket = Socket::new(
        Domain::for_address(peer),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    if let Some(source) = source {
        socket
            .bind(&SocketAddr::new(source, 0).into())
            // The address may be gone since the suite was written, and come back.
            .map_err(|error| NetError::Other(format!("cannot connect from `{source}`: {error}")))?;
    }
    socket.set_tcp_nodelay(true)?;
    match socket.connect(&peer.into()) {
        Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {
            return Err(error.into());
        }
        _ => {}
    }
    let socket = TcpStream::from_std(std::net::TcpStream::from(OwnedFd::from(socket)))?;
    let stream = lease.stream(socket)?;
    stream.connected().await?;
    Ok(stream)
}
