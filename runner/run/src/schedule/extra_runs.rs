//! Extra runs of checks, between two due times of their cadence, to confirm the last outcome.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::{Due, FRESH_FOR};
use canary_suite::{Check, CheckId};

/// The pending extra runs, soonest first.
#[derive(Debug, Default)]
pub(super) struct ExtraRuns(BTreeMap<(Instant, CheckId), Arc<Check>>);

impl ExtraRuns {
    pub(super) fn add(&mut self, check: &Arc<Check>, due: Instant) {
        self.0.insert((due, check.id.clone()), Arc::clone(check));
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.0.first_key_value().map(|((due, _), _)| *due)
    }

    /// The extra run that is due. One that is late is dropped, since the host is overloaded or was suspended, and the
    /// check has its regular due times.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Due> {
        while self.next_due().is_some_and(|due| due <= now) {
            let ((due, _), check) = self.0.pop_first()?;
            if now.duration_since(due) <= FRESH_FOR {
                return Some(Due {
                    check,
                    due,
                    is_extra: true,
                });
            }
        }
        None
    }
}
