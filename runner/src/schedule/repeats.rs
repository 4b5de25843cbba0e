//! Extra runs of checks whose last outcome waits for others to confirm it, between two due times of their cadence.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::{Due, STILL_FRESH};
use crate::suite::{Check, CheckId};

/// The extra runs that are still to come, soonest first: one a check.
#[derive(Debug, Default)]
pub(super) struct Repeats(BTreeMap<(Instant, CheckId), Arc<Check>>);

impl Repeats {
    pub(super) fn add(&mut self, check: &Arc<Check>, due: Instant) {
        self.0.insert((due, check.id.clone()), Arc::clone(check));
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.0.first_key_value().map(|((due, _), _)| *due)
    }

    /// The one that is due. Where it is late, the host has other things to do, or slept: then it is left out, since the
    /// check has its own due times.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Due> {
        while self.next_due().is_some_and(|due| due <= now) {
            let ((due, _), check) = self.0.pop_first()?;
            if now.duration_since(due) <= STILL_FRESH {
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
