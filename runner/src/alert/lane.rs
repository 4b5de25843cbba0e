//! One notifier's way to its receiver: one notification at a time, oldest first.

mod doubt;
#[cfg(test)]
mod tests;
mod unreachable;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::answer::{Answer, Failure, Unreached};
use super::backoff::Backoff;
use super::notice::Notice;
use super::notification::{Event, Notification};
use super::notifier::Notifier;
use super::outbox::Outbox;
use super::queue::{Entry, MAX_WAITING, Turn};
use super::report::DropReason;
use super::{Keep, Say};
use crate::ledger::audit::Reserve;
use crate::liveness::{Progress, STALL};
use crate::state::Change;
use unreachable::Unreachable;

/// Alerts that are told again in one request.
const TOLD_AT_ONCE: usize = 64;

/// What the lanes have in common.
pub(super) struct Shared {
    pub(super) outbox: Arc<Outbox>,
    pub(super) link: Option<Url>,
    pub(super) reserve: Reserve,
    /// Lanes are on one thread and hold these between two awaits only.
    pub(super) keep: Mutex<Keep>,
    pub(super) say: Mutex<Say>,
}

impl Shared {
    fn keep(&self, changes: Vec<Change>) {
        if !changes.is_empty() {
            (self.keep.lock().unwrap_or_else(PoisonError::into_inner))(changes);
        }
    }

    fn say(&self, notice: &Notice) {
        (self.say.lock().unwrap_or_else(PoisonError::into_inner))(notice.level(), &notice.to_string());
    }
}

/// The task of one notifier.
pub(super) struct Lane {
    notifier: Notifier,
    shared: Arc<Shared>,
    progress: Progress,
    backoff: Backoff,
    /// Whether it is left alone since it refused something, and not since it does not answer or has no time.
    is_doubted: bool,
    /// What fires, by alert, for a receiver that wants to hear it again and again.
    standing: BTreeMap<String, Notification>,
    refresh: Option<(Duration, Instant)>,
    /// Whether the receiver's failure was told and its recovery not.
    is_failing: bool,
    /// Those whom notifications do not reach, as it was said.
    unreached: Unreachable,
    /// Notifications lost for want of room, as last seen.
    lost: u64,
    /// Losses that the operator knows of since the last delivery.
    told: BTreeSet<DropReason>,
}

impl Lane {
    pub(super) fn new(
        notifier: Notifier,
        standing: Vec<Notification>,
        shared: Arc<Shared>,
        progress: Progress,
    ) -> Self {
        let refresh = notifier.refresh().map(|interval| (interval, Instant::now()));
        let standing = standing.into_iter().take(MAX_WAITING);
        Self {
            notifier,
            shared,
            progress,
            backoff: Backoff::default(),
            is_doubted: false,
            standing: standing.map(|told| (told.alert.clone(), told)).collect(),
            refresh,
            is_failing: false,
            unreached: Unreachable::default(),
            lost: 0,
            told: BTreeSet::new(),
        }
    }

    /// Delivers until `stop`; then what waits for a receiver that answers, and ends.
    ///
    /// Cancellation: what was on its way is delivered again after the next start.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            self.delivering();
            self.expire();
            self.tell_lost();
            self.adopt_standing();
            let now = Instant::now();
            let pause = self.backoff.until().filter(|until| *until > now);
            if pause.is_none() && self.is_due(now) {
                self.tell_again().await;
                continue;
            }
            let turn = self.turn(pause.is_some());
            let next = match turn {
                Some(turn) => self.shared.outbox.next(&self.notifier.name, turn).await,
                None => None,
            };
            match next {
                Some(entry) => {
                    self.deliver(&entry, turn).await;
                    // A backlog must not keep the thread for itself.
                    tokio::task::yield_now().await;
                }
                None if stop.is_cancelled() => return,
                None => {
                    self.progress.idle();
                    self.wait(pause, &stop).await;
                }
            }
        }
    }

    /// Until the next attempt. A disk that hangs is waited for as well, and for less than [`STALL`].
    fn delivering(&self) {
        self.progress.working("delivering", self.notifier.timeout + STALL);
    }

    fn adopt_standing(&mut self) {
        if self.refresh.is_none() {
            return;
        }
        for told in self.shared.outbox.take_standing(&self.notifier.name) {
            if self.standing.len() < MAX_WAITING {
                self.standing.entry(told.alert.clone()).or_insert(told);
            }
        }
    }

    async fn wait(&self, pause: Option<Instant>, stop: &CancellationToken) {
        let refresh = self.refresh.filter(|_| !self.standing.is_empty());
        let rest = self.shared.outbox.queue().due(&self.notifier.name);
        let until = pause.or(refresh.map(|(_, at)| at).into_iter().chain(rest).min());
        let due = async {
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => {}
            () = self.shared.outbox.news_of(&self.notifier.name) => {}
            () = stop.cancelled() => {}
        }
    }

    async fn deliver(&mut self, entry: &Entry, turn: Option<Turn>) {
        let notification = &entry.notification;
        let (link, reserve) = (self.shared.link.as_ref(), &self.shared.reserve);
        let work = self.notifier.deliver_to(&entry.only, notification, link, reserve);
        let answer = work.await;
        let name = Arc::clone(&self.notifier.name);
        let mut queue = self.shared.outbox.queue();
        let (changes, is_given_up) = match &answer {
            Answer::Partly(_, unreached) if unreached.iter().any(|one| one.is_for_now) => {
                let rest = unreached.iter().filter(|one| one.is_for_now);
                let rest: Vec<String> = rest.map(|one| one.receiver.clone()).collect();
                (queue.leave_rest(&name, &rest), false)
            }
            Answer::Delivered | Answer::Partly(..) => (queue.conclude(&name, None), false),
            Answer::Rejected(_) => (queue.conclude(&name, Some(DropReason::Refused)), true),
            Answer::Held(_) | Answer::Refused(_) => match queue.refuse(&name) {
                Some(changes) => (changes, true),
                None => (Vec::new(), false),
            },
            Answer::Later(..) => {
                queue.put_back(&name);
                (Vec::new(), false)
            }
        };
        drop(queue);
        self.shared.keep(changes);
        match (&answer, is_given_up) {
            (Answer::Held(failure) | Answer::Refused(failure) | Answer::Rejected(failure), true) => {
                self.give_up(notification, failure, &answer);
            }
            (Answer::Held(failure) | Answer::Refused(failure), false) if turn == Some(Turn::Unsuspected) => {
                self.count(failure);
            }
            _ => self.judge(&answer),
        }
        match &answer {
            Answer::Delivered => self.unreached.clear(&entry.only),
            Answer::Partly(_, unreached) => self.tell_unreached(&entry.only, unreached),
            _ => return,
        }
        self.remember(notification);
    }

    /// Leaves the receiver alone for as long as its answer says, and tells the operator what is new.
    fn judge(&mut self, answer: &Answer) {
        let now = Instant::now();
        self.is_doubted = false;
        match answer {
            Answer::Delivered => {
                self.recovered();
                self.told.clear();
            }
            Answer::Partly(..) => self.recovered(),
            Answer::Later(failure, asked) => {
                self.backoff.failed(*asked, now);
                self.fail(failure, |notifier, message, waiting| Notice::Failing {
                    notifier,
                    message,
                    waiting,
                });
            }
            Answer::Refused(failure) | Answer::Rejected(failure) => {
                self.is_doubted = true;
                self.backoff.failed(None, now);
                self.fail(failure, |notifier, message, waiting| Notice::Held {
                    notifier,
                    message,
                    waiting,
                });
            }
            Answer::Held(failure) => {
                self.is_doubted = true;
                self.backoff.held(now);
                self.fail(failure, |notifier, message, waiting| Notice::Held {
                    notifier,
                    message,
                    waiting,
                });
            }
        }
    }

    /// Counts those whom a notification to `only` did not reach, and says what is new.
    fn tell_unreached(&mut self, only: &[String], unreached: &[Unreached]) {
        let mut queue = self.shared.outbox.queue();
        queue.note(&self.notifier.name, |report| {
            unreached.iter().for_each(|one| report.count(&one.failure));
        });
        drop(queue);
        for one in self.unreached.note(only, unreached) {
            self.shared.say(&Notice::Partly {
                notifier: Arc::clone(&self.notifier.name),
                message: one.failure.message.clone(),
                is_for_now: one.is_for_now,
            });
        }
    }

    fn fail(&mut self, failure: &Failure, notice: impl FnOnce(Arc<str>, String, usize) -> Notice) {
        self.count(failure);
        if !std::mem::replace(&mut self.is_failing, true) {
            let name = Arc::clone(&self.notifier.name);
            let notice = notice(name, failure.message.clone(), self.waiting());
            self.shared.say(&notice);
        }
    }

    fn count(&self, failure: &Failure) {
        let mut queue = self.shared.outbox.queue();
        let now = Instant::now();
        queue.note(&self.notifier.name, |report| report.fail(failure, now));
    }

    /// The receiver took what it was given.
    fn recovered(&mut self) {
        self.backoff.reset();
        let mut queue = self.shared.outbox.queue();
        queue.note(&self.notifier.name, |report| report.failing = None);
        drop(queue);
        if std::mem::take(&mut self.is_failing) {
            let waiting = self.waiting();
            self.shared.say(&Notice::Delivering {
                notifier: Arc::clone(&self.notifier.name),
                waiting,
            });
        }
    }

    fn waiting(&self) -> usize {
        self.shared.outbox.queue().waiting(&self.notifier.name)
    }

    /// Keeps in mind what is to be told again.
    fn remember(&mut self, notification: &Notification) {
        if self.refresh.is_none() {
            return;
        }
        if notification.event == Event::Resolved {
            self.standing.remove(&notification.alert);
        } else if self.standing.len() < MAX_WAITING || self.standing.contains_key(&notification.alert) {
            let told = Notification {
                previous: None,
                ..notification.clone()
            };
            self.standing.insert(notification.alert.clone(), told);
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        !self.standing.is_empty() && self.refresh.is_some_and(|(_, at)| at <= now)
    }

    /// Tells all that fires once more.
    async fn tell_again(&mut self) {
        let standing: Vec<&Notification> = self.standing.values().collect();
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

    fn expire(&mut self) {
        let (name, max_age) = (&self.notifier.name, self.notifier.max_age);
        let changes = self.shared.outbox.queue().expire(name, max_age);
        if !changes.is_empty() {
            self.shared.keep(changes);
            self.tell_loss(DropReason::Expired);
        }
    }

    /// Says that the queue overflows.
    fn tell_lost(&mut self) {
        let mut lost = 0;
        let mut queue = self.shared.outbox.queue();
        queue.note(&self.notifier.name, |report| {
            lost = report.dropped.get(&DropReason::Full).copied().unwrap_or_default();
        });
        drop(queue);
        if lost > std::mem::replace(&mut self.lost, lost) {
            self.tell_loss(DropReason::Full);
        }
    }

    /// While it goes on, the metric says how much.
    fn tell_loss(&mut self, reason: DropReason) {
        if self.told.insert(reason) {
            self.shared.say(&Notice::Losing {
                notifier: Arc::clone(&self.notifier.name),
                reason,
            });
        }
    }
}
