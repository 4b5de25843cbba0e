//! Room for runs: in a group, and among all.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::pool::{Claim, Limits, Place, Pool};
use crate::sandbox::{Extra, Room, Weight};
use crate::suite::CheckId;

/// The right to execute one run; given back on drop.
#[derive(Debug)]
pub struct Permit {
    // In this order: whoever waits in the group finds room among all.
    _among_all: Place,
    _extra: Extra,
    _in_group: OwnedSemaphorePermit,
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
    named: HashMap<Arc<str>, Part>,
    rest: Part,
}

#[derive(Debug)]
struct Part {
    permits: Arc<Semaphore>,
    size: usize,
}

impl Part {
    fn new(size: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(size)),
            size,
        }
    }

    /// A part that shrinks gives up what is free; what is in use comes back to a part that is no longer asked.
    fn resize(&mut self, size: usize) {
        match size.checked_sub(self.size) {
            Some(more) => self.permits.add_permits(more),
            None => {
                let surplus = self.size - size;
                let given_up = self.permits.forget_permits(surplus);
                if given_up < surplus {
                    *self = Self::new(size);
                }
            }
        }
        self.size = size;
    }
}

impl Permits {
    pub(super) fn new(concurrency: usize) -> Self {
        Self {
            all: Pool::new(
                "permits",
                Limits::of(u64::try_from(concurrency).unwrap_or(u64::MAX)),
            ),
            concurrency,
            groups: Mutex::new(Groups {
                named: HashMap::new(),
                rest: Part::new(concurrency),
            }),
        }
    }

    /// Gives each group its part. One that is gone keeps its part for the runs that wait in it.
    pub(super) fn divide(&self, sizes: &BTreeMap<Arc<str>, u32>) {
        let mut groups = self.groups();
        groups.named.retain(|name, _| sizes.contains_key(name));
        let mut taken = 0_usize;
        for (name, size) in sizes {
            let size = usize::try_from(*size).unwrap_or(usize::MAX).min(self.concurrency);
            taken = taken.saturating_add(size);
            match groups.named.get_mut(name) {
                Some(part) => part.resize(size),
                None => drop(groups.named.insert(Arc::clone(name), Part::new(size))),
            }
        }
        let rest = self.concurrency.saturating_sub(taken).max(1);
        groups.rest.resize(rest);
    }

    /// The pool of all permits.
    pub(super) fn pool(&self) -> &Pool {
        &self.all
    }

    pub(super) async fn take(&self, wants: Wants<'_>) -> Option<Permit> {
        let asked_at = Instant::now();
        let part = self.part(wants.group).acquire_owned();
        // Never the other way round: whoever waits for a full group would hold room that others could use. The part of
        // checks without a group is room of all of them, and none for whoever waits for an instance.
        let (in_group, extra) = match wants.group {
            Some(_) => (part.await.ok()?, wants.extra().await?),
            None => {
                let extra = wants.extra().await?;
                (part.await.ok()?, extra)
            }
        };
        let among_all = self.all.acquire(Claim::by(wants.check), None).await.ok()?;
        Some(Permit {
            _among_all: among_all,
            _extra: extra,
            _in_group: in_group,
            waited: asked_at.elapsed(),
        })
    }

    fn part(&self, group: Option<&Arc<str>>) -> Arc<Semaphore> {
        let groups = self.groups();
        let part = group
            .and_then(|name| groups.named.get(name))
            .unwrap_or(&groups.rest);
        Arc::clone(&part.permits)
    }

    fn groups(&self) -> MutexGuard<'_, Groups> {
        // Every section is a few assignments.
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn sizes(groups: &[(&str, u32)]) -> BTreeMap<Arc<str>, u32> {
        groups
            .iter()
            .map(|(name, size)| ((*name).into(), *size))
            .collect()
    }

    fn take(permits: &Permits, group: Option<&str>) -> Option<Permit> {
        let (room, check) = (Room::for_runs(1), CheckId::new(&format!("{}", fastrand::u64(..))));
        let group = group.map(Arc::from);
        let wants = Wants {
            check: &check,
            group: group.as_ref(),
            plugin: "tcp",
            weight: Weight::default(),
            room: &room,
        };
        permits.take(wants).now_or_never().flatten()
    }

    #[test]
    fn a_full_group_holds_up_nobody_else() {
        let permits = Permits::new(4);
        permits.divide(&sizes(&[("slow", 2)]));
        let slow = [take(&permits, Some("slow")), take(&permits, Some("slow"))];
        assert!(slow.iter().all(Option::is_some));
        assert!(take(&permits, Some("slow")).is_none());
        let others = [take(&permits, None), take(&permits, None)];
        assert!(others.iter().all(Option::is_some));
    }

    #[test]
    fn checks_without_a_group_cannot_take_the_room_of_one() {
        let permits = Permits::new(4);
        permits.divide(&sizes(&[("slow", 1)]));
        let others: Vec<_> = (0..4).map(|_| take(&permits, None)).collect();
        assert_eq!(others.iter().flatten().count(), 3);
        assert!(take(&permits, Some("slow")).is_some());
    }

    #[test]
    fn a_group_can_grow_and_shrink_while_it_is_in_use() {
        let permits = Permits::new(10);
        permits.divide(&sizes(&[("slow", 2)]));
        let both = [take(&permits, Some("slow")), take(&permits, Some("slow"))];
        permits.divide(&sizes(&[("slow", 3)]));
        let third = take(&permits, Some("slow"));
        assert!(third.is_some() && take(&permits, Some("slow")).is_none());
        drop((both, third));
        permits.divide(&sizes(&[("slow", 1)]));
        let one = take(&permits, Some("slow"));
        assert!(one.is_some() && take(&permits, Some("slow")).is_none());
    }

    #[test]
    fn groups_that_want_everything_leave_room_for_the_rest() {
        let permits = Permits::new(2);
        permits.divide(&sizes(&[("a", 2), ("b", 2)]));
        assert!(take(&permits, None).is_some());
    }

    #[test]
    fn a_permit_is_given_back() {
        let permits = Permits::new(1);
        drop(take(&permits, None));
        assert!(take(&permits, None).is_some());
    }
}
