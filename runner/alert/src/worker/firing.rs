//! The firing alerts of one notifier, within bounds.

use std::collections::BTreeMap;

use crate::notification::Notification;
use crate::queue::{MAX_BYTES, MAX_QUEUED, bytes_of};

/// Firing alerts to resend, by alert key, bounded in number and bytes like the queue.
#[derive(Debug, Default)]
pub(super) struct FiringAlerts {
    alerts: BTreeMap<String, (Notification, usize)>,
    bytes: usize,
}

impl FiringAlerts {
    /// Inserts the last notification of an alert, replacing an earlier one. Without room for it, the alert is not
    /// resent.
    pub(super) fn put(&mut self, sent: Notification) {
        self.remove(&sent.alert);
        let bytes = bytes_of(&sent);
        if self.alerts.len() < MAX_QUEUED && self.bytes + bytes <= MAX_BYTES {
            self.bytes += bytes;
            self.alerts.insert(sent.alert.clone(), (sent, bytes));
        }
    }

    /// Inserts a notification unless a newer one of its alert is known.
    pub(super) fn put_earlier(&mut self, sent: Notification) {
        if !self.alerts.contains_key(&sent.alert) {
            self.put(sent);
        }
    }

    /// Removes an alert that was resolved.
    pub(super) fn remove(&mut self, alert: &str) {
        if let Some((_, bytes)) = self.alerts.remove(alert) {
            self.bytes -= bytes;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.alerts.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Notification> {
        self.alerts.values().map(|(sent, _)| sent)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::sample_notification::sample;

    fn of(alert: u32, bytes: usize) -> Notification {
        Notification {
            alert: alert.to_string(),
            summary: "x".repeat(bytes),
            ..sample(SystemTime::UNIX_EPOCH)
        }
    }

    fn alerts(firing: &FiringAlerts) -> Vec<&str> {
        firing.iter().map(|sent| sent.alert.as_str()).collect()
    }

    #[test]
    fn what_is_sent_again_has_its_bytes_and_makes_room_when_it_is_over() {
        const MIB: usize = 1 << 20;
        let mut firing = FiringAlerts::default();
        firing.put(of(1, 8 * MIB));
        firing.put_earlier(of(2, 7 * MIB));
        firing.put(of(3, MIB));
        assert_eq!(alerts(&firing), ["1", "2"]);
        firing.remove("1");
        firing.remove("none");
        firing.put(of(3, 8 * MIB));
        assert_eq!(alerts(&firing), ["2", "3"]);
        // Its new size exceeds the bound, so it is not resent at all.
        firing.put(of(3, 9 * MIB));
        assert_eq!(alerts(&firing), ["2"]);
        firing.put(of(2, 1));
        firing.put(of(4, 15 * MIB));
        assert_eq!(alerts(&firing), ["2", "4"]);
        firing.remove("2");
        firing.remove("4");
        assert_eq!((firing.bytes, firing.is_empty()), (0, true));
    }
}
