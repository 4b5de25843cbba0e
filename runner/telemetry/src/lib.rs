//! Telemetry: traces, metrics and logs in the OpenTelemetry data model. The only crate that knows OpenTelemetry.
//!
//! The code that executes runs knows nothing of it: a run is recorded as plain data and passed to this crate when it
//! has finished. [`Telemetry`] queues events without blocking; a [`Worker`] on its own thread turns them into spans,
//! metrics and log records, and `delivery` buffers what a collector does not accept.

mod attribute;
pub mod delivery;
mod event_queue;
pub mod logs;
pub mod metrics;
mod name;
mod registry;
#[cfg(any(test, feature = "test-util"))]
pub mod sample;
pub mod settings;
mod signal;
mod size_limit;
pub mod spans;
mod worker;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use metrics::HeartbeatStats;
pub use registry::{DeliveryStatus, Format, HostView, MetricsHandle};
pub use signal::Signal;
pub use worker::{FLUSH_TIMEOUT, Worker, start};

use canary_run::account::MissReason;
use canary_run::outcome::Run;
use canary_run::status::CheckStatus;
use canary_suite::{Check, CheckId};
use event_queue::EventSender;

/// Encoded spans or log records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoded {
    /// A repeated protobuf field.
    pub bytes: Vec<u8>,
    /// Spans, records, events and attributes that were omitted because of the size limit.
    pub left_out: u64,
}

/// Maximum length of the reported problems of a suite, in bytes.
const MAX_PROBLEMS: usize = 8 << 10;

/// An event for the telemetry worker.
#[derive(Debug)]
enum Event {
    Suite(Vec<Arc<Check>>),
    Finished(Arc<Run>, CheckStatus),
    Missed(CheckId, MissReason, u64),
    Reloaded(Result<usize, String>),
}

/// The handle through which the runner reports events to the worker. Never blocks; cheap to clone.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// `None` when telemetry is disabled.
    events: Option<EventSender>,
    active: Arc<ActiveRuns>,
}

/// Runs that are queued or executing, counted by check; a check without any has no entry. Counted here instead of by
/// events, which would double the work.
#[derive(Debug, Default)]
struct ActiveRuns(Mutex<HashMap<CheckId, u64>>);

impl ActiveRuns {
    fn add(&self, check: &CheckId) {
        let mut runs = self.runs();
        match runs.get_mut(check) {
            Some(count) => *count += 1,
            None => drop(runs.insert(check.clone(), 1)),
        }
    }

    fn remove(&self, check: &CheckId) {
        let mut runs = self.runs();
        if let Some(count) = runs.get_mut(check) {
            *count -= 1;
            if *count == 0 {
                runs.remove(check);
            }
        }
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<CheckId, u64>> {
        // Each critical section is a single change, so a poisoned lock is still consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Telemetry {
    /// Disabled telemetry: every event is ignored.
    #[must_use]
    pub fn off() -> Self {
        Self {
            events: None,
            active: Arc::default(),
        }
    }

    /// Replaces the set of checks; the series of checks that are no longer in it are dropped.
    pub fn suite_changed(&self, checks: Vec<Arc<Check>>) {
        self.send(|| Event::Suite(checks));
    }

    /// Records that a run is due.
    pub fn run_due(&self, check: &CheckId) {
        if self.events.is_some() {
            self.active.add(check);
        }
    }

    /// Records a finished run.
    pub fn run_finished(&self, run: &Arc<Run>, standing: &CheckStatus) {
        self.active.remove(&run.check.id);
        self.send(|| Event::Finished(Arc::clone(run), standing.clone()));
    }

    /// Records due times that passed without a run.
    pub fn runs_missed(&self, check: &CheckId, reason: MissReason, count: u64) {
        if reason == MissReason::Shutdown {
            self.active.remove(check);
        }
        self.send(|| Event::Missed(check.clone(), reason, count));
    }

    /// Records a reload of the suite: the number of checks now active, or why the previous suite stays active.
    pub fn suite_reloaded(&self, answer: Result<usize, &str>) {
        let bounded = |text: &str| {
            text.get(..text.floor_char_boundary(MAX_PROBLEMS))
                .unwrap_or_default()
                .to_owned()
        };
        self.send(|| Event::Reloaded(answer.map_err(bounded)));
    }

    fn send(&self, event: impl FnOnce() -> Event) {
        if let Some(events) = &self.events {
            events.send(event());
        }
    }
}
