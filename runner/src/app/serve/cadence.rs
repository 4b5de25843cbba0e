//! The cadence of checks that an earlier process knew: it goes on through a restart, and what it brought while no
//! runner was there is missed, and counted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::publish::Restored;
use crate::schedule::since;
use crate::suite::{Check, CheckId};

/// Of checks whose interval is what it was.
#[derive(Debug, Default)]
pub(super) struct Cadences(HashMap<CheckId, Cadence>);

#[derive(Debug)]
struct Cadence {
    passed: u64,
    last: SystemTime,
    wait: Duration,
}

impl Cadences {
    pub(super) fn of(checks: &[Arc<Check>], restored: &Restored, now: SystemTime) -> Self {
        let cadence = |check: &Arc<Check>| {
            let (last, interval) = restored.last_due(&check.id)?;
            // A due time that is still to come is of a clock that was set back.
            let elapsed = now.duration_since(last).ok()?;
            let (passed, wait) = since(elapsed, interval);
            (interval == check.interval).then(|| {
                let into = interval.saturating_sub(wait);
                let cadence = Cadence {
                    passed,
                    last: now.checked_sub(into).unwrap_or(now),
                    wait,
                };
                (check.id.clone(), cadence)
            })
        };
        Self(checks.iter().filter_map(cadence).collect())
    }

    /// How long a check is not due yet.
    pub(super) fn wait(&self, id: &CheckId) -> Option<Duration> {
        Some(self.0.get(id)?.wait)
    }

    /// Checks with due times that passed, how many, and the last of them.
    pub(super) fn passed<'a>(
        &'a self,
        checks: &'a [Arc<Check>],
    ) -> impl Iterator<Item = (&'a Arc<Check>, u64, SystemTime)> {
        checks.iter().filter_map(|check| {
            let cadence = self.0.get(&check.id)?;
            (cadence.passed > 0).then_some((check, cadence.passed, cadence.last))
        })
    }
}
