//! The supervisor: runs every check at its cadence until shutdown.

mod cadence;
mod due_times;
mod late_state;
mod run_observer;
mod suite_update;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use super::clock_monitor::pause_detector::PauseDetector;
use super::clock_monitor::{ClockMonitor, ClockSample};
use super::load::Loaded;
use cadence::ResumedCadences;
use canary_alert::SuiteIndex;
use canary_run::account::{MissReason, RunAccount};
use canary_run::outcome::{Outcome, Run, StopCause};
use canary_run::publish::{ApplyResult, DeferredDrop, Restored, StatusStore};
use canary_run::schedule::Due;
use canary_run::schedule::ticker::Ticker;
use canary_run::status::Status;
use canary_sandbox::Sandbox;
use canary_sandbox::dispatch::{Dispatcher, Execute, Job};
use canary_state::{Change, PendingCommit, State, Table};
use canary_suite::{Check, CheckId, Suite};
use canary_system::age::{self, Now, Since};
use canary_system::clock;
use canary_watch::supervisor_status::SupervisorStatus;
pub use late_state::parse;
pub use run_observer::RunObserver;
pub use suite_update::{ReplacedSuite, SuiteUpdate};

/// Maximum time between two iterations of the supervisor's loop.
const TICK_INTERVAL: Duration = Duration::from_secs(1);
/// How often a worker thread reports that it is not blocked.
const WORKER_REPORT_INTERVAL: Duration = Duration::from_millis(250);
/// How long aborted runs may take to end; a run that has not ended by then is counted as killed by the next process.
const ABORT_TIMEOUT: Duration = Duration::from_secs(2);
/// Key of the accumulated run accounts of removed checks.
pub const RETIRED: &str = "retired";

/// Dependencies of the supervisor.
pub struct Dependencies<E = Sandbox> {
    /// Executes runs.
    pub dispatcher: Arc<Dispatcher<E>>,
    /// Status of every check; read by other components.
    pub statuses: StatusStore,
    /// Persists it.
    pub state: State,
    /// Where the supervisor reports its progress.
    pub supervisor_status: SupervisorStatus,
    /// Suites to switch to.
    pub suite_updates: mpsc::Receiver<SuiteUpdate>,
    /// Detects that the whole process was stopped.
    pub pause_detector: PauseDetector,
}

/// Runs a suite until `stop` completes. Then starts no more runs, waits up to `grace` for running ones, and aborts
/// the rest.
///
/// One task owns the schedule, the statuses and every run: runs are joined, and none is lost. `restored` is the
/// persisted state of an earlier process.
pub async fn supervise<E: Execute>(
    dependencies: Dependencies<E>,
    first: Loaded,
    restored: Restored,
    observer: &mut dyn RunObserver,
    stop: impl Future<Output = ()>,
    grace: Duration,
) -> RunAccount {
    let mut workers = JoinSet::new();
    workers.spawn(report_workers_alive(dependencies.supervisor_status.clone()));
    let mut supervisor = Supervisor::start(dependencies, first, restored, observer);
    let mut ticks = interval(TICK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stop = std::pin::pin!(stop);
    loop {
        supervisor.mark_alive();
        tokio::select! {
            biased;
            () = &mut stop => break,
            _ = ticks.tick() => supervisor.on_tick(),
            Some(update) = supervisor.suite_updates.recv() => supervisor.apply_update(update),
            Some(ended) = supervisor.runs.join_next() => supervisor.on_run_end(ended),
            () = supervisor.ticker.wait() => supervisor.on_due(),
        }
    }
    supervisor.end_cadences();
    supervisor.drain(grace, &mut ticks).await;
    supervisor.handle_state_request();
    workers.shutdown().await;
    supervisor.statuses.total_account()
}

struct Supervisor<'a, E> {
    dispatcher: Arc<Dispatcher<E>>,
    statuses: StatusStore,
    state: State,
    supervisor_status: SupervisorStatus,
    suite_updates: mpsc::Receiver<SuiteUpdate>,
    ticker: Ticker,
    clock_monitor: ClockMonitor,
    /// Tracks how long the time of day has been steady.
    clock: age::Clock,
    runs: JoinSet<RunEnd>,
    observer: &'a mut dyn RunObserver,
    pause_detector: PauseDetector,
    /// When the process last resumed after a suspend of the machine, or after it was stopped.
    resumed_at: Option<Instant>,
    late_state: late_state::LateState,
}

enum RunEnd {
    Finished(Box<Run>),
    NeverStarted(CheckId),
}

impl<'a, E: Execute> Supervisor<'a, E> {
    fn start(
        dependencies: Dependencies<E>,
        first: Loaded,
        mut restored: Restored,
        observer: &'a mut dyn RunObserver,
    ) -> Self {
        let Dependencies {
            dispatcher,
            statuses,
            state,
            supervisor_status,
            suite_updates,
            pause_detector,
        } = dependencies;
        let Loaded { suite, plugins, .. } = first;
        let (now, started) = (Instant::now(), Now::read());
        restored.migrate_ids(&suite.checks);
        let cadences = ResumedCadences::resume(&suite.checks, &restored, &started);
        drop(dispatcher.apply_suite(plugins, &suite));
        let applied = statuses.apply_suite(&suite.checks, &mut restored, now);
        let ticker = Ticker::new(&suite.checks, |check| cadences.wait(&check.id));
        let late_state = late_state::LateState::new(&state, &statuses, now, started);
        let mut supervisor = Self {
            dispatcher,
            statuses,
            state,
            supervisor_status,
            suite_updates,
            ticker,
            clock_monitor: ClockMonitor::new(ClockSample::now()),
            clock: age::Clock::default(),
            runs: JoinSet::new(),
            observer,
            pause_detector,
            resumed_at: None,
            late_state,
        };
        supervisor.on_suite_applied(&suite, &mut SuiteIndex::new(&suite), applied);
        supervisor.begin_cadences(&suite.checks);
        let removed = supervisor.statuses.archive_removed(restored);
        supervisor.delete_rows(&removed);
        for (check, passed, last) in cadences.passed(&suite.checks) {
            supervisor.record_missed(check, MissReason::Absent, passed, last);
        }
        supervisor
    }

    /// Notifies the observer of a new suite and persists what follows from it.
    fn on_suite_applied(
        &mut self,
        suite: &Suite,
        suite_index: &mut SuiteIndex,
        applied: ApplyResult,
    ) -> DeferredDrop {
        let changes = self.observer.suite_changed(suite, suite_index);
        self.persist(changes);
        for (id, killed) in applied.killed {
            self.observer.runs_missed(&id, MissReason::Killed, killed);
            self.persist_check(&id, Vec::new());
        }
        self.delete_rows(&applied.removed);
        applied.deferred_drop
    }

    fn mark_alive(&mut self) {
        self.resumed_at = self.resumed_at.max(self.pause_detector.ended());
        self.supervisor_status.scheduler_alive();
    }

    /// Periodic work.
    fn on_tick(&mut self) {
        self.check_clocks();
        let now = self.clock.read();
        let changes = self.observer.tick(&now);
        self.persist(changes);
        self.handle_state_request();
    }

    fn start_run(&mut self, due: Due) {
        let Due { check, due, is_extra } = due;
        if is_extra {
            if !self.statuses.schedule_extra(&check.id) {
                return;
            }
        } else if let Err(reason) = self.statuses.schedule(&check, since(due)) {
            self.observer.runs_missed(&check.id, reason, 1);
            self.persist_check(&check.id, Vec::new());
            return;
        }
        self.observer.run_due(&check);
        let job = self.dispatcher.job(&check, due);
        let commit = self.persist_check(&check.id, Vec::new());
        self.runs.spawn(execute_run(
            Arc::clone(&self.dispatcher),
            self.statuses.clone(),
            job,
            commit,
        ));
    }

    fn on_run_end(&mut self, ended: Result<RunEnd, tokio::task::JoinError>) {
        let status = self.supervisor_status.clone();
        let _publishing = status.publishing();
        match ended {
            Ok(RunEnd::Finished(run)) => {
                let run = Arc::new(*run);
                if matches!(run.outcome, Outcome::Stopped(StopCause::Descriptors)) {
                    self.supervisor_status.record_fd_exhausted();
                }
                let check_status = self.statuses.publish(&run, clock::wall());
                let changes = self.observer.run_finished(&run, &check_status, &self.statuses);
                self.persist_check(&run.check.id, changes);
                self.schedule_confirmation(&run, check_status.status);
            }
            Ok(RunEnd::NeverStarted(id)) => {
                self.statuses.abandon(&id);
                self.observer.runs_missed(&id, MissReason::Shutdown, 1);
                self.persist_check(&id, Vec::new());
            }
            // A run catches its own panics: this one comes from the runtime.
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
        let tasks = u64::try_from(self.runs.len()).unwrap_or(u64::MAX);
        self.supervisor_status
            .record_accounting(self.statuses.is_balanced(tasks));
    }

    /// Schedules an extra run of a check whose last outcome is not confirmed, unless its next regular run is due as
    /// soon.
    fn schedule_confirmation(&mut self, run: &Run, status: Status) {
        let is_confirmed = Status::from_outcome(&run.outcome) == status;
        let retry_interval = run.check.retry_interval.filter(|_| !is_confirmed);
        let Some(snapshot) = retry_interval.and_then(|_| self.statuses.check_snapshot(&run.check.id)) else {
            return;
        };
        let until_due = cadence::until_due(&snapshot.check, snapshot.record.last_due, &Now::read());
        let wait = snapshot.check.retry_interval;
        if let Some(wait) = wait.filter(|wait| *wait < until_due) {
            self.ticker.add_extra_run(&snapshot.check, wait);
        }
    }

    /// Persists the record of a check together with `changes`; for a removed check, deletes its row.
    fn persist_check(&mut self, id: &CheckId, mut changes: Vec<Change>) -> PendingCommit {
        match self.statuses.record(id) {
            Some(record) => changes.extend(row_change(Table::Check, id.as_str(), &record)),
            None => {
                changes.push(Change::delete(Table::Check, id.as_str()));
                changes.extend(row_change(
                    Table::Runner,
                    RETIRED,
                    &self.statuses.archived_account(),
                ));
            }
        }
        self.persist(changes)
    }

    fn persist(&mut self, changes: Vec<Change>) -> PendingCommit {
        let commit = self.state.put(changes);
        self.observer.persisted(&commit);
        commit
    }

    /// Persists the due times of checks whose cadence begins now.
    fn begin_cadences(&mut self, checks: &[Arc<Check>]) {
        let begun = self.statuses.begin_cadences(checks, &self.clock.read());
        let records = begun
            .iter()
            .filter_map(|id| Some((id, self.statuses.record(id)?)));
        let changes: Vec<Change> = records
            .filter_map(|(id, record)| row_change(Table::Check, id.as_str(), &record))
            .collect();
        if !changes.is_empty() {
            self.persist(changes);
        }
    }

    fn delete_rows(&mut self, removed: &[CheckId]) {
        if removed.is_empty() {
            return;
        }
        let delete = |id: &CheckId| Change::delete(Table::Check, id.as_str());
        let mut changes: Vec<Change> = removed.iter().map(delete).collect();
        changes.extend(row_change(
            Table::Runner,
            RETIRED,
            &self.statuses.archived_account(),
        ));
        self.state.put(changes);
    }

    /// Waits up to `grace` for running checks, then aborts the rest.
    async fn drain(&mut self, grace: Duration, ticks: &mut Interval) {
        self.supervisor_status.drain();
        self.dispatcher.drain();
        self.join_runs(grace, ticks).await;
        self.dispatcher.abort_running();
        self.join_runs(ABORT_TIMEOUT, ticks).await;
    }

    /// Records runs as they end, for at most `within`. The loop keeps ticking meanwhile: a long run must not look
    /// like a stalled supervisor.
    async fn join_runs(&mut self, within: Duration, ticks: &mut Interval) {
        let mut end = std::pin::pin!(sleep_until(Instant::now() + within));
        loop {
            self.mark_alive();
            tokio::select! {
                biased;
                ended = self.runs.join_next() => match ended {
                    Some(ended) => self.on_run_end(ended),
                    None => return,
                },
                () = &mut end => return,
                _ = ticks.tick() => self.on_tick(),
            }
        }
    }
}

/// Reports that the worker threads are not blocked.
async fn report_workers_alive(supervisor_status: SupervisorStatus) {
    let mut ticks = interval(WORKER_REPORT_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // A task that is woken by a timer runs before all that are queued; this one has to queue like them.
        tokio::task::yield_now().await;
        supervisor_status.workers_alive();
    }
}

/// Executes one run, from its permit to its outcome. It starts after its due time was committed, so that a kill
/// cannot lose a run that the target may have seen.
async fn execute_run<E: Execute>(
    dispatcher: Arc<Dispatcher<E>>,
    statuses: StatusStore,
    job: Job,
    commit: PendingCommit,
) -> RunEnd {
    let Some(permit) = dispatcher.permit(&job).await else {
        return RunEnd::NeverStarted(job.check.id.clone());
    };
    statuses.start(&job.check.id);
    commit.wait_unless_failing().await;
    let panicked = job.clone();
    let run = AssertUnwindSafe(dispatcher.run(job, permit)).catch_unwind().await;
    RunEnd::Finished(Box::new(
        run.unwrap_or_else(|panic| dispatcher.failed_run(panicked, panic.as_ref())),
    ))
}

fn row_change(table: Table, key: &str, value: &impl serde::Serialize) -> Option<Change> {
    // Plain data always serializes.
    let text = serde_json::to_string(value).ok()?;
    Some(Change::put(table, key, text))
}

/// Converts a recent instant into a form that can be persisted.
fn since(moment: Instant) -> Since {
    Since::now(&Now::read()).earlier(Instant::now().saturating_duration_since(moment))
}
