//! From a due check to a run: attempts under permits, one outcome.

mod retry;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::outcome::{Fault, LogLine, Outcome, Run, StopCause, Usage};
use crate::plugin::Plugin;
use crate::sandbox::{Attempt, Report, Sandbox};
use crate::suite::Check;
use crate::trace::sampler::Sampler;
use crate::trace::{TraceContext, Trail, draw_span_id};

/// Plugins by the name that suites use.
pub type Plugins = BTreeMap<String, Arc<Plugin>>;

/// The right to execute one run; given back on drop.
#[derive(Debug)]
pub struct Permit {
    _permit: Option<OwnedSemaphorePermit>,
    waited: Duration,
}

/// Runs checks, never more at once than the instance pool holds.
pub struct Dispatcher {
    sandbox: Sandbox,
    plugins: Plugins,
    permits: Arc<Semaphore>,
    draining: CancellationToken,
    cut: CancellationToken,
    sampler: Sampler,
}

impl Dispatcher {
    /// A dispatcher of at most `concurrency` runs at once.
    #[must_use]
    pub fn new(sandbox: Sandbox, plugins: Plugins, concurrency: usize) -> Self {
        Self {
            sandbox,
            plugins,
            permits: Arc::new(Semaphore::new(concurrency)),
            draining: CancellationToken::new(),
            cut: CancellationToken::new(),
            sampler: Sampler::AlwaysOn,
        }
    }

    /// The same, but `sampler` decides which traces are wanted.
    #[must_use]
    pub fn sampled_by(self, sampler: Sampler) -> Self {
        Self { sampler, ..self }
    }

    /// The sandbox that runs go to.
    #[must_use]
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Waits for room for one more run, first come first served; nothing once draining has begun.
    pub async fn permit(&self) -> Option<Permit> {
        let asked_at = Instant::now();
        let permit = tokio::select! {
            biased;
            () = self.draining.cancelled() => return None,
            permit = Arc::clone(&self.permits).acquire_owned() => permit.ok(),
        };
        Some(Permit {
            _permit: permit,
            waited: asked_at.elapsed(),
        })
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

    /// Executes one run that was due at `due`: the first attempt and as many retries as it takes and the check has.
    ///
    /// Cancellation: dropping the future closes every descriptor of the run, and no outcome is recorded.
    pub async fn run(&self, check: &Arc<Check>, permit: Permit, due: Instant) -> Run {
        let started_at = SystemTime::now();
        let started = Instant::now();
        let trace = self.draw_trace();
        let mut usage = Usage::default();
        let mut trail = Trail::default();
        let mut attempts = 0;
        let (outcome, log) = loop {
            attempts += 1;
            let offset = started.elapsed();
            let report = self.attempt(check, attempts, trace).await;
            usage.absorb(&report.usage);
            trail.absorb(report.trail, attempts, offset);
            let is_last =
                attempts > check.retries || report.outcome.is_good() || self.draining.is_cancelled();
            if is_last || !self.wait_before(attempts).await {
                break (report.outcome, later(report.log, offset));
            }
        };
        Run {
            plugin_digest: self.digest(check),
            lag: started.duration_since(due),
            queued: permit.waited,
            started_at,
            duration: started.elapsed(),
            attempts,
            outcome: outcome.redacted(&check.secrets),
            usage,
            log: log
                .into_iter()
                .map(|line| line.redacted(&check.secrets))
                .collect(),
            trail: trail.redacted(&check.secrets),
            trace,
            check: Arc::clone(check),
        }
    }

    fn digest(&self, check: &Check) -> Arc<str> {
        self.plugins
            .get(&check.plugin)
            .map_or_else(|| "".into(), |plugin| Arc::clone(&plugin.digest))
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

    async fn attempt(&self, check: &Arc<Check>, number: u32, trace: TraceContext) -> Report {
        let Some(plugin) = self.plugins.get(&check.plugin) else {
            let fault = Fault::Host(format!("plugin `{}` is not loaded", check.plugin));
            return Report::without_a_guest(Outcome::Faulted(fault));
        };
        if self.cut.is_cancelled() {
            return Report::without_a_guest(Outcome::Stopped(StopCause::Shutdown));
        }
        self.sandbox
            .run(Attempt {
                check,
                program: &plugin.program,
                number,
                trace,
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
        }
    }
}
