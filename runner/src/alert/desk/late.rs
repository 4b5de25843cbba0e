//! Rows of an earlier process that could be read only after this one had begun: until then nobody knows who was
//! notified of what, and nothing is sent.

use std::sync::Arc;
use std::time::SystemTime;

use super::Desk;
use crate::age::Now;
use crate::alert::notification::Event;
use crate::alert::trouble::Trouble;
use crate::state::{Change, Shelf, Written};
use crate::suite::CheckId;

impl Desk {
    /// Sends nothing until it is released, since rows of an earlier process may still come.
    pub fn await_rows(&mut self, now: SystemTime) {
        self.is_held = true;
        self.outbox.queue().begin_late(now);
    }

    /// Goes on. How each check stands by then has to be observed once more; an alert whose check is in the suite no
    /// longer, or tells its notifier no longer, ends within the next ticks.
    pub fn release(&mut self, now: &Now) {
        self.is_held = false;
        self.look_at_all(now);
    }

    /// Takes in rows of an earlier process: who was notified of an alert then is not notified again, and is notified
    /// of its end. Everything is to be persisted afterwards, see [`Desk::put_all`]. Returns what an operator should hear of
    /// rows that nobody can use.
    pub fn adopt(
        &mut self,
        alerts: &[(Arc<str>, String)],
        notifications: &[(Arc<str>, String)],
        now: &Now,
    ) -> Vec<String> {
        let _useless = self.outbox.queue().restore(notifications);
        for (key, text) in alerts {
            match self.read(text) {
                Some(earlier) => self.adopt_alert(CheckId::new(key), earlier, now),
                None => self.outbox.queue().forget_alert(),
            }
        }
        for rule in self.rules.iter().filter(|rule| rule.is_refreshed) {
            self.outbox.add_standing(&rule.name, self.standing(&rule.name));
        }
        let forgotten = self.outbox.queue().forgotten();
        forgotten.iter().map(ToString::to_string).collect()
    }

    fn adopt_alert(&mut self, id: CheckId, earlier: Trouble, now: &Now) {
        let Some(mut own) = self.remove(&id) else {
            return self.insert(id, earlier);
        };
        let mut ended = Vec::new();
        for (name, mut alert) in earlier.alerts.clone() {
            match own.alerts.get(&name) {
                // It was notified twice, of what are two alerts to it: the earlier one is over.
                Some(newer) if newer.told.is_some() => {
                    if alert.told.is_some() {
                        ended.push((name, earlier.tell(&mut alert, Event::Resolved, now)));
                    }
                }
                _ => drop(own.alerts.insert(name, alert)),
            }
        }
        self.insert(id, own);
        let _persisted_with_all = self.stage(ended, None);
    }

    /// Persists all alerts and notifications, together with `changes`, in place of what is on disk.
    pub fn put_all(&self, mut changes: Vec<Change>, put: impl FnOnce(Vec<Change>) -> Written) -> Written {
        for (id, trouble) in &self.troubles {
            if let Ok(text) = serde_json::to_string(trouble) {
                changes.push(Change::keep(Shelf::Alert, id.as_str(), text));
            }
        }
        // Held until it is put: a notification that is delivered meanwhile is forgotten after it was put, and not before.
        let queue = self.outbox.queue();
        changes.extend(queue.all());
        put(changes)
    }
}
