//! Every thread and task that lives for long, and whether it makes progress.
//!
//! A component is registered before it starts, because `thread` and `tasks` are the only ways to start one and
//! both take a [`Progress`]. The component reports through it: what it is doing, and within which time it reports
//! again. One that exceeds its time, that panicked, or that ended unasked is a [`Stall`], which health turns into an
//! issue.

mod clock;
mod refused;
mod tasks;
#[cfg(test)]
mod tests;
mod thread;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

pub use clock::StallClock;
pub use refused::{ThreadError, refused};
pub use tasks::Tasks;
#[cfg(test)]
pub(crate) use thread::reporting;
pub use thread::{Component, Thread, apart_from_main, begun, can_start, join, once, runtime, spawn};

/// How often a component that has nothing to do reports all the same.
pub const BEAT: Duration = Duration::from_secs(1);
/// A component that has not reported for this long is stalled, where it has named no other time.
pub const STALL: Duration = Duration::from_secs(5);

/// What fails when a component makes no progress; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Impact {
    /// `/readyz`: what the component does is delayed, and the checks are still watched.
    Readiness,
    /// The heartbeat's ping of success as well: somebody outside must know.
    Heartbeat,
    /// `/livez` as well: a restart is the way out.
    Liveness,
}

/// A component that makes no progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stall {
    /// Which one.
    pub name: Arc<str>,
    /// What fails with it.
    pub impact: Impact,
    /// What it was doing when it last reported.
    pub activity: &'static str,
    /// Since when it has not reported.
    pub time: Duration,
    /// Whether it ended by a panic or unasked, and never reports again.
    pub is_dead: bool,
}

impl fmt::Display for Stall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, activity, .. } = self;
        let time = self.time.as_secs();
        match self.is_dead {
            true => write!(
                f,
                "`{name}` ended unexpectedly {time} s ago: the log says why if it panicked, and a restart brings it back"
            ),
            false => write!(f, "`{name}` has made no progress for {time} s ({activity})"),
        }
    }
}

/// All components of one runner. Cheap to clone; all clones are one registry.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    components: Arc<Mutex<Components>>,
    stall_clock: StallClock,
}

#[derive(Debug, Default)]
struct Components {
    rows: BTreeMap<u64, Arc<Row>>,
    next: u64,
}

#[derive(Debug)]
struct Row {
    name: Arc<str>,
    impact: Impact,
    /// Held for a few assignments.
    report: Mutex<Report>,
}

#[derive(Debug, Clone, Copy)]
struct Report {
    at: Instant,
    activity: &'static str,
    /// Within which the next report is due; absent while the component waits for something that may never come.
    within: Option<Duration>,
    is_dead: bool,
}

impl Registry {
    /// Adds a component, which starts now.
    #[must_use]
    pub fn register(&self, name: impl Into<Arc<str>>, impact: Impact) -> Progress {
        let row = Arc::new(Row {
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
        // One that died is replaced by the one that takes over from it.
        components
            .rows
            .retain(|_, old| old.name != row.name || !old.report().is_dead);
        let id = components.next;
        components.next += 1;
        components.rows.insert(id, Arc::clone(&row));
        drop(components);
        Progress {
            registry: self.clone(),
            id,
            row,
        }
    }

    /// The components that make no progress, in the order of their registration.
    #[must_use]
    pub fn stalls(&self) -> Vec<Stall> {
        let rows: Vec<Arc<Row>> = self.components().rows.values().cloned().collect();
        rows.iter().filter_map(|row| row.stall()).collect()
    }

    /// The time that the threads which run checks have lost.
    #[must_use]
    pub fn stall_clock(&self) -> &StallClock {
        &self.stall_clock
    }

    fn components(&self) -> MutexGuard<'_, Components> {
        self.components.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Row {
    fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stall(&self) -> Option<Stall> {
        let report = *self.report();
        let time = report.at.elapsed();
        let is_late = report.within.is_some_and(|within| time > within);
        (report.is_dead || is_late).then(|| Stall {
            name: Arc::clone(&self.name),
            // What has ended is not there again before a restart.
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

/// What a component reports through. Dropping it removes the component, unless a panic does, or it ended unasked: that
/// one stays, as dead.
#[derive(Debug)]
pub struct Progress {
    registry: Registry,
    id: u64,
    row: Arc<Row>,
}

impl Progress {
    /// The component goes about its work and reports again within [`STALL`].
    pub fn beat(&self) {
        self.working("running", STALL);
    }

    /// Something is under way, which ends or reports again within this time.
    pub fn working(&self, activity: &'static str, within: Duration) {
        self.set(activity, Some(within));
    }

    /// The component waits for something that may never come, on a thread that reports for itself.
    pub fn idle(&self) {
        self.set("waiting", None);
    }

    /// The component has ended although nobody asked it to.
    pub(super) fn ended_unasked(&self) {
        self.row.report().is_dead = true;
    }

    /// Adds a part of the same registry, such as a task on this component's thread.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    fn set(&self, activity: &'static str, within: Option<Duration>) {
        *self.row.report() = Report {
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
            self.row.report().is_dead = true;
        }
        if !self.row.report().is_dead {
            self.registry.components().rows.remove(&self.id);
        }
    }
}
