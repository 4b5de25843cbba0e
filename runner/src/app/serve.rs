//! The service: every check at its cadence until it is told to stop.

mod cadence;
mod due_times;
mod late;
mod swap;
#[cfg(test)]
mod tests;
mod watcher;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use super::clocks::pauses::Pauses;
use super::clocks::{Clocks, Reading};
use super::load::Loaded;
use crate::account::{Account, MissReason};
use crate::age::{self, Now, Since};
use crate::alert::Roster;
use crate::clock;
use crate::dispatch::{Dispatcher, Execute, Job};
use crate::outcome::{Outcome, Run, StopCause};
use crate::publish::{Board, Layout, Released, Restored};
use crate::sandbox::Sandbox;
use crate::schedule::Due;
use crate::schedule::ticker::Ticker;
use crate::state::{Change, Shelf, State, Written};
use crate::status::Status;
use crate::suite::{Check, CheckId, Suite};
use crate::watch::pulse::Pulse;
use cadence::Cadences;
pub use late::parse;
pub use swap::{Replaced, Swap};
pub use watcher::Watcher;

/// The service comes round at least this often.
const BEAT: Duration = Duration::from_secs(1);
/// A worker says this often that it comes to things.
const WORK: Duration = Duration::from_millis(250);
/// How long runs that were cut may take to end; what still goes on then is counted as killed by the next process.
const LAST_RUNS: Duration = Duration::from_secs(2);
/// Key of what became of the runs of checks that are gone.
pub const RETIRED: &str = "retired";

/// What the service works with.
pub struct Parts<E = Sandbox> {
    /// Runs what is due.
    pub dispatcher: Arc<Dispatcher<E>>,
    /// What is known of each check; others read it.
    pub board: Board,
    /// Keeps it.
    pub state: State,
    /// Tells others that the service goes on.
    pub pulse: Pulse,
    /// Suites to go on with.
    pub swaps: mpsc::Receiver<Swap>,
    /// Tells when the whole process did not run.
    pub pauses: Pauses,
}

/// Runs a suite until `stop` is done; then starts no more, gives runs under way `grace`, and cuts what is left.
///
/// One task owns the schedule, the board and every run: runs are joined, none is lost. `restored` is what an earlier
/// process kept.
pub async fn serve<E: Execute>(
    parts: Parts<E>,
    first: Loaded,
    restored: Restored,
    watcher: &mut dyn Watcher,
    stop: impl Future<Output = ()>,
    grace: Duration,
) -> Account {
    let mut workers = JoinSet::new();
    workers.spawn(work(parts.pulse.clone()));
    let mut service = Service::begin(parts, first, restored, watcher);
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stop = std::pin::pin!(stop);
    loop {
        service.turn();
        tokio::select! {
            biased;
            () = &mut stop => break,
            _ = beat.tick() => service.beat(),
            Some(swap) = service.swaps.recv() => service.swap(swap),
            Some(ended) = service.runs.join_next() => service.record(ended),
            () = service.ticker.wait() => service.tick(),
        }
    }
    service.end_cadences();
    service.drain(grace, &mut beat).await;
    service.answer_state();
    workers.shutdown().await;
    service.board.account()
}

struct Service<'a, E> {
    dispatcher: Arc<Dispatcher<E>>,
    board: Board,
    state: State,
    pulse: Pulse,
    swaps: mpsc::Receiver<Swap>,
    ticker: Ticker,
    clocks: Clocks,
    /// Knows how long the time of day has been steady.
    time: age::Clock,
    runs: JoinSet<Ended>,
    watcher: &'a mut dyn Watcher,
    pauses: Pauses,
    /// When the process last went on after the machine slept, or it was stopped.
    woke: Option<Instant>,
    late: late::Late,
}

enum Ended {
    Finished(Box<Run>),
    NeverStarted(CheckId),
}

impl<'a, E: Execute> Service<'a, E> {
    fn begin(parts: Parts<E>, first: Loaded, mut restored: Restored, watcher: &'a mut dyn Watcher) -> Self {
        let Parts {
            dispatcher,
            board,
            state,
            pulse,
            swaps,
            pauses,
        } = parts;
        let Loaded { suite, plugins, .. } = first;
        let (now, started) = (Instant::now(), Now::read());
        restored.rename(&suite.checks);
        let cadences = Cadences::of(&suite.checks, &restored, &started);
        drop(dispatcher.replace(plugins, &suite));
        let layout = board.keep(&suite.checks, &mut restored, now);
        let ticker = Ticker::new(&suite.checks, |check| cadences.wait(&check.id));
        let late = late::Late::new(&state, &board, now, started);
        let mut service = Self {
            dispatcher,
            board,
            state,
            pulse,
            swaps,
            ticker,
            clocks: Clocks::new(Reading::take()),
            time: age::Clock::default(),
            runs: JoinSet::new(),
            watcher,
            pauses,
            woke: None,
            late,
        };
        service.laid_out(&suite, &mut Roster::of(&suite), layout);
        service.begin_cadences(&suite.checks);
        let gone = service.board.retire(restored);
        service.forget(&gone);
        for (check, passed, last) in cadences.passed(&suite.checks) {
            service.pass(check, MissReason::Absent, passed, last);
        }
        service
    }

    /// Tells everyone of a suite that is in force from now on.
    fn laid_out(&mut self, suite: &Suite, roster: &mut Roster, layout: Layout) -> Released {
        let changes = self.watcher.laid_out(suite, roster);
        self.put(changes);
        for (id, killed) in layout.killed {
            self.watcher.missed(&id, MissReason::Killed, killed);
            self.keep(&id, Vec::new());
        }
        self.forget(&layout.gone);
        layout.released
    }

    fn turn(&mut self) {
        self.woke = self.woke.max(self.pauses.ended());
        self.pulse.turn();
    }

    /// What has to be looked at now and then.
    fn beat(&mut self) {
        self.look_at_clocks();
        let now = self.time.read();
        let changes = self.watcher.beat(&now);
        self.put(changes);
        self.answer_state();
    }

    fn start(&mut self, due: Due) {
        let Due { check, due, is_extra } = due;
        if is_extra {
            if !self.board.schedule_extra(&check.id) {
                return;
            }
        } else if let Err(reason) = self.board.schedule(&check, since(due)) {
            self.watcher.missed(&check.id, reason, 1);
            self.keep(&check.id, Vec::new());
            return;
        }
        self.watcher.due(&check);
        let job = self.dispatcher.job(&check, due);
        let written = self.keep(&check.id, Vec::new());
        self.runs.spawn(run(
            Arc::clone(&self.dispatcher),
            self.board.clone(),
            job,
            written,
        ));
    }

    fn record(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        let pulse = self.pulse.clone();
        let _publishing = pulse.publishing();
        match ended {
            Ok(Ended::Finished(run)) => {
                let run = Arc::new(*run);
                if matches!(run.outcome, Outcome::Stopped(StopCause::Descriptors)) {
                    self.pulse.starve();
                }
                let standing = self.board.publish(&run, clock::wall());
                let changes = self.watcher.finished(&run, &standing, &self.board);
                self.keep(&run.check.id, changes);
                self.repeat(&run, standing.status);
            }
            Ok(Ended::NeverStarted(id)) => {
                self.board.abandon(&id);
                self.watcher.missed(&id, MissReason::Shutdown, 1);
                self.keep(&id, Vec::new());
            }
            // A run catches every panic of its own: this one is of the runtime.
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
        let tasks = u64::try_from(self.runs.len()).unwrap_or(u64::MAX);
        self.pulse.balance(self.board.holds(tasks));
    }

    /// Plans one more run of a check whose last outcome is not confirmed, unless it is due as soon.
    fn repeat(&mut self, run: &Run, status: Status) {
        let is_confirmed = Status::of(&run.outcome) == status;
        let seen = run.check.retry_interval.filter(|_| !is_confirmed);
        let Some(seen) = seen.and_then(|_| self.board.seen_check(&run.check.id)) else {
            return;
        };
        let until_due = cadence::until_due(&seen.check, seen.record.last_due, &Now::read());
        let wait = seen.check.retry_interval;
        if let Some(wait) = wait.filter(|wait| *wait < until_due) {
            self.ticker.repeat(&seen.check, wait);
        }
    }

    /// Has the record of a check kept, together with `changes`; nothing of it when the check is gone.
    fn keep(&mut self, id: &CheckId, mut changes: Vec<Change>) -> Written {
        match self.board.record(id) {
            Some(record) => changes.extend(kept(Shelf::Check, id.as_str(), &record)),
            None => {
                changes.push(Change::forget(Shelf::Check, id.as_str()));
                changes.extend(kept(Shelf::Runner, RETIRED, &self.board.retired()));
            }
        }
        self.put(changes)
    }

    fn put(&mut self, changes: Vec<Change>) -> Written {
        let written = self.state.put(changes);
        self.watcher.kept(&written);
        written
    }

    /// Keeps when checks are due whose cadence begins now.
    fn begin_cadences(&mut self, checks: &[Arc<Check>]) {
        let begun = self.board.begin_cadences(checks, &self.time.read());
        let records = begun.iter().filter_map(|id| Some((id, self.board.record(id)?)));
        let changes: Vec<Change> = records
            .filter_map(|(id, record)| kept(Shelf::Check, id.as_str(), &record))
            .collect();
        if !changes.is_empty() {
            self.put(changes);
        }
    }

    fn forget(&mut self, gone: &[CheckId]) {
        if gone.is_empty() {
            return;
        }
        let forget = |id: &CheckId| Change::forget(Shelf::Check, id.as_str());
        let mut changes: Vec<Change> = gone.iter().map(forget).collect();
        changes.extend(kept(Shelf::Runner, RETIRED, &self.board.retired()));
        self.state.put(changes);
    }

    /// Gives runs under way `grace`, and cuts what is left.
    async fn drain(&mut self, grace: Duration, beat: &mut Interval) {
        self.pulse.drain();
        self.dispatcher.drain();
        self.join_runs(grace, beat).await;
        self.dispatcher.cut();
        self.join_runs(LAST_RUNS, beat).await;
    }

    /// Records runs as they end, for so long at most. The service comes round meanwhile as it always does: a run that
    /// takes its time is no reason to think that it stands still.
    async fn join_runs(&mut self, within: Duration, beat: &mut Interval) {
        let mut end = std::pin::pin!(sleep_until(Instant::now() + within));
        loop {
            self.turn();
            tokio::select! {
                biased;
                ended = self.runs.join_next() => match ended {
                    Some(ended) => self.record(ended),
                    None => return,
                },
                () = &mut end => return,
                _ = beat.tick() => self.beat(),
            }
        }
    }
}

/// Says that workers come to things.
async fn work(pulse: Pulse) {
    let mut now_and_then = interval(WORK);
    now_and_then.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        now_and_then.tick().await;
        // A task that a timer wakes goes before all that wait: this one is to wait like them.
        tokio::task::yield_now().await;
        pulse.work();
    }
}

/// One run, from its permits to its outcome. It begins once its due time is where a kill does not lose it: whatever
/// the target sees of it is accounted for.
async fn run<E: Execute>(dispatcher: Arc<Dispatcher<E>>, board: Board, job: Job, written: Written) -> Ended {
    let Some(permit) = dispatcher.permit(&job).await else {
        return Ended::NeverStarted(job.check.id.clone());
    };
    board.start(&job.check.id);
    written.wait_unless_failing().await;
    let broken = job.clone();
    let run = AssertUnwindSafe(dispatcher.run(job, permit)).catch_unwind().await;
    Ended::Finished(Box::new(
        run.unwrap_or_else(|panic| dispatcher.broken(broken, panic.as_ref())),
    ))
}

fn kept(shelf: Shelf, key: &str, value: &impl serde::Serialize) -> Option<Change> {
    // Plain data has a text.
    let text = serde_json::to_string(value).ok()?;
    Some(Change::keep(shelf, key, text))
}

/// A moment that was just now, in a form that can be kept.
fn since(moment: Instant) -> Since {
    Since::now(&Now::read()).earlier(Instant::now().saturating_duration_since(moment))
}
