//! The service with targets of a script, by clocks that a test moves.

use std::collections::VecDeque;
use std::sync::Mutex;

use jiff::tz::TimeZone;

use super::*;
use crate::app::load::Files;
use crate::clock::simulated::Simulated;
use crate::dispatch::{Plugins, Request};
use crate::liveness::Registry;
use crate::outcome::{Usage, Verdict, VerdictStatus};
use crate::sandbox::{Report, Room};
use crate::suite::{self, Cron};
use crate::trace::Trail;

mod due_times;
mod end;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Answers at once, with these verdicts and then with a pass, and remembers when it was asked.
#[derive(Clone)]
struct Target(Arc<Inner>);

struct Inner {
    verdicts: Mutex<VecDeque<VerdictStatus>>,
    asked: Mutex<Vec<Instant>>,
    room: Room,
}

impl Target {
    fn new(verdicts: &[VerdictStatus]) -> Self {
        Self(Arc::new(Inner {
            verdicts: Mutex::new(verdicts.iter().copied().collect()),
            asked: Mutex::default(),
            room: Room::for_runs(4),
        }))
    }

    /// When it was asked, in whole seconds after the first time.
    fn asked(&self) -> Vec<u64> {
        let asked = self.0.asked.lock().unwrap();
        asked
            .iter()
            .map(|at| (*at - asked[0] + Duration::from_millis(999)).as_secs())
            .collect()
    }
}

impl Execute for Target {
    async fn execute(&self, _request: Request<'_>) -> Report {
        self.0.asked.lock().unwrap().push(Instant::now());
        let status = self.0.verdicts.lock().unwrap().pop_front();
        report(Outcome::Completed(Verdict {
            status: status.unwrap_or(VerdictStatus::Pass),
            summary: Default::default(),
            assertions: Vec::new(),
            measurements: Vec::new(),
            attributes: Vec::new(),
        }))
    }

    fn room(&self) -> &Room {
        &self.0.room
    }
}

fn report(outcome: Outcome) -> Report {
    Report {
        outcome,
        usage: Usage::default(),
        log: Vec::new(),
        trail: Trail::default(),
        queued: Duration::ZERO,
    }
}

struct Silent;

impl Watcher for Silent {
    fn finished(
        &mut self,
        _run: &Arc<Run>,
        _standing: &crate::status::Standing,
        _board: &Board,
    ) -> Vec<Change> {
        Vec::new()
    }
}

/// Serves one check until `stop` is done.
async fn serve_one(check: Check, target: &Target, stop: impl Future<Output = ()>) -> Account {
    let (_swaps, swaps) = mpsc::channel(1);
    serve_suites(check, target, swaps, stop).await
}

/// Serves one check until another suite comes, and so on until `stop` is done.
async fn serve_suites(
    check: Check,
    target: &Target,
    swaps: mpsc::Receiver<Swap>,
    stop: impl Future<Output = ()>,
) -> Account {
    serve_on(Board::default(), check, target, swaps, stop).await
}

/// The same for a board that somebody looks at.
async fn serve_on(
    board: Board,
    check: Check,
    target: &Target,
    swaps: mpsc::Receiver<Swap>,
    stop: impl Future<Output = ()>,
) -> Account {
    let (state, _keeper) = State::none();
    let restored = Restored::default();
    let parts = Parts {
        dispatcher: Arc::new(Dispatcher::new(target.clone(), Plugins::default(), 4)),
        board,
        state,
        pulse: Pulse::new(&Registry::default()),
        swaps,
        pauses: Pauses::without_a_thread(),
    };
    serve(parts, loaded(vec![check]), restored, &mut Silent, stop, SECOND).await
}

fn loaded(checks: Vec<Check>) -> Loaded {
    Loaded {
        suite: Suite {
            checks: checks.into_iter().map(Arc::new).collect(),
            groups: Default::default(),
            maintenance: Vec::new(),
            variables: Default::default(),
        },
        plugins: Plugins::default(),
        files: Files::default(),
    }
}

fn noon() -> std::time::SystemTime {
    std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_014_400)
}

/// When a check that is due every minute was asked, if it answers so.
async fn asked_of(check: Check, verdicts: &[VerdictStatus]) -> (Vec<u64>, Account) {
    let _clocks = Simulated::begin(noon());
    let target = Target::new(verdicts);
    let stop = tokio::time::sleep(MINUTE * 6);
    let account = serve_one(check, &target, stop).await;
    (target.asked(), account)
}

fn check() -> Check {
    Check {
        failure_threshold: 3,
        success_threshold: 2,
        retry_interval: Some(Duration::from_secs(10)),
        ..Check::plain("a", MINUTE)
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_runs_again_soon_until_its_status_is_confirmed_and_keeps_its_cadence() {
    use VerdictStatus::{Fail, Pass};
    let verdicts = [Pass, Pass, Fail, Fail, Fail, Fail, Pass, Pass, Pass];
    let (asked, account) = asked_of(check(), &verdicts).await;
    let expected = [
        0, 10, // up after two, from unknown
        60, 70, 80,  // down after three
        120, // is known to be down
        180, 190, // up after two
        240, 300,
    ];
    assert_eq!(asked[..expected.len()], expected);
    assert_eq!(account.scheduled(), asked.len() as u64);
    assert!(account.holds(0, 0) && account.missed_in_all() == 0, "{account:?}");
}

#[tokio::test(start_paused = true)]
async fn no_run_is_added_where_the_next_one_is_due_as_soon() {
    let soon = Check {
        retry_interval: Some(MINUTE - Duration::from_nanos(1)),
        ..check()
    };
    let plain = Check {
        retry_interval: None,
        ..check()
    };
    for check in [soon, plain] {
        let (asked, _) = asked_of(check, &[VerdictStatus::Fail; 9]).await;
        assert_eq!(asked[..5], [0, 60, 120, 180, 240]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_by_the_time_of_day_goes_on_whatever_the_clock_is_set_to() {
    let clocks = Simulated::begin(noon());
    let cron = Cron::new("* * * * *", TimeZone::UTC, "UTC").unwrap();
    let check = Check {
        cadence: suite::Cadence::Cron(Arc::new(cron)),
        ..Check::plain("a", MINUTE)
    };
    let target = Target::new(&[]);
    let stop = async {
        for step in [0, 86_400, -7_200, 3_600 * 24 * 400, -3_600 * 24 * 800, 30, -30] {
            clocks.step(step);
            let before = target.0.asked.lock().unwrap().len();
            tokio::time::sleep(MINUTE * 3).await;
            let after = target.0.asked.lock().unwrap().len();
            assert!(
                (2..=4).contains(&(after - before)),
                "{} runs after a step of {step}",
                after - before
            );
        }
    };
    let account = serve_one(check, &target, stop).await;
    // A due time that the clock was set past: at most one for each of the large steps forward.
    assert!(account.missed_in_all() <= 2, "{account:?}");
    assert!(
        account
            .missed()
            .keys()
            .all(|reason| *reason == MissReason::ClockJump),
        "{account:?}"
    );
    assert!(account.holds(0, 0));
}

#[tokio::test(start_paused = true)]
async fn how_long_a_check_may_be_silent_follows_a_clock_that_is_set_and_a_machine_that_sleeps() {
    // Eight in the morning of a Friday.
    let friday = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    for is_asleep in [true, false] {
        let clocks = Simulated::begin(friday);
        let cron = Cron::new("0 8-17 * * mon-fri", TimeZone::UTC, "UTC").unwrap();
        let check = Check {
            cadence: suite::Cadence::Cron(Arc::new(cron)),
            ..Check::plain("a", MINUTE)
        };
        let (board, (_swaps, swaps)) = (Board::default(), mpsc::channel(1));
        let patience = || {
            let mut hours = 0;
            board.each(|_, sign| hours = sign.patience.stale.as_secs() / 3_600);
            hours
        };
        let stop = async {
            tokio::time::sleep(MINUTE * 30).await;
            assert!(patience() < 4, "{}", patience());
            match is_asleep {
                true => clocks.sleep(MINUTE * 60 * 12),
                false => clocks.step(3_600 * 12),
            }
            tokio::time::sleep(SECOND * 2).await;
            assert!(patience() > 48, "a weekend: {}", patience());
        };
        serve_on(board.clone(), check, &Target::new(&[]), swaps, stop).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_machine_slept_through_is_missed_by_the_time_of_day_as_well() {
    let clocks = Simulated::begin(noon());
    let cron = Cron::new("*/5 * * * *", TimeZone::UTC, "UTC").unwrap();
    let check = Check {
        cadence: suite::Cadence::Cron(Arc::new(cron)),
        ..Check::plain("a", MINUTE)
    };
    let target = Target::new(&[]);
    let stop = async {
        tokio::time::sleep(MINUTE * 7).await;
        clocks.sleep(MINUTE * 60);
        tokio::time::sleep(MINUTE * 10).await;
    };
    let account = serve_one(check, &target, stop).await;
    assert_eq!(
        account.missed().get(&MissReason::ClockJump),
        Some(&12),
        "{account:?}"
    );
    assert_eq!(
        (account.scheduled(), account.missed_in_all()),
        (16, 12),
        "{account:?}"
    );
}
