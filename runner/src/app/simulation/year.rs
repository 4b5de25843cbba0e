//! Months of the service, most of them without faults: checks are rare, and time leaps from one due time to the next.

use std::time::Duration;

use super::collector::Behaviour as Collector;
use super::faults::{Fault, outages};
use super::plan::YEAR;
use super::receivers::{Behaviour as Receiver, NAMES};
use super::targets::Behaviour as Target;
use super::world::World;
use super::{DAY, secs};
use canary_state::simulated::DiskMode as Disk;

const HOUR: u64 = 60 * 60;
/// Issues that health may report during faults that last for hours.
pub(super) const ALLOWED_ISSUES: [&str; 10] = [
    "checks_stale",
    "descriptors_short",
    "exports_failing",
    "notifier_failing",
    "pool_short",
    "runs_overdue",
    "spool_failing",
    "state_not_kept",
    "state_unavailable",
    "telemetry_stalled",
];

/// Faults that last for hours or days, in seconds.
#[derive(Debug)]
enum Rare {
    /// The time of day is set by up to two days.
    Step(i64),
    Sleep(u64),
    /// There is no process.
    Absence(u64, bool),
    Targets(Target, u64),
    Receivers(Receiver, u64),
    Collector(Collector, u64),
    Disk(Disk, u64),
    Spool(i32, u64),
    /// A fault of about a minute, which is detected without a run.
    Brief(Fault),
}

impl Rare {
    fn draw(random: &mut fastrand::Rng) -> Self {
        let time = random.u64(HOUR..4 * 24 * HOUR);
        match random.u32(..12) {
            0 => Self::Step(random.i64(-172_800..172_800)),
            1 => Self::Sleep(time),
            2 | 3 => Self::Absence(time, random.bool()),
            4 => Self::Targets(Target::Fails, time),
            5 => Self::Targets(
                [Target::Hangs, Target::Breaks, Target::Warns][random.usize(..3)],
                time,
            ),
            6 => Self::Receivers(outages::receiver(random), time),
            7 => Self::Collector(outages::collector(random), time),
            8 => Self::Disk(
                [Disk::Full, Disk::Hangs, Disk::Slow(200)][random.usize(..3)],
                time,
            ),
            9 => Self::Spool(outages::errno(random), time),
            10 => Self::Brief(Fault::Scheduler(random.u64(7..60))),
            _ => Self::Brief(Fault::Alerting(random.u64(7..60))),
        }
    }

    async fn play(self, world: &mut World) {
        for word in ALLOWED_ISSUES {
            world.allow(word, 30 * DAY);
        }
        match self {
            Self::Step(seconds) => {
                world.clocks.step(seconds);
                world.reload_now_and_then();
            }
            Self::Sleep(seconds) => {
                world.expect_lag(secs(3));
                world.clocks.sleep(secs(seconds));
                world.blocked.forget_due_times();
                world.reload_now_and_then();
            }
            Self::Absence(seconds, is_killed) => {
                if is_killed {
                    world.kill(secs(seconds)).await
                } else {
                    world.terminate(secs(seconds)).await
                }
                world.start();
            }
            Self::Targets(behaviour, seconds) => {
                for check in world.checks.clone() {
                    world.targets.set(&check.name, behaviour);
                }
                world.run(secs(seconds)).await;
                for name in NAMES {
                    world.assert_alerted(name).await;
                }
            }
            Self::Receivers(behaviour, seconds) => {
                NAMES.iter().for_each(|name| world.receivers.set(name, behaviour));
                world.run(secs(seconds)).await;
            }
            Self::Collector(behaviour, seconds) => {
                world.collector.set(behaviour);
                world.run(secs(seconds)).await;
            }
            Self::Disk(behaviour, seconds) => {
                world.disk.set_mode(behaviour);
                world.run(secs(seconds)).await;
            }
            Self::Spool(errno, seconds) => {
                world.spool.fail(errno);
                world.run(secs(seconds)).await;
            }
            Self::Brief(fault) => fault.play(world).await,
        }
    }
}

/// Simulates so many days.
pub(super) async fn live(seed: u64, days: u32) {
    let mut world = World::begin(seed, &YEAR);
    while world.age() < days * DAY {
        let calm = world.random.u64(DAY.as_secs()..20 * DAY.as_secs());
        world.change_something();
        world.run(Duration::from_secs(calm).min(days * DAY)).await;
        let fault = Rare::draw(&mut world.random);
        world.note(format!("{fault:?}"));
        fault.play(&mut world).await;
        world.recover().await;
    }
    world.finish().await;
}
