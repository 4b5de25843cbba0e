use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::time::{advance, sleep, sleep_until};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn configure(limits: &ConcurrencyLimits, groups: &[(&str, u32)]) {
    let sizes = groups.iter().map(|(name, size)| ((*name).into(), *size));
    limits.configure(&sizes.collect(), [].iter());
}

async fn acquire(limits: &ConcurrencyLimits, check: &CheckId, group: Option<&str>) -> Option<Permit> {
    let (room, group) = (InstancePool::for_runs(1), group.map(Arc::from));
    let request = PermitRequest {
        check,
        group: group.as_ref(),
        timeout: 20 * SECOND,
        plugin: "tcp",
        weight: Weight::default(),
        room: &room,
    };
    limits.acquire(request).await
}

fn try_acquire(limits: &ConcurrencyLimits, group: Option<&str>) -> Option<Permit> {
    let check = CheckId::new(&format!("{}", fastrand::u64(..)));
    acquire(limits, &check, group).now_or_never().flatten()
}

#[test]
fn a_full_group_blocks_no_other_checks() {
    let limits = ConcurrencyLimits::new(4);
    configure(&limits, &[("slow", 2)]);
    let slow = [
        try_acquire(&limits, Some("slow")),
        try_acquire(&limits, Some("slow")),
    ];
    assert!(slow.iter().all(Option::is_some));
    assert!(try_acquire(&limits, Some("slow")).is_none());
    let others = [try_acquire(&limits, None), try_acquire(&limits, None)];
    assert!(others.iter().all(Option::is_some));
}

#[test]
fn checks_without_a_group_cannot_take_the_permits_of_one() {
    let limits = ConcurrencyLimits::new(4);
    configure(&limits, &[("slow", 1)]);
    let others: Vec<_> = (0..4).map(|_| try_acquire(&limits, None)).collect();
    assert_eq!(others.iter().flatten().count(), 3);
    assert!(try_acquire(&limits, Some("slow")).is_some());
}

#[test]
fn a_group_can_grow_and_shrink_while_it_is_in_use() {
    let limits = ConcurrencyLimits::new(10);
    configure(&limits, &[("slow", 2)]);
    let both = [
        try_acquire(&limits, Some("slow")),
        try_acquire(&limits, Some("slow")),
    ];
    configure(&limits, &[("slow", 3)]);
    let third = try_acquire(&limits, Some("slow"));
    assert!(third.is_some() && try_acquire(&limits, Some("slow")).is_none());
    drop((both, third));
    configure(&limits, &[("slow", 1)]);
    let one = try_acquire(&limits, Some("slow"));
    assert!(one.is_some() && try_acquire(&limits, Some("slow")).is_none());
}

#[test]
fn groups_that_want_everything_leave_a_permit_for_the_other_checks() {
    let limits = ConcurrencyLimits::new(2);
    configure(&limits, &[("a", 2), ("b", 2)]);
    assert!(try_acquire(&limits, None).is_some());
}

#[test]
fn a_permit_is_released_on_drop() {
    let limits = ConcurrencyLimits::new(1);
    drop(try_acquire(&limits, None));
    assert!(try_acquire(&limits, None).is_some());
}

/// A number of identical checks, each of which is due at every interval unless it waits or runs.
#[derive(Debug, Clone, Copy)]
struct Kind {
    name: &'static str,
    number: u32,
    interval: Duration,
    hold: Duration,
}

/// What one check of a kind experienced in the second half of the time.
#[derive(Debug, Default)]
struct Observed {
    runs: u32,
    longest_wait: Duration,
}

/// Runs one check until `end`.
async fn check(limits: &ConcurrencyLimits, kind: Kind, number: u32, end: Instant) -> Observed {
    let (start, id) = (Instant::now(), CheckId::new(&format!("{}{number}", kind.name)));
    let counts_from = start + (end - start) / 2;
    let mut due = start + kind.interval * number / kind.number;
    let mut observed = Observed::default();
    while due < end {
        sleep_until(due).await;
        let permit = acquire(limits, &id, None).await.unwrap();
        if due >= counts_from {
            observed.runs += 1;
            observed.longest_wait = observed.longest_wait.max(permit.waited());
        }
        sleep(kind.hold).await;
        drop(permit);
        while due <= Instant::now() {
            due += kind.interval;
        }
    }
    observed
}

/// Runs checks of several kinds for `time`. Returns the results in the order of the kinds.
async fn run(limits: &ConcurrencyLimits, kinds: &[Kind], time: Duration) -> Vec<Vec<Observed>> {
    let end = Instant::now() + time;
    let of_kind = |kind: &Kind| join_all((0..kind.number).map(|number| check(limits, *kind, number, end)));
    join_all(kinds.iter().map(of_kind)).await
}

const SILENT: Kind = Kind {
    name: "silent",
    number: 150,
    interval: Duration::from_secs(20),
    hold: Duration::from_secs(20),
};

const GOOD: Kind = Kind {
    name: "good",
    number: 5,
    interval: SECOND,
    hold: Duration::from_millis(10),
};

#[tokio::test(start_paused = true)]
async fn short_checks_run_on_time_beside_any_number_of_long_ones() {
    for hold in [300 * SECOND, 20 * SECOND, 6 * SECOND] {
        let silent = Kind {
            interval: hold,
            hold,
            ..SILENT
        };
        for good in [SECOND / 100, SECOND / 2, 3 * SECOND] {
            let limits = ConcurrencyLimits::new(100);
            let good = Kind {
                interval: 4 * good + SECOND,
                hold: good,
                ..GOOD
            };
            let observed = run(&limits, &[good, silent], 10 * hold).await;
            for (number, check) in observed[0].iter().enumerate() {
                assert!(check.longest_wait <= SECOND / 10, "{number} {good:?} {check:?}");
            }
            // A check that waited is late for its next due time.
            assert!(
                observed[1].iter().all(|check| check.runs >= 2),
                "{:?}",
                observed[1]
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn checks_whose_target_falls_silent_delay_others_for_one_time_out_and_no_longer() {
    let limits = ConcurrencyLimits::new(100);
    let was_well = Kind {
        hold: GOOD.hold,
        ..SILENT
    };
    run(&limits, &[GOOD, was_well], 60 * SECOND).await;
    let observed = run(&limits, &[GOOD, SILENT], 80 * SECOND).await;
    for check in &observed[0] {
        assert!(check.longest_wait <= SECOND / 10, "{check:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn short_checks_do_not_starve_long_ones() {
    let limits = ConcurrencyLimits::new(10);
    let busy = Kind {
        name: "busy",
        number: 40,
        interval: SECOND / 10,
        hold: SECOND,
    };
    let long = Kind { number: 2, ..SILENT };
    let observed = run(&limits, &[busy, long], 1_000 * SECOND).await;
    for check in &observed[1] {
        assert!(check.runs > 4 && check.longest_wait < 70 * SECOND, "{check:?}");
    }
    assert!(observed[0].iter().all(|check| check.runs > 50), "{observed:?}");
}

#[tokio::test(start_paused = true)]
async fn no_permits_are_reserved_for_checks_that_do_not_exist() {
    let limits = ConcurrencyLimits::new(16);
    run(&limits, &[GOOD, SILENT], 60 * SECOND).await;
    let silent = CheckId::new("silent0");
    let long = || (0..20).map(|_| acquire(&limits, &silent, None).now_or_never().flatten());
    assert_eq!(long().flatten().collect::<Vec<_>>().len(), 14);
    limits.configure(&BTreeMap::new(), [silent.clone()].iter());
    assert_eq!(long().flatten().collect::<Vec<_>>().len(), 16);
}

#[tokio::test(start_paused = true)]
async fn waiting_checks_are_counted_and_the_one_with_the_most_permits_is_named() {
    let limits = ConcurrencyLimits::new(2);
    let (hog, late) = (CheckId::new("hog"), CheckId::new("late"));
    let first = acquire(&limits, &hog, None).await;
    advance(SECOND).await;
    let second = acquire(&limits, &CheckId::new("a later one"), None).await;
    let mut waits = Box::pin(acquire(&limits, &late, None));
    assert!(waits.as_mut().now_or_never().is_none());
    let read = limits.pool().snapshot();
    assert_eq!((read.waiting, read.waits, read.since_short), (1, 1, None));
    advance(2 * SECOND).await;
    let read = limits.pool().snapshot();
    assert_eq!(read.since_short, Some(Duration::ZERO));
    assert_eq!(read.holders, [("hog".into(), 1), ("a later one".into(), 1)]);
    drop((first, second));
    assert!(waits.await.is_some());
    let read = limits.pool().snapshot();
    assert_eq!((read.waiting, read.waited, read.refused), (0, 2 * SECOND, 0));
}

#[tokio::test(start_paused = true)]
async fn a_long_wait_is_a_shortage_even_if_the_pool_was_not_read_meanwhile() {
    let limits = ConcurrencyLimits::new(2);
    let hold = [try_acquire(&limits, None), try_acquire(&limits, None)];
    let check = CheckId::new("late");
    let waits = acquire(&limits, &check, None);
    let gives_back = async {
        advance(SECOND).await;
        drop(hold);
    };
    let (granted, ()) = futures_util::future::join(waits, gives_back).await;
    assert!(granted.is_some());
    assert_eq!(limits.pool().snapshot().since_short, Some(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_the_limit_of_a_group_is_counted_but_is_not_a_shortage() {
    let limits = ConcurrencyLimits::new(4);
    configure(&limits, &[("slow", 1)]);
    let _held = try_acquire(&limits, Some("slow"));
    let check = CheckId::new("late");
    let mut waits = Box::pin(acquire(&limits, &check, Some("slow")));
    assert!(waits.as_mut().now_or_never().is_none());
    advance(10 * SECOND).await;
    let read = limits.pool().snapshot();
    assert_eq!((read.waiting, read.since_short), (1, None));
    drop(waits);
    let read = limits.pool().snapshot();
    assert_eq!((read.waiting, read.refused, read.since_short), (0, 0, None));
}
