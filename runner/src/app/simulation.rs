//! The service in a simulated world: the clocks, the targets, the receivers and the disk are the test's, and all of them
//! fail by a seed. The schedule, the board, the service's loop, alerts and their delivery, what is persisted, health
//! and the heartbeat's judgement are the product's.
//!
//! `CANARY_SIMULATION_SEEDS=1000` runs that many seeds, `CANARY_SIMULATION_FIRST` begins with another one than 0. A failure
//! names its seed and what the world did.

mod blocked;
mod expected;
mod faults;
mod process;
mod reader;
mod receivers;
mod reloads;
mod targets;
mod world;

use std::time::{Duration, SystemTime};

use tokio::runtime::Builder;
use tokio::task::LocalSet;

use faults::Fault;
use world::World;

/// Seeds where nobody asks for more: twenty seconds of processor time.
const SEEDS: u64 = 24;
/// Faults of one seed, one after the other.
const FAULTS: usize = 14;

#[expect(
    clippy::disallowed_methods,
    reason = "how long to go on is for whoever runs the tests to say"
)]
fn setting(name: &str, default: u64) -> u64 {
    let value = std::env::var(name);
    value.map_or(default, |text| text.parse().expect("a number of seeds"))
}

/// A day, half an hour or so of it.
async fn live(seed: u64) {
    let mut world = World::begin(seed);
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

fn simulate(seed: u64) {
    // Jitter of waits.
    fastrand::seed(seed);
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, live(seed));
}

#[test]
fn the_service_keeps_its_promises_whatever_fails_around_it() {
    let first = setting("CANARY_SIMULATION_FIRST", 0);
    for seed in first..first + setting("CANARY_SIMULATION_SEEDS", SEEDS) {
        simulate(seed);
    }
}

/// Noon of some day.
fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_014_400)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
