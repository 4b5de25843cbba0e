//! From a due check to a run: attempts under permits, one outcome.

mod expected;
mod permit;
mod retry;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use permit::Permit;

use crate::clock;
use crate::liveness::StallClock;
use crate::outcome::{Fault, LogLine, Outcome, Run, StopCause, Usage, VerdictStatus};
use crate::plugin::Plugin;
use crate::pool::Pools;
use crate::record::{Part, Recorder};
use crate::sandbox::{Attempt, Report, Room, Sandbox, panic_text};
use crate::suite::{Check, Suite};
use crate::trace::sampler::Sampler;
use crate::trace::{TraceContext, Trail, draw_span_id};
use permit::{Permits, Wants};

/// The part of a check's time-out, as its divisor, that the host may lose before a failure says nothing.
const SPOILED: u32 = 4;

/// Plugins by the name that suites use.
pub type Plugins = BTreeMap<String, Arc<Plugin>>;

/// One due run, with what it needs as it was when it became due: a reload changes nothing of it.
#[derive(Debug, Clone)]
pub struct Job {
    /// What to run.
    pub check: Arc<Check>,
    /// When it was due.
    pub due: Instant,
    plugin: Option<Arc<Plugin>>,
}

/// One attempt of a run, as it is asked for.
pub struct Request<'a> {
    /// What is run.
    pub check: &'a Arc<Check>,
    /// Its plugin; absent when it is not loaded.
    pub plugin: Option<&'a Plugin>,
    /// 1 for the first of a run.
    pub number: u32,
    /// Of the run.
    pub trace: TraceContext,
    /// What may be kept of the run.
    pub recorder: &'a Arc<Recorder>,
    /// Cancelled when the grace period of a shutdown is over.
    pub shutdown: &'a CancellationToken,
}

/// What executes attempts; the sandbox, outside of tests.
pub trait Execute: Send + Sync + 'static {
    /// Executes one attempt.
    ///
    /// Cancellation: closes every descriptor of the attempt.
    fn execute(&self, request: Request<'_>) -> impl Future<Output = Report> + Send;

    /// Room for the instances that attempts need.
    fn room(&self) -> &Room;
}

impl Execute for Sandbox {
    async fn execute(&self, request: Request<'_>) -> Report {
        let Request { check, recorder, .. } = request;
        let Some(plugin) = request.plugin else {
            let reason = format!("plugin `{}` is not loaded", check.plugin);
            let fault = Fault::Host(recorder.text(Part::Conclusion, reason));
            return Report::without_a_guest(Outcome::Faulted(fault));
        };
        self.run(Attempt {
            check,
            program: plugin.program(),
            number: request.number,
            trace: request.trace,
            recorder,
            shutdown: request.shutdown,
        })
        .await
    }

    fn room(&self) -> &Room {
        self.engine().room()
    }
}

/// Runs checks, never more at once than the instance pool holds.
pub struct Dispatcher<E = Sandbox> {
    executor: E,
    /// Replaced as a whole; held for one clone.
    plugins: RwLock<Arc<Plugins>>,
    permits: Permits,
    draining: CancellationToken,
    cut: CancellationToken,
    sampler: Sampler,
    stall_clock: StallClock,
    records_conversations: bool,
}

impl<E: Execute> Dispatcher<E> {
    /// A dispatcher of at most `concurrency` runs at once.
    #[must_use]
    pub fn new(executor: E, plugins: Plugins, concurrency: usize) -> Self {
        Self {
            executor,
            plugins: RwLock::new(Arc::new(plugins)),
            permits: Permits::new(concurrency),
            draining: CancellationToken::new(),
            cut: CancellationToken::new(),
            sampler: Sampler::AlwaysOn,
            stall_clock: StallClock::default(),
            records_conversations: false,
        }
    }

    /// The same, but the conversation of each run is kept with it: for a few runs that somebody reads.
    #[must_use]
    pub fn recording_conversations(self) -> Self {
        Self {
            records_conversations: true,
            ..self
        }
    }

    /// The same, with its permits among the `pools` that are watched.
    #[must_use]
    pub fn counted_in(self, pools: &Pools) -> Self {
        pools.add(self.permits.pool());
        self
    }

    /// The same, but `stall_clock` says how much of a run's time the host itself lost.
    #[must_use]
    pub fn timed_by(self, stall_clock: StallClock) -> Self {
        Self { stall_clock, ..self }
    }

    /// The same, but `sampler` decides which traces are wanted.
    #[must_use]
    pub fn sampled_by(self, sampler: Sampler) -> Self {
        Self { sampler, ..self }
    }

    /// Plugins for what becomes due from now on, and how many runs of each group of `suite` may go on at once. Runs that
    /// are due already are not touched. Gives back the plugins that were used until now.
    pub fn replace(&self, plugins: Plugins, suite: &Suite) -> Arc<Plugins> {
        let mut current = self.plugins.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *current, Arc::new(plugins));
        drop(current);
        let checks = suite.checks.iter().map(|check| &check.id);
        self.permits.divide(&suite.groups, checks);
        before
    }

    /// A run of `check` that was due at `due`.
    #[must_use]
    pub fn job(&self, check: &Arc<Check>, due: Instant) -> Job {
        let plugins = self.plugins.read().unwrap_or_else(PoisonError::into_inner);
        Job {
            check: Arc::clone(check),
            due,
            plugin: plugins.get(&check.plugin).cloned(),
        }
    }

    /// Waits for room for one more run: in the check's group and among the instances of large plugins, then among all, so
    /// that whoever waits for either holds up nobody else. First comes who came first, but for those who held room for
    /// longer lately. Nothing once draining has begun.
    ///
    /// Cancellation: gives back what it has.
    pub async fn permit(&self, job: &Job) -> Option<Permit> {
        tokio::select! {
            biased;
            () = self.draining.cancelled() => None,
            permit = self.permits.take(self.wants(job)) => permit,
        }
    }

    fn wants<'a>(&'a self, job: &'a Job) -> Wants<'a> {
        let plugin = job.plugin.as_deref();
        Wants {
            check: &job.check.id,
            group: job.check.group.as_ref(),
            timeout: job.check.timeout,
            plugin: &job.check.plugin,
            weight: plugin.map(|plugin| plugin.program().weight()).unwrap_or_default(),
            room: self.executor.room(),
        }
    }

    /// Grants no further permit and starts no further attempt; attempts under way go on.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Stops the attempts under way, with the outcome that says so.
    pub fn cut(&self) {
        self.draining.cancel();
        self.cut.cancel();
    }

    /// Executes one run: the first attempt and as many retries as it takes and the check has.
    ///
    /// Cancellation: dropping the future closes every descriptor of the run, and no outcome is recorded.
    pub async fn run(&self, job: Job, permit: Permit) -> Run {
        let Job { check, due, plugin } = job;
        let started_at = clock::wall();
        let started = Instant::now();
        let trace = self.draw_trace();
        let recorder = self.recorder(&check);
        let mut usage = Usage::default();
        let mut trail = Trail::default();
        let mut attempts = 0;
        let (outcome, log) = loop {
            attempts += 1;
            let offset = started.elapsed();
            let lost = self.stall_clock.lost();
            let mut report = self
                .attempt(&check, plugin.as_deref(), attempts, (trace, &recorder))
                .await;
            let lost = self.stall_clock.lost() - lost + report.queued;
            report.outcome = blame(report.outcome, lost, check.timeout);
            if check.expect_failure {
                report.outcome = expected::upside_down(report.outcome, &report.usage);
            }
            usage.absorb(&report.usage);
            trail.absorb(report.trail, attempts, offset);
            let is_last =
                attempts > check.retries || report.outcome.is_good() || self.draining.is_cancelled();
            if is_last || !self.wait_before(attempts).await {
                break (report.outcome, later(report.log, offset));
            }
            recorder.try_again();
        };
        usage.note_record(recorder.usage());
        trail.conversation = recorder.transcript();
        Run {
            plugin_digest: plugin.map_or_else(|| "".into(), |plugin| Arc::clone(plugin.digest())),
            lag: started.duration_since(due),
            queued: permit.waited(),
            started_at,
            duration: started.elapsed(),
            attempts,
            outcome,
            usage,
            log,
            trail,
            trace,
            check,
        }
    }

    /// The run of a job that the host failed at, since `panic` came out of it.
    #[must_use]
    pub fn broken(&self, job: Job, panic: &(dyn Any + Send)) -> Run {
        let Job { check, due, plugin } = job;
        let recorder = Recorder::new(check.secrets.clone(), check.quota.record);
        let fault = Fault::Host(recorder.text(Part::Conclusion, panic_text(panic)));
        Run {
            plugin_digest: plugin.map_or_else(|| "".into(), |plugin| Arc::clone(plugin.digest())),
            lag: due.elapsed(),
            queued: Duration::ZERO,
            started_at: clock::wall(),
            duration: Duration::ZERO,
            attempts: 1,
            outcome: Outcome::Faulted(fault),
            usage: Usage::default(),
            log: Vec::new(),
            trail: Trail::default(),
            trace: self.draw_trace(),
            check,
        }
    }

    fn recorder(&self, check: &Check) -> Arc<Recorder> {
        let (secrets, budget) = (check.secrets.clone(), check.quota.record);
        match self.records_conversations {
            true => Recorder::with_conversation(secrets, budget),
            false => Recorder::new(secrets, budget),
        }
    }

    /// Ids of a run, random and never zero (<https://www.w3.org/TR/trace-context/>).
    fn draw_trace(&self) -> TraceContext {
        let trace_id = fastrand::u128(1..).to_be_bytes();
        TraceContext {
            trace_id,
            span_id: draw_span_id(),
            sampled: self.sampler.is_sampled(trace_id),
        }
    }

    async fn attempt(
        &self,
        check: &Arc<Check>,
        plugin: Option<&Plugin>,
        number: u32,
        (trace, recorder): (TraceContext, &Arc<Recorder>),
    ) -> Report {
        if self.cut.is_cancelled() {
            return Report::without_a_guest(Outcome::Stopped(StopCause::Shutdown));
        }
        self.executor
            .execute(Request {
                check,
                plugin,
                number,
                trace,
                recorder,
                shutdown: &self.cut,
            })
            .await
    }

    /// False when draining began before the wait was over.
    async fn wait_before(&self, attempts: u32) -> bool {
        tokio::select! {
            biased;
            () = self.draining.cancelled() => false,
            () = tokio::time::sleep(retry::backoff(attempts, fastrand::f64())) => true,
        }
    }
}

impl Dispatcher {
    /// The sandbox that runs go to.
    #[must_use]
    pub fn sandbox(&self) -> &Sandbox {
        &self.executor
    }
}

/// A failure or a warning of the target, or a deadline, unless the host lost too much of the time that the check had: then
/// nobody knows whether the target was late or the host. What it lost is `lost`.
fn blame(outcome: Outcome, lost: Duration, timeout: Duration) -> Outcome {
    let is_late = matches!(outcome, Outcome::Stopped(StopCause::Deadline { .. }));
    let is_bad = matches!(outcome.verdict(), Some(VerdictStatus::Fail | VerdictStatus::Warn));
    match (is_late || is_bad) && lost > timeout / SPOILED {
        true => Outcome::Stopped(StopCause::Overload { lost }),
        false => outcome,
    }
}

/// Moves the lines of an attempt to the run's own clock.
fn later(mut log: Vec<LogLine>, offset: Duration) -> Vec<LogLine> {
    for line in &mut log {
        line.at += offset;
    }
    log
}

impl Report {
    /// An attempt that never reached the sandbox.
    fn without_a_guest(outcome: Outcome) -> Self {
        Self {
            outcome,
            usage: Usage::default(),
            log: Vec::new(),
            trail: Trail::default(),
            queued: Duration::ZERO,
        }
    }
}
