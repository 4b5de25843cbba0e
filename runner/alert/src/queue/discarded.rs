//! Rows of an earlier process that nobody can send: counted, and logged once.

use super::entry::LoadedEntry;
use crate::notice::Notice;
use crate::notification::truncate;
use canary_outbound::alert_report::Discarded;

/// Removed notifiers that are counted by name; the others are counted together.
const MAX_REMOVED: usize = 16;
/// Name for the other removed notifiers; no notifier can have it.
const OTHER_NOTIFIERS: &str = "(others)";
/// Characters of the name of a removed notifier.
const MAX_NAME: usize = 64;

/// Counts of rows that could not be restored.
#[derive(Debug, Default)]
pub(super) struct RestoreReport {
    pub(super) discarded: Discarded,
    /// Alerts that cannot be parsed.
    pub(super) alerts: u64,
    /// What was logged already.
    logged: (Discarded, u64),
}

impl RestoreReport {
    /// Counts a notification that no notifier can send.
    pub(super) fn record(&mut self, loaded: Option<&LoadedEntry>, is_known: impl Fn(&str) -> bool) {
        match loaded {
            None => self.discarded.unreadable += 1,
            Some(loaded) if !is_known(&loaded.notifier) => self.count_removed(&loaded.notifier),
            Some(_) => {}
        }
    }

    fn count_removed(&mut self, notifier: &str) {
        let name = truncate(notifier, MAX_NAME);
        let removed = &mut self.discarded.removed;
        let is_counted = removed.len() < MAX_REMOVED || removed.contains_key(name.as_str());
        let name = if is_counted {
            name.as_str()
        } else {
            OTHER_NOTIFIERS
        };
        *removed.entry(name.into()).or_default() += 1;
    }

    pub(super) fn take_notices(&mut self) -> Vec<Notice> {
        let (before, alerts_before) =
            std::mem::replace(&mut self.logged, (self.discarded.clone(), self.alerts));
        let removed = self.discarded.removed.iter().map(|(notifier, count)| {
            let logged = before.removed.get(notifier).copied().unwrap_or_default();
            (count - logged, notifier.clone())
        });
        let removed = removed.map(|(count, notifier)| (count, Notice::Removed { notifier, count }));
        let unreadable = self.discarded.unreadable - before.unreadable;
        let alerts = self.alerts - alerts_before;
        let unparsable = [
            (unreadable, Notice::Unreadable { count: unreadable }),
            (alerts, Notice::UnreadableAlerts { count: alerts }),
        ];
        let all = removed.chain(unparsable);
        all.filter(|(count, _)| *count > 0)
            .map(|(_, notice)| notice)
            .collect()
    }
}
