use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::time::{advance, sleep, sleep_until};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn divide(permits: &Permits, groups: &[(&str, u32)]) {
    let sizes = groups.iter().map(|(name, size)| ((*name).into(), *size));
    permits.divide(&sizes.collect(), [].iter());
}

async fn acquire(permits: &Permits, check: &CheckId, group: Option<&str>) -> Option<Permit> {
    let (room, group) = (Room::for_runs(1), group.map(Arc::from));
    let wants = Wants {
        check,
        group: group.as_ref(),
        timeout: 20 * SECOND,
        plugin: "tcp",
        weight: Weight::default(),
        room: &room,
    };
    permits.take(wants).await
}

fn take(permits: &Permits, group: Option<&str>) -> Option<Permit> {
    let check = CheckId::new(&format!("{}", fastrand::u64(..)));
    acquire(permits, &check, group).now_or_never().flatten()
}

#[test]
fn a_full_group_holds_up_nobody_else() {
    let permits = Permits::new(4);
    divide(&permits, &[("slow", 2)]);
    let slow = [take(&permits, Some("slow")), take(&permits, Some("slow"))];
    assert!(slow.iter().all(Option::is_some));
    assert!(take(&permits, Some("slow")).is_none());
    let others = [take(&permits, None), take(&permits, None)];
    assert!(others.iter().all(Option::is_some));
}

#[test]
fn checks_without_a_group_cannot_take_the_room_of_one() {
    let permits = Permits::new(4);
    divide(&permits, &[("slow", 1)]);
    let others: Vec<_> = (0..4).map(|_| take(&permits, None)).collect();
    assert_eq!(others.iter().flatten().count(), 3);
    assert!(take(&permits, Some("slow")).is_some());
}

#[test]
fn a_group_can_grow_and_shrink_while_it_is_in_use() {
    let permits = Permits::new(10);
    divide(&permits, &[("slow", 2)]);
    let both = [take(&permits, Some("slow")), take(&permits, Some("slow"))];
    divide(&permits, &[("slow", 3)]);
    let third = take(&permits, Some("slow"));
    assert!(third.is_some() && take(&permits, Some("slow")).is_none());
    drop((both, third));
    divide(&permits, &[("slow", 1)]);
    let one = take(&permits, Some("slow"));
    assert!(one.is_some() && take(&permits, Some("slow")).is_none());
}

#[test]
fn groups_that_want_everything_leave_room_for_the_rest() {
    let permits = Permits::new(2);
    divide(&permits, &[("a", 2), ("b", 2)]);
    assert!(take(&permits, None).is_some());
}

#[test]
fn a_permit_is_given_back() {
    let permits = Permits::new(1);
    drop(take(&permits, None));
    assert!(take(&permits, None).is_some());
}

/// Checks alike, each of which is due at every interval, but while it waits or runs.
#[derive(Debug, Clone, Copy)]
struct Kind {
    name: &'static str,
    number: u32,
    interval: Duration,
    held: Duration,
}

/// What became of the checks of a kind, since half of the time had passed.
#[derive(Debug, Default)]
struct Seen {
    runs: u32,
    longest_wait: Duration,
}

/// Has one check run until `end`.
async fn check(permits: &Permits, kind: Kind, number: u32, end: Instant) -> Seen {
    let (start, id) = (Instant::now(), CheckId::new(&format!("{}{number}", kind.name)));
    let counts_from = start + (end - start) / 2;
    let mut due = start + kind.interval * number / kind.number;
    let mut seen = Seen::default();
    while due < end {
        sleep_until(due).await;
        let permit = acquire(permits, &id, None).await.unwrap();
        if due >= counts_from {
            seen.runs += 1;
            seen.longest_wait = seen.longest_wait.max(permit.waited());
        }
        sleep(kind.held).await;
        drop(permit);
        while due <= Instant::now() {
            due += kind.interval;
        }
    }
    seen
}

/// Has checks of several kinds run for `time`. In the order of the kinds.
async fn run(permits: &Permits, kinds: &[Kind], time: Duration) -> Vec<Vec<Seen>> {
    let end = Instant::now() + time;
    let of_kind = |kind: &Kind| join_all((0..kind.number).map(|number| check(permits, *kind, number, end)));
    join_all(kinds.iter().map(of_kind)).await
}

const SILENT: Kind = Kind {
    name: "silent",
    number: 150,
    interval: Duration::from_secs(20),
    held: Duration::from_secs(20),
};

const GOOD: Kind = Kind {
    name: "good",
    number: 5,
    interval: SECOND,
    held: Duration::from_millis(10),
};

#[tokio::test(start_paused = true)]
async fn checks_that_end_soon_keep_their_times_next_to_any_number_that_take_long() {
    for held in [300 * SECOND, 20 * SECOND, 6 * SECOND] {
        let silent = Kind {
            interval: held,
            held,
            ..SILENT
        };
        for good in [SECOND / 100, SECOND / 2, 3 * SECOND] {
            let permits = Permits::new(100);
            let good = Kind {
                interval: 4 * good + SECOND,
                held: good,
                ..GOOD
            };
            let seen = run(&permits, &[good, silent], 10 * held).await;
            for (number, check) in seen[0].iter().enumerate() {
                assert!(check.longest_wait <= SECOND / 10, "{number} {good:?} {check:?}");
            }
            // One that waited is late for its next time.
            assert!(seen[1].iter().all(|check| check.runs >= 2), "{:?}", seen[1]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn checks_whose_target_falls_silent_delay_others_for_one_time_out_and_no_longer() {
    let permits = Permits::new(100);
    let was_well = Kind {
        held: GOOD.held,
        ..SILENT
    };
    run(&permits, &[GOOD, was_well], 60 * SECOND).await;
    let seen = run(&permits, &[GOOD, SILENT], 80 * SECOND).await;
    for check in &seen[0] {
        assert!(check.longest_wait <= SECOND / 10, "{check:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn checks_that_end_soon_keep_nobody_waiting_for_ever_who_takes_long() {
    let permits = Permits::new(10);
    let busy = Kind {
        name: "busy",
        number: 40,
        interval: SECOND / 10,
        held: SECOND,
    };
    let long = Kind { number: 2, ..SILENT };
    let seen = run(&permits, &[busy, long], 1_000 * SECOND).await;
    for check in &seen[1] {
        assert!(check.runs > 4 && check.longest_wait < 70 * SECOND, "{check:?}");
    }
    assert!(seen[0].iter().all(|check| check.runs > 50), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_free_for_checks_that_are_not_there() {
    let permits = Permits::new(16);
    run(&permits, &[GOOD, SILENT], 60 * SECOND).await;
    let silent = CheckId::new("silent0");
    let long = || (0..20).map(|_| acquire(&permits, &silent, None).now_or_never().flatten());
    assert_eq!(long().flatten().collect::<Vec<_>>().len(), 14);
    permits.divide(&BTreeMap::new(), [silent.clone()].iter());
    assert_eq!(long().flatten().collect::<Vec<_>>().len(), 16);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_are_counted_and_whoever_has_most_is_named() {
    let permits = Permits::new(2);
    let (hog, late) = (CheckId::new("hog"), CheckId::new("late"));
    let first = acquire(&permits, &hog, None).await;
    advance(SECOND).await;
    let second = acquire(&permits, &CheckId::new("a later one"), None).await;
    let mut waits = Box::pin(acquire(&permits, &late, None));
    assert!(waits.as_mut().now_or_never().is_none());
    let read = permits.pool().read();
    assert_eq!((read.waiting, read.waits, read.since_short), (1, 1, None));
    advance(2 * SECOND).await;
    let read = permits.pool().read();
    assert_eq!(read.since_short, Some(Duration::ZERO));
    assert_eq!(read.holders, [("hog".into(), 1), ("a later one".into(), 1)]);
    drop((first, second));
    assert!(waits.await.is_some());
    let read = permits.pool().read();
    assert_eq!((read.waiting, read.waited, read.refused), (0, 2 * SECOND, 0));
}

#[tokio::test(start_paused = true)]
async fn a_long_wait_is_a_shortage_though_nobody_looked_meanwhile() {
    let permits = Permits::new(2);
    let held = [take(&permits, None), take(&permits, None)];
    let check = CheckId::new("late");
    let waits = acquire(&permits, &check, None);
    let gives_back = async {
        advance(SECOND).await;
        drop(held);
    };
    let (granted, ()) = futures_util::future::join(waits, gives_back).await;
    assert!(granted.is_some());
    assert_eq!(permits.pool().read().since_short, Some(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_limit_of_a_group_is_counted_and_no_shortage() {
    let permits = Permits::new(4);
    divide(&permits, &[("slow", 1)]);
    let _held = take(&permits, Some("slow"));
    let check = CheckId::new("late");
    let mut waits = Box::pin(acquire(&permits, &check, Some("slow")));
    assert!(waits.as_mut().now_or_never().is_none());
    advance(10 * SECOND).await;
    let read = permits.pool().read();
    assert_eq!((read.waiting, read.since_short), (1, None));
    drop(waits);
    let read = permits.pool().read();
    assert_eq!((read.waiting, read.refused, read.since_short), (0, 0, None));
}
