//! What fires by one notifier, within bounds.

use std::collections::BTreeMap;

use crate::alert::notification::Notification;
use crate::alert::queue::{MAX_BYTES, MAX_WAITING, weigh};

/// Alerts that are sent again and again, by their keys: as many, and as much of them, as may wait to be sent at all.
#[derive(Debug, Default)]
pub(super) struct Standing {
    alerts: BTreeMap<String, (Notification, usize)>,
    bytes: usize,
}

impl Standing {
    /// What was sent last of an alert, in place of what was sent before. Without room for it, it is not sent again.
    pub(super) fn put(&mut self, sent: Notification) {
        self.remove(&sent.alert);
        let bytes = weigh(&sent);
        if self.alerts.len() < MAX_WAITING && self.bytes + bytes <= MAX_BYTES {
            self.bytes += bytes;
            self.alerts.insert(sent.alert.clone(), (sent, bytes));
        }
    }

    /// The same of one that was sent earlier than what is known of its alert, if anything is.
    pub(super) fn put_earlier(&mut self, sent: Notification) {
        if !self.alerts.contains_key(&sent.alert) {
            self.put(sent);
        }
    }

    /// The alert is over.
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
    use crate::alert::trial::sample;

    fn of(alert: u32, bytes: usize) -> Notification {
        Notification {
            alert: alert.to_string(),
            summary: "x".repeat(bytes),
            ..sample(SystemTime::UNIX_EPOCH)
        }
    }

    fn alerts(standing: &Standing) -> Vec<&str> {
        standing.iter().map(|sent| sent.alert.as_str()).collect()
    }

    #[test]
    fn what_is_sent_again_has_its_bytes_and_makes_room_when_it_is_over() {
        const MIB: usize = 1 << 20;
        let mut standing = Standing::default();
        standing.put(of(1, 8 * MIB));
        standing.put_earlier(of(2, 7 * MIB));
        standing.put(of(3, MIB));
        assert_eq!(alerts(&standing), ["1", "2"]);
        standing.remove("1");
        standing.remove("none");
        standing.put(of(3, 8 * MIB));
        assert_eq!(alerts(&standing), ["2", "3"]);
        // It grows beyond what there is, and is not sent as it was.
        standing.put(of(3, 9 * MIB));
        assert_eq!(alerts(&standing), ["2"]);
        standing.put(of(2, 1));
        standing.put(of(4, 15 * MIB));
        assert_eq!(alerts(&standing), ["2", "4"]);
        standing.remove("2");
        standing.remove("4");
        assert_eq!((standing.bytes, standing.is_empty()), (0, true));
    }
}
