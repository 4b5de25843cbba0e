//! Room for runs: in a group, and among all.

mod history;
mod part;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::pool::{Claim, Limits, Place, Pool, WaitKind};
use crate::sandbox::{Extra, Room, Weight};
use crate::suite::CheckId;
use part::{Held, Part};

/// The right to execute one run; given back on drop.
#[derive(Debug)]
pub struct Permit {
    // In this order: whoever waits in the group finds room among all.
    _among_all: Place,
    _extra: Extra,
    _in_part: Held,
    waited: Duration,
}

impl Permit {
    /// How long it was waited for.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

/// What a run needs before it may begin.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wants<'a> {
    pub(super) check: &'a CheckId,
    pub(super) group: Option<&'a Arc<str>>,
    /// How long the check may take.
    pub(super) timeout: Duration,
    pub(super) plugin: &'a str,
    pub(super) weight: Weight,
    pub(super) room: &'a Room,
}

impl Wants<'_> {
    async fn extra(&self) -> Option<Extra> {
        self.room.acquire(self.weight, self.plugin, self.check).await.ok()
    }
}

/// All permits. Every group has its own part, and what is left is for the checks without a group, so that no group,
/// nor these, can take the room of another.
#[derive(Debug)]
pub(super) struct Permits {
    all: Pool,
    concurrency: usize,
    /// Held for a lookup, or for one reload.
    groups: Mutex<Groups>,
}

#[derive(Debug)]
struct Groups {
    named: HashMap<Arc<str>, Arc<Part>>,
    rest: Arc<Part>,
}

impl Permits {
    pub(super) fn new(concurrency: usize) -> Self {
        let limits = Limits::of(u64::try_from(concurrency).unwrap_or(u64::MAX));
        let all = Pool::new("permits", limits);
        Self {
            concurrency,
            groups: Mutex::new(Groups {
                named: HashMap::new(),
                rest: Part::new(&all, concurrency, WaitKind::Shortage),
            }),
            all,
        }
    }

    /// Gives each group its part. One that is gone keeps its part for the runs that wait in it. What is known of other
    /// checks than these is forgotten.
    pub(super) fn divide<'a>(
        &self,
        sizes: &BTreeMap<Arc<str>, u32>,
        checks: impl Iterator<Item = &'a CheckId>,
    ) {
        let checks: HashSet<_> = checks.collect();
        let is_known = |check: &CheckId| checks.contains(check);
        let mut groups = self.groups();
        groups.named.retain(|name, _| sizes.contains_key(name));
        let mut taken = 0_usize;
        for (name, size) in sizes {
            let size = usize::try_from(*size).unwrap_or(usize::MAX).min(self.concurrency);
            taken = taken.saturating_add(size);
            // A group's limit is what its checks are to wait for.
            let new = || Part::new(&self.all, size, WaitKind::Intended);
            let part = groups.named.entry(Arc::clone(name)).or_insert_with(new);
            part.resize(size, is_known);
        }
        let rest = self.concurrency.saturating_sub(taken).max(1);
        groups.rest.resize(rest, is_known);
    }

    /// The pool of all permits.
    pub(super) fn pool(&self) -> &Pool {
        &self.all
    }

    pub(super) async fn take(&self, wants: Wants<'_>) -> Option<Permit> {
        let asked_at = Instant::now();
        let part = self.part(wants.group);
        let expected = part.expect(wants.check, wants.timeout);
        let claim = Claim::by(wants.check)
            .for_check(wants.check.clone())
            .turn(asked_at + expected.delay)
            .optional();
        let in_part = part.acquire(claim.clone(), wants.check, expected.hold);
        // Never the other way round: whoever waits for a full group would hold room that others could use. The part of
        // checks without a group is room of all of them, and none for whoever waits for an instance.
        let (in_part, extra) = match wants.group {
            Some(_) => (in_part.await?, wants.extra().await?),
            None => {
                let extra = wants.extra().await?;
                (in_part.await?, extra)
            }
        };
        let among_all = self.all.acquire(claim, None).await.ok()?;
        Some(Permit {
            _among_all: among_all,
            _extra: extra,
            _in_part: in_part,
            waited: asked_at.elapsed(),
        })
    }

    fn part(&self, group: Option<&Arc<str>>) -> Arc<Part> {
        let groups = self.groups();
        let part = group
            .and_then(|name| groups.named.get(name))
            .unwrap_or(&groups.rest);
        Arc::clone(part)
    }

    fn groups(&self) -> MutexGuard<'_, Groups> {
        // Every section leaves the parts whole.
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
