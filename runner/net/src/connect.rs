//! TCP connects: from a granted name to a connected, leased socket.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, sleep, timeout};

use super::dial::dial;
use super::resolve::{LookupMode, Resolved};
use super::{Client, Family, NetError, Phase, Timings, timeout_phase};
use crate::ledger::{LeasedStream, Page};
use canary_record::trace::StepKind;
use canary_suite::grant::{Destination, Via};

/// How long one address is tried alone before the next one is tried in parallel (RFC 8305, section 5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// How long addresses of the preferred family are tried before those of the other one.
const PREFERRED_FAMILY_DELAY: Duration = Duration::from_secs(1);
/// How long an address is tried before the next, if the run may open no further socket to try both in parallel: the
/// kernel retransmits a SYN after one second.
const MAX_TURN: Duration = Duration::from_secs(2);
/// Maximum number of addresses tried per connect.
const MAX_ADDRESSES: usize = 8;
/// How many of them belong to the family that is not preferred, if it has that many.
const MAX_OTHER_FAMILY: usize = 2;

/// Options of a connect.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConnectOptions {
    /// Which address families to use.
    pub family: Family,
    /// If set, the only address to use; it must be one of the name's.
    pub address: Option<IpAddr>,
    /// Local address to bind to.
    pub source: Option<IpAddr>,
    /// Time limit for resolving and connecting; the run's deadline if `None`.
    pub timeout: Option<Duration>,
}

impl ConnectOptions {
    /// Checks that the source address is compatible with the address family.
    ///
    /// # Errors
    /// `Invalid` if it belongs to an excluded family.
    pub fn check_source(&self) -> Result<(), NetError> {
        match self.source {
            Some(source) if !self.family.admits(source.to_canonical()) => Err(NetError::Invalid(format!(
                "source address `{source}` is not of the selected IP family"
            ))),
            _ => Ok(()),
        }
    }

    /// Selects the addresses of a name that may be tried.
    pub(super) fn filter_addresses(&self, addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, NetError> {
        let Some(wanted) = self.address.map(|address| address.to_canonical()) else {
            return Ok(addresses);
        };
        if addresses.contains(&wanted) {
            Ok(vec![wanted])
        } else {
            Err(NetError::Unresolved(format!(
                "the name has no address `{wanted}`"
            )))
        }
    }
}

impl Client {
    /// Resolves and connects.
    ///
    /// Cancellation: dropping the future closes every socket that it opened.
    ///
    /// # Errors
    /// A grant, a quota, the time, or the operating system's error for the last address.
    pub async fn connect(
        &self,
        to: &Destination,
        via: Via,
        options: ConnectOptions,
    ) -> Result<(LeasedStream, Timings), NetError> {
        let limit = self.deadline_after(options.timeout);
        // An IPv4-mapped source would turn the unspecified IPv6 address into IPv4 loopback.
        let source = options.source.map(|source| source.to_canonical());
        let started_at = Instant::now();
        let resolving = self.addresses(to, via, options, limit);
        let addresses = timeout_phase(limit, Phase::Resolve, resolving).await?;
        let resolved_at = Instant::now();
        let peers = order_attempts(addresses, to.port(), source, options.family);
        let stream = timeout_phase(
            limit,
            Phase::Connect,
            Box::pin(race(&self.page, peers, source, limit)),
        )
        .await?;
        let timings = Timings {
            resolve: Some(resolved_at - started_at),
            connect: Some(resolved_at.elapsed()),
            ..Timings::default()
        };
        Ok((stream, timings))
    }
}

impl Client {
    /// Resolves a granted destination to its distinct addresses without connecting, including addresses that the check
    /// may not reach (a connect would report that). Later connects of the same run with the same family use the result.
    ///
    /// Cancellation: safe at any time.
    ///
    /// # Errors
    /// A grant, a quota, the time, or a name that does not resolve.
    pub async fn resolve_all(&self, to: &Destination, family: Family) -> Result<Resolved, NetError> {
        self.check_name(to, Via::Direct)?;
        let limit = self.deadline_after(None);
        let resolving = self.resolve(to, (family, LookupMode::Complete), limit);
        let mut found = timeout_phase(limit, Phase::Resolve, resolving).await?;
        let mut known = HashSet::new();
        found.addresses.retain(|address| known.insert(*address));
        Ok(found)
    }
}

/// An address to try, and how long it is tried alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Attempt {
    peer: SocketAddr,
    head_start: Duration,
}

/// Orders the addresses: families alternate, keeping their order, so that a dead family costs one delay only; or the
/// preferred family comes first.
fn order_attempts(addresses: Vec<IpAddr>, port: u16, source: Option<IpAddr>, family: Family) -> Vec<Attempt> {
    let usable = addresses
        .into_iter()
        .filter(|to| source.is_none_or(|from| from.is_ipv4() == to.is_ipv4()));
    let (v6, v4): (Vec<_>, Vec<_>) = usable.partition(IpAddr::is_ipv6);
    let (ordered, last_preferred) = match family {
        Family::PreferV4 => preferred_first(v4, v6),
        Family::PreferV6 => preferred_first(v6, v4),
        Family::Any | Family::V4 | Family::V6 => (alternating(&v6, &v4), None),
    };
    let attempts = ordered.into_iter().enumerate().map(|(index, address)| Attempt {
        peer: SocketAddr::new(address, port),
        head_start: if Some(index) == last_preferred {
            PREFERRED_FAMILY_DELAY
        } else {
            ATTEMPT_DELAY
        },
    });
    attempts.collect()
}

fn alternating(first: &[IpAddr], second: &[IpAddr]) -> Vec<IpAddr> {
    let longest = first.len().max(second.len());
    let turns = (0..longest).flat_map(|index| [first.get(index), second.get(index)]);
    turns.flatten().take(MAX_ADDRESSES).copied().collect()
}

/// The preferred addresses before the others, and the index of the last preferred one.
fn preferred_first(mut preferred: Vec<IpAddr>, mut others: Vec<IpAddr>) -> (Vec<IpAddr>, Option<usize>) {
    preferred.truncate(MAX_ADDRESSES - others.len().min(MAX_OTHER_FAMILY));
    others.truncate(MAX_ADDRESSES - preferred.len());
    let last = preferred.len().checked_sub(1);
    preferred.append(&mut others);
    (preferred, last)
}

/// Returns the first of `peers` to connect; the sockets of the others are closed before it returns. If the run may not
/// open another socket next to a pending one, the addresses are tried one after another.
async fn race(
    page: &Arc<Page>,
    peers: Vec<Attempt>,
    source: Option<IpAddr>,
    limit: Instant,
) -> Result<LeasedStream, NetError> {
    if let (true, Some(source)) = (peers.is_empty(), source) {
        page.record_own_failure();
        let cause = NetError::Other("the target has no address of the same family".to_owned());
        return Err(cause.into_own_failure(format!("cannot connect from `{source}`")));
    }
    if let [only] = peers[..] {
        return connect_recorded(page, only.peer, source, limit).await;
    }
    let mut waiting = peers.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut last = NetError::Unresolved("no address to try".to_owned());
    loop {
        if waiting.len() > 0 && !attempts.is_empty() && !page.has_room() {
            let turn_timeout = turn_timeout(limit, waiting.len());
            match timeout(turn_timeout, attempts.next()).await {
                Ok(Some(Ok(stream))) => return Ok(stream),
                Ok(ended) => last = ended.and_then(Result::err).unwrap_or(last),
                Err(_) => attempts.clear(),
            }
        }
        let next = waiting.next();
        let is_last = waiting.len() == 0;
        let head_start = next.map_or(Duration::ZERO, |next| next.head_start);
        if let Some(Attempt { peer, .. }) = next {
            attempts.push(connect_recorded(page, peer, source, limit));
        }
        let head_start = async {
            if is_last {
                std::future::pending().await
            } else {
                sleep(head_start).await
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

/// How long the pending attempts may continue while `waiting` addresses are queued, so that each gets a turn by
/// `limit`.
fn turn_timeout(limit: Instant, waiting: usize) -> Duration {
    let left = limit.saturating_duration_since(Instant::now());
    let turns = u32::try_from(waiting).unwrap_or(u32::MAX).saturating_add(1);
    MAX_TURN.min(left / turns)
}

/// Connects to one address, and records that as a step.
pub(super) async fn connect_recorded(
    page: &Arc<Page>,
    peer: SocketAddr,
    source: Option<IpAddr>,
    limit: Instant,
) -> Result<LeasedStream, NetError> {
    let step = page.begin_step(
        StepKind::Connect {
            peer: page.recorder().peer(peer),
        },
        limit,
    );
    let opened = dial(page, peer, source).await;
    step.end(opened.as_ref().err().map(NetError::code_and_message));
    opened
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(addresses: &[&str], family: Family) -> Vec<(String, Duration)> {
        let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let attempts = order_attempts(addresses, 80, None, family).into_iter();
        attempts
            .map(|attempt| (attempt.peer.ip().to_string(), attempt.head_start))
            .collect()
    }

    #[test]
    fn families_take_turns_unless_one_is_preferred() {
        let both = ["192.0.2.1", "192.0.2.2", "2001:db8::1"];
        let soon = |address: &str| (address.to_owned(), ATTEMPT_DELAY);
        let late = |address: &str| (address.to_owned(), PREFERRED_FAMILY_DELAY);
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
        assert_eq!(tried.len(), MAX_ADDRESSES);
        let others: Vec<_> = tried
            .iter()
            .filter(|(address, _)| address.contains(':'))
            .collect();
        assert_eq!(others.len(), MAX_OTHER_FAMILY);
    }

    #[test]
    fn only_an_address_of_the_name_can_be_asked_for() {
        let addresses: Vec<IpAddr> = vec!["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        let filter_addresses = |address: Option<&str>| {
            let options = ConnectOptions {
                address: address.map(|text| text.parse().unwrap()),
                ..ConnectOptions::default()
            };
            options.filter_addresses(addresses.clone())
        };
        assert_eq!(filter_addresses(None).unwrap(), addresses);
        assert_eq!(filter_addresses(Some("2001:db8::1")).unwrap(), addresses[1..]);
        assert_eq!(
            filter_addresses(Some("::ffff:192.0.2.1")).unwrap(),
            addresses[..1]
        );
        assert!(matches!(
            filter_addresses(Some("192.0.2.2")),
            Err(NetError::Unresolved(_))
        ));
    }
}
