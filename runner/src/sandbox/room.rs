//! Room in the instance pool: what a component may need of it, and who may take it.
//!
//! Every run has a basic place: one memory and a few tables, which is what most components need. A component that
//! needs more takes extra places, from a pool of which one plugin has a half at most. So the checks of large plugins
//! wait for each other, and no check of a small one waits for them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::component::Component;

use crate::ledger::Ledger;
use crate::pool::{Busy, Claim, Limits, Place, Pool};
use crate::suite::CheckId;

/// Memories of one place.
const MEMORIES: u32 = 1;
/// Tables of one place: a guest in Rust has two.
const TABLES: u32 = 4;
/// Places that one component may need, the basic one included.
const PLACES: u32 = 16;
/// Core instances that one component may have. They cost what they say, and are not pooled.
pub(super) const CORE_INSTANCES: u32 = 64;
/// Components that are asked at once what they are, beside all runs.
const DESCRIBED_AT_ONCE: u32 = 8;
/// Places that the address space of a process has room for, with 4 GiB for each memory.
const MOST_PLACES: u32 = 16_384;
/// How long a component that is asked what it is waits for extra places.
const PATIENCE: Duration = Duration::from_secs(10);

/// What one store may hold, where there is no pool that says so at load.
pub(super) struct StoreLimits;

impl StoreLimits {
    pub(super) const INSTANCES: usize = CORE_INSTANCES as usize;
    pub(super) const MEMORIES: usize = (PLACES * MEMORIES) as usize;
    pub(super) const TABLES: usize = (PLACES * TABLES) as usize;
}

/// A component that needs more than one may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error(
    "it needs {memories} memories and {tables} tables; a component may have {} and {}",
    PLACES * MEMORIES,
    PLACES * TABLES
)]
pub struct TooLarge {
    memories: u32,
    tables: u32,
}

/// Extra places that a component needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weight(u32);

impl Weight {
    /// Of a component. What it imports as a module cannot be known; no host of this contract has such imports.
    pub(super) fn of(component: &Component) -> Result<Self, TooLarge> {
        let needs = component.resources_required();
        let (memories, tables) = needs.map_or((0, 0), |needs| (needs.num_memories, needs.num_tables));
        Self::of_needs(memories, tables)
    }

    fn of_needs(memories: u32, tables: u32) -> Result<Self, TooLarge> {
        let places = memories.div_ceil(MEMORIES).max(tables.div_ceil(TABLES)).max(1);
        match places <= PLACES {
            true => Ok(Self(places - 1)),
            false => Err(TooLarge { memories, tables }),
        }
    }
}

/// The size of an instance pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    runs: u32,
    extra: u32,
}

impl Size {
    /// For so many runs at once, and as many extra places as runs.
    pub(super) fn of(concurrency: u32) -> Self {
        let runs = concurrency.saturating_add(DESCRIBED_AT_ONCE);
        let extra = concurrency.clamp(4 * PLACES, MOST_PLACES);
        Self {
            runs,
            extra: extra.min(MOST_PLACES.saturating_sub(runs)).max(4 * PLACES),
        }
    }

    /// Components at once.
    pub(super) fn components(self) -> u32 {
        self.runs
    }

    pub(super) fn core_instances(self) -> u32 {
        self.runs.saturating_mul(CORE_INSTANCES)
    }

    pub(super) fn memories(self) -> u32 {
        self.places().saturating_mul(MEMORIES)
    }

    pub(super) fn tables(self) -> u32 {
        self.places().saturating_mul(TABLES)
    }

    fn places(self) -> u32 {
        self.runs.saturating_add(self.extra)
    }
}

/// Who may make an instance.
#[derive(Debug)]
pub struct Room {
    extra: Pool,
    described: Semaphore,
}

/// Room for one instance beyond the basic place; given back on drop.
#[derive(Debug, Default)]
#[must_use = "the room is given back when this is dropped"]
pub struct Extra {
    _place: Option<Place>,
}

impl Room {
    pub(super) fn new(size: Size) -> Self {
        let extra = u64::from(size.extra);
        Self {
            extra: Pool::new("instances", Limits::shared(extra, extra / 2)),
            described: Semaphore::new(usize::try_from(DESCRIBED_AT_ONCE).unwrap_or(1)),
        }
    }

    /// Room beside so many runs at once.
    #[must_use]
    pub fn for_runs(concurrency: u32) -> Self {
        Self::new(Size::of(concurrency))
    }

    /// Shows the pool with those of `ledger`.
    pub(super) fn show(&self, ledger: &Ledger) {
        ledger.pools().add(&self.extra);
    }

    /// Waits for room for one instance of a plugin.
    ///
    /// Cancellation: gives up the wait.
    ///
    /// # Errors
    /// Other plugins' checks have all extra places, and none of them ends in time.
    pub async fn acquire(&self, weight: Weight, plugin: &str, check: &CheckId) -> Result<Extra, Busy> {
        self.take(weight, plugin, check, None).await
    }

    /// Room for an instance that is asked what it is.
    pub(super) async fn to_describe(&self, weight: Weight) -> Result<(SemaphorePermit<'_>, Extra), Busy> {
        let closed = |_| Busy { pool: "instances" };
        let turn = self.described.acquire().await.map_err(closed)?;
        let describe = CheckId::new("describe");
        let extra = self.take(weight, "describe", &describe, Some(PATIENCE)).await?;
        Ok((turn, extra))
    }

    async fn take(
        &self,
        weight: Weight,
        plugin: &str,
        check: &CheckId,
        patience: Option<Duration>,
    ) -> Result<Extra, Busy> {
        if weight == Weight::default() {
            return Ok(Extra::default());
        }
        let claim = Claim::by(plugin)
            .units(u64::from(weight.0))
            .for_check(check.clone());
        let place = self.extra.acquire(claim, patience).await?;
        Ok(Extra { _place: Some(place) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_language_runtimes_need_is_within_the_limits() {
        // Memories and tables of components as their tools make them: Rust, Go, QuickJS, Python.
        let weights = [(1, 2), (1, 2), (2, 5), (1, 30)]
            .map(|(memories, tables)| Weight::of_needs(memories, tables).map(|weight| weight.0));
        assert_eq!(weights, [Ok(0), Ok(0), Ok(1), Ok(7)]);
    }

    #[test]
    fn a_component_that_needs_too_much_is_refused_with_the_numbers() {
        let refused = Weight::of_needs(499, 2).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "it needs 499 memories and 2 tables; a component may have 16 and 64"
        );
        assert!(Weight::of_needs(16, 64).is_ok() && Weight::of_needs(0, 65).is_err());
    }

    #[test]
    fn the_pool_holds_every_component_of_the_limits_and_fits_the_address_space() {
        for concurrency in [1, 64, 1_000, 10_000, 16_000] {
            let size = Size::of(concurrency);
            assert!(size.components() > concurrency && size.extra >= 4 * PLACES);
            assert!(size.memories() <= MOST_PLACES + 4 * PLACES, "{concurrency}");
        }
    }

    #[tokio::test]
    async fn large_plugins_wait_for_each_other_and_small_ones_for_nobody() {
        use futures_util::FutureExt as _;
        let room = Room::new(Size::of(1));
        let check = |number: u32| CheckId::new(&number.to_string());
        let hog = Weight(15);
        let take = |weight, plugin: &'static str, number| {
            let (room, check) = (&room, check(number));
            async move { room.acquire(weight, plugin, &check).await }
        };
        let places: Vec<_> = (0..2)
            .map(|number| take(hog, "hog", number).now_or_never())
            .collect();
        assert!(places.iter().all(Option::is_some));
        assert!(take(hog, "hog", 3).now_or_never().is_none(), "it has its half");
        let other = take(Weight(7), "python", 4).now_or_never();
        let small = take(Weight(0), "http", 5).now_or_never();
        assert!(other.is_some() && small.is_some());
    }
}
