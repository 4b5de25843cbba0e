//! What an earlier process knew of checks.

use std::collections::HashMap;
use std::sync::Arc;

use super::Record;
use crate::age::Since;
use crate::status::Tracker;
use crate::suite::{Check, CheckId};

/// What was kept and is not laid out yet.
#[derive(Debug, Default)]
pub struct Restored {
    pub(super) records: HashMap<CheckId, Record>,
    /// Ids that records had in an earlier version.
    pub(super) former: Vec<CheckId>,
}

impl From<HashMap<CheckId, Record>> for Restored {
    fn from(records: HashMap<CheckId, Record>) -> Self {
        Self {
            records,
            former: Vec::new(),
        }
    }
}

impl Restored {
    /// Gives records of checks whose ids were different in an earlier version their ids of today. Their statuses begin
    /// anew: receivers know an alert by the id, so it ends with that one, and another one takes a change of status.
    pub fn rename(&mut self, checks: &[Arc<Check>]) {
        for check in checks {
            let Some(former) = &check.former_id else { continue };
            if let Some(mut record) = self.records.remove(former) {
                record.tracker = Tracker::default();
                record.changed = None;
                self.records.entry(check.id.clone()).or_insert(record);
                self.former.push(former.clone());
            }
        }
    }

    /// When a check was last due, by the record of an earlier process; nothing where its cadence was another.
    #[must_use]
    pub fn last_due(&self, check: &Check) -> Option<Since> {
        let record = self.records.get(&check.id)?;
        record.last_due.filter(|_| record.has_cadence_of(check))
    }
}
