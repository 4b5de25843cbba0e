//! What an earlier process left and nobody can deliver: it is counted, and said once.

use super::entry::Read;
use crate::alert::notice::Notice;
use crate::alert::report::Forgotten;

/// What was read of an earlier process and could not be used.
#[derive(Debug, Default)]
pub(super) struct Restored {
    pub(super) forgotten: Forgotten,
    /// Alerts that cannot be read.
    pub(super) alerts: u64,
    /// What was said already.
    said: (Forgotten, u64),
}

impl Restored {
    /// Counts a notification that nobody can deliver.
    pub(super) fn note(&mut self, read: Option<&Read>, is_known: impl Fn(&str) -> bool) {
        match read {
            None => self.forgotten.unreadable += 1,
            Some(read) if !is_known(&read.notifier) => self.forgotten.remove(&read.notifier),
            Some(_) => {}
        }
    }

    pub(super) fn say(&mut self) -> Vec<Notice> {
        let (before, alerts_before) =
            std::mem::replace(&mut self.said, (self.forgotten.clone(), self.alerts));
        let removed = self.forgotten.removed.iter().map(|(notifier, count)| {
            let said = before.removed.get(notifier).copied().unwrap_or_default();
            (count - said, notifier.clone())
        });
        let removed = removed.map(|(count, notifier)| (count, Notice::Removed { notifier, count }));
        let unreadable = self.forgotten.unreadable - before.unreadable;
        let alerts = self.alerts - alerts_before;
        let others = [
            (unreadable, Notice::Unreadable { count: unreadable }),
            (alerts, Notice::UnreadableAlerts { count: alerts }),
        ];
        let all = removed.chain(others);
        all.filter(|(count, _)| *count > 0)
            .map(|(_, notice)| notice)
            .collect()
    }
}
