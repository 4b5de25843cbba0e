//! From a due check to a run: attempts under permits, one outcome.

mod retry;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::outcome::{Fault, Outcome, Run, StopCause, TraceContext, Usage};
use crate::plugin::Plugin;
use crate::sandbox::{Attempt, Report, Sandbox};
use crate::suite::Check;

/// Plugins by the name that suites use.
pub type Plugins = BTreeMap<String, Arc<Plugin>>;

/// The right to execute one run; given back on drop.
#[derive(Debug)]
pub struct Permit(#[expect(dead_code, reason = "held for its drop")] Option<OwnedSemaphorePermit>);

/// Runs checks, never more at once than the instance pool holds.
pub struct Dispatcher {
    sandbox: Sandbox,
    plugins: Plugins,
    permits: Arc<Semaphore>,
    draining: CancellationToken,
    cut: CancellationToken,
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
        }
    }

    /// The sandbox that runs go to.
    #[must_use]
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Waits for room for one more run, first come first served; nothing once draining has begun.
    pub async fn permit(&self) -> Option<Permit> {
        tokio::select! {
            biased;
            () = self.draining.cancelled() => None,
            permit = Arc::clone(&self.permits).acquire_owned() => Some(Permit(permit.ok())),
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
    pub async fn run(&self, check: &Arc<Check>, _permit: Permit) -> Run {
        let started_at = SystemTime::now();
        let started = Instant::now();
        let trace = draw_trace();
        let mut usage = Usage::default();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let report = self.attempt(check, attempts, trace).await;
            usage.absorb(&report.usage);
            let is_last =
                attempts > check.retries || report.outcome.is_good() || self.draining.is_cancelled();
            if is_last || !self.wait_before(attempts).await {
                let outcome = report.outcome.redacted(&check.secrets);
                let log = report
                    .log
                    .into_iter()
                    .map(|line| line.redacted(&check.secrets))
                    .collect();
                let duration = started.elapsed();
                let check = Arc::clone(check);
                return Run {
                    check,
                    started_at,
                    duration,
                    attempts,
                    outcome,
                    usage,
                    log,
                    trace,
                };
            }
        }
    }

    async fn attempt(&self, check: &Arc<Check>, number: u32, trace: TraceContext) -> Report {
        let Some(plugin) = self.plugins.get(&check.plugin) else {
            let fault = Fault::Host(format!("plugin `{}` is not loaded", check.plugin));
            return Report {
                outcome: Outcome::Faulted(fault),
                usage: Usage::default(),
                log: Vec::new(),
            };
        };
        if self.cut.is_cancelled() {
            let outcome = Outcome::Stopped(StopCause::Shutdown);
            return Report {
                outcome,
                usage: Usage::default(),
                log: Vec::new(),
            };
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

/// Ids of a run, random and never zero (<https://www.w3.org/TR/trace-context/>).
fn draw_trace() -> TraceContext {
    let trace_id = fastrand::u128(1..).to_be_bytes();
    let span_id = fastrand::u64(1..).to_be_bytes();
    TraceContext { trace_id, span_id }
}
