//! Records of checks from an earlier process.

use std::collections::HashMap;
use std::sync::Arc;

use super::CheckRecord;
use crate::status::Tracker;
use canary_suite::{Check, CheckId};
use canary_system::age::Since;

/// Records of an earlier process that have not been assigned to checks of the suite yet.
#[derive(Debug, Default)]
pub struct Restored {
    pub(super) records: HashMap<CheckId, CheckRecord>,
    /// Ids that records had in an earlier version of canary, and have no longer.
    pub(super) former_ids: Vec<CheckId>,
}

impl From<HashMap<CheckId, CheckRecord>> for Restored {
    fn from(records: HashMap<CheckId, CheckRecord>) -> Self {
        Self {
            records,
            former_ids: Vec::new(),
        }
    }
}

impl Restored {
    /// Moves records from the ids that checks had in an earlier version of canary to their current ids. Their statuses
    /// start over: receivers identify an alert by the check id, so the old alert ends, and a new one needs a
    /// transition.
    pub fn migrate_ids(&mut self, checks: &[Arc<Check>]) {
        for check in checks {
            let Some(former) = &check.former_id else { continue };
            if let Some(mut record) = self.records.remove(former) {
                record.tracker = Tracker::default();
                record.changed = None;
                self.records.entry(check.id.clone()).or_insert(record);
                self.former_ids.push(former.clone());
            }
        }
    }

    /// When a check was last due, according to the record of an earlier process; `None` if its cadence was different.
    #[must_use]
    pub fn last_due(&self, check: &Check) -> Option<Since> {
        let record = self.records.get(&check.id)?;
        record.last_due.filter(|_| record.has_cadence_of(check))
    }
}
