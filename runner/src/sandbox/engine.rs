//! wasmtime, set up for many short runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::component;
use wasmtime::{
    Config, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig, Store, UpdateDeadline,
};

use super::line::Line;
use super::room::{CORE_INSTANCES, Room, Size};
use super::state::State;
use crate::liveness::{self, Component, Impact, Registry};

/// How often a guest that computes gives its worker thread back, and its cpu quota is looked at. One that has computed
/// for longer stands in line with others of its kind.
const TICK: Duration = Duration::from_millis(10);
/// Bytes that a guest may hand over in one host call.
const HOSTCALL_BYTES: usize = 16 << 20;
/// Handles of any kind that a guest may hold at once.
const COMPONENT_HANDLES: usize = 1_024;
/// Memory of an instance that is kept for the next one: what a small guest touches, its stack included.
const KEPT_MEMORY: usize = 256 << 10;

/// Memory of the host that the instances of one component may take, their own memories and tables left aside.
const INSTANCE_BYTES: usize = 1 << 20;
/// Elements of one table: enough for the function table of a language runtime.
const TABLE_ELEMENTS: usize = 100_000;

/// How long a ticker that hangs holds up the end.
const LAST_TICK: Duration = Duration::from_secs(1);
/// Nothing else interrupts a guest that computes.
const TICKER: Component = Component {
    name: "ticker",
    impact: Impact::Liveness,
};

/// What the engine is made for.
#[derive(Debug, Clone, Copy)]
pub struct EngineSettings {
    /// Runs at once; each has a place in the pool.
    pub concurrency: u32,
    /// The most that a suite may set as `memory`, in bytes.
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

/// The engine could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// wasmtime refused these settings.
    #[error("cannot start the wasm engine")]
    Start(#[source] wasmtime::Error),
    /// The thread that bounds guests' cpu could not be started.
    #[error("cannot start the ticker thread")]
    Ticker(#[source] std::io::Error),
}

/// A wasmtime engine with its ticker. Clones share both; the ticker ends with the last one.
#[derive(Clone)]
pub struct Engine {
    engine: wasmtime::Engine,
    is_pooling: bool,
    line: Line,
    room: Arc<Room>,
    _ticker: Arc<Ticker>,
}

impl Engine {
    /// An engine with a pool of instances; without one where the address space is too small for it.
    ///
    /// # Errors
    /// No engine could be made either way.
    pub fn new(settings: EngineSettings, liveness: &Registry) -> Result<Self, EngineError> {
        let size = Size::of(settings.concurrency);
        let strategy = pool(size, settings.memory_ceiling);
        let pooling = wasmtime::Engine::new(config().allocation_strategy(strategy));
        let (engine, is_pooling) = match pooling {
            Ok(engine) => (engine, true),
            Err(_) => (
                wasmtime::Engine::new(&frugal()).map_err(EngineError::Start)?,
                false,
            ),
        };
        Self::of(engine, is_pooling, Room::new(size), liveness)
    }

    fn of(
        engine: wasmtime::Engine,
        is_pooling: bool,
        room: Room,
        liveness: &Registry,
    ) -> Result<Self, EngineError> {
        let ticker = Arc::new(Ticker::start(engine.weak(), liveness).map_err(EngineError::Ticker)?);
        Ok(Self {
            engine,
            is_pooling,
            // What a runtime has of workers, unless told otherwise.
            line: Line::beside(std::thread::available_parallelism().map_or(1, Into::into)),
            room: Arc::new(room),
            _ticker: ticker,
        })
    }

    /// An engine without a pool, whose code runs on one that [`Engine::new`] made, with a pool or without.
    ///
    /// # Errors
    /// No engine could be made.
    pub fn compiler(for_pooling: bool) -> Result<Self, EngineError> {
        let mut config = match for_pooling {
            true => config(),
            false => frugal(),
        };
        config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
        let engine = wasmtime::Engine::new(&config).map_err(EngineError::Start)?;
        Self::of(engine, false, Room::for_runs(1), &Registry::default())
    }

    /// Room for instances.
    #[must_use]
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// Whether instances come from a pool, which is several times faster.
    #[must_use]
    pub fn is_pooling(&self) -> bool {
        self.is_pooling
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.engine
    }

    /// Compiles a component. Takes seconds for a large one: keep it off the runtime's workers.
    pub(crate) fn compile(&self, wasm: &[u8]) -> wasmtime::Result<component::Component> {
        component::Component::new(&self.engine, wasm)
    }

    /// Where runs of this engine wait that have computed for long.
    pub(super) fn line(&self) -> &Line {
        &self.line
    }

    /// A fresh store with every limit set.
    pub(super) fn store(&self, state: State) -> Store<State> {
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(HOSTCALL_BYTES);
        store.set_max_component_handles(COMPONENT_HANDLES);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|context| {
            let meter = &context.data().meter;
            if let Some(denial) = meter.over() {
                return Err(wasmtime::Error::new(denial));
            }
            // It goes on when it is its turn, see the meter.
            Ok(UpdateDeadline::Yield(1))
        });
        store
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.wasm_component_model(true);
    // No guest of this contract uses them, and each costs at every instantiation.
    config.concurrency_support(false);
    config.gc_support(false);
    config
}

/// Where address space is short: memories grow where they are, behind bounds checks, in place of 4 GiB each.
fn frugal() -> Config {
    let mut config = config();
    config.memory_reservation(1 << 20);
    config.memory_reservation_for_growth(1 << 20);
    config.memory_guard_size(64 << 10);
    config
}

fn pool(size: Size, memory_ceiling: u64) -> InstanceAllocationStrategy {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(size.components());
    pool.total_stacks(size.components());
    pool.total_core_instances(size.core_instances());
    pool.total_memories(size.memories());
    pool.total_tables(size.tables());
    pool.max_core_instances_per_component(CORE_INSTANCES);
    // What the host keeps of one guest's instances, all of them together.
    pool.max_component_instance_size(INSTANCE_BYTES);
    pool.max_core_instance_size(INSTANCE_BYTES);
    pool.max_memory_size(usize::try_from(memory_ceiling).unwrap_or(usize::MAX));
    pool.linear_memory_keep_resident(KEPT_MEMORY);
    // Asks the kernel which kept pages were written, and clears those only.
    pool.pagemap_scan(wasmtime::Enabled::Auto);
    pool.table_keep_resident(16 << 10);
    pool.table_elements(TABLE_ELEMENTS);
    InstanceAllocationStrategy::Pooling(pool)
}

/// Advances the engine's epoch; holds the engine weakly and is joined when the last [`Engine`] goes.
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
            liveness::join(thread, LAST_TICK);
        }
    }
}
