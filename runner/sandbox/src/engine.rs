//! The wasmtime engine, configured for many short runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::component;
use wasmtime::{
    Config, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig, Store, UpdateDeadline,
};

use super::cpu_queue::CpuFairQueue;
use super::instance_pool::{CORE_INSTANCES, InstancePool, PoolSize};
use super::state::State;
use canary_system::liveness::{self, Component, Impact, Registry};

/// How often a computing guest yields its worker thread and has its quota of `cpu` checked. A run that has computed
/// for longer takes turns with others, see `cpu_queue`.
const TICK: Duration = Duration::from_millis(10);
/// Bytes that a guest may pass in one host call.
const HOSTCALL_BYTES: usize = 16 << 20;
/// Handles of any kind that a guest may hold at once.
const COMPONENT_HANDLES: usize = 1_024;
/// Bytes of an instance's memory that stay resident for the next instance: what a small guest touches, its stack
/// included.
const RESIDENT_MEMORY: usize = 256 << 10;

/// Bytes of host memory that the instances of one component may take, besides their own memories and tables.
const INSTANCE_BYTES: usize = 1 << 20;
/// Elements of one table: enough for the function table of a language runtime.
const TABLE_ELEMENTS: usize = 100_000;

/// How long the drop of the engine waits for a ticker that hangs.
const JOIN_TIMEOUT: Duration = Duration::from_secs(1);
/// The ticker's liveness is critical: nothing else interrupts a guest that computes.
const TICKER: Component = Component {
    name: "ticker",
    impact: Impact::Liveness,
};

/// The settings of an engine.
#[derive(Debug, Clone, Copy)]
pub struct EngineSettings {
    /// Maximum number of concurrent runs; each has a slot in the instance pool.
    pub concurrency: u32,
    /// The largest `memory` that a suite may set, in bytes.
    pub memory_ceiling: u64,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            concurrency: 1_000,
            memory_ceiling: 1 << 30,
        }
    }
}

/// The engine could not be created.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refused these settings.
    #[error("cannot start the wasm engine")]
    Start(#[source] wasmtime::Error),
    /// The thread that enforces the guests' CPU limits could not be started.
    #[error("cannot start the ticker thread")]
    Ticker(#[source] std::io::Error),
}

/// A wasmtime engine with its ticker thread. Clones share both; the ticker ends with the last one.
#[derive(Clone)]
pub struct Engine {
    engine: wasmtime::Engine,
    is_pooling: bool,
    cpu_queue: CpuFairQueue,
    instance_pool: Arc<InstancePool>,
    _ticker: Arc<Ticker>,
}

impl Engine {
    /// Creates an engine with an instance pool, or without one if the address space is too small for a pool.
    ///
    /// # Errors
    /// The engine could be created neither way.
    pub fn new(settings: EngineSettings, liveness: &Registry) -> Result<Self, EngineError> {
        let size = PoolSize::for_concurrency(settings.concurrency);
        let strategy = pool(size, settings.memory_ceiling);
        let pooling = wasmtime::Engine::new(config().allocation_strategy(strategy));
        let (engine, is_pooling) = match pooling {
            Ok(engine) => (engine, true),
            Err(_) => (
                wasmtime::Engine::new(&low_memory_config()).map_err(EngineError::Start)?,
                false,
            ),
        };
        Self::assemble(engine, is_pooling, InstancePool::new(size), liveness)
    }

    fn assemble(
        engine: wasmtime::Engine,
        is_pooling: bool,
        instance_pool: InstancePool,
        liveness: &Registry,
    ) -> Result<Self, EngineError> {
        let ticker = Arc::new(Ticker::start(engine.weak(), liveness).map_err(EngineError::Ticker)?);
        Ok(Self {
            engine,
            is_pooling,
            // The default number of worker threads of a tokio runtime.
            cpu_queue: CpuFairQueue::for_workers(std::thread::available_parallelism().map_or(1, Into::into)),
            instance_pool: Arc::new(instance_pool),
            _ticker: ticker,
        })
    }

    /// Creates an engine without a pool for compiling code that runs on an engine made by [`Engine::new`], with or
    /// without a pool.
    ///
    /// # Errors
    /// The engine could not be created.
    pub(crate) fn compiler(for_pooling: bool) -> Result<Self, EngineError> {
        let mut config = if for_pooling {
            config()
        } else {
            low_memory_config()
        };
        config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
        let engine = wasmtime::Engine::new(&config).map_err(EngineError::Start)?;
        Self::assemble(engine, false, InstancePool::for_runs(1), &Registry::default())
    }

    /// The pool of instance slots.
    #[must_use]
    pub(crate) fn instance_pool(&self) -> &InstancePool {
        &self.instance_pool
    }

    /// Whether instances come from a pool, which is several times faster.
    #[must_use]
    pub(crate) fn is_pooling(&self) -> bool {
        self.is_pooling
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.engine
    }

    /// Compiles a component. Takes seconds for a large one: do not call it on the runtime's worker threads.
    pub(crate) fn compile(&self, wasm: &[u8]) -> wasmtime::Result<component::Component> {
        component::Component::new(&self.engine, wasm)
    }

    /// The queue of this engine's runs that compute for long.
    pub(super) fn cpu_queue(&self) -> &CpuFairQueue {
        &self.cpu_queue
    }

    /// Creates a fresh store with every limit set.
    pub(super) fn store(&self, state: State) -> Store<State> {
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(HOSTCALL_BYTES);
        store.set_max_component_handles(COMPONENT_HANDLES);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|context| {
            let meter = &context.data().meter;
            if let Some(denial) = meter.exceeded() {
                return Err(wasmtime::Error::new(denial));
            }
            // The meter polls the guest again when the run has its turn.
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.wasm_component_model(true);
    // No guest of this contract uses them, and each costs time at every instantiation.
    config.concurrency_support(false);
    config.gc_support(false);
    config
}

/// Configuration for a small address space: memories grow in place behind bounds checks instead of reserving 4 GiB
/// each.
fn low_memory_config() -> Config {
    let mut config = config();
    config.memory_reservation(1 << 20);
    config.memory_reservation_for_growth(1 << 20);
    config.memory_guard_size(64 << 10);
    config
}

fn pool(size: PoolSize, memory_ceiling: u64) -> InstanceAllocationStrategy {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(size.components());
    pool.total_stacks(size.components());
    pool.total_core_instances(size.core_instances());
    pool.total_memories(size.memories());
    pool.total_tables(size.tables());
    pool.max_core_instances_per_component(CORE_INSTANCES);
    // Metadata of all instances of one component together.
    pool.max_component_instance_size(INSTANCE_BYTES);
    pool.max_core_instance_size(INSTANCE_BYTES);
    pool.max_memory_size(usize::try_from(memory_ceiling).unwrap_or(usize::MAX));
    pool.linear_memory_keep_resident(RESIDENT_MEMORY);
    // Asks the kernel which resident pages were written, and clears only those.
    pool.pagemap_scan(wasmtime::Enabled::Auto);
    pool.table_keep_resident(16 << 10);
    pool.table_elements(TABLE_ELEMENTS);
    InstanceAllocationStrategy::Pooling(pool)
}

/// Thread that advances the engine's epoch. It holds the engine weakly and is joined when the last [`Engine`] is
/// dropped.
struct Ticker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    fn start(engine: EngineWeak, liveness: &Registry) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = liveness::spawn(TICKER, liveness, move |progress| {
            while !stopped.load(Ordering::Acquire) {
                std::thread::park_timeout(TICK);
                progress.beat();
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
            }
        })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            liveness::join(thread, JOIN_TIMEOUT);
        }
    }
}
