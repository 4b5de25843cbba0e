//! TCP: from a granted name to a connected, leased socket.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::resolve::{Patience, Resolved};
use super::{Client, Family, NetError, Phase, Timings, within};
use crate::grant::{Destination, Via};
use crate::ledger::{Lease, LeasedStream, Page};
use crate::trace::StepKind;

/// How long one address is tried alone before the next is tried beside it (RFC 8305, section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// How long addresses of the preferred family are tried before those of the other one.
const PREFERENCE: Duration = Duration::from_secs(1);
/// How long an address is tried before it makes room for the next, where the run has no socket left to try it beside: the
/// system asks a second time after one second.
const TURN: Duration = Duration::from_secs(2);
/// Addresses tried for one connect.
const ADDRESSES_TRIED: usize = 8;
/// How many of them are of the family that is not preferred, where it has so many.
const OTHERS_TRIED: usize = 2;

/// How to connect.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConnectOptions {
    /// Which addresses to use.
    pub family: Family,
    /// The only address to use, one of those that the name has.
    pub address: Option<IpAddr>,
    /// Local address to connect from.
    pub source: Option<IpAddr>,
    /// For resolving and connecting; absent: what is left of the run.
    pub timeout: Option<Duration>,
}

impl ConnectOptions {
    /// Whether a connection can come from the source address at all.
    ///
    /// # Errors
    /// `Invalid` when it is of the family that is not to be used.
    pub fn check_source(&self) -> Result<(), NetError> {
        match self.source {
            Some(source) if !self.family.admits(source.to_canonical()) => Err(NetError::Invalid(format!(
                "source address `{source}` is of the family that is not to be used"
            ))),
            _ => Ok(()),
        }
    }

    /// Of the addresses of a name those that may be tried.
    pub(super) fn restrict(&self, addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, NetError> {
        let Some(wanted) = self.address.map(|address| address.to_canonical()) else {
            return Ok(addresses);
        };
        match addresses.contains(&wanted) {
            true => Ok(vec![wanted]),
            false => Err(NetError::Unresolved(format!(
                "the name has no address `{wanted}`"
            ))),
        }
    }
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
        let resolving = self.addresses(to, via, options, limit);
        let addresses = within(limit, Phase::Resolve, resolving).await?;
        let resolved_at = Instant::now();
        let peers = peers(addresses, to.port(), source, options.family);
        let stream = within(limit, Phase::Connect, race(&self.page, peers, source, limit)).await?;
        let timings = Timings {
            resolve: Some(resolved_at - started_at),
            connect: Some(resolved_at.elapsed()),
            ..Timings::default()
        };
        Ok((stream, timings))
    }
}

impl Client {
    /// All addresses of a granted destination, each once, without connecting: also those that the check may not reach,
    /// which a connect says. Connects of the same run with the same family use what was found.
    ///
    /// Cancellation: safe at any time.
    ///
    /// # Errors
    /// A grant, a quota, the time, or a name that does not resolve.
    pub async fn addresses_of(&self, to: &Destination, family: Family) -> Result<Resolved, NetError> {
        self.judge_name(to, Via::Direct)?;
        let limit = self.limit(None);
        let resolving = self.resolve(to, (family, Patience::Long), limit);
        let mut found = within(limit, Phase::Resolve, resolving).await?;
        let mut known = HashSet::new();
        found.addresses.retain(|address| known.insert(*address));
        Ok(found)
    }
}

/// An address to try, and how long it is tried alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Attempt {
    peer: SocketAddr,
    alone: Duration,
}

/// Families take turns, in the order in which they came, so that a dead one costs one delay only; or those of the preferred
/// one come first.
fn peers(addresses: Vec<IpAddr>, port: u16, source: Option<IpAddr>, family: Family) -> Vec<Attempt> {
    let usable = addresses
        .into_iter()
        .filter(|to| source.is_none_or(|from| from.is_ipv4() == to.is_ipv4()));
    let (v6, v4): (Vec<_>, Vec<_>) = usable.partition(IpAddr::is_ipv6);
    let (ordered, last_preferred) = match family {
        Family::PreferV4 => in_turn(v4, v6),
        Family::PreferV6 => in_turn(v6, v4),
        Family::Any | Family::V4 | Family::V6 => (alternating(&v6, &v4), None),
    };
    let attempts = ordered.into_iter().enumerate().map(|(place, address)| Attempt {
        peer: SocketAddr::new(address, port),
        alone: match Some(place) == last_preferred {
            true => PREFERENCE,
            false => ATTEMPT_DELAY,
        },
    });
    attempts.collect()
}

fn alternating(first: &[IpAddr], second: &[IpAddr]) -> Vec<IpAddr> {
    let longest = first.len().max(second.len());
    let turns = (0..longest).flat_map(|turn| [first.get(turn), second.get(turn)]);
    turns.flatten().take(ADDRESSES_TRIED).copied().collect()
}

/// The preferred ones before the others, and the place of the last preferred one.
fn in_turn(mut preferred: Vec<IpAddr>, mut others: Vec<IpAddr>) -> (Vec<IpAddr>, Option<usize>) {
    preferred.truncate(ADDRESSES_TRIED - others.len().min(OTHERS_TRIED));
    others.truncate(ADDRESSES_TRIED - preferred.len());
    let last = preferred.len().checked_sub(1);
    preferred.append(&mut others);
    (preferred, last)
}

/// The first of `peers` to connect; the sockets of the others are closed before it returns. Where the run may open no socket
/// beside one that waits, they are tried one after another.
async fn race(
    page: &Arc<Page>,
    peers: Vec<Attempt>,
    source: Option<IpAddr>,
    limit: Instant,
) -> Result<LeasedStream, NetError> {
    if let (true, Some(source)) = (peers.is_empty(), source) {
        page.note_own_failure();
        let cause = NetError::Other("no address of the target is of its family".to_owned());
        return Err(cause.own(format!("cannot connect from `{source}`")));
    }
    let mut waiting = peers.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut last = NetError::Unresolved("no address can be tried".to_owned());
    loop {
        if waiting.len() > 0 && !attempts.is_empty() && !page.has_room() {
            let turn = turn(limit, waiting.len());
            match timeout(turn, attempts.next()).await {
                Ok(Some(Ok(stream))) => return Ok(stream),
                Ok(ended) => last = ended.and_then(Result::err).unwrap_or(last),
                Err(_) => attempts.clear(),
            }
        }
        let next = waiting.next();
        let is_last = next.is_none();
        let alone = next.map_or(Duration::ZERO, |next| next.alone);
        if let Some(Attempt { peer, .. }) = next {
            attempts.push(told(page, peer, source, limit));
        }
        let head_start = async {
            if is_last {
                std::future::pending().await
            } else {
                sleep(alone).await
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

/// How long the attempts under way may go on where so many others wait for their end: all of them get a turn by `limit`.
fn turn(limit: Instant, waiting: usize) -> Duration {
    let left = limit.saturating_duration_since(Instant::now());
    let turns = u32::try_from(waiting).unwrap_or(u32::MAX).saturating_add(1);
    TURN.min(left / turns)
}

/// One connect to one address, as a step of the run's record.
pub(super) async fn told(
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
            .map_err(|error| {
                page.note_own_failure();
                NetError::Other(error.to_string()).own(format!("cannot connect from `{source}`"))
            })?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(addresses: &[&str], family: Family) -> Vec<(String, Duration)> {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let attempts = peers(addresses, 80, None, family).into_iter();
        attempts
            .map(|attempt| (attempt.peer.ip().to_string(), attempt.alone))
            .collect()
    }

    #[test]
    fn families_take_turns_unless_one_is_preferred() {
        let both = ["192.0.2.1", "192.0.2.2", "2001:db8::1"];
        let soon = |address: &str| (address.to_owned(), ATTEMPT_DELAY);
        let late = |address: &str| (address.to_owned(), PREFERENCE);
        assert_eq!(
            tried(&both, Family::Any),
            [soon("2001:db8::1"), soon("192.0.2.1"), soon("192.0.2.2")]
        );
        assert_eq!(
            tried(&both, Family::PreferV4),
            [soon("192.0.2.1"), late("192.0.2.2"), soon("2001:db8::1")]
        );
        assert_eq!(
            tried(&both, Family::PreferV6),
            [late("2001:db8::1"), soon("192.0.2.1"), soon("192.0.2.2")]
        );
        assert_eq!(tried(&both[..1], Family::PreferV6), [soon("192.0.2.1")]);
    }

    #[test]
    fn many_preferred_addresses_leave_room_for_the_others() {
        let four: Vec<_> = (1..=20).map(|number| format!("192.0.2.{number}")).collect();
        let mut all: Vec<&str> = four.iter().map(String::as_str).collect();
        all.extend(["2001:db8::1", "2001:db8::2", "2001:db8::3"]);
        let tried = tried(&all, Family::PreferV4);
        assert_eq!(tried.len(), ADDRESSES_TRIED);
        let others: Vec<_> = tried
            .iter()
            .filter(|(address, _)| address.contains(':'))
            .collect();
        assert_eq!(others.len(), OTHERS_TRIED);
    }

    #[test]
    fn only_an_address_of_the_name_can_be_asked_for() {
        let addresses: Vec<IpAddr> = vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        let restrict = |address: Option<&str>| {
            let options = ConnectOptions {
                address: address.map(|text| text.parse().unwrap()),
                ..ConnectOptions::default()
            };
            options.restrict(addresses.clone())
        };
        assert_eq!(restrict(None).unwrap(), addresses);
        assert_eq!(restrict(Some("2001:db8::1")).unwrap(), addresses[1..]);
        assert_eq!(restrict(Some("::ffff:192.0.2.1")).unwrap(), addresses[..1]);
        assert!(matches!(
            restrict(Some("192.0.2.2")),
            Err(NetError::Unresolved(_))
        ));
    }
}
