//! Due times that coincide with clock changes, reloads and shutdown.

use super::*;
use canary_run::schedule::{MAX_SPLAY, splay};

/// Halfway between two due times of a check with an interval of a minute.
const BETWEEN: Duration = Duration::from_secs(90);

fn minutely() -> Check {
    Check::minimal("a", MINUTE)
}

/// The same as a cron expression.
fn by_the_time_of_day() -> Check {
    let cron = Cron::new("* * * * *", TimeZone::UTC, "UTC").unwrap();
    Check {
        cadence: canary_suite::Cadence::Cron(Arc::new(cron)),
        ..minutely()
    }
}

/// Time advances while no task runs.
fn hold_up(time: Duration) {
    // The first poll advances the clock.
    let _held_up = tokio::time::advance(time).now_or_never();
}

/// What happens after a check ran twice, between two of its due times.
#[derive(Clone, Copy)]
enum Then<'a> {
    Reload(&'a [Check]),
    End,
}

/// The account of a check that ran twice before `happen`, shortly after `then` was done in the same instant.
async fn account_of(check: &Check, happen: impl FnOnce(&Simulated), then: Then<'_>) -> RunAccount {
    let clocks = Simulated::begin(noon());
    let target = Target::new(&[]);
    let (reload, suite_updates) = mpsc::channel(1);
    let first = match check.cadence.interval() {
        Some(interval) => splay(&check.id, interval),
        None => splay(&check.id, MAX_SPLAY),
    };
    let stop = async {
        tokio::time::sleep(first + BETWEEN).await;
        assert_eq!(target.run_times().len(), 2);
        happen(&clocks);
        if let Then::Reload(checks) = then {
            let (update, replaced) = SuiteUpdate::new(loaded(checks.to_vec()));
            assert!(reload.try_send(update).is_ok());
            replaced.await.unwrap();
            // A run that is due starts.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let account = supervise_suites(check.clone(), &target, suite_updates, stop).await;
    assert!(account.is_balanced(0, 0), "{account:?}");
    account
}

/// Everything that a reload can do to a check.
fn reloads(check: &Check) -> [Vec<Check>; 5] {
    let another = Check {
        cadence: canary_suite::Cadence::Every(7 * MINUTE),
        ..check.clone()
    };
    let by_the_other_clock = match check.cadence {
        canary_suite::Cadence::Every(_) => by_the_time_of_day(),
        canary_suite::Cadence::Cron(_) => minutely(),
    };
    [
        vec![check.clone()],
        vec![another],
        vec![by_the_other_clock],
        vec![Check::minimal("renamed", MINUTE)],
        Vec::new(),
    ]
}

fn assert_missed(account: &RunAccount, reason: MissReason, count: u64) {
    assert_eq!(account.missed().get(&reason), Some(&count), "{account:?}");
    assert_eq!(account.total_missed(), count, "{account:?}");
    assert_eq!(account.scheduled(), 2 + count, "{account:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_machine_slept_through_is_missed_whatever_suite_comes_as_it_wakes() {
    let sleep = |clocks: &Simulated| clocks.sleep(10 * MINUTE);
    for check in [minutely(), by_the_time_of_day()] {
        for suite in reloads(&check) {
            let account = account_of(&check, sleep, Then::Reload(&suite)).await;
            assert_missed(&account, MissReason::ClockJump, 10);
        }
        let account = account_of(&check, sleep, Then::End).await;
        assert_missed(&account, MissReason::ClockJump, 10);
    }
}

#[tokio::test(start_paused = true)]
async fn what_passes_while_the_host_is_busy_is_missed_whatever_suite_comes_then() {
    let busy = |_: &Simulated| hold_up(10 * MINUTE);
    for check in [minutely(), by_the_time_of_day()] {
        for suite in reloads(&check) {
            let account = account_of(&check, busy, Then::Reload(&suite)).await;
            assert_missed(&account, MissReason::Overload, 10);
        }
        let account = account_of(&check, busy, Then::End).await;
        assert_missed(&account, MissReason::Overload, 10);
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_as_the_machine_wakes_hides_nothing_that_it_slept_through() {
    let by_the_time_of_day = by_the_time_of_day();
    for (step, set_past) in [(3_600, 1), (10, 0), (-10, 0), (-3_600, 0)] {
        let wake = |clocks: &Simulated| {
            clocks.sleep(10 * MINUTE);
            clocks.step(step);
        };
        for suite in reloads(&by_the_time_of_day) {
            let account = account_of(&by_the_time_of_day, wake, Then::Reload(&suite)).await;
            assert_missed(&account, MissReason::ClockJump, 10 + set_past);
        }
        let account = account_of(&minutely(), wake, Then::Reload(&[])).await;
        assert_missed(&account, MissReason::ClockJump, 10);
    }
}

#[tokio::test(start_paused = true)]
async fn a_due_time_that_comes_in_the_instant_of_a_reload_is_run() {
    let pending = |_: &Simulated| hold_up(MINUTE / 2);
    for check in [minutely(), by_the_time_of_day()] {
        for suite in reloads(&check) {
            let account = account_of(&check, pending, Then::Reload(&suite)).await;
            assert_eq!(
                (account.scheduled(), account.total_missed()),
                (3, 0),
                "{account:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_due_time_that_comes_in_the_instant_of_the_end_is_missed_for_it() {
    let pending = |_: &Simulated| hold_up(MINUTE / 2);
    for check in [minutely(), by_the_time_of_day()] {
        let account = account_of(&check, pending, Then::End).await;
        assert_missed(&account, MissReason::Shutdown, 1);
    }
}
