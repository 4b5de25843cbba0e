//! The claims that wait, in the order in which they have their turn: by plugin, and for each plugin by rank.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::Place;
use super::claim::Claim;
use super::reading::WaitId;

/// The plugin of a claim; absent where a pool does not order by use.
pub(super) type Plugin = Option<Arc<str>>;

/// Where a waiting claim stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rank {
    plugin: Plugin,
    turn: Turn,
}

/// How many units its holder had or waited for before, or how many microseconds its check had used, or the claim's own turn;
/// and when it came.
type Turn = (u64, u64);

#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) claim: Claim,
    pub(super) wait: WaitId,
    pub(super) tx: oneshot::Sender<Place>,
}

#[derive(Debug, Default)]
pub(super) struct Waiting(HashMap<Plugin, BTreeMap<Turn, Waiter>>);

impl Rank {
    pub(super) fn new(plugin: Plugin, before: u64, arrival: u64) -> Self {
        let turn = (before, arrival);
        Self { plugin, turn }
    }
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn get(&self, rank: &Rank) -> Option<&Waiter> {
        self.0.get(&rank.plugin)?.get(&rank.turn)
    }

    pub(super) fn insert(&mut self, rank: Rank, waiter: Waiter) {
        let queue = self.0.entry(rank.plugin).or_default();
        queue.insert(rank.turn, waiter);
    }

    pub(super) fn remove(&mut self, rank: &Rank) -> Option<Waiter> {
        let queue = self.0.get_mut(&rank.plugin)?;
        let waiter = queue.remove(&rank.turn);
        if queue.is_empty() {
            self.0.remove(&rank.plugin);
        }
        waiter
    }

    /// Those who come before `rank`, in no order, where `used` says how much each plugin has used.
    pub(super) fn before<'a>(
        &'a self,
        rank: &'a Rank,
        used: impl Fn(&Plugin) -> u64 + 'a,
    ) -> impl Iterator<Item = &'a Waiter> {
        let key = move |plugin: &Plugin| (used(plugin), plugin.clone());
        let own = key(&rank.plugin);
        self.0.iter().flat_map(move |(plugin, queue)| {
            let end = match key(plugin).cmp(&own) {
                Ordering::Less => Bound::Unbounded,
                Ordering::Equal => Bound::Excluded(rank.turn),
                Ordering::Greater => Bound::Excluded((0, 0)),
            };
            queue.range((Bound::Unbounded, end)).map(|(_, waiter)| waiter)
        })
    }

    /// All of them in order.
    pub(super) fn in_order(&self, used: impl Fn(&Plugin) -> u64) -> impl Iterator<Item = &Waiter> {
        let plugins = self.plugins(used).into_iter();
        plugins
            .filter_map(|plugin| self.0.get(&plugin))
            .flat_map(BTreeMap::values)
    }

    /// The plugins in order.
    pub(super) fn plugins(&self, used: impl Fn(&Plugin) -> u64) -> Vec<Plugin> {
        let mut plugins: Vec<_> = self.0.keys().cloned().collect();
        plugins.sort_by_cached_key(|plugin| (used(plugin), plugin.clone()));
        plugins
    }

    /// The first of a plugin behind `after`, or of all.
    pub(super) fn next(&self, plugin: &Plugin, after: Option<&Rank>) -> Option<(Rank, &Waiter)> {
        let after = after.map_or(Bound::Unbounded, |rank| Bound::Excluded(rank.turn));
        let (turn, waiter) = self.0.get(plugin)?.range((after, Bound::Unbounded)).next()?;
        let rank = Rank {
            plugin: plugin.clone(),
            turn: *turn,
        };
        Some((rank, waiter))
    }
}
