//! Fault injection, with what must hold during each fault.

pub(super) mod outages;

use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{Instant, advance, sleep};

use super::collector::Behaviour as Collector;
use super::receivers::{Behaviour as Receiver, NAMES};
use super::secs;
use super::targets::Behaviour as Target;
use super::world::World;
use canary_state::simulated::DiskMode as Disk;

/// Three intervals of the check that runs least often, plus a poll.
const THREE_INTERVALS: Duration = Duration::from_secs(46);
/// Longer than any fault and its consequences.
const LONG: Duration = Duration::from_secs(60 * 60);
/// How long the consequences of a fault may be visible afterwards.
const AFTER: Duration = Duration::from_secs(60);

/// A fault and its duration in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    /// The supervisor's task is not polled.
    Scheduler(u64),
    Publisher(u64),
    /// The thread that delivers alerts is frozen.
    Alerting(u64),
    Telemetry(u64),
    /// The disk behaves like this, and the process may be killed meanwhile.
    Disk(Disk, u64, bool),
    /// The disk hangs when the process starts.
    Unread(u64),
    /// One receiver, or each, accepts nothing.
    Receivers(Receiver, bool, u64),
    /// Each receiver fails at the notifications of one check, with this status or by not responding, and at nothing
    /// else.
    FailsAtOne(Option<u16>, u64),
    /// The collector behaves like this.
    Collector(Collector, u64),
    /// The collector fails at the spans of one check.
    Chokes(u64),
    /// Each use of the spool fails with this error, and the process may be killed meanwhile.
    Spool(i32, u64, bool),
    /// So many checks take all that they get of the shared pools.
    Hoards(usize, u64),
    /// All targets behave like this.
    Targets(Target, u64),
    /// A run ignores its deadline.
    StuckRun,
    Kill(u64),
    /// A kill at the moment when a notification is received.
    KillOnReceipt(u64),
    /// The worker task of a notifier panics, which takes a restart.
    WorkerDies,
    /// The same with the export task.
    ExportDies,
    Terminate(u64),
    /// The machine is suspended.
    Sleep(u64),
    /// The time of day is set.
    Step(i64),
    /// The whole process is paused.
    Pause(u64),
    Reloads(u64),
}

impl Fault {
    pub(super) fn draw(random: &mut fastrand::Rng) -> Self {
        match random.u32(..24) {
            0 => Self::Scheduler(random.u64(7..60)),
            1 => Self::Publisher(random.u64(7..40)),
            2 => Self::Alerting(random.u64(7..60)),
            3 => Self::Telemetry(random.u64(7..60)),
            4 => Self::Disk(Disk::Full, random.u64(1..60), random.bool()),
            5 => Self::Disk(Disk::Hangs, random.u64(1..60), random.u32(..4) == 0),
            6 => Self::Disk(Disk::Slow(random.u64(1..300)), random.u64(1..60), random.bool()),
            7 => Self::Unread(random.u64(3..100)),
            8 if random.bool() => Self::FailsAtOne(
                [None, Some(500), Some(504)][random.usize(..3)],
                random.u64(90..400),
            ),
            8 | 9 => Self::Receivers(outages::receiver(random), random.bool(), random.u64(90..200)),
            10 => Self::Targets(targets(random), random.u64(20..90)),
            11 => Self::StuckRun,
            12 => Self::Kill(random.u64(..100)),
            13 => Self::Terminate(random.u64(..100)),
            14 => Self::Sleep(random.u64(1..5_000)),
            15 if random.bool() => Self::Step(random.i64(-7_200..7_200)),
            15 => Self::Pause(random.u64(3..90)),
            16 => Self::KillOnReceipt(random.u64(1..300)),
            17 if random.bool() => Self::WorkerDies,
            17 => Self::ExportDies,
            18 if random.bool() => Self::Chokes(random.u64(240..700)),
            18 | 19 => Self::Collector(outages::collector(random), random.u64(20..240)),
            20 => Self::Collector(outages::collector(random), random.u64(380..700)),
            21 => Self::Spool(outages::errno(random), random.u64(1..60), random.bool()),
            22 => Self::Hoards(random.usize(1..=2), random.u64(20..60)),
            _ => Self::Reloads(random.u64(1..8)),
        }
    }

    /// Injects the fault; it is over when this returns.
    pub(super) async fn play(self, world: &mut World) {
        // Some runs wait for others while these take long.
        world.allow("pool_short", LONG);
        match self {
            Self::Scheduler(_) | Self::Alerting(_) | Self::Telemetry(_) => self.freeze(world).await,
            Self::Publisher(seconds) => block(world, seconds).await,
            Self::Disk(behaviour, seconds, is_killed) => disk(world, behaviour, seconds, is_killed).await,
            Self::Unread(seconds) => unread(world, seconds).await,
            Self::Receivers(behaviour, all, seconds) => outages::refuse(world, behaviour, all, seconds).await,
            Self::FailsAtOne(status, seconds) => outages::fail_at_one(world, status, seconds).await,
            Self::Collector(behaviour, seconds) => outages::export(world, behaviour, seconds).await,
            Self::Chokes(seconds) => outages::choke(world, seconds).await,
            Self::Spool(errno, seconds, is_killed) => outages::spool(world, errno, seconds, is_killed).await,
            Self::Hoards(count, seconds) => outages::hoard(world, count, seconds).await,
            Self::ExportDies => outages::export_dies(world).await,
            Self::Targets(behaviour, seconds) => set_targets(world, behaviour, seconds).await,
            Self::StuckRun => stick(world).await,
            Self::Kill(seconds) => {
                world.kill(secs(seconds)).await;
                world.start();
            }
            Self::KillOnReceipt(millis) => kill_on_receipt(world, millis).await,
            Self::WorkerDies => outages::die(world).await,
            Self::Terminate(seconds) => {
                world.terminate(secs(seconds)).await;
                world.start();
            }
            Self::Sleep(seconds) => {
                world.expect_lag(secs(3));
                world.clocks.sleep(secs(seconds));
                world.reload_now_and_then();
                world.run(secs(10)).await;
            }
            Self::Step(seconds) => step(world, seconds).await,
            Self::Pause(seconds) => pause(world, seconds).await,
            Self::Reloads(count) => {
                for _ in 0..count {
                    world.reload();
                    world.run(secs(1)).await;
                }
            }
        }
    }

    /// A component is not polled: health reports it, and the heartbeat stops.
    async fn freeze(self, world: &mut World) {
        let process = world.process();
        let (freezer, word, seconds) = match self {
            Self::Alerting(seconds) => (process.alerting.clone(), "component_stalled", seconds),
            Self::Telemetry(seconds) => (process.telemetry.clone(), "telemetry_stalled", seconds),
            Self::Scheduler(seconds) => {
                let freezer = process.scheduler.clone();
                world.expect_lag(secs(seconds + 5));
                for word in ["checks_stale", "runs_overdue"] {
                    world.allow(word, secs(seconds) + AFTER);
                }
                (freezer, "scheduler_stalled", seconds)
            }
            _ => return,
        };
        world.allow(word, secs(seconds + 2));
        freezer.set(true);
        world.expect(word, secs(6)).await;
        let noticed = Instant::now();
        world.run(secs(seconds.saturating_sub(6))).await;
        world.assert_no_heartbeat(noticed);
        freezer.set(false);
    }
}

fn targets(random: &mut fastrand::Rng) -> Target {
    match random.u32(..4) {
        0 => Target::Hangs,
        1 => Target::Breaks,
        2 => Target::NoDescriptors,
        _ => Target::Fails,
    }
}

async fn block(world: &mut World, seconds: u64) {
    world.blocked.set(seconds);
    for word in STALLS {
        world.allow(word, secs(seconds) + AFTER);
    }
    world.expect_lag(secs(seconds) + AFTER);
    while !world.blocked.is_over() {
        sleep(Duration::from_millis(500)).await;
    }
    if !world.blocked.is_reported() {
        world.fail("health does not say that the publisher is blocked");
    }
}

/// Issues that health may report when everything is stalled for a moment.
const STALLS: [&str; 7] = [
    "runs_overdue",
    "scheduler_stalled",
    "workers_stalled",
    "component_stalled",
    "telemetry_stalled",
    "checks_stale",
    "state_not_kept",
];

async fn disk(world: &mut World, behaviour: Disk, seconds: u64, is_killed: bool) {
    world.allow("state_not_kept", secs(seconds) + AFTER);
    world.allow("state_unavailable", secs(seconds) + AFTER);
    world.disk.set_mode(behaviour);
    let is_bad = !matches!(behaviour, Disk::Slow(_));
    if is_bad && secs(seconds) > THREE_INTERVALS {
        world.expect("state_not_kept", THREE_INTERVALS).await;
    }
    world.run(secs(seconds)).await;
    if is_killed {
        world.kill(secs(1)).await;
        world.start();
        world.run(secs(seconds / 2)).await;
    }
}

/// The disk hangs when the process starts; after a minute alerts are sent all the same.
async fn unread(world: &mut World, seconds: u64) {
    world.allow("state_unavailable", secs(seconds) + AFTER);
    world.allow("state_not_kept", secs(seconds) + AFTER);
    world.kill(secs(1)).await;
    world.disk.set_mode(Disk::Hangs);
    if seconds > 55 {
        world.receivers.forgive();
    }
    world.start();
    world.expect("state_unavailable", secs(2)).await;
    world.run(secs(seconds)).await;
}

/// All runs end alike; receivers are notified of what is down.
async fn set_targets(world: &mut World, behaviour: Target, seconds: u64) {
    for check in world.checks.clone() {
        world.targets.set(&check.name, behaviour);
    }
    if behaviour == Target::NoDescriptors {
        world.targets.starve(true);
        world.allow("descriptors_short", secs(seconds) + THREE_INTERVALS + 2 * AFTER);
        world.expect("descriptors_short", THREE_INTERVALS).await;
    }
    world.allow("checks_stale", secs(seconds) + AFTER);
    let began = Instant::now();
    world.run(secs(seconds)).await;
    if behaviour == Target::Fails && secs(seconds) > THREE_INTERVALS {
        for name in NAMES {
            world.assert_alerted(name).await;
        }
    }
    if behaviour != Target::Fails {
        // No run comes to a verdict.
        world.assert_no_heartbeat(began + secs(50));
    }
}

async fn stick(world: &mut World) {
    let name = world.checks[0].name.clone();
    for word in ["runs_overdue", "checks_stale"] {
        world.allow(word, secs(120));
    }
    world.targets.set(&name, Target::NeverEnds);
    world.expect("runs_overdue", THREE_INTERVALS).await;
    let noticed = Instant::now();
    world.run(secs(20)).await;
    world.assert_no_heartbeat(noticed);
}

/// What was sent is known after the kill, or the kill came before it was sent: no alert begins without an end.
async fn kill_on_receipt(world: &mut World, millis: u64) {
    world.disk.set_mode(Disk::Slow(millis));
    for check in world.checks.clone() {
        world.targets.set(&check.name, Target::Flaps(2));
    }
    for _ in 0..3 {
        world.run_until_received(AFTER).await;
        world.kill(Duration::ZERO).await;
        world.start();
    }
}

async fn step(world: &mut World, seconds: i64) {
    world.clocks.step(seconds);
    world.reload_now_and_then();
    world.run(THREE_INTERVALS).await;
    if world.random.bool() {
        world.kill(secs(1)).await;
        world.start();
    }
}

/// Nothing of the process runs for a while.
async fn pause(world: &mut World, seconds: u64) {
    world.expect_lag(secs(5));
    for word in STALLS {
        world.allow(word, secs(seconds) + AFTER);
    }
    // The first poll advances the clock; no other task runs.
    let _paused = advance(secs(seconds)).now_or_never();
    world.reload_now_and_then();
    sleep(Duration::from_millis(500)).await;
}
