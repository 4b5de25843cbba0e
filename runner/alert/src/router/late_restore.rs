//! Late restore: rows of an earlier process that could only be read after this one had started. Until then it is
//! unknown who was notified of what, so nothing is sent.

use std::sync::Arc;
use std::time::SystemTime;

use super::AlertRouter;
use crate::check_alerts::CheckAlerts;
use crate::notification::Event;
use canary_state::{Change, PendingCommit, Table};
use canary_suite::CheckId;
use canary_system::age::Now;

impl AlertRouter {
    /// Sends nothing until [`AlertRouter::resume`], since rows of an earlier process may still arrive.
    pub fn await_rows(&mut self, now: SystemTime) {
        self.awaits_rows = true;
        self.outbox.queue().reserve_earlier_numbers(now);
    }

    /// Resumes sending. The status of each check must then be observed once more; an alert whose check was removed, or
    /// no longer notifies its notifier, is resolved within the next ticks.
    pub fn resume(&mut self, now: &Now) {
        self.awaits_rows = false;
        self.schedule_all(now);
    }

    /// Merges rows of an earlier process: a notifier that was notified of an alert then is not notified again, and gets
    /// its resolution. Everything must be persisted afterwards, see [`AlertRouter::persist_all`]. Returns notices for
    /// the operator about unusable rows.
    pub fn restore_late(
        &mut self,
        alerts: &[(Arc<str>, String)],
        notifications: &[(Arc<str>, String)],
        now: &Now,
    ) -> Vec<String> {
        let _unusable = self.outbox.queue().restore(notifications);
        for (key, text) in alerts {
            match self.parse_row(text) {
                Some(earlier) => self.adopt_alert(CheckId::new(key), earlier, now),
                None => self.outbox.queue().count_unreadable_alert(),
            }
        }
        for rule in self.rules.iter().filter(|rule| rule.resends_firing) {
            self.outbox
                .add_restored_firing(&rule.name, self.firing_alerts(&rule.name));
        }
        let notices = self.outbox.queue().take_notices();
        notices.iter().map(ToString::to_string).collect()
    }

    fn adopt_alert(&mut self, id: CheckId, earlier: CheckAlerts, now: &Now) {
        let Some(mut own) = self.remove(&id) else {
            return self.insert(id, earlier);
        };
        let mut ended = Vec::new();
        for (name, mut alert) in earlier.alerts.clone() {
            match own.alerts.get(&name) {
                // It was notified twice, of what are two alerts to it: the earlier one is resolved.
                Some(newer) if newer.last_sent.is_some() => {
                    if alert.last_sent.is_some() {
                        ended.push((
                            name,
                            earlier.prepare_notification(&mut alert, Event::Resolved, now),
                        ));
                    }
                }
                _ => drop(own.alerts.insert(name, alert)),
            }
        }
        self.insert(id, own);
        let _persisted_with_all = self.stage(ended, None);
    }

    /// Persists all alerts and notifications together with `changes`, replacing what is on disk.
    pub fn persist_all(
        &self,
        mut changes: Vec<Change>,
        put: impl FnOnce(Vec<Change>) -> PendingCommit,
    ) -> PendingCommit {
        for (id, check_alerts) in &self.unhealthy {
            if let Ok(text) = serde_json::to_string(check_alerts) {
                changes.push(Change::put(Table::Alert, id.as_str(), text));
            }
        }
        // Locked until everything is put: the deletion of a notification delivered meanwhile must come after its put.
        let queue = self.outbox.queue();
        changes.extend(queue.all_changes());
        put(changes)
    }
}
