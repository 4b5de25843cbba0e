use std::collections::HashSet;

use super::*;

mod calendar;

fn check(id: &str, interval: Duration) -> Arc<Check> {
    Arc::new(Check::minimal(id, interval))
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A schedule of one check every 10 s, and its first due time.
fn every_ten_seconds() -> (Schedule, Instant) {
    let schedule = Schedule::new(vec![check("a", secs(10))], Instant::now());
    let first = schedule.next_due().unwrap();
    (schedule, first)
}

/// An event, in seconds after `first`: a due time, or how many passed up to which one.
#[derive(Debug, PartialEq)]
enum Event {
    Due(f64),
    Passed(u64, f64),
}

fn pop(schedule: &mut Schedule, first: Instant, now: Duration) -> Option<Event> {
    let after = |time: Instant| (time - first).as_secs_f64();
    Some(match schedule.pop(first + now)? {
        Tick::Due(due) => Event::Due(after(due.due)),
        Tick::Passed(passed) => Event::Passed(passed.count, after(passed.last)),
    })
}

fn due(schedule: &mut Schedule, now: Instant) -> Due {
    match schedule.pop(now) {
        Some(Tick::Due(due)) => due,
        other => panic!("expected a check that is due, found {other:?}"),
    }
}

#[test]
fn nothing_is_due_before_its_time() {
    let (mut schedule, first) = every_ten_seconds();
    assert!(schedule.pop(first - Duration::from_nanos(1)).is_none());
    assert_eq!(pop(&mut schedule, first, secs(0)), Some(Event::Due(0.0)));
}

#[test]
fn a_due_time_is_delivered_once() {
    let (mut schedule, first) = every_ten_seconds();
    assert_eq!(pop(&mut schedule, first, secs(0)), Some(Event::Due(0.0)));
    assert_eq!(pop(&mut schedule, first, secs(0)), None);
    assert_eq!(pop(&mut schedule, first, secs(9)), None);
    assert_eq!(schedule.next_due(), Some(first + secs(10)));
}

#[test]
fn a_late_caller_does_not_shift_the_cadence() {
    let (mut schedule, first) = every_ten_seconds();
    assert_eq!(pop(&mut schedule, first, secs(1)), Some(Event::Due(0.0)));
    assert_eq!(pop(&mut schedule, first, secs(11)), Some(Event::Due(10.0)));
    assert_eq!(pop(&mut schedule, first, secs(20)), Some(Event::Due(20.0)));
}

#[test]
fn a_due_time_that_is_long_past_is_not_run() {
    let (mut schedule, first) = every_ten_seconds();
    assert_eq!(pop(&mut schedule, first, secs(5)), Some(Event::Passed(1, 0.0)));
    assert_eq!(pop(&mut schedule, first, secs(5)), None);
    assert_eq!(schedule.next_due(), Some(first + secs(10)));
}

#[test]
fn a_very_late_caller_gets_the_count_and_no_run() {
    let (mut schedule, first) = every_ten_seconds();
    assert_eq!(pop(&mut schedule, first, secs(35)), Some(Event::Passed(4, 30.0)));
    assert_eq!(pop(&mut schedule, first, secs(35)), None);
    assert_eq!(schedule.next_due(), Some(first + secs(40)));
}

#[test]
fn a_very_late_caller_gets_the_last_due_time_when_that_is_fresh() {
    let (mut schedule, first) = every_ten_seconds();
    assert_eq!(pop(&mut schedule, first, secs(31)), Some(Event::Passed(3, 20.0)));
    assert_eq!(pop(&mut schedule, first, secs(31)), Some(Event::Due(30.0)));
    assert_eq!(pop(&mut schedule, first, secs(31)), None);
}

#[test]
fn every_due_time_is_delivered_or_missed() {
    let (mut schedule, first) = every_ten_seconds();
    let mut accounted = 0;
    for now in [0, 1, 9, 10, 11, 29, 31, 100, 1000, 1001, 1006, 86_400] {
        while let Some(event) = pop(&mut schedule, first, secs(now)) {
            accounted += match event {
                Event::Due(_) => 1,
                Event::Passed(count, _) => count,
            };
        }
        assert_eq!(accounted, now / 10 + 1);
    }
}

#[test]
fn a_sleep_of_the_machine_brings_due_times_nearer() {
    let (mut schedule, first) = every_ten_seconds();
    schedule.skip(secs(55));
    // By the monotonic clock nothing is due yet; in real time six due times have passed.
    let Some(Tick::Passed(passed)) = schedule.pop(first - secs(2)) else {
        panic!("nothing passed");
    };
    assert_eq!(passed.count, 6);
    assert_eq!(schedule.next_due(), Some(first + secs(5)));
}

#[test]
fn a_check_that_stays_keeps_its_cadence() {
    let (mut schedule, first) = every_ten_seconds();
    pop(&mut schedule, first, secs(0));
    let stays = vec![check("a", secs(10)), check("new", secs(10))];
    schedule.replace(stays, first + secs(3));
    while let Some(next) = schedule.next_due() {
        if due(&mut schedule, next).check.name == "a" {
            assert_eq!(next, first + secs(10));
            break;
        }
    }
}

#[test]
fn a_check_that_stays_keeps_a_due_time_that_has_come() {
    let (mut schedule, first) = every_ten_seconds();
    schedule.replace(vec![check("a", secs(10))], first + secs(35));
    assert_eq!(pop(&mut schedule, first, secs(35)), Some(Event::Passed(4, 30.0)));
    assert_eq!(schedule.next_due(), Some(first + secs(40)));
}

#[tokio::test(start_paused = true)]
async fn a_ticker_returns_the_events_of_checks_that_are_replaced() {
    let (own, other) = (check("a", secs(10)), check("a", secs(20)));
    for checks in [vec![Arc::clone(&own)], vec![other], Vec::new()] {
        let mut ticker = ticker::Ticker::new(std::slice::from_ref(&own), |_| Some(Duration::ZERO));
        tokio::time::advance(secs(31)).await;
        let (_, events) = ticker.replace(ticker::Plans::from(checks.as_slice()));
        let [Tick::Passed(passed), Tick::Due(due)] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!((passed.count, due.due.elapsed()), (3, secs(1)));
        assert!(ticker.pop().is_none(), "each comes once");
    }
}

#[test]
fn the_replaced_plan_is_freed_by_the_caller() {
    let before = check("a", secs(10));
    let weak = Arc::downgrade(&before);
    let mut schedule = Schedule::new(vec![before], Instant::now());
    let replaced = schedule.replace(vec![check("a", secs(10))], Instant::now());
    assert!(weak.upgrade().is_some());
    drop(replaced);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_check_with_another_interval_starts_over() {
    let (mut schedule, first) = every_ten_seconds();
    schedule.replace(vec![check("a", secs(20))], first + secs(3));
    let next = schedule.next_due().unwrap();
    assert_eq!(next, first + secs(3) + splay(&CheckId::new("a"), secs(20)));
}

#[test]
fn a_cadence_is_continued_after_a_restart() {
    assert_eq!(passed_since(secs(0), secs(10)), (0, secs(10)));
    assert_eq!(passed_since(secs(9), secs(10)), (0, secs(1)));
    assert_eq!(passed_since(secs(10), secs(10)), (1, secs(10)));
    assert_eq!(passed_since(secs(35), secs(10)), (3, secs(5)));
}

#[test]
fn checks_come_in_the_order_of_their_due_times() {
    let checks = (0..100)
        .map(|n| check(&format!("check {n}"), secs(n + 1)))
        .collect();
    let start = Instant::now();
    let mut schedule = Schedule::new(checks, start);
    let mut last = start;
    for _ in 0..10_000 {
        let now = schedule.next_due().unwrap();
        assert!(now >= last);
        assert_eq!(due(&mut schedule, now).due, now);
        last = now;
    }
}

#[test]
fn checks_due_at_once_come_in_the_order_of_the_suite() {
    let checks = vec![check("same", secs(10)), check("same", secs(10))];
    let mut schedule = Schedule::new(checks.clone(), Instant::now());
    let now = schedule.next_due().unwrap();
    for expected in &checks {
        assert!(Arc::ptr_eq(&due(&mut schedule, now).check, expected));
    }
}

#[test]
fn the_splay_is_below_the_interval_and_a_minute() {
    for interval in [Duration::from_millis(1), secs(10), secs(60), secs(86_400)] {
        for n in 0..1_000 {
            let splay = splay(&CheckId::new(&n.to_string()), interval);
            assert!(splay < interval.min(MAX_SPLAY), "{splay:?} of {interval:?}");
        }
    }
}

#[test]
fn the_splay_depends_on_the_id_alone() {
    // The first eight bytes of SHA-256, as a fraction of the interval.
    assert_eq!(
        splay(&CheckId::new("website"), secs(30)),
        Duration::from_nanos(13_649_853_273)
    );
}

#[test]
fn the_splay_spreads_checks_evenly() {
    let mut per_second = [0_u32; 60];
    for n in 0..60_000 {
        let splay = splay(&CheckId::new(&format!("check {n}")), secs(60));
        per_second[usize::try_from(splay.as_secs()).unwrap()] += 1;
    }
    assert!(
        per_second.iter().all(|count| (850..1150).contains(count)),
        "{per_second:?}"
    );
}

#[test]
fn no_checks_are_never_due() {
    let mut schedule = Schedule::new(Vec::new(), Instant::now());
    assert_eq!(schedule.next_due(), None);
    assert!(schedule.pop(Instant::now()).is_none());
}

#[test]
fn a_check_beyond_the_end_of_the_clock_is_dropped() {
    let mut schedule = Schedule::new(vec![check("a", Duration::MAX)], Instant::now());
    let first = schedule.next_due().unwrap();
    assert!(schedule.pop(first).is_some());
    assert_eq!(schedule.next_due(), None);
}

#[test]
fn a_hundred_thousand_checks_come_once_a_minute() {
    let checks = (0..100_000)
        .map(|n| check(&format!("check {n}"), secs(60)))
        .collect();
    let start = Instant::now();
    let mut schedule = Schedule::new(checks, start);
    let mut ids = HashSet::new();
    let mut now = start;
    while now < start + secs(60) {
        while let Some(tick) = schedule.pop(now) {
            assert!(matches!(tick, Tick::Due(due) if ids.insert(due.check.id.clone())));
        }
        now = schedule.next_due().unwrap();
    }
    assert_eq!(ids.len(), 100_000);
}

#[test]
fn a_due_time_is_fresh_for_a_second_or_a_tenth_of_its_interval() {
    for (interval, fresh) in [(2, 1), (10, 1), (60, 6)] {
        let schedule = || Schedule::new(vec![check("a", secs(interval))], Instant::now());
        let (mut in_time, mut late) = (schedule(), schedule());
        let due = in_time.next_due().unwrap();
        assert!(matches!(in_time.pop(due + secs(fresh)), Some(Tick::Due(_))));
        let due = late.next_due().unwrap();
        let passed = late.pop(due + secs(fresh) + Duration::from_nanos(1));
        assert!(matches!(passed, Some(Tick::Passed(_))), "{interval}");
    }
}

#[test]
fn an_interval_of_nothing_is_a_millisecond() {
    let milli = Duration::from_millis(1);
    assert_eq!(passed_since(5 * milli, Duration::ZERO), (5, milli));
    let mut schedule = Schedule::new(vec![check("a", Duration::ZERO)], Instant::now());
    let first = schedule.next_due().unwrap();
    due(&mut schedule, first);
    assert_eq!(schedule.next_due(), Some(first + milli));
}

#[tokio::test(start_paused = true)]
async fn a_ticker_waits_for_each_due_time_and_for_ever_without_checks() {
    let check = check("a", secs(10));
    let mut ticker = ticker::Ticker::new(std::slice::from_ref(&check), |_| None);
    let mut schedule = Schedule::new(vec![check], Instant::now());
    for _ in 0..3 {
        let due = schedule.next_due().unwrap();
        let tick = next(&mut ticker).await;
        assert_eq!(tick.due, due);
        assert!(Instant::now().duration_since(due) < secs(1));
        assert!(schedule.pop(due).is_some());
    }
    ticker.replace(ticker::Plans::default());
    let waits = tokio::time::timeout(secs(1_000), ticker.wait()).await;
    assert!(waits.is_err());
}

/// Waits for the next check that is due.
async fn next(ticker: &mut ticker::Ticker) -> Due {
    loop {
        ticker.wait().await;
        match ticker.pop() {
            Some(Tick::Due(due)) => return due,
            Some(Tick::Passed(passed)) => panic!("{passed:?}"),
            None => {}
        }
    }
}
