use std::collections::HashSet;

use super::*;
use crate::grant::Grants;
use crate::quota::Quota;
use crate::suite::{AlertRules, Config, Secrets, Target};

fn check(id: &str, interval: Duration) -> Arc<Check> {
    Arc::new(Check {
        id: CheckId::new(id),
        name: id.to_owned(),
        plugin: "tcp".to_owned(),
        target: Target::new("example.com:443"),
        secrets: Secrets::default(),
        interval,
        timeout: interval,
        retries: 0,
        failure_threshold: 1,
        success_threshold: 1,
        quota: Quota::default(),
        grants: Grants::default(),
        labels: Default::default(),
        group: None,
        depends_on: Vec::new(),
        alert: AlertRules::default(),
        config: Config::new("{}".to_owned()),
    })
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

/// Due time after `first`, in seconds, and what was missed before it.
fn pop(schedule: &mut Schedule, first: Instant, now: Duration) -> Option<(f64, u64)> {
    let due = schedule.pop_due(first + now)?;
    Some(((due.due - first).as_secs_f64(), due.missed))
}

#[test]
fn nothing_is_due_before_its_time() {
    let (mut schedule, first) = every_ten_seconds();
    assert!(schedule.pop_due(first - Duration::from_nanos(1)).is_none());
    assert_eq!(pop(&mut schedule, first, secs(0)), Some((0.0, 0)));
}

#[test]
fn a_due_time_is_delivered_once() {
    let (mut schedule, first) = every_ten_seconds();
    assert_eq!(pop(&mut schedule, first, secs(0)), Some((0.0, 0)));
    assert_eq!(pop(&mut schedule, first, secs(0)), None);
    assert_eq!(pop(&mut schedule, first, secs(9)), None);
    assert_eq!(schedule.next_due(), Some(first + secs(10)));
}

#[test]
fn a_late_caller_does_not_shift_the_cadence() {
    let (mut schedule, first) = every_ten_seconds();
    assert_eq!(pop(&mut schedule, first, secs(3)), Some((0.0, 0)));
    assert_eq!(pop(&mut schedule, first, secs(19)), Some((10.0, 0)));
    assert_eq!(pop(&mut schedule, first, secs(20)), Some((20.0, 0)));
}

#[test]
fn a_very_late_caller_gets_one_run_and_the_count_of_the_rest() {
    let (mut schedule, first) = every_ten_seconds();
    assert_eq!(pop(&mut schedule, first, secs(35)), Some((30.0, 3)));
    assert_eq!(pop(&mut schedule, first, secs(35)), None);
    assert_eq!(schedule.next_due(), Some(first + secs(40)));
}

#[test]
fn an_interval_late_is_a_due_time_missed() {
    let (mut schedule, first) = every_ten_seconds();
    assert_eq!(pop(&mut schedule, first, secs(10)), Some((10.0, 1)));
}

#[test]
fn every_due_time_is_delivered_or_missed() {
    let (mut schedule, first) = every_ten_seconds();
    let mut accounted = 0;
    for now in [0, 1, 9, 10, 11, 29, 31, 100, 1000, 1001, 86_400] {
        while let Some((_, missed)) = pop(&mut schedule, first, secs(now)) {
            accounted += 1 + missed;
        }
        assert_eq!(accounted, now / 10 + 1);
    }
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
        assert_eq!(schedule.pop_due(now).unwrap().due, now);
        last = now;
    }
}

#[test]
fn checks_due_at_once_come_in_the_order_of_the_suite() {
    let checks = vec![check("same", secs(10)), check("same", secs(10))];
    let mut schedule = Schedule::new(checks.clone(), Instant::now());
    let now = schedule.next_due().unwrap();
    for expected in &checks {
        assert!(Arc::ptr_eq(&schedule.pop_due(now).unwrap().check, expected));
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
    assert!(schedule.pop_due(Instant::now()).is_none());
}

#[test]
fn a_check_beyond_the_end_of_the_clock_is_dropped() {
    let mut schedule = Schedule::new(vec![check("a", Duration::MAX)], Instant::now());
    let first = schedule.next_due().unwrap();
    assert!(schedule.pop_due(first).is_some());
    assert_eq!(schedule.next_due(), None);
}

#[test]
fn a_hundred_thousand_checks_come_once_a_minute() {
    let checks = (0..100_000)
        .map(|n| check(&format!("check {n}"), secs(60)))
        .collect();
    let start = Instant::now();
    let mut schedule = Schedule::new(checks, start);
    let mut seen = HashSet::new();
    let mut now = start;
    while now < start + secs(60) {
        while let Some(due) = schedule.pop_due(now) {
            assert!(seen.insert(due.check.id.clone()) && due.missed == 0);
        }
        now = schedule.next_due().unwrap();
    }
    assert_eq!(seen.len(), 100_000);
}
