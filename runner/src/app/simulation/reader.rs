//! A reader of all notifications of one check, in order, which have to be consistent.

use std::collections::{BTreeMap, BTreeSet};

use canary_alert::{Event, Notification};
use canary_run::status::Status;

/// What the reader knows of the check.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// Open alerts, and the number of the last notification of each.
    open: BTreeMap<String, u32>,
    closed: BTreeSet<String>,
    received: BTreeSet<String>,
    /// Whether the runner may have forgotten what it sent: it was killed while the disk hung, which is the one case
    /// in which an alert can begin twice, and have no end.
    is_forgiving: bool,
}

impl Reader {
    /// Reads a notification. With `may_repeat` it may have been received before: the runner was killed before it
    /// could record that.
    pub(super) fn read(&mut self, notification: &Notification, may_repeat: bool) -> Result<(), String> {
        let Notification {
            alert, number, event, ..
        } = notification;
        if !self.received.insert(notification.id()) {
            return if may_repeat || self.is_forgiving {
                Ok(())
            } else {
                Err(format!("{} is received twice", notification.id()))
            };
        }
        let before = self.open.remove(alert);
        let is_sane = match event {
            Event::Firing => *number == 1 && self.open.is_empty() && !self.closed.contains(alert),
            Event::Changed | Event::Reminder | Event::Resolved => before == number.checked_sub(1),
        };
        let is_bad = notification.status != Status::Up;
        let is_sane = is_sane && (is_bad || *event == Event::Resolved);
        if !is_sane && !self.is_forgiving {
            return Err(format!(
                "{event:?} {} while {before:?} and {:?} are open",
                notification.id(),
                self.open
            ));
        }
        match event {
            Event::Resolved => drop(self.closed.insert(alert.clone())),
            _ => drop(self.open.insert(alert.clone(), *number)),
        }
        Ok(())
    }

    /// From now on the runner may have forgotten what it sent.
    pub(super) fn forgive(&mut self) {
        self.is_forgiving = true;
    }

    pub(super) fn is_alerted(&self) -> bool {
        !self.open.is_empty()
    }

    pub(super) fn is_forgiving(&self) -> bool {
        self.is_forgiving
    }
}
