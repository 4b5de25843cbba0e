//! The waiting claims in the order in which they are served: by plugin, and for each plugin by rank.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::PoolPermit;
use super::claim::Claim;
use super::stats::WaitId;

/// The plugin of a claim; `None` in pools that are not fair.
pub(super) type PluginKey = Option<Arc<str>>;

/// The rank of a waiting claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rank {
    plugin: PluginKey,
    position: Position,
}

/// The primary order, which is the units that the holder held and waited for before, the microseconds that the check
/// has used, or the scheduled time; and the number of the arrival.
type Position = (u64, u64);

#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) claim: Claim,
    pub(super) wait: WaitId,
    pub(super) tx: oneshot::Sender<PoolPermit>,
}

#[derive(Debug, Default)]
pub(super) struct WaitQueue(HashMap<PluginKey, BTreeMap<Position, Waiter>>);

impl Rank {
    pub(super) fn new(plugin: PluginKey, before: u64, arrival: u64) -> Self {
        let position = (before, arrival);
        Self { plugin, position }
    }
}

impl WaitQueue {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, rank: &Rank) -> Option<&Waiter> {
        self.0.get(&rank.plugin)?.get(&rank.position)
    }

    pub(super) fn insert(&mut self, rank: Rank, waiter: Waiter) {
        let queue = self.0.entry(rank.plugin).or_default();
        queue.insert(rank.position, waiter);
    }

    pub(super) fn remove(&mut self, rank: &Rank) -> Option<Waiter> {
        let queue = self.0.get_mut(&rank.plugin)?;
        let waiter = queue.remove(&rank.position);
        if queue.is_empty() {
            self.0.remove(&rank.plugin);
        }
        waiter
    }

    /// The waiters before `rank`, in no order, where `used` returns the usage of a plugin.
    pub(super) fn before<'a>(
        &'a self,
        rank: &'a Rank,
        used: impl Fn(&PluginKey) -> u64 + 'a,
    ) -> impl Iterator<Item = &'a Waiter> {
        let key = move |plugin: &PluginKey| (used(plugin), plugin.clone());
        let own = key(&rank.plugin);
        self.0.iter().flat_map(move |(plugin, queue)| {
            let end = match key(plugin).cmp(&own) {
                Ordering::Less => Bound::Unbounded,
                Ordering::Equal => Bound::Excluded(rank.position),
                Ordering::Greater => Bound::Excluded((0, 0)),
            };
            queue.range((Bound::Unbounded, end)).map(|(_, waiter)| waiter)
        })
    }

    /// All waiters in order.
    pub(super) fn in_order(&self, used: impl Fn(&PluginKey) -> u64) -> impl Iterator<Item = &Waiter> {
        let plugins = self.plugins(used).into_iter();
        plugins
            .filter_map(|plugin| self.0.get(&plugin))
            .flat_map(BTreeMap::values)
    }

    /// The plugins in order.
    pub(super) fn plugins(&self, used: impl Fn(&PluginKey) -> u64) -> Vec<PluginKey> {
        let mut plugins: Vec<_> = self.0.keys().cloned().collect();
        plugins.sort_by_cached_key(|plugin| (used(plugin), plugin.clone()));
        plugins
    }

    /// The first waiter of a plugin after `after`, or the first of all.
    pub(super) fn next(&self, plugin: &PluginKey, after: Option<&Rank>) -> Option<(Rank, &Waiter)> {
        let after = after.map_or(Bound::Unbounded, |rank| Bound::Excluded(rank.position));
        let (position, waiter) = self.0.get(plugin)?.range((after, Bound::Unbounded)).next()?;
        let rank = Rank {
            plugin: plugin.clone(),
            position: *position,
        };
        Some((rank, waiter))
    }
}
