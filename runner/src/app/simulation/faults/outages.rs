//! Faults of receivers, the collector, and the spool.

use std::time::Duration;

use tokio::time::Instant;

use super::{AFTER, LONG, THREE_INTERVALS};
use crate::app::simulation::collector::Behaviour as Collector;
use crate::app::simulation::receivers::{Behaviour as Receiver, NAMES};
use crate::app::simulation::reloads;
use crate::app::simulation::secs;
use crate::app::simulation::targets::Behaviour as Target;
use crate::app::simulation::world::World;

/// How long exports may fail before health reports it.
const EXPORTS_FAILING: Duration = Duration::from_secs(5 * 60);
/// An attempt that hangs, the longest backoff, the next export of metrics, and a poll.
const NOTICED: Duration = Duration::from_secs(10 + 30 + 30 + 5);
/// Time until the spans that a collector fails at are isolated.
const FOUND: Duration = Duration::from_secs(180);
/// No space left, an I/O error, no descriptor of the process or of the system, and no memory.
const ERRORS: [i32; 5] = [libc::ENOSPC, libc::EIO, libc::EMFILE, libc::ENFILE, libc::ENOMEM];

pub(in crate::app::simulation) fn receiver(random: &mut fastrand::Rng) -> Receiver {
    match random.u32(..8) {
        0 | 1 => Receiver::Answers(503, None),
        7 => Receiver::Answers(400, None),
        2 => Receiver::Answers(500, Some(5)),
        3 => Receiver::Answers(429, Some(random.u64(1..120))),
        4 => Receiver::Answers(401, None),
        5 => Receiver::Rejects,
        _ => Receiver::Hangs,
    }
}

pub(in crate::app::simulation) fn collector(random: &mut fastrand::Rng) -> Collector {
    match random.u32(..9) {
        0 | 1 => Collector::Away,
        2 => Collector::Hangs,
        3 => Collector::TakesAndHangs,
        4 => Collector::Slow(random.u64(1..9_000)),
        5 => Collector::Answers(503, None),
        6 => Collector::Answers(429, Some(random.u64(1..60))),
        7 => Collector::TakesLittle,
        _ => Collector::Rejects,
    }
}

pub(in crate::app::simulation) fn errno(random: &mut fastrand::Rng) -> i32 {
    ERRORS[random.usize(..ERRORS.len())]
}

/// A receiver accepts nothing while there are notifications.
pub(super) async fn refuse(world: &mut World, behaviour: Receiver, all: bool, seconds: u64) {
    world.allow("notifier_failing", Duration::from_secs(24 * 60 * 60));
    let failing = if all {
        NAMES.to_vec()
    } else {
        vec![NAMES[world.random.usize(..NAMES.len())]]
    };
    failing
        .iter()
        .for_each(|name| world.receivers.set(name, behaviour));
    let name = world.checks[0].name.clone();
    world.targets.set(&name, Target::Fails);
    let until = Instant::now() + secs(seconds);
    // A minute of failures, and an attempt that hangs.
    let limit = secs(60 + 5 + 5);
    while Instant::now() < until {
        world.run(secs(1)).await;
        let is_due = |name: &&'static str| {
            let since = world.receivers.failing_since(name);
            since.is_some_and(|since| since.elapsed() > limit)
        };
        if failing.iter().any(is_due) && !world.issue_codes().contains(&"notifier_failing") {
            world.fail("health does not say that a receiver takes nothing");
        }
    }
    for name in NAMES.iter().filter(|name| !failing.contains(name)) {
        world.assert_alerted(name).await;
    }
}

/// Receivers keep failing at the notifications of one check, and get those of all others.
pub(super) async fn fail_at_one(world: &mut World, status: Option<u16>, seconds: u64) {
    world.allow("notifier_failing", Duration::from_secs(24 * 60 * 60));
    let index = world.random.usize(..world.checks.len());
    let bad = world.checks[index].name.clone();
    let bad = reloads::NAMES.into_iter().find(|name| *name == bad).unwrap();
    for name in NAMES {
        world.receivers.set(name, Receiver::FailsAt(bad, status));
    }
    for check in world.checks.clone() {
        world.targets.set(&check.name, Target::Fails);
    }
    world.run(secs(seconds)).await;
    // An attempt that hangs may be in progress.
    let wait = secs(if status.is_none() { 8 } else { 3 });
    for name in NAMES {
        world.assert_alerted_of_others(name, bad, wait).await;
    }
}

/// The collector accepts nothing, or little, or is slow; what is queued is sent afterwards.
pub(super) async fn export(world: &mut World, behaviour: Collector, seconds: u64) {
    let time = secs(seconds);
    world.allow("exports_failing", LONG);
    world.collector.set(behaviour);
    let began = Instant::now();
    if behaviour.is_failing() && time > EXPORTS_FAILING + NOTICED {
        world.run(EXPORTS_FAILING).await;
        world.expect("exports_failing", NOTICED).await;
    }
    world.run(time.saturating_sub(began.elapsed())).await;
    if behaviour.is_failing() {
        world.assert_no_heartbeat(began + NOTICED);
    }
}

/// The collector fails at the spans of one check; those of the others arrive.
pub(super) async fn choke(world: &mut World, seconds: u64) {
    world.allow("exports_failing", LONG);
    world.collector.set(Collector::Chokes(500));
    let until = Instant::now() + secs(seconds);
    while Instant::now() < until {
        world.run(secs(10)).await;
        let late = world.collector.late(FOUND);
        if late > 0 {
            world.fail(&format!(
                "the spans of {late} runs wait for those of another check"
            ));
        }
    }
}

/// The spool's disk fails each time; what is exported meanwhile arrives all the same.
pub(super) async fn spool(world: &mut World, errno: i32, seconds: u64, is_killed: bool) {
    // Recovery is visible after an export of metrics.
    world.allow("spool_failing", LONG);
    world.spool.fail(errno);
    world.expect("spool_failing", THREE_INTERVALS).await;
    world.run(secs(seconds)).await;
    if is_killed {
        world.kill(secs(1)).await;
        world.start();
        world.run(secs(seconds / 2)).await;
    }
}

/// The export task panics.
pub(super) async fn export_dies(world: &mut World) {
    world.allow("component_died", 2 * AFTER);
    world.collector.set(Collector::Panics);
    world.expect("component_died", THREE_INTERVALS).await;
    world.collector.set(Collector::Takes);
    world.terminate(secs(1)).await;
    world.start();
}

/// Some checks take all that they get of the shared pools; the others get what they need.
pub(super) async fn hoard(world: &mut World, hoarders: usize, seconds: u64) {
    world.allow("checks_stale", secs(seconds) + AFTER);
    for check in world.checks.clone() {
        world.targets.set(&check.name, Target::Passes);
    }
    for check in world.checks.iter().take(hoarders) {
        world.targets.set(&check.name, Target::Hoards);
    }
    world.run(secs(seconds)).await;
}

pub(super) async fn die(world: &mut World) {
    for word in ["component_died", "notifier_failing"] {
        world.allow(word, 6 * AFTER);
    }
    world.receivers.set(NAMES[0], Receiver::Panics);
    for check in world.checks.clone() {
        world.targets.set(&check.name, Target::Fails);
    }
    // All alerts may have been sent already; then a reminder is next.
    let limit = 3 * AFTER + THREE_INTERVALS + world.plan.longest_window;
    world.expect("component_died", limit).await;
    world.receivers.heal();
    world.terminate(secs(1)).await;
    world.start();
}
