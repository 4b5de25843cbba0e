//! What fires, told again and again to a receiver that wants that.

use tokio::time::Instant;

use super::Lane;
use crate::alert::answer::Answer;
use crate::alert::notification::{Event, Notification};

/// Alerts that are told again in one request.
const TOLD_AT_ONCE: usize = 64;

impl Lane {
    pub(super) fn adopt_standing(&mut self) {
        if self.refresh.is_none() {
            return;
        }
        for told in self.shared.outbox.take_standing(&self.notifier.name) {
            self.standing.put_earlier(told);
        }
    }

    /// Keeps in mind what is to be told again.
    pub(super) fn remember(&mut self, notification: &Notification) {
        if self.refresh.is_none() {
            return;
        }
        if notification.event == Event::Resolved {
            self.standing.remove(&notification.alert);
        } else {
            self.standing.put(Notification {
                previous: None,
                ..notification.clone()
            });
        }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.standing.is_empty() && self.refresh.is_some_and(|(_, at)| at <= now)
    }

    /// Tells all that fires once more.
    pub(super) async fn tell_again(&mut self) {
        let standing: Vec<&Notification> = self.standing.iter().collect();
        let mut answer = Answer::Delivered;
        for some in standing.chunks(TOLD_AT_ONCE) {
            self.delivering();
            let (link, reserve) = (self.shared.link.as_ref(), &self.shared.reserve);
            answer = self.notifier.tell_again(some, link, reserve).await;
            match &answer {
                Answer::Later(..) | Answer::Held(_) => break,
                // It has taken the others of them, and takes what else there is.
                Answer::Refused(failure) | Answer::Rejected(failure) => self.count(failure),
                Answer::Delivered | Answer::Partly(..) => {}
            }
        }
        match &answer {
            Answer::Delivered => self.recovered(),
            Answer::Refused(_) | Answer::Rejected(_) => {}
            answer => self.judge(answer),
        }
        if let Some((interval, at)) = &mut self.refresh {
            *at = Instant::now() + *interval;
        }
    }
}
