//! Telemetry: what happened, for Grafana. The only place that knows OpenTelemetry.
//!
//! Nothing on the way of a run knows it: runs are recorded as plain data, and told of here when they are over. A
//! [`Telemetry`] hands them over without waiting; a [`Worker`] on a thread of its own makes spans, metrics and log
//! records of them, and its delivery keeps what a collector does not take.

mod attribute;
pub mod delivery;
mod exposition;
mod fit;
mod intake;
pub mod logs;
pub mod metrics;
mod name;
#[cfg(test)]
pub(crate) mod sample;
pub mod settings;
pub mod spans;
mod worker;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use exposition::{DeliveryReading, Exposition, Format, HostView};
pub use metrics::HeartbeatReading;
pub use worker::{FLUSH, Worker, start};

use crate::account::MissReason;
use crate::outcome::Run;
use crate::status::Standing;
use crate::suite::{Check, CheckId};
use intake::EventSender;

/// Spans or log records, encoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoded {
    /// A repeated field.
    pub bytes: Vec<u8>,
    /// Spans, records, events and attributes for which there was no room.
    pub left_out: u64,
}

/// Bytes of the problems of a suite that are reported.
const MAX_PROBLEMS: usize = 8 << 10;

/// What the worker is told.
#[derive(Debug)]
enum Event {
    Suite(Vec<Arc<Check>>),
    Finished(Arc<Run>, Standing),
    Missed(CheckId, MissReason, u64),
    Reloaded(Result<usize, String>),
}

/// Hands events over to the worker. Never waits; cheap to clone.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// Absent when there is no telemetry.
    events: Option<EventSender>,
    active: Arc<Active>,
}

/// Runs that wait for a permit or go on, by check; there is no entry for none. Counted where they are told of: an
/// event for each would double the work.
#[derive(Debug, Default)]
struct Active(Mutex<HashMap<CheckId, u64>>);

impl Active {
    fn add(&self, check: &CheckId) {
        let mut runs = self.runs();
        match runs.get_mut(check) {
            Some(count) => *count += 1,
            None => drop(runs.insert(check.clone(), 1)),
        }
    }

    fn take_away(&self, check: &CheckId) {
        let mut runs = self.runs();
        if let Some(count) = runs.get_mut(check) {
            *count -= 1;
            if *count == 0 {
                runs.remove(check);
            }
        }
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<CheckId, u64>> {
        // Every section is one change.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Telemetry {
    /// Telemetry that nobody wants.
    #[must_use]
    pub fn off() -> Self {
        Self {
            events: None,
            active: Arc::default(),
        }
    }

    /// These are the checks from now on; what was known of others is forgotten.
    pub fn suite(&self, checks: Vec<Arc<Check>>) {
        self.tell(|| Event::Suite(checks));
    }

    /// A run is due.
    pub fn started(&self, check: &CheckId) {
        if self.events.is_some() {
            self.active.add(check);
        }
    }

    /// A run was recorded.
    pub fn finished(&self, run: &Arc<Run>, standing: &Standing) {
        self.active.take_away(&run.check.id);
        self.tell(|| Event::Finished(Arc::clone(run), standing.clone()));
    }

    /// Due times passed without a run.
    pub fn missed(&self, check: &CheckId, reason: MissReason, count: u64) {
        if reason == MissReason::Shutdown {
            self.active.take_away(check);
        }
        self.tell(|| Event::Missed(check.clone(), reason, count));
    }

    /// The suite was read again: how many checks are in force now, or why the old ones are.
    pub fn reloaded(&self, answer: Result<usize, &str>) {
        let bounded = |text: &str| {
            text.get(..text.floor_char_boundary(MAX_PROBLEMS))
                .unwrap_or_default()
                .to_owned()
        };
        self.tell(|| Event::Reloaded(answer.map_err(bounded)));
    }

    fn tell(&self, event: impl FnOnce() -> Event) {
        if let Some(events) = &self.events {
            events.send(event());
        }
    }
}
