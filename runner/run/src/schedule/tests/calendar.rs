//! Checks with a cron expression, and extra runs.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::*;
use crate::schedule::calendar::{Calendar, CalendarPlan, Moment, next_due};
use canary_suite::Cron;
use canary_system::clock::simulated::Simulated;

fn moment(text: &str) -> SystemTime {
    SystemTime::try_from(text.parse::<Timestamp>().unwrap()).unwrap()
}

fn cron_check(id: &str, text: &str, zone: &str) -> Arc<Check> {
    let cron = Cron::new(text, TimeZone::get(zone).unwrap(), zone).unwrap();
    let mut check = Check::minimal(id, secs(60));
    check.cadence = Cadence::Cron(Arc::new(cron));
    Arc::new(check)
}

#[test]
fn a_check_is_due_next_at_its_own_place_in_the_minute() {
    let (check, minute) = (
        cron_check("a", "*/5 * * * *", "UTC"),
        moment("2026-11-29T01:00:00Z"),
    );
    let own = splay(&check.id, MAX_SPLAY);
    assert!(own > secs(1) && own < MAX_SPLAY, "{own:?}");
    for (after, due) in [
        (Duration::ZERO, own),
        (own - secs(1), own),
        (own, secs(300) + own),
        (secs(60), secs(300) + own),
    ] {
        assert_eq!(next_due(&check, minute + after), Some(minute + due), "{after:?}");
    }
    assert_eq!(next_due(&Check::minimal("b", secs(60)), minute), None);
}

/// A calendar with one check, and its simulated clocks.
struct World {
    calendar: Calendar,
    check: Arc<Check>,
    began: Instant,
    wall: SystemTime,
}

impl World {
    fn new(text: &str, zone: &str, wall: &str) -> Self {
        let (check, wall) = (cron_check("a", text, zone), moment(wall));
        let plan = CalendarPlan::from(std::slice::from_ref(&check));
        Self {
            // Right at the due time of this minute.
            calendar: Calendar::new(plan, wall + splay(&check.id, MAX_SPLAY)),
            check,
            began: Instant::now(),
            wall,
        }
    }

    fn at(&self, after: Duration) -> Moment {
        Moment {
            now: self.began + after,
            wall: self.wall + after,
        }
    }

    /// The time from the start of a matching minute to the due time.
    fn splay(&self) -> Duration {
        splay(&self.check.id, MAX_SPLAY)
    }

    /// The event at `after` a due time: `due`, or how many passed.
    fn pop(&mut self, after: Duration) -> Option<String> {
        let moment = self.at(after + self.splay());
        Some(match self.calendar.pop(moment)? {
            Tick::Due(due) => format!("due {:?} ago", moment.now - due.due),
            Tick::Passed(passed) => format!("{} passed, {:?} ago", passed.count, moment.now - passed.last),
        })
    }
}

#[test]
fn a_check_is_due_once_in_each_minute_that_is_named_and_never_before() {
    let mut world = World::new("*/5 * * * *", "UTC", "2026-11-27T12:00:00Z");
    assert_eq!(world.pop(secs(300) - Duration::from_nanos(1)), None);
    assert_eq!(world.pop(secs(300)).unwrap(), "due 0ns ago");
    assert_eq!(world.pop(secs(300)), None);
    assert_eq!(world.pop(secs(601)).unwrap(), "due 1s ago");
    assert_eq!(world.pop(secs(900)).unwrap(), "due 0ns ago");
}

#[test]
fn the_splay_spreads_checks_over_the_minute_and_no_further() {
    let checks: Vec<_> = (0..200)
        .map(|id| cron_check(&format!("check {id}"), "0 * * * *", "UTC"))
        .collect();
    let wall = moment("2026-11-27T12:30:00Z");
    let mut calendar = Calendar::new(CalendarPlan::from(checks.as_slice()), wall);
    let now = Instant::now();
    let end = Moment {
        now: now + secs(31 * 60),
        wall: wall + secs(31 * 60),
    };
    let mut seconds = HashMap::new();
    while let Some(tick) = calendar.pop(end) {
        let Tick::Due(due) = tick else {
            panic!("an hour's due time is fresh for minutes")
        };
        *seconds.entry((due.due - now).as_secs()).or_insert(0) += 1;
    }
    assert_eq!(seconds.values().sum::<i32>(), 200);
    assert!(
        seconds.keys().all(|second| (1_800..1_860).contains(second)),
        "{seconds:?}"
    );
    assert!(seconds.values().all(|count| *count < 20), "{seconds:?}");
}

#[test]
fn what_passed_comes_first_and_the_last_due_time_by_itself_when_it_is_fresh() {
    let mut world = World::new("*/5 * * * *", "UTC", "2026-11-27T12:00:00Z");
    // Due at 5, 10, 15 and 20 minutes; that of 20 is 30 s old, and fresh for as long.
    assert_eq!(world.pop(secs(1_230)).unwrap(), "3 passed, 330s ago");
    assert_eq!(world.pop(secs(1_230)).unwrap(), "due 30s ago");
    assert_eq!(world.pop(secs(1_230)), None);
    // That of 25 is not.
    assert_eq!(world.pop(secs(1_531)).unwrap(), "1 passed, 31s ago");
    assert_eq!(world.pop(secs(1_531)), None);
}

#[test]
fn what_passed_in_a_long_sleep_is_all_counted_however_much_it_is() {
    let mut world = World::new("* * * * *", "UTC", "2026-11-27T12:00:00Z");
    let month = secs(30 * 24 * 60 * 60);
    let mut passed = 0;
    while let Some(tick) = world.calendar.pop(world.at(month + world.splay() + secs(30))) {
        let Tick::Passed(tick) = tick else {
            panic!("it is half a minute late")
        };
        passed += tick.count;
    }
    assert_eq!(passed, 30 * 24 * 60);
}

#[test]
fn of_what_passed_it_is_known_what_came_after_a_moment() {
    let mut world = World::new("*/5 8-18 * * *", "UTC", "2026-11-27T18:44:00Z");
    let splay = world.splay();
    // At 18:45, 18:50, 18:55, and at 8:00 and 8:05 on the next day.
    let woke = world.began + splay + secs(13 * 60 * 60 + 16 * 60);
    let now = world.at(splay + secs(13 * 60 * 60 + 22 * 60));
    let Some(Tick::Passed(passed)) = world.calendar.pop(now) else {
        panic!("nothing passed")
    };
    assert_eq!(passed.count, 5);
    assert_eq!(
        passed.after(woke),
        1,
        "the one at the moment itself counts before it"
    );
    assert_eq!(passed.after(woke - secs(1)), 2);
    let evening = world.began + splay + secs(60 * 60);
    assert_eq!(passed.after(evening), 2, "none counts in the night");
    assert_eq!(passed.after(world.began), 5);
    assert_eq!(passed.after(now.now), 0);
}

#[test]
fn what_came_after_a_moment_is_counted_up_to_the_last_due_time_and_no_further() {
    let mut world = World::new("* * * * *", "UTC", "2026-11-27T12:00:00Z");
    let splay = world.splay();
    assert!(
        splay > secs(30),
        "or it could be added twice without reaching the next minute"
    );
    let Some(Tick::Passed(passed)) = world.calendar.pop(world.at(secs(600) + splay - secs(1))) else {
        panic!("nothing passed")
    };
    assert_eq!(passed.count, 9);
    assert_eq!(passed.after(passed.last - secs(120)), 2);
}

#[test]
fn the_time_to_a_later_due_time_is_from_a_moment_to_the_checks_own_place_in_a_minute() {
    let (hourly, hour) = (
        cron_check("a", "0 * * * *", "UTC"),
        moment("2026-11-29T01:00:00Z"),
    );
    let own = splay(&hourly.id, MAX_SPLAY);
    for (from, due_times, expected) in [
        (own, 1, secs(3_600)),
        (own, 3, secs(3 * 3_600)),
        (own - secs(1), 1, secs(1)),
        (Duration::ZERO, 1, own),
    ] {
        assert_eq!(
            time_to_due(&hourly, hour + from, due_times),
            expected,
            "{due_times} after {from:?}"
        );
    }
    assert_eq!(time_to_due(&check("b", secs(10)), hour, 3), secs(30));
}

#[test]
fn a_clock_that_is_set_back_brings_due_times_again_and_is_not_waited_for() {
    let mut world = World::new("*/5 * * * *", "UTC", "2026-11-27T12:00:00Z");
    assert!(world.pop(secs(300)).is_some());
    // Two hours back: if the new time were ignored, the check would be silent for as long.
    world.wall -= secs(7_200);
    let now = world.at(secs(300) + world.splay());
    assert!(world.calendar.on_clock_step(now).is_empty());
    assert_eq!(world.pop(secs(600)).unwrap(), "due 0ns ago");
}

#[test]
fn a_due_time_that_the_clock_was_set_past_runs_when_it_is_fresh_and_is_missed_once_when_not() {
    let year = secs(365 * 24 * 60 * 60);
    for (forward, count) in [(secs(280), 0), (secs(3_600), 1), (year, 1)] {
        let mut world = World::new("*/5 * * * *", "UTC", "2026-11-27T12:00:00Z");
        world.wall += forward;
        let now = world.at(secs(30) + world.splay());
        let passed: u64 = world
            .calendar
            .on_clock_step(now)
            .iter()
            .map(|passed| passed.count)
            .sum();
        assert_eq!(passed, count, "{forward:?}");
        let due = world.calendar.pop(now);
        assert_eq!(due.is_some(), count == 0, "{forward:?}: {due:?}");
        assert!(world.calendar.pop(now).is_none(), "{forward:?}");
        let next = world.calendar.next_due(now).unwrap();
        assert!(next - now.now <= secs(300), "{forward:?}");
    }
}

#[test]
fn a_check_that_stays_keeps_a_due_time_that_has_come() {
    let mut world = World::new("*/5 * * * *", "UTC", "2026-11-27T12:00:00Z");
    // At the due time itself, and later.
    for after in [300, 310] {
        let moment = world.at(secs(after) + world.splay());
        let same = CalendarPlan::from(&[cron_check("a", "*/5 * * * *", "UTC")][..]);
        world.calendar.replace(same, moment.wall);
    }
    assert_eq!(world.pop(secs(310)).unwrap(), "due 10s ago");
    let other = CalendarPlan::from(&[cron_check("a", "*/10 * * * *", "UTC")][..]);
    let moment = world.at(secs(610) + world.splay());
    world.calendar.replace(other, moment.wall);
    assert_eq!(world.pop(secs(610)), None, "another cadence begins anew");
    assert_eq!(world.pop(secs(1_200)).unwrap(), "due 0ns ago");
}

#[tokio::test(start_paused = true)]
async fn a_ticker_brings_checks_of_both_kinds_and_extra_runs_in_order() {
    let clocks = Simulated::begin(moment("2026-11-27T12:00:00Z"));
    let checks = [check("every", secs(60)), cron_check("cron", "* * * * *", "UTC")];
    let mut ticker = ticker::Ticker::new(&checks, |_| None);
    let mut counts = HashMap::new();
    let first = next(&mut ticker).await;
    ticker.add_extra_run(&first.check, Duration::from_millis(1));
    let extra = next(&mut ticker).await;
    assert!(extra.is_extra && extra.check.id == first.check.id && extra.due > first.due);
    let mut last = extra.due;
    for _ in 0..10 {
        let due = next(&mut ticker).await;
        assert!(due.due > last && !due.is_extra);
        last = due.due;
        *counts.entry(due.check.name.clone()).or_insert(0) += 1;
    }
    assert_eq!(
        counts,
        HashMap::from([("every".to_owned(), 5), ("cron".to_owned(), 5)])
    );
    drop(clocks);
}

#[tokio::test(start_paused = true)]
async fn an_extra_run_that_is_late_or_of_another_suite_is_left_out() {
    let _clocks = Simulated::begin(moment("2026-11-27T12:00:00Z"));
    let check = check("a", Duration::from_hours(1_000));
    let mut ticker = ticker::Ticker::new(&[], |_| None);
    ticker.add_extra_run(&check, secs(10));
    tokio::time::advance(secs(11)).await;
    assert!(matches!(ticker.pop(), Some(Tick::Due(due)) if due.is_extra));
    ticker.add_extra_run(&check, secs(10));
    tokio::time::advance(secs(12)).await;
    assert!(ticker.pop().is_none(), "the host has other things to do");
    ticker.add_extra_run(&check, secs(10));
    ticker.replace(ticker::Plans::default());
    tokio::time::advance(secs(10)).await;
    assert!(ticker.pop().is_none(), "its check may be gone");
}

#[tokio::test(start_paused = true)]
async fn a_ticker_brings_the_longest_due_first() {
    for (interval_due, first, second) in [(47_400, "b", "a"), (47_600, "a", "b")] {
        let clocks = Simulated::begin(moment("2026-11-27T12:00:00Z"));
        let checks = [check("b", secs(60)), cron_check("a", "* * * * *", "UTC")];
        let own = splay(&checks[1].id, MAX_SPLAY).as_millis();
        assert_eq!(own, 47_482, "of the check with a cron expression");
        let wait = Duration::from_millis(interval_due);
        let mut ticker = ticker::Ticker::new(&checks, |_| Some(wait));
        tokio::time::advance(secs(48)).await;
        for expected in [first, second] {
            let due = next(&mut ticker).await;
            assert_eq!(due.check.name, expected, "one was due after {wait:?}");
        }
        drop(clocks);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sleep_of_the_machine_brings_due_times_of_a_ticker_nearer_and_forgets_extra_runs() {
    let _clocks = Simulated::begin(moment("2026-11-27T12:00:00Z"));
    let check = check("a", Duration::from_hours(1_000));
    let mut ticker = ticker::Ticker::new(&[Arc::clone(&check)], |_| Some(secs(100)));
    ticker.add_extra_run(&check, secs(60));
    ticker.skip(secs(40));
    tokio::time::advance(secs(60)).await;
    assert!(matches!(ticker.pop(), Some(Tick::Due(due)) if !due.is_extra));
    assert!(ticker.pop().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_ticker_says_what_the_clock_was_set_past() {
    let clocks = Simulated::begin(moment("2026-11-27T12:00:00Z"));
    let mut ticker = ticker::Ticker::new(&[cron_check("a", "*/5 * * * *", "UTC")], |_| None);
    assert!(ticker.on_clock_step().is_empty());
    clocks.step(3_600);
    let passed = ticker.on_clock_step();
    assert_eq!(passed.iter().map(|passed| passed.count).sum::<u64>(), 1);
}
