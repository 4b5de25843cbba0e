//! Tracks every long-lived thread and task, and whether it makes progress.
//!
//! A component is registered before it starts, because `thread` and `tasks` are the only ways to start one and both
//! take a [`Progress`]. The component reports through it: what it is doing, and within which time it reports again.
//! One that exceeds its time, that panicked, or that exited unexpectedly is a [`Stall`], which health turns into an
//! issue.

mod clock;
mod tasks;
#[cfg(test)]
mod tests;
mod thread;
mod thread_error;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub use clock::StallClock;
pub use tasks::Tasks;
pub use thread::report_while;
pub use thread::{
    Component, Thread, already_begun, can_start, join, run_blocking, run_off_main_thread, runtime, spawn,
};
pub use thread_error::{ThreadError, spawn_error};

/// How often an idle component reports.
pub const BEAT: Duration = Duration::from_secs(1);
/// A component that has not reported for this long is stalled, unless it has set another time.
pub const STALL: Duration = Duration::from_secs(5);

/// What fails when a component makes no progress; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Impact {
    /// `/readyz`: the component's work is delayed, and the checks are still watched.
    Readiness,
    /// The heartbeat's success ping as well: somebody outside has to know.
    Heartbeat,
    /// `/livez` as well: only a restart helps.
    Liveness,
}

/// A component that makes no progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stall {
    /// Its name.
    pub name: Arc<str>,
    /// What fails with it.
    pub impact: Impact,
    /// What it was doing when it last reported.
    pub activity: &'static str,
    /// Time since its last report.
    pub time: Duration,
    /// Whether it panicked or exited unexpectedly, and will not report again.
    pub is_dead: bool,
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, activity, .. } = self;
        let time = self.time.as_secs();
        if self.is_dead {
            write!(
                f,
                "`{name}` ended unexpectedly {time} s ago; see the log for a panic, and restart to recover"
            )
        } else {
            write!(f, "`{name}` has made no progress for {time} s ({activity})")
        }
    }
}

/// All components of a runner. Cheap to clone; all clones share their state.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    components: Arc<Mutex<Components>>,
    stall_clock: StallClock,
}

#[derive(Debug, Default)]
struct Components {
    entries: BTreeMap<u64, Arc<Entry>>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    name: Arc<str>,
    impact: Impact,
    /// Locked for a few assignments.
    report: Mutex<Report>,
}

#[derive(Debug, Clone, Copy)]
struct Report {
    at: Instant,
    activity: &'static str,
    /// Time within which the next report is due; `None` while the component waits for something that may never come.
    within: Option<Duration>,
    is_dead: bool,
}

impl Registry {
    /// Registers a component, which starts now.
    #[must_use]
    pub fn register(&self, name: impl Into<Arc<str>>, impact: Impact) -> Progress {
        let entry = Arc::new(Entry {
            name: name.into(),
            impact,
            report: Mutex::new(Report {
                at: Instant::now(),
                activity: "starting",
                within: Some(STALL),
                is_dead: false,
            }),
        });
        let mut components = self.components();
        // A dead component is replaced by its successor.
        components
            .entries
            .retain(|_, old| old.name != entry.name || !old.report().is_dead);
        let id = components.next;
        components.next += 1;
        components.entries.insert(id, Arc::clone(&entry));
        drop(components);
        Progress {
            registry: self.clone(),
            id,
            entry,
        }
    }

    /// The components that make no progress, in the order of their registration.
    #[must_use]
    pub fn stalls(&self) -> Vec<Stall> {
        let entries: Vec<Arc<Entry>> = self.components().entries.values().cloned().collect();
        entries.iter().filter_map(|entry| entry.stall()).collect()
    }

    /// The time that the worker threads have lost.
    #[must_use]
    pub fn stall_clock(&self) -> &StallClock {
        &self.stall_clock
    }

    fn components(&self) -> MutexGuard<'_, Components> {
        self.components.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stall(&self) -> Option<Stall> {
        let report = *self.report();
        let time = report.at.elapsed();
        let is_late = report.within.is_some_and(|within| time > within);
        (report.is_dead || is_late).then(|| Stall {
            name: Arc::clone(&self.name),
            // A dead component does not come back without a restart.
            impact: if report.is_dead {
                Impact::Liveness
            } else {
                self.impact
            },
            activity: report.activity,
            time,
            is_dead: report.is_dead,
        })
    }
}

/// Handle through which a component reports. Dropping it removes the component, unless it panicked or exited
/// unexpectedly: then it stays registered as dead.
#[derive(Debug)]
pub struct Progress {
    registry: Registry,
    id: u64,
    entry: Arc<Entry>,
}

impl Progress {
    /// Reports progress; the next report is due within [`STALL`].
    pub fn beat(&self) {
        self.working("running", STALL);
    }

    /// Reports an activity that ends, or is reported again, within this time.
    pub fn working(&self, activity: &'static str, within: Duration) {
        self.set(activity, Some(within));
    }

    /// Reports that the component waits for something that may never come, on a thread that reports for itself.
    pub fn idle(&self) {
        self.set("waiting", None);
    }

    /// Reports that the component ended without being asked to.
    pub(super) fn exited_unexpectedly(&self) {
        self.entry.report().is_dead = true;
    }

    fn set(&self, activity: &'static str, within: Option<Duration>) {
        *self.entry.report() = Report {
            at: Instant::now(),
            activity,
            within,
            is_dead: false,
        };
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.entry.report().is_dead = true;
        }
        if !self.entry.report().is_dead {
            self.registry.components().entries.remove(&self.id);
        }
    }
}
