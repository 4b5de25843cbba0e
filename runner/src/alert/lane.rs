//! One notifier's way to its receiver: one notification at a time, oldest first.

mod doubt;
mod failures;
mod refresh;
mod standing;
#[cfg(test)]
mod tests;
mod unreachable;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::answer::{Answer, Failure, Unreached};
use super::backoff::Backoff;
use super::notice::Notice;
use super::notification::Notification;
use super::notifier::{Notifier, Recipients};
use super::outbox::Outbox;
use super::queue::{Entry, Turn};
use super::report::DropReason;
use super::{Keep, Say};
use crate::ledger::audit::Reserve;
use crate::liveness::{Progress, STALL};
use crate::state::Change;
use failures::{Failures, failing, rest};
use standing::Standing;
use unreachable::Unreachable;

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
    /// Whether it may be left alone for no good reason: since it refused something, or failed at one thing alone.
    is_doubted: bool,
    /// Since it took something last.
    failures: Failures,
    /// What fires, for a receiver that wants to hear it again and again.
    standing: Standing,
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
        earlier: Vec<Notification>,
        shared: Arc<Shared>,
        progress: Progress,
    ) -> Self {
        let refresh = notifier.refresh().map(|interval| (interval, Instant::now()));
        let mut standing = Standing::default();
        earlier.into_iter().for_each(|sent| standing.put(sent));
        Self {
            notifier,
            shared,
            progress,
            backoff: Backoff::default(),
            is_doubted: false,
            failures: Failures::None,
            standing,
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
            if (pause.is_none() || self.takes_others()) && self.is_due(now) {
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

    async fn wait(&self, pause: Option<Instant>, stop: &CancellationToken) {
        let is_open = pause.is_none() || self.takes_others();
        let refresh = self.refresh.filter(|_| is_open && !self.standing.is_empty());
        let rest = self.shared.outbox.queue().due(&self.notifier.name);
        let rest = rest.filter(|_| pause.is_none() || self.is_doubted);
        let until = [pause, refresh.map(|(_, at)| at), rest]
            .into_iter()
            .flatten()
            .min();
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
        if !entry.except.is_empty() && !self.notifier.has_any_of(entry.recipients()) {
            return self.defer(entry);
        }
        let (link, reserve) = (self.shared.link.as_ref(), &self.shared.reserve);
        let work = self
            .notifier
            .deliver_to(entry.recipients(), notification, link, reserve);
        let answer = work.await;
        let name = Arc::clone(&self.notifier.name);
        let rest = rest(entry, &answer);
        let mut queue = self.shared.outbox.queue();
        let (changes, is_given_up) = match &answer {
            Answer::Delivered | Answer::Partly(..) if rest.is_empty() => (queue.conclude(&name, None), false),
            Answer::Delivered | Answer::Partly(..) => (queue.leave_rest(&name, &rest), false),
            Answer::Rejected(_) => (queue.conclude(&name, Some(DropReason::Refused)), true),
            Answer::Held(_) | Answer::Refused(_) => match queue.refuse(&name) {
                Some(changes) => (changes, true),
                None => (Vec::new(), false),
            },
            Answer::Later(failure, asked) => {
                let fault = queue.put_back(&name, *asked);
                drop(queue);
                return self.postpone(notification, (failure, *asked), fault);
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
            Answer::Delivered => self.unreached.clear(entry.recipients()),
            Answer::Partly(_, unreached) => self.tell_unreached(entry.recipients(), unreached),
            _ => return,
        }
        self.remember(notification);
    }

    /// All of its receivers wait for something of its check that comes before it.
    fn defer(&self, entry: &Entry) {
        let rest = if entry.only.is_empty() {
            &entry.except
        } else {
            &entry.only
        };
        let changes = self.shared.outbox.queue().leave_for(&self.notifier.name, rest);
        self.shared.keep(changes);
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
                self.failures = Failures::OfSeveral;
                self.backoff.failed(*asked, now);
                self.fail(failure, failing);
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

    /// Counts those whom a notification to these did not reach, and says what is new.
    fn tell_unreached(&mut self, recipients: Recipients<'_>, unreached: &[Unreached]) {
        let mut queue = self.shared.outbox.queue();
        queue.note(&self.notifier.name, |report| {
            unreached.iter().for_each(|one| report.count(&one.failure));
        });
        drop(queue);
        for one in self.unreached.note(recipients, unreached) {
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
        self.failures = Failures::None;
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
