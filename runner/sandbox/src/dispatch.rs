//! The dispatcher: executes due checks under concurrency limits, with retries, to one outcome each.

mod expect_failure;
mod permit;
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

use crate::plugin::Plugin;
use crate::{Attempt, InstancePool, Report, Sandbox, panic_text};
use canary_net::pool::Pools;
use canary_record::trace::sampler::Sampler;
use canary_record::trace::{TraceContext, Trail, new_span_id};
use canary_record::{Recorder, Section};
use canary_run::outcome::{Fault, LogLine, Outcome, Run, StopCause, Usage, VerdictStatus};
use canary_suite::{Check, Suite};
use canary_system::backoff::Policy;
use canary_system::clock;
use canary_system::liveness::StallClock;
use permit::{ConcurrencyLimits, PermitRequest};

/// The wait between two attempts of a run, with jitter, since many checks fail at the same time.
pub const RETRY_BACKOFF: Policy =
    Policy::new(Duration::from_millis(100), Duration::from_secs(2)).with_jitter();
/// If the host loses more than the check's time-out divided by this, a failure is attributed to the host.
const OVERLOAD_DIVISOR: u32 = 4;

/// Plugins by their name in suites.
pub type Plugins = BTreeMap<String, Arc<Plugin>>;

/// One due run, with the check and plugin as they were when it became due: a reload does not affect it.
#[derive(Debug, Clone)]
pub struct Job {
    /// The check to run.
    pub check: Arc<Check>,
    /// When it was due.
    pub due: Instant,
    plugin: Option<Arc<Plugin>>,
}

/// The input of one attempt of a run.
pub struct AttemptRequest<'a> {
    /// The check to run.
    pub check: &'a Arc<Check>,
    /// Its plugin; absent if it is not loaded.
    pub plugin: Option<&'a Plugin>,
    /// The number of the attempt; 1 for the first of a run.
    pub number: u32,
    /// The trace context of the run.
    pub trace: TraceContext,
    /// Records the texts of the run, within its quota.
    pub recorder: &'a Arc<Recorder>,
    /// Cancelled when the grace period of a shutdown has ended.
    pub shutdown: &'a CancellationToken,
}

/// Executes attempts: the sandbox, except in tests.
pub trait Execute: Send + Sync + 'static {
    /// Executes one attempt.
    ///
    /// Cancellation: closes every descriptor of the attempt.
    fn execute(&self, request: AttemptRequest<'_>) -> impl Future<Output = Report> + Send;

    /// The room for the instances of attempts.
    fn room(&self) -> &InstancePool;
}

impl Execute for Sandbox {
    async fn execute(&self, request: AttemptRequest<'_>) -> Report {
        let AttemptRequest { check, recorder, .. } = request;
        let Some(plugin) = request.plugin else {
            let reason = format!("plugin `{}` is not loaded", check.plugin);
            let fault = Fault::Host(recorder.text(Section::Conclusion, reason));
            return Report::without_guest(Outcome::Faulted(fault));
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

    fn room(&self) -> &InstancePool {
        self.engine().instance_pool()
    }
}

/// Runs checks, never more at once than the instance pool holds.
pub struct Dispatcher<E = Sandbox> {
    executor: E,
    /// Replaced as a whole; locked for one clone.
    plugins: RwLock<Arc<Plugins>>,
    limits: ConcurrencyLimits,
    draining: CancellationToken,
    aborting: CancellationToken,
    sampler: Sampler,
    stall_clock: StallClock,
    records_conversations: bool,
}

impl<E: Execute> Dispatcher<E> {
    /// A dispatcher for at most `concurrency` concurrent runs.
    #[must_use]
    pub fn new(executor: E, plugins: Plugins, concurrency: usize) -> Self {
        Self {
            executor,
            plugins: RwLock::new(Arc::new(plugins)),
            limits: ConcurrencyLimits::new(concurrency),
            draining: CancellationToken::new(),
            aborting: CancellationToken::new(),
            sampler: Sampler::AlwaysOn,
            stall_clock: StallClock::default(),
            records_conversations: false,
        }
    }

    /// Records the conversation of each run: for a few runs that a person looks at.
    #[must_use]
    pub fn with_conversations(self) -> Self {
        Self {
            records_conversations: true,
            ..self
        }
    }

    /// Adds its permits to the monitored `pools`.
    #[must_use]
    pub fn with_pools(self, pools: &Pools) -> Self {
        pools.add(self.limits.pool());
        self
    }

    /// Uses `stall_clock` to measure how much of a run's time the host itself lost.
    #[must_use]
    pub fn with_stall_clock(self, stall_clock: StallClock) -> Self {
        Self { stall_clock, ..self }
    }

    /// Uses `sampler` to decide which traces are sampled.
    #[must_use]
    pub fn with_sampler(self, sampler: Sampler) -> Self {
        Self { sampler, ..self }
    }

    /// Replaces the plugins and the concurrency limits of the groups of `suite`, for runs that become due from now on.
    /// Runs that are already due are not affected. Returns the replaced plugins.
    pub fn apply_suite(&self, plugins: Plugins, suite: &Suite) -> Arc<Plugins> {
        let mut current = self.plugins.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *current, Arc::new(plugins));
        drop(current);
        let checks = suite.checks.iter().map(|check| &check.id);
        self.limits.configure(&suite.groups, checks);
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

    /// Waits for a permit for one more run: first in the check's group and among the instances of large plugins, then
    /// among all runs, so that waiting for either blocks no other check. The order is first come, first served, except
    /// that checks which recently held permits for longer come later. Returns `None` once draining has begun.
    ///
    /// Cancellation: releases the permits acquired so far.
    pub async fn permit(&self, job: &Job) -> Option<Permit> {
        tokio::select! {
            biased;
            () = self.draining.cancelled() => None,
            permit = self.limits.acquire(self.permit_request(job)) => permit,
        }
    }

    fn permit_request<'a>(&'a self, job: &'a Job) -> PermitRequest<'a> {
        let plugin = job.plugin.as_deref();
        PermitRequest {
            check: &job.check.id,
            group: job.check.group.as_ref(),
            timeout: job.check.timeout,
            plugin: &job.check.plugin,
            weight: plugin.map(|plugin| plugin.program().weight()).unwrap_or_default(),
            room: self.executor.room(),
        }
    }

    /// Grants no further permits and starts no further attempts; running attempts continue.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Stops the running attempts with [`StopCause::Shutdown`].
    pub fn abort_running(&self) {
        self.draining.cancel();
        self.aborting.cancel();
    }

    /// Executes one run: the first attempt, and retries until one succeeds or the check has none left.
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
            report.outcome = classify_overload(report.outcome, lost, check.timeout);
            if check.expect_failure {
                report.outcome = expect_failure::invert(report.outcome, &report.usage);
            }
            usage.absorb(&report.usage);
            trail.append_attempt(report.trail, attempts, offset);
            let is_last =
                attempts > check.retries || report.outcome.is_good() || self.draining.is_cancelled();
            if is_last || !self.back_off(attempts).await {
                break (report.outcome, shift(report.log, offset));
            }
            recorder.reset_for_retry();
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

    /// The run of a job that panicked in the host, with `panic` as the panic payload.
    #[must_use]
    pub fn failed_run(&self, job: Job, panic: &(dyn Any + Send)) -> Run {
        let Job { check, due, plugin } = job;
        let recorder = Recorder::new(check.secrets.clone(), check.quota.record);
        let fault = Fault::Host(recorder.text(Section::Conclusion, panic_text(panic)));
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
        if self.records_conversations {
            Recorder::with_conversation(secrets, budget)
        } else {
            Recorder::new(secrets, budget)
        }
    }

    /// The trace context of a run: ids are random and never zero (<https://www.w3.org/TR/trace-context/>).
    fn draw_trace(&self) -> TraceContext {
        let trace_id = fastrand::u128(1..).to_be_bytes();
        TraceContext {
            trace_id,
            span_id: new_span_id(),
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
        if self.aborting.is_cancelled() {
            return Report::without_guest(Outcome::Stopped(StopCause::Shutdown));
        }
        self.executor
            .execute(AttemptRequest {
                check,
                plugin,
                number,
                trace,
                recorder,
                shutdown: &self.aborting,
            })
            .await
    }

    /// Waits before the next attempt. Returns false if draining began meanwhile.
    async fn back_off(&self, attempts: u32) -> bool {
        tokio::select! {
            biased;
            () = self.draining.cancelled() => false,
            () = tokio::time::sleep(RETRY_BACKOFF.wait(attempts)) => true,
        }
    }
}

impl Dispatcher {
    /// The sandbox that executes runs.
    #[must_use]
    pub fn sandbox(&self) -> &Sandbox {
        &self.executor
    }
}

/// Classifies a failure, warning or missed deadline as overload if the host itself `lost` too much of the check's
/// time-out: then it is unknown whether the target was late or the host. Any other outcome is unchanged.
fn classify_overload(outcome: Outcome, lost: Duration, timeout: Duration) -> Outcome {
    let is_late = matches!(outcome, Outcome::Stopped(StopCause::Deadline { .. }));
    let is_bad = matches!(outcome.verdict(), Some(VerdictStatus::Fail | VerdictStatus::Warn));
    if (is_late || is_bad) && lost > timeout / OVERLOAD_DIVISOR {
        Outcome::Stopped(StopCause::Overload { lost })
    } else {
        outcome
    }
}

/// Converts the times of an attempt's log lines to times since the start of the run.
fn shift(mut log: Vec<LogLine>, offset: Duration) -> Vec<LogLine> {
    for line in &mut log {
        line.at += offset;
    }
    log
}

impl Report {
    /// An attempt that never reached the sandbox.
    fn without_guest(outcome: Outcome) -> Self {
        Self {
            outcome,
            usage: Usage::default(),
            log: Vec::new(),
            trail: Trail::default(),
            queued: Duration::ZERO,
        }
    }
}
