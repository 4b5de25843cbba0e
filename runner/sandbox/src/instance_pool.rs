//! The instance pool: how many slots a component needs, and who may take them.
//!
//! Every run has a basic slot with one memory and a few tables, which is enough for most components. A component that
//! needs more takes extra slots from a pool, of which one plugin may have half. So checks of large plugins wait for
//! each other, and checks of small plugins never wait for them.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, SemaphorePermit};
use wasmtime::component::Component;

use canary_net::ledger::Ledger;
use canary_net::pool::{Busy, Claim, Limits, Pool, PoolPermit};
use canary_suite::CheckId;

/// Memories per slot.
const MEMORIES: u32 = 1;
/// Tables per slot: a guest in Rust has two.
const TABLES: u32 = 4;
/// Slots that one component may need, the basic one included.
const MAX_SLOTS_PER_COMPONENT: u32 = 16;
/// Core instances that one component may have. They cost what they declare, and are not pooled.
pub(super) const CORE_INSTANCES: u32 = 64;
/// Components that may be described at once, besides all runs.
const MAX_CONCURRENT_DESCRIBES: u32 = 8;
/// Slots that fit the address space of a process, with 4 GiB for each memory.
const MAX_SLOTS: u32 = 16_384;
/// How long a component to be described waits for extra slots.
const DESCRIBE_PATIENCE: Duration = Duration::from_secs(10);

/// Limits of one store, for engines without a pool that enforces them at load.
pub(super) struct StoreLimits;

impl StoreLimits {
    pub(super) const INSTANCES: usize = CORE_INSTANCES as usize;
    pub(super) const MEMORIES: usize = (MAX_SLOTS_PER_COMPONENT * MEMORIES) as usize;
    pub(super) const TABLES: usize = (MAX_SLOTS_PER_COMPONENT * TABLES) as usize;
}

/// A component that needs more memories or tables than one may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error(
    "it needs {memories} memories and {tables} tables; a component may have {} and {}",
    MAX_SLOTS_PER_COMPONENT * MEMORIES,
    MAX_SLOTS_PER_COMPONENT * TABLES
)]
pub struct TooLarge {
    memories: u32,
    tables: u32,
}

/// Number of extra slots that a component needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weight(u32);

impl Weight {
    /// The weight of a component. Imports of modules are unknown and not counted; no host of this contract has such
    /// imports.
    pub(super) fn for_component(component: &Component) -> Result<Self, TooLarge> {
        let needs = component.resources_required();
        let (memories, tables) = needs.map_or((0, 0), |needs| (needs.num_memories, needs.num_tables));
        Self::for_needs(memories, tables)
    }

    fn for_needs(memories: u32, tables: u32) -> Result<Self, TooLarge> {
        let slots = memories.div_ceil(MEMORIES).max(tables.div_ceil(TABLES)).max(1);
        if slots <= MAX_SLOTS_PER_COMPONENT {
            Ok(Self(slots - 1))
        } else {
            Err(TooLarge { memories, tables })
        }
    }
}

/// The size of an instance pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct PoolSize {
    runs: u32,
    extra: u32,
}

impl PoolSize {
    /// The size for this many concurrent runs, with as many extra slots as runs.
    pub(super) fn for_concurrency(concurrency: u32) -> Self {
        let runs = concurrency.saturating_add(MAX_CONCURRENT_DESCRIBES);
        let extra = concurrency.clamp(4 * MAX_SLOTS_PER_COMPONENT, MAX_SLOTS);
        Self {
            runs,
            extra: extra
                .min(MAX_SLOTS.saturating_sub(runs))
                .max(4 * MAX_SLOTS_PER_COMPONENT),
        }
    }

    /// Maximum number of concurrent component instances.
    pub(super) fn components(self) -> u32 {
        self.runs
    }

    pub(super) fn core_instances(self) -> u32 {
        self.runs.saturating_mul(CORE_INSTANCES)
    }

    pub(super) fn memories(self) -> u32 {
        self.slots().saturating_mul(MEMORIES)
    }

    pub(super) fn tables(self) -> u32 {
        self.slots().saturating_mul(TABLES)
    }

    fn slots(self) -> u32 {
        self.runs.saturating_add(self.extra)
    }
}

/// The slots of the instance pool that runs share.
#[derive(Debug)]
pub struct InstancePool {
    extra: Pool,
    described: Semaphore,
}

/// Extra slots for one instance; released on drop.
#[derive(Debug, Default)]
#[must_use = "the room is given back when this is dropped"]
pub struct ExtraSlots {
    _permit: Option<PoolPermit>,
}

impl InstancePool {
    pub(super) fn new(size: PoolSize) -> Self {
        let extra = u64::from(size.extra);
        Self {
            extra: Pool::new("instances", Limits::shared(extra, extra / 2)),
            described: Semaphore::new(usize::try_from(MAX_CONCURRENT_DESCRIBES).unwrap_or(1)),
        }
    }

    /// A pool for this many concurrent runs.
    #[must_use]
    pub fn for_runs(concurrency: u32) -> Self {
        Self::new(PoolSize::for_concurrency(concurrency))
    }

    /// Adds the pool of extra slots to the pools that `ledger` reports.
    pub(super) fn register_in(&self, ledger: &Ledger) {
        ledger.pools().add(&self.extra);
    }

    /// Waits for the extra slots of one instance of a plugin.
    ///
    /// Cancellation: gives up the wait.
    ///
    /// # Errors
    /// Checks of other plugins hold all extra slots, and none of them ends in time.
    pub async fn acquire(&self, weight: Weight, plugin: &str, check: &CheckId) -> Result<ExtraSlots, Busy> {
        self.acquire_extra(weight, plugin, check, None).await
    }

    /// Waits for the slots of an instance that is to be described.
    pub(super) async fn acquire_for_describe(
        &self,
        weight: Weight,
    ) -> Result<(SemaphorePermit<'_>, ExtraSlots), Busy> {
        let closed = |_| Busy { pool: "instances" };
        let turn = self.described.acquire().await.map_err(closed)?;
        let describe = CheckId::new("describe");
        let extra = self
            .acquire_extra(weight, "describe", &describe, Some(DESCRIBE_PATIENCE))
            .await?;
        Ok((turn, extra))
    }

    async fn acquire_extra(
        &self,
        weight: Weight,
        plugin: &str,
        check: &CheckId,
        patience: Option<Duration>,
    ) -> Result<ExtraSlots, Busy> {
        if weight == Weight::default() {
            return Ok(ExtraSlots::default());
        }
        let claim = Claim::new(plugin)
            .units(u64::from(weight.0))
            .for_check(check.clone());
        let permit = self.extra.acquire(claim, patience).await?;
        Ok(ExtraSlots {
            _permit: Some(permit),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_language_runtimes_need_is_within_the_limits() {
        // Memories and tables of components as the toolchains build them: Rust, Go, QuickJS, Python.
        let weights = [(1, 2), (1, 2), (2, 5), (1, 30)]
            .map(|(memories, tables)| Weight::for_needs(memories, tables).map(|weight| weight.0));
        assert_eq!(weights, [Ok(0), Ok(0), Ok(1), Ok(7)]);
    }

    #[test]
    fn a_component_that_needs_too_much_is_refused_with_the_numbers() {
        let refused = Weight::for_needs(499, 2).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "it needs 499 memories and 2 tables; a component may have 16 and 64"
        );
        assert!(Weight::for_needs(16, 64).is_ok() && Weight::for_needs(0, 65).is_err());
    }

    #[test]
    fn the_pool_holds_every_component_of_the_limits_and_fits_the_address_space() {
        for concurrency in [1, 64, 1_000, 10_000, 16_000] {
            let size = PoolSize::for_concurrency(concurrency);
            assert!(size.components() > concurrency && size.extra >= 4 * MAX_SLOTS_PER_COMPONENT);
            assert!(
                size.memories() <= MAX_SLOTS + 4 * MAX_SLOTS_PER_COMPONENT,
                "{concurrency}"
            );
        }
    }

    #[tokio::test]
    async fn large_plugins_wait_for_each_other_and_small_ones_do_not_wait() {
        use futures_util::FutureExt as _;
        let pool = InstancePool::new(PoolSize::for_concurrency(1));
        let check = |number: u32| CheckId::new(&number.to_string());
        let hog = Weight(15);
        let take = |weight, plugin: &'static str, number| {
            let (pool, check) = (&pool, check(number));
            async move { pool.acquire(weight, plugin, &check).await }
        };
        let slots: Vec<_> = (0..2)
            .map(|number| take(hog, "hog", number).now_or_never())
            .collect();
        assert!(slots.iter().all(Option::is_some));
        assert!(take(hog, "hog", 3).now_or_never().is_none(), "it has its half");
        let other = take(Weight(7), "python", 4).now_or_never();
        let small = take(Weight(0), "http", 5).now_or_never();
        assert!(other.is_some() && small.is_some());
    }
}
