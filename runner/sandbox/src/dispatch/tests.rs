//! Runs with scripted attempts, on a paused clock.

use std::collections::VecDeque;
use std::sync::Mutex;

use futures_util::future::join;
use tokio::time::{advance, sleep, timeout};

use super::*;
use canary_record::Text;
use canary_record::quota::{QuotaKind, QuotaUsage};
use canary_record::trace::{Denied, Phase, PhaseTime};
use canary_run::outcome::{LogLevel, Verdict};

const SECOND: Duration = Duration::from_secs(1);
/// How long an attempt takes.
const TAKES: Duration = Duration::from_secs(3);

/// An executor whose attempts have these outcomes, and then pass.
struct Script {
    outcomes: Mutex<VecDeque<Outcome>>,
    /// The numbers of the attempts that started.
    numbers: Mutex<Vec<u32>>,
    room: InstancePool,
    /// How long each attempt is queued for CPU time.
    queued: Duration,
}

impl Execute for Script {
    async fn execute(&self, request: AttemptRequest<'_>) -> Report {
        self.numbers.lock().unwrap().push(request.number);
        let message = request.recorder.text(Section::Verdict, "x".repeat(100));
        tokio::select! {
            () = request.shutdown.cancelled() => {
                return Report::without_guest(Outcome::Stopped(StopCause::Shutdown));
            }
            () = sleep(TAKES) => {}
        }
        let outcome = self.outcomes.lock().unwrap().pop_front();
        Report {
            outcome: outcome.unwrap_or_else(|| completed(VerdictStatus::Pass)),
            usage: Usage {
                used: QuotaUsage {
                    connections: 1,
                    ..QuotaUsage::default()
                },
                ..Usage::default()
            },
            log: vec![LogLine {
                level: LogLevel::Info,
                message,
                fields: Vec::new(),
                at: SECOND,
            }],
            trail: trail(),
            queued: self.queued,
        }
    }

    fn room(&self) -> &InstancePool {
        &self.room
    }
}

/// The trail of an attempt, with times since its start.
fn trail() -> Trail {
    Trail {
        phases: vec![PhaseTime {
            attempt: 0,
            phase: Phase::Connect,
            took: SECOND,
            error: None,
        }],
        denied: vec![Denied {
            at: SECOND,
            quota: QuotaKind::Cpu,
            limit: 1,
        }],
        ..Trail::default()
    }
}

fn completed(status: VerdictStatus) -> Outcome {
    Outcome::Completed(Verdict {
        status,
        summary: Text::default(),
        assertions: Vec::new(),
        measurements: Vec::new(),
        attributes: Vec::new(),
    })
}

fn failed() -> Outcome {
    completed(VerdictStatus::Fail)
}

fn dispatcher(outcomes: impl IntoIterator<Item = Outcome>) -> Dispatcher<Script> {
    let script = Script {
        outcomes: Mutex::new(outcomes.into_iter().collect()),
        numbers: Mutex::default(),
        room: InstancePool::for_runs(8),
        queued: Duration::ZERO,
    };
    Dispatcher::new(script, Plugins::default(), 8)
}

fn check(retries: u32) -> Arc<Check> {
    let plain = Check::minimal("page", Duration::from_secs(60));
    Arc::new(Check { retries, ..plain })
}

impl Dispatcher<Script> {
    async fn run_now(&self, check: &Arc<Check>) -> Run {
        let job = self.job(check, Instant::now());
        let permit = self.permit(&job).await.unwrap();
        self.run(job, permit).await
    }

    fn numbers(&self) -> Vec<u32> {
        self.executor.numbers.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_is_retried_until_an_attempt_succeeds_or_no_retry_is_left() {
    let warned = completed(VerdictStatus::Warn);
    for (retries, outcomes, attempts, is_good) in [
        (2, vec![], 1, true),
        (2, vec![warned], 1, true),
        (2, vec![failed()], 2, true),
        (2, vec![failed(), failed()], 3, true),
        (2, vec![failed(), failed(), failed()], 3, false),
        (0, vec![failed()], 1, false),
    ] {
        let dispatcher = dispatcher(outcomes.clone());
        let run = dispatcher.run_now(&check(retries)).await;
        assert_eq!(
            (run.attempts, run.outcome.is_good()),
            (attempts, is_good),
            "{outcomes:?}"
        );
        assert_eq!(dispatcher.numbers(), (1..=attempts).collect::<Vec<_>>());
        let waited = run.duration - TAKES * attempts;
        // The wait before each further attempt is random: 50 ms at least before the second.
        assert_eq!(waited >= Duration::from_millis(50), attempts > 1, "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_has_what_all_its_attempts_did_and_what_the_last_one_logged() {
    let run = dispatcher([failed()]).run_now(&check(1)).await;
    // Relative to the start of the run.
    let second = run.duration - TAKES + SECOND;
    assert_eq!(run.usage.used.connections, 2);
    let denied: Vec<_> = run.trail.denied.iter().map(|denied| denied.at).collect();
    assert_eq!(denied, [SECOND, second]);
    let phases: Vec<_> = run.trail.phases.iter().map(|phase| phase.attempt).collect();
    assert_eq!(phases, [1, 2]);
    let logged: Vec<_> = run.log.iter().map(|line| line.at).collect();
    assert_eq!(logged, [second]);
    let once = dispatcher([]).run_now(&check(0)).await;
    assert_eq!(run.usage.record, once.usage.record, "of the last attempt");
    assert!(once.usage.record.bytes > 100, "{:?}", once.usage.record);
}

#[tokio::test(start_paused = true)]
async fn the_lag_of_a_run_is_the_time_since_it_was_due_and_says_how_much_of_it_was_waited_for_a_permit() {
    let dispatcher = dispatcher([]);
    let check = check(0);
    let due = Instant::now();
    advance(SECOND).await;
    let job = dispatcher.job(&check, due);
    let permit = dispatcher.permit(&job).await.unwrap();
    let run = dispatcher.run(job, permit).await;
    assert_eq!((run.lag, run.queued), (SECOND, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn once_draining_has_begun_a_running_attempt_continues_and_nothing_new_starts() {
    let check = check(3);
    // In the first attempt, and in the wait after it.
    for after in [SECOND, TAKES + Duration::from_millis(1)] {
        let dispatcher = dispatcher([failed()]);
        let drain = async {
            sleep(after).await;
            dispatcher.drain();
        };
        let (run, ()) = join(dispatcher.run_now(&check), drain).await;
        assert_eq!((run.attempts, run.outcome), (1, failed()));
        assert_eq!(run.duration, TAKES.max(after));
        let job = dispatcher.job(&check, Instant::now());
        assert!(dispatcher.permit(&job).await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn an_abort_stops_the_running_attempt_and_every_later_one_before_it_starts() {
    let dispatcher = dispatcher([]);
    let check = check(3);
    let later = dispatcher.job(&check, Instant::now());
    let permit = dispatcher.permit(&later).await.unwrap();
    let abort = async {
        sleep(SECOND).await;
        dispatcher.abort_running();
    };
    let (run, ()) = join(dispatcher.run_now(&check), abort).await;
    let stopped = Outcome::Stopped(StopCause::Shutdown);
    assert_eq!((run.duration, run.attempts), (SECOND, 1));
    assert_eq!(run.outcome, stopped);
    assert!(dispatcher.permit(&later).await.is_none());
    assert_eq!(dispatcher.run(later, permit).await.outcome, stopped);
    assert_eq!(dispatcher.numbers(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_run_has_its_conversation_where_that_is_wanted() {
    let recording = dispatcher([]).with_conversations();
    assert!(recording.run_now(&check(0)).await.trail.conversation.is_some());
    assert!(
        dispatcher([])
            .run_now(&check(0))
            .await
            .trail
            .conversation
            .is_none()
    );
}

#[tokio::test(start_paused = true)]
async fn time_queued_for_the_cpu_excuses_a_failure() {
    let (mut dispatcher, check) = (dispatcher([failed()]), check(0));
    dispatcher.executor.queued = check.timeout;
    let overloaded = Outcome::Stopped(StopCause::Overload { lost: check.timeout });
    assert_eq!(dispatcher.run_now(&check).await.outcome, overloaded);
}

#[tokio::test(start_paused = true)]
async fn only_what_the_host_lost_during_an_attempt_excuses_a_failure() {
    let clock = StallClock::default();
    clock.beat();
    advance(100 * SECOND).await;
    clock.beat();
    let check = Arc::new(Check {
        timeout: 8 * SECOND,
        ..Check::clone(&check(0))
    });
    let dispatcher = dispatcher([failed(), failed()]).with_stall_clock(clock.clone());
    let beats = async {
        for _ in 0..8 {
            sleep(TAKES / 8).await;
            clock.beat();
        }
    };
    let (run, ()) = join(dispatcher.run_now(&check), beats).await;
    assert_eq!(run.outcome, failed());
    let overloaded = Outcome::Stopped(StopCause::Overload { lost: TAKES });
    assert_eq!(dispatcher.run_now(&check).await.outcome, overloaded);
}

#[tokio::test(start_paused = true)]
async fn a_reload_reconfigures_the_limits_and_their_pool_is_monitored() {
    let pools = Pools::default();
    let dispatcher = dispatcher([]).with_pools(&pools);
    let checks = ["one", "other"].map(|name| {
        Arc::new(Check {
            group: Some("slow".into()),
            ..Check::minimal(name, SECOND)
        })
    });
    let suite = Suite {
        checks: checks.to_vec(),
        disabled: Vec::new(),
        groups: BTreeMap::from([("slow".into(), 1)]),
        maintenance: Vec::new(),
        variables: Vec::new(),
    };
    dispatcher.apply_suite(Plugins::default(), &suite);
    let [one, other] = checks.map(|check| dispatcher.job(&check, Instant::now()));
    let _permit = timeout(SECOND, dispatcher.permit(&one)).await.unwrap().unwrap();
    let second = timeout(SECOND, dispatcher.permit(&other)).await;
    assert!(second.is_err(), "the group has one permit");
    let watched: Vec<_> = pools
        .snapshots()
        .iter()
        .map(|pool| (pool.name, pool.used))
        .collect();
    assert_eq!(watched, [("permits", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_panicked_in_the_host_has_one_attempt_and_the_panic_as_its_summary() {
    let dispatcher = dispatcher([]);
    let job = dispatcher.job(&check(2), Instant::now());
    advance(SECOND).await;
    let run = dispatcher.failed_run(job, &"out of luck");
    assert_eq!((run.attempts, run.lag), (1, SECOND));
    assert!(run.outcome.summary().contains("out of luck"), "{:?}", run.outcome);
}

#[test]
fn a_failure_or_warning_while_the_host_was_overloaded_says_nothing_of_the_target() {
    let (quarter, timeout) = (Duration::from_secs(1), Duration::from_secs(4));
    for status in [VerdictStatus::Fail, VerdictStatus::Warn] {
        let failed = completed(status);
        assert_eq!(classify_overload(failed.clone(), quarter, timeout), failed);
        let lost = quarter + Duration::from_millis(1);
        let stopped = classify_overload(failed, lost, timeout);
        assert_eq!(stopped, Outcome::Stopped(StopCause::Overload { lost }));
        let summary = stopped.summary();
        assert!(summary.contains("overloaded for 1s 1ms"), "{summary}");
    }
}

#[test]
fn a_pass_on_an_overloaded_host_is_a_pass() {
    let passed = completed(VerdictStatus::Pass);
    let (lost, timeout) = (Duration::from_secs(9), Duration::from_secs(1));
    assert_eq!(classify_overload(passed.clone(), lost, timeout), passed);
}

#[test]
fn a_deadline_while_the_host_was_overloaded_is_attributed_to_the_host() {
    let timeout = Duration::from_secs(4);
    let late = Outcome::Stopped(StopCause::Deadline { limit: timeout });
    let quarter = timeout / 4;
    assert_eq!(classify_overload(late.clone(), quarter, timeout), late);
    let lost = quarter + Duration::from_millis(1);
    let stopped = Outcome::Stopped(StopCause::Overload { lost });
    assert_eq!(classify_overload(late, lost, timeout), stopped);
}

#[tokio::test(start_paused = true)]
async fn a_check_whose_target_must_fail_is_retried_while_the_target_works() {
    let passed = || completed(VerdictStatus::Pass);
    for (outcomes, attempts, status) in [
        (vec![failed()], 1, VerdictStatus::Pass),
        (vec![passed(), failed()], 2, VerdictStatus::Pass),
        (vec![passed(), passed()], 2, VerdictStatus::Fail),
        (
            vec![completed(VerdictStatus::Warn), passed()],
            2,
            VerdictStatus::Fail,
        ),
    ] {
        let dispatcher = dispatcher(outcomes.clone());
        let check = Check {
            expect_failure: true,
            ..check(1).as_ref().clone()
        };
        let run = dispatcher.run_now(&Arc::new(check)).await;
        assert_eq!(
            (run.attempts, run.outcome.verdict()),
            (attempts, Some(status)),
            "{outcomes:?}"
        );
        let error = (status == VerdictStatus::Fail).then_some("unexpected_pass");
        assert_eq!(run.error_type(), error);
    }
}

#[test]
fn the_backoff_doubles_up_to_its_bound() {
    let whole = [100, 200, 400, 800, 1600, 2000, 2000].map(Duration::from_millis);
    for (attempts, whole) in (1..).zip(whole) {
        let wait = RETRY_BACKOFF.wait(attempts);
        assert!((whole / 2..=whole).contains(&wait), "{attempts}: {wait:?}");
    }
}
