//! Simulation tests: the clocks, the targets, the receivers and the disk are simulated, and all of them fail by a
//! seed. The schedule, the statuses, the supervisor, alerts and their delivery, persistence, health and the
//! heartbeat's decisions are the real ones.
//!
//! `CANARY_SIMULATION_SEEDS=1000` runs that many seeds, `CANARY_SIMULATION_FIRST` sets the first seed (default 0),
//! and `CANARY_SIMULATION_DAYS=365` is the length of the worlds in which faults are rare. A failure prints its seed
//! and the world's history.

mod blocked;
mod collector;
mod daytime;
mod expected;
mod faults;
mod host;
mod plan;
mod process;
mod promises;
mod reader;
mod receivers;
mod recovery;
mod reloads;
mod spool;
mod targets;
mod world;
mod year;

use std::num::NonZero;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use tokio::runtime::Builder;
use tokio::task::LocalSet;

use faults::Fault;
use plan::BUSY;
use world::World;

/// Default number of seeds: a quarter of a minute of processor time.
const SEEDS: u64 = 24;
/// One in so many seeds also simulates days, which takes longer.
const SEEDS_OF_A_DAY: u64 = 10;
/// Worlds in which faults are rare, and their default length.
const YEARS: u64 = 2;
const DAYS: u64 = 30;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// After so many failed seeds no further ones are tried.
const ENOUGH: usize = 3;
/// Number of faults per seed, injected one after the other.
const FAULTS: usize = 7;

#[expect(
    clippy::disallowed_methods,
    reason = "the length of the simulation is set by the environment"
)]
fn setting(name: &str, default: u64) -> u64 {
    let value = std::env::var(name);
    value.map_or(default, |text| text.parse().expect("a number of seeds"))
}

/// About twenty minutes of a day.
async fn live(seed: u64) {
    let mut world = World::begin(seed, &BUSY);
    for _ in 0..FAULTS {
        let calm = world.random.u64(5..90);
        world.change_something();
        world.run(Duration::from_secs(calm)).await;
        let fault = Fault::draw(&mut world.random);
        world.note(format!("{fault:?}"));
        fault.play(&mut world).await;
        world.recover().await;
    }
    world.finish().await;
}

/// Simulates worlds on every processor until all seeds are done or enough of them have failed.
fn simulate(count: u64, live: impl AsyncFn(u64) + Sync) {
    let first = setting("CANARY_SIMULATION_FIRST", 0);
    let seeds = Mutex::new(first..first + count);
    let failed = Mutex::new(Vec::new());
    let simulate = || {
        while failed.lock().unwrap().len() < ENOUGH {
            let seed = seeds.lock().unwrap().next();
            let Some(seed) = seed else { return };
            let world = AssertUnwindSafe(|| block_on(seed, live(seed)));
            if std::panic::catch_unwind(world).is_err() {
                failed.lock().unwrap().push(seed);
            }
        }
    };
    let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..processors {
            scope.spawn(simulate);
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(
        failed.is_empty(),
        "seeds {failed:?} fail, each as said above; CANARY_SIMULATION_FIRST=N repeats one"
    );
}

fn block_on(seed: u64, live: impl Future<Output = ()>) {
    // Jitter of delays.
    fastrand::seed(seed);
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, live);
}

#[test]
fn the_service_keeps_its_promises_whatever_fails_around_it() {
    simulate(setting("CANARY_SIMULATION_SEEDS", SEEDS), live);
}

#[test]
fn the_service_keeps_its_promises_through_the_year() {
    let days = u32::try_from(setting("CANARY_SIMULATION_DAYS", DAYS)).expect("a number of days");
    simulate(YEARS, async |seed| year::live(seed, days).await);
}

#[test]
fn each_due_time_of_the_day_is_run_or_missed_once_whatever_is_done_to_clocks() {
    let seeds = setting("CANARY_SIMULATION_SEEDS", SEEDS).div_ceil(SEEDS_OF_A_DAY);
    simulate(seeds, daytime::live);
}

/// Noon of some day.
fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_014_400)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
