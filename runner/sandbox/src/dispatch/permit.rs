//! Concurrency limits for runs: per group, and overall.

mod group_limit;
mod history;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::{ExtraSlots, InstancePool, Weight};
use canary_net::pool::{Claim, Limits, Pool, PoolPermit, WaitKind};
use canary_suite::CheckId;
use group_limit::{GroupLimit, GroupPermit};

/// The right to execute one run; released on drop.
#[derive(Debug)]
pub struct Permit {
    // Dropped in this order, so that the next check of the group finds the overall permit free.
    _overall: PoolPermit,
    _extra: ExtraSlots,
    _in_group: GroupPermit,
    waited: Duration,
}

impl Permit {
    /// How long the run waited for it.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

/// What a run needs before it may start.
#[derive(Debug, Clone, Copy)]
pub(super) struct PermitRequest<'a> {
    pub(super) check: &'a CheckId,
    pub(super) group: Option<&'a Arc<str>>,
    /// The check's time-out.
    pub(super) timeout: Duration,
    pub(super) plugin: &'a str,
    pub(super) weight: Weight,
    pub(super) room: &'a InstancePool,
}

impl PermitRequest<'_> {
    async fn extra(&self) -> Option<ExtraSlots> {
        self.room.acquire(self.weight, self.plugin, self.check).await.ok()
    }
}

/// The concurrency limits of all runs. Every group has its own limit, and the remaining permits are for the checks
/// without a group, so that neither can take the permits of another.
#[derive(Debug)]
pub(super) struct ConcurrencyLimits {
    all: Pool,
    concurrency: usize,
    /// Locked for a lookup, or for one reload.
    groups: Mutex<Groups>,
}

#[derive(Debug)]
struct Groups {
    named: HashMap<Arc<str>, Arc<GroupLimit>>,
    ungrouped: Arc<GroupLimit>,
}

impl ConcurrencyLimits {
    pub(super) fn new(concurrency: usize) -> Self {
        let limits = Limits::new(u64::try_from(concurrency).unwrap_or(u64::MAX));
        let all = Pool::new("permits", limits);
        Self {
            concurrency,
            groups: Mutex::new(Groups {
                named: HashMap::new(),
                ungrouped: GroupLimit::new(&all, concurrency, WaitKind::Shortage),
            }),
            all,
        }
    }

    /// Sets the limit of each group. The limit of a removed group lives on for the runs that wait for it. The history
    /// of checks other than these is discarded.
    pub(super) fn configure<'a>(
        &self,
        sizes: &BTreeMap<Arc<str>, u32>,
        checks: impl Iterator<Item = &'a CheckId>,
    ) {
        let checks: HashSet<_> = checks.collect();
        let is_known = |check: &CheckId| checks.contains(check);
        let mut groups = self.groups();
        groups.named.retain(|name, _| sizes.contains_key(name));
        let mut grouped = 0_usize;
        for (name, size) in sizes {
            let size = usize::try_from(*size).unwrap_or(usize::MAX).min(self.concurrency);
            grouped = grouped.saturating_add(size);
            // Waiting for the limit of a group is intended by the operator.
            let new = || GroupLimit::new(&self.all, size, WaitKind::Intended);
            let limit = groups.named.entry(Arc::clone(name)).or_insert_with(new);
            limit.resize(size, is_known);
        }
        let ungrouped = self.concurrency.saturating_sub(grouped).max(1);
        groups.ungrouped.resize(ungrouped, is_known);
    }

    /// The pool of all permits.
    pub(super) fn pool(&self) -> &Pool {
        &self.all
    }

    /// Waits for all permits that a run needs; `None` if a pool is closed.
    ///
    /// Cancellation: releases the permits acquired so far.
    pub(super) async fn acquire(&self, request: PermitRequest<'_>) -> Option<Permit> {
        let requested_at = Instant::now();
        let limit = self.limit(request.group);
        let expected = limit.expect(request.check, request.timeout);
        let claim = Claim::new(request.check)
            .for_check(request.check.clone())
            .scheduled_at(requested_at + expected.delay)
            .optional();
        let in_group = limit.acquire(claim.clone(), request.check, expected.hold);
        // Never in the opposite order: a run that waits for a full group would hold an instance that others could use.
        // For checks without a group it is reversed: they share one limit, which a run that waits for an instance must
        // not occupy.
        let (in_group, extra) = match request.group {
            Some(_) => (in_group.await?, request.extra().await?),
            None => {
                let extra = request.extra().await?;
                (in_group.await?, extra)
            }
        };
        let overall = self.all.acquire(claim, None).await.ok()?;
        Some(Permit {
            _overall: overall,
            _extra: extra,
            _in_group: in_group,
            waited: requested_at.elapsed(),
        })
    }

    fn limit(&self, group: Option<&Arc<str>>) -> Arc<GroupLimit> {
        let groups = self.groups();
        let limit = group
            .and_then(|name| groups.named.get(name))
            .unwrap_or(&groups.ungrouped);
        Arc::clone(limit)
    }

    fn groups(&self) -> MutexGuard<'_, Groups> {
        // A critical section cannot leave the groups inconsistent.
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
