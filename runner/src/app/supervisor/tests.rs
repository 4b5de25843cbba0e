//! The supervisor with scripted targets and simulated clocks.

use std::collections::VecDeque;
use std::sync::Mutex;

use jiff::tz::TimeZone;

use super::*;
use crate::app::load::Files;
use canary_record::trace::Trail;
use canary_run::outcome::{Usage, Verdict, VerdictStatus};
use canary_sandbox::dispatch::{AttemptRequest, Plugins};
use canary_sandbox::{InstancePool, Report};
use canary_suite::Cron;
use canary_system::clock::simulated::Simulated;
use canary_system::liveness::Registry;

mod due_times;
mod end;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Answers at once with these verdicts, then with passes, and records when it was called.
#[derive(Clone)]
struct Target(Arc<Inner>);

struct Inner {
    verdicts: Mutex<VecDeque<VerdictStatus>>,
    run_times: Mutex<Vec<Instant>>,
    room: InstancePool,
}

impl Target {
    fn new(verdicts: &[VerdictStatus]) -> Self {
        Self(Arc::new(Inner {
            verdicts: Mutex::new(verdicts.iter().copied().collect()),
            run_times: Mutex::default(),
            room: InstancePool::for_runs(4),
        }))
    }

    /// When it was called, in whole seconds after the first call.
    fn run_times(&self) -> Vec<u64> {
        let run_times = self.0.run_times.lock().unwrap();
        run_times
            .iter()
            .map(|at| (*at - run_times[0] + Duration::from_millis(999)).as_secs())
            .collect()
    }
}

impl Execute for Target {
    async fn execute(&self, _request: AttemptRequest<'_>) -> Report {
        self.0.run_times.lock().unwrap().push(Instant::now());
        let status = self.0.verdicts.lock().unwrap().pop_front();
        report(Outcome::Completed(Verdict {
            status: status.unwrap_or(VerdictStatus::Pass),
            summary: Default::default(),
            assertions: Vec::new(),
            measurements: Vec::new(),
            attributes: Vec::new(),
        }))
    }

    fn room(&self) -> &InstancePool {
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

struct NoopObserver;

impl RunObserver for NoopObserver {
    fn run_finished(
        &mut self,
        _run: &Arc<Run>,
        _check_status: &canary_run::status::CheckStatus,
        _statuses: &StatusStore,
    ) -> Vec<Change> {
        Vec::new()
    }
}

/// Supervises one check until `stop` completes.
async fn supervise_one(check: Check, target: &Target, stop: impl Future<Output = ()>) -> RunAccount {
    let (_suite_updates, suite_updates) = mpsc::channel(1);
    supervise_suites(check, target, suite_updates, stop).await
}

/// Supervises one check with the given suite updates until `stop` completes.
async fn supervise_suites(
    check: Check,
    target: &Target,
    suite_updates: mpsc::Receiver<SuiteUpdate>,
    stop: impl Future<Output = ()>,
) -> RunAccount {
    supervise_with(StatusStore::default(), check, target, suite_updates, stop).await
}

/// The same with a status store that the test reads.
async fn supervise_with(
    statuses: StatusStore,
    check: Check,
    target: &Target,
    suite_updates: mpsc::Receiver<SuiteUpdate>,
    stop: impl Future<Output = ()>,
) -> RunAccount {
    let (state, _state_writer) = State::none();
    let restored = Restored::default();
    let dependencies = Dependencies {
        dispatcher: Arc::new(Dispatcher::new(target.clone(), Plugins::default(), 4)),
        statuses,
        state,
        supervisor_status: SupervisorStatus::new(&Registry::default()),
        suite_updates,
        pause_detector: PauseDetector::without_a_thread(),
    };
    supervise(
        dependencies,
        loaded(vec![check]),
        restored,
        &mut NoopObserver,
        stop,
        SECOND,
    )
    .await
}

fn loaded(checks: Vec<Check>) -> Loaded {
    Loaded {
        suite: Suite {
            checks: checks.into_iter().map(Arc::new).collect(),
            disabled: Vec::new(),
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

/// When a check with an interval of a minute runs, given these verdicts.
async fn run_times_of(check: Check, verdicts: &[VerdictStatus]) -> (Vec<u64>, RunAccount) {
    let _clocks = Simulated::begin(noon());
    let target = Target::new(verdicts);
    let stop = tokio::time::sleep(MINUTE * 6);
    let account = supervise_one(check, &target, stop).await;
    (target.run_times(), account)
}

fn check() -> Check {
    Check {
        failure_threshold: 3,
        success_threshold: 2,
        retry_interval: Some(Duration::from_secs(10)),
        ..Check::minimal("a", MINUTE)
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_runs_again_soon_until_its_status_is_confirmed_and_keeps_its_cadence() {
    use VerdictStatus::{Fail, Pass};
    let verdicts = [Pass, Pass, Fail, Fail, Fail, Fail, Pass, Pass, Pass];
    let (run_times, account) = run_times_of(check(), &verdicts).await;
    let expected = [
        0, 10, // up after two, from unknown
        60, 70, 80,  // down after three
        120, // is known to be down
        180, 190, // up after two
        240, 300,
    ];
    assert_eq!(run_times[..expected.len()], expected);
    assert_eq!(account.scheduled(), run_times.len() as u64);
    assert!(
        account.is_balanced(0, 0) && account.total_missed() == 0,
        "{account:?}"
    );
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
        let (run_times, _) = run_times_of(check, &[VerdictStatus::Fail; 9]).await;
        assert_eq!(run_times[..5], [0, 60, 120, 180, 240]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_by_the_time_of_day_goes_on_whatever_the_clock_is_set_to() {
    let clocks = Simulated::begin(noon());
    let cron = Cron::new("* * * * *", TimeZone::UTC, "UTC").unwrap();
    let check = Check {
        cadence: canary_suite::Cadence::Cron(Arc::new(cron)),
        ..Check::minimal("a", MINUTE)
    };
    let target = Target::new(&[]);
    let stop = async {
        for step in [0, 86_400, -7_200, 3_600 * 24 * 400, -3_600 * 24 * 800, 30, -30] {
            clocks.step(step);
            let before = target.0.run_times.lock().unwrap().len();
            tokio::time::sleep(MINUTE * 3).await;
            let after = target.0.run_times.lock().unwrap().len();
            assert!(
                (2..=4).contains(&(after - before)),
                "{} runs after a step of {step}",
                after - before
            );
        }
    };
    let account = supervise_one(check, &target, stop).await;
    // Due times that the clock was set past: at most one for each of the large steps forward.
    assert!(account.total_missed() <= 2, "{account:?}");
    assert!(
        account
            .missed()
            .keys()
            .all(|reason| *reason == MissReason::ClockJump),
        "{account:?}"
    );
    assert!(account.is_balanced(0, 0));
}

#[tokio::test(start_paused = true)]
async fn how_long_a_check_may_be_silent_follows_a_clock_that_is_set_and_a_machine_that_sleeps() {
    // Eight in the morning of a Friday.
    let friday = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    for is_asleep in [true, false] {
        let clocks = Simulated::begin(friday);
        let cron = Cron::new("0 8-17 * * mon-fri", TimeZone::UTC, "UTC").unwrap();
        let check = Check {
            cadence: canary_suite::Cadence::Cron(Arc::new(cron)),
            ..Check::minimal("a", MINUTE)
        };
        let (statuses, (_suite_updates, suite_updates)) = (StatusStore::default(), mpsc::channel(1));
        let patience = || {
            let mut hours = 0;
            statuses.for_each(|_, sign| hours = sign.limits.stale_after.as_secs() / 3_600);
            hours
        };
        let stop = async {
            tokio::time::sleep(MINUTE * 30).await;
            assert!(patience() < 4, "{}", patience());
            if is_asleep {
                clocks.sleep(MINUTE * 60 * 12)
            } else {
                clocks.step(3_600 * 12)
            }
            tokio::time::sleep(SECOND * 2).await;
            assert!(patience() > 48, "a weekend: {}", patience());
        };
        supervise_with(statuses.clone(), check, &Target::new(&[]), suite_updates, stop).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_machine_slept_through_is_missed_by_the_time_of_day_as_well() {
    let clocks = Simulated::begin(noon());
    let cron = Cron::new("*/5 * * * *", TimeZone::UTC, "UTC").unwrap();
    let check = Check {
        cadence: canary_suite::Cadence::Cron(Arc::new(cron)),
        ..Check::minimal("a", MINUTE)
    };
    let target = Target::new(&[]);
    let stop = async {
        tokio::time::sleep(MINUTE * 7).await;
        clocks.sleep(MINUTE * 60);
        tokio::time::sleep(MINUTE * 10).await;
    };
    let account = supervise_one(check, &target, stop).await;
    assert_eq!(
        account.missed().get(&MissReason::ClockJump),
        Some(&12),
        "{account:?}"
    );
    assert_eq!(
        (account.scheduled(), account.total_missed()),
        (16, 12),
        "{account:?}"
    );
}
