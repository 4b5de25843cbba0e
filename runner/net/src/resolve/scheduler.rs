//! Decides which DNS query is sent when.
//!
//! A new query holds one of few "fresh" places until it is answered, for 50 ms at least; a query that is unanswered by
//! then waits for one of many "unanswered" places and moves there. So silent servers and zones do not take places from
//! those that answer. How a query is sent and what its response means is irrelevant here.
//!
//! When places are short they go to the plugin with the least recent unanswered use, and within it to the check with
//! the least. An unanswered query keeps its place until another one waits whose plugin or check has used less than half
//! as much, and no other user has used more; it is then released within 100 ms. So a check whose names are answered
//! waits for at most 100 ms once others have more unanswered use than itself, however many checks, zones and servers
//! are silent. Checks of a plugin without recorded use are served in order of arrival.
//!
//! Queries to servers that a check chose have their own places under the same rules, where these servers rather than a
//! zone may be silent: they take no places from queries to the machine's servers, even for the same zone.

#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::settings::ServerOwner;
use super::single_flight::Progress;
use crate::NetError;
use crate::ledger::Ledger;
use crate::pool::{Busy, Claim, Limits, Pool, PoolPermit};
use canary_suite::CheckId;

/// How long a query waits for a place.
const ADMISSION_TIMEOUT: Duration = Duration::from_millis(500);
/// A query answered within this time never counts as unanswered.
const FRESH_PERIOD: Duration = Duration::from_millis(50);
/// Number of unanswered queries for one zone after which the zone counts as silent.
const SILENT_ZONE_THRESHOLD: u64 = 8;
/// Fraction of the fresh places available to a silent zone: one in this many.
const PROBE_FRACTION: u64 = 16;
/// Minimum number of places for fresh and for unanswered queries to servers of one owner.
const MIN_CAPACITY: (u64, u64) = (8, 16);
const MAX_CAPACITY: (u64, u64) = (256, 1_024);

/// The origin and destination of a query.
#[derive(Debug, Clone)]
pub(super) struct QueryOrigin {
    /// Who configured the servers.
    pub(super) owner: ServerOwner,
    /// What may be silent: the zone of the name, or the servers that a check chose.
    pub(super) destination: Arc<str>,
    /// The check that asked first.
    pub(super) check: CheckId,
    /// The plugin of that check.
    pub(super) plugin: Arc<str>,
}

/// Admits queries for all runs.
#[derive(Debug)]
pub(super) struct QueryScheduler {
    to_machine: QueryPools,
    to_checks: QueryPools,
}

/// Places for queries to servers with the same kind of owner.
#[derive(Debug)]
struct QueryPools {
    fresh: Pool,
    unanswered: Pool,
}

impl QueryScheduler {
    /// Creates the pools as fractions of what `ledger` lends: an eighth for fresh queries to the machine's servers, at
    /// most 256; a quarter for unanswered ones, at most 1,024. Half as many for queries to servers that checks chose.
    pub(super) fn new(ledger: &Ledger) -> Self {
        Self {
            to_machine: QueryPools::new(["dns", "dns_unanswered"], ledger, 1),
            to_checks: QueryPools::new(["dns_own_servers", "dns_own_servers_unanswered"], ledger, 2),
        }
    }

    /// Runs one query. Returns the answer, or `None` if there is none within `limit`.
    ///
    /// Cancellation: releases the place and drops `exchange`.
    ///
    /// # Errors
    /// `DnsBusy` if there is no place, or the error of `exchange`.
    pub(super) async fn run<T>(
        &self,
        origin: &QueryOrigin,
        limit: Duration,
        progress: &Progress,
        exchange: impl Future<Output = Result<T, NetError>>,
    ) -> Result<Option<T>, NetError> {
        let pools = match origin.owner {
            ServerOwner::Machine => &self.to_machine,
            ServerOwner::Check => &self.to_checks,
        };
        pools.run(origin, limit, progress, exchange).await
    }
}

impl QueryPools {
    /// Creates pools with the given fraction of all places. One zone, or the servers that one check chose, gets at most
    /// half of them.
    fn new([fresh, unanswered]: [&'static str; 2], ledger: &Ledger, divisor: u64) -> Self {
        let available = ledger.capacity() / divisor;
        let pool = |name, capacity| {
            let share = capacity / 2;
            let limits = Limits {
                share,
                ..Limits::new(capacity)
            };
            let pool = Pool::fair(name, limits);
            ledger.pools().add(&pool);
            pool
        };
        Self {
            fresh: pool(
                fresh,
                (available / 8).clamp(MIN_CAPACITY.0, MAX_CAPACITY.0 / divisor),
            ),
            unanswered: pool(
                unanswered,
                (available / 4).clamp(MIN_CAPACITY.1, MAX_CAPACITY.1 / divisor),
            ),
        }
    }

    async fn run<T>(
        &self,
        origin: &QueryOrigin,
        limit: Duration,
        progress: &Progress,
        exchange: impl Future<Output = Result<T, NetError>>,
    ) -> Result<Option<T>, NetError> {
        let permit = self.acquire_fresh(origin).await?;
        progress.begin();
        let until = Instant::now() + limit;
        let mut exchange = std::pin::pin!(exchange);
        if let Ok(answer) = timeout(FRESH_PERIOD.min(limit), &mut exchange).await {
            permit.release_productive();
            return answer.map(Some);
        }
        let unanswered_permit = tokio::select! {
            biased;
            answer = &mut exchange => {
                permit.release_productive();
                return answer.map(Some);
            }
            unanswered_permit = self.acquire_unanswered(origin) => unanswered_permit?,
            () = sleep_until(until) => return Ok(None),
        };
        let permit = permit.release_undecided();
        let answer = tokio::select! {
            biased;
            answer = exchange => answer,
            () = preempted(&self.unanswered, origin) => return Err(NetError::DnsBusy),
            () = sleep_until(until) => return Ok(None),
        };
        permit.mark_productive();
        unanswered_permit.release_productive();
        answer.map(Some)
    }

    async fn acquire_fresh(&self, origin: &QueryOrigin) -> Result<PoolPermit, NetError> {
        let claim = claim(origin);
        let claim = if self.unanswered.held_by(&origin.destination) >= SILENT_ZONE_THRESHOLD {
            claim.at_most((self.fresh.limits().capacity / PROBE_FRACTION).max(1))
        } else {
            claim
        };
        let permit = self.fresh.acquire(claim, Some(ADMISSION_TIMEOUT)).await;
        permit.map_err(NetError::from)
    }

    /// Waits for an unanswered place while keeping the fresh one, unless that is preempted.
    async fn acquire_unanswered(&self, origin: &QueryOrigin) -> Result<PoolPermit, NetError> {
        if self.unanswered.has_share(&origin.destination) {
            return Err(NetError::DnsBusy);
        }
        tokio::select! {
            permit = self.unanswered.acquire(claim(origin).optional(), None) => permit.map_err(NetError::from),
            () = preempted(&self.fresh, origin) => Err(NetError::DnsBusy),
        }
    }
}

/// Completes when an unanswered query must release its place.
async fn preempted(pool: &Pool, origin: &QueryOrigin) {
    loop {
        sleep(FRESH_PERIOD).await;
        if pool.should_yield(&claim(origin)) {
            return;
        }
    }
}

fn claim(origin: &QueryOrigin) -> Claim {
    Claim::new(Arc::clone(&origin.destination))
        .for_check(origin.check.clone())
        .for_plugin(Arc::clone(&origin.plugin))
}

impl From<Busy> for NetError {
    fn from(_: Busy) -> Self {
        Self::DnsBusy
    }
}

/// The part of a name that is likely to have a single owner: its last two labels, or three if the second-level label is
/// as short as in `co.uk`.
pub(super) fn zone(name: &str) -> Arc<str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut labels = name.rsplit('.');
    let (last, before) = (
        labels.next().unwrap_or_default(),
        labels.next().unwrap_or_default(),
    );
    let third = labels.next().filter(|_| before.len() <= 3);
    let mut length = last.len() + 1 + before.len();
    if let Some(third) = third {
        length += 1 + third.len();
    }
    let start = name.len().saturating_sub(length);
    name.get(start..).unwrap_or(name).to_ascii_lowercase().into()
}
