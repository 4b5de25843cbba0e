//! Worker: sends the notifications of one notifier, one at a time.

mod failures;
mod firing;
mod refusals;
mod resend;
#[cfg(test)]
mod tests;
mod unreached;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use url::Url;

use super::delivery_result::{DeliveryResult, Failure, UnreachedRecipient};
use super::notice::Notice;
use super::notification::Notification;
use super::notifier::{Notifier, Recipients};
use super::outbox::Outbox;
use super::queue::{Entry, Selection};
use super::{LogLine, Persist, retry_policy};
use canary_net::ledger::audit::InternalFds;
use canary_outbound::alert_report::DropReason;
use canary_outbound::{NoticeLimiter, NoticePolicy};
use canary_state::Change;
use canary_system::backoff::Backoff;
use canary_system::liveness::{Progress, STALL};
use failures::{FailureScope, failing, recipients_left};
use firing::FiringAlerts;
use unreached::UnreachedRecipients;

/// Each outage of a receiver is logged, and a loss once until the next delivery: an operator should know of each
/// notification that nobody gets.
const NOTICES: NoticePolicy = NoticePolicy {
    outage_interval: Duration::ZERO,
    loss_interval: Duration::MAX,
};

/// What all workers share.
pub(super) struct WorkerContext {
    pub(super) outbox: Arc<Outbox>,
    pub(super) external_url: Option<Url>,
    pub(super) internal_fds: InternalFds,
    /// Workers run on one thread and hold these locks only between two awaits.
    pub(super) persist: Mutex<Persist>,
    pub(super) log: Mutex<LogLine>,
}

impl WorkerContext {
    fn persist(&self, changes: Vec<Change>) {
        if !changes.is_empty() {
            (self.persist.lock().unwrap_or_else(PoisonError::into_inner))(changes);
        }
    }

    fn log(&self, notice: &Notice) {
        (self.log.lock().unwrap_or_else(PoisonError::into_inner))(notice.level(), &notice.to_string());
    }
}

/// The task of one notifier.
pub(super) struct NotifierWorker {
    notifier: Notifier,
    context: Arc<WorkerContext>,
    progress: Progress,
    backoff: Backoff,
    /// During a backoff, whether to probe with notifications of other checks: after a refusal, or when only one check's
    /// notification failed.
    is_probing: bool,
    /// Scope of the failures since the last success.
    failures: FailureScope,
    /// Firing alerts, for a receiver that expects them to be resent.
    firing: FiringAlerts,
    resend: Option<(Duration, Instant)>,
    /// Which failures and losses are logged.
    notices: NoticeLimiter<DropReason>,
    /// Recipients that notifications do not reach, as logged.
    unreached: UnreachedRecipients,
    /// Number of notifications dropped by a full queue, as last seen.
    seen_overflow: u64,
}

impl NotifierWorker {
    pub(super) fn new(
        notifier: Notifier,
        earlier: Vec<Notification>,
        context: Arc<WorkerContext>,
        progress: Progress,
    ) -> Self {
        let resend = notifier
            .resend_interval()
            .map(|interval| (interval, Instant::now()));
        let mut firing = FiringAlerts::default();
        earlier.into_iter().for_each(|sent| firing.put(sent));
        Self {
            notifier,
            context,
            progress,
            backoff: Backoff::new(retry_policy::RECEIVER),
            is_probing: false,
            failures: FailureScope::None,
            firing,
            resend,
            notices: NoticeLimiter::new(NOTICES),
            unreached: UnreachedRecipients::default(),
            seen_overflow: 0,
        }
    }

    /// Sends until `stop`, then drains the queue as long as the receiver accepts, and returns.
    ///
    /// Cancellation: a notification being sent is sent again after the next start.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            self.mark_sending();
            self.expire();
            self.log_overflow();
            self.adopt_restored_firing();
            let now = Instant::now();
            let pause = self.backoff.until().filter(|until| *until > now);
            if (pause.is_none() || self.probes_others()) && self.is_resend_due(now) {
                self.resend_firing().await;
                continue;
            }
            let selection = self.selection(pause.is_some());
            let next = match selection {
                Some(selection) => self.context.outbox.next(&self.notifier.name, selection).await,
                None => None,
            };
            match next {
                Some(entry) => {
                    self.deliver(&entry, selection).await;
                    // A backlog must not monopolise the thread.
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

    /// Reports progress until the next attempt. Covers the wait for a hanging disk too, which is shorter than
    /// [`STALL`].
    fn mark_sending(&self) {
        self.progress.working("delivering", self.notifier.timeout + STALL);
    }

    async fn wait(&self, pause: Option<Instant>, stop: &CancellationToken) {
        let is_open = pause.is_none() || self.probes_others();
        let resend = self.resend.filter(|_| is_open && !self.firing.is_empty());
        let deferred = self.context.outbox.queue().next_due(&self.notifier.name);
        let deferred = deferred.filter(|_| pause.is_none() || self.is_probing);
        let until = [pause, resend.map(|(_, at)| at), deferred]
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
            () = self.context.outbox.wait_for_new(&self.notifier.name) => {}
            () = stop.cancelled() => {}
        }
    }

    async fn deliver(&mut self, entry: &Entry, selection: Option<Selection>) {
        use DeliveryResult::{Blocked, PartlySent, Refused, Rejected, Retry, Sent};

        let notification = &entry.notification;
        if !entry.except.is_empty() && !self.notifier.has_recipient(entry.recipients()) {
            return self.defer(entry);
        }
        let (link, internal_fds) = (self.context.external_url.as_ref(), &self.context.internal_fds);
        let work = self
            .notifier
            .send_to(entry.recipients(), notification, link, internal_fds);
        let result = work.await;
        let name = Arc::clone(&self.notifier.name);
        let rest = recipients_left(entry, &result);
        let mut queue = self.context.outbox.queue();
        let (changes, is_given_up) = match &result {
            Sent | PartlySent(..) if rest.is_empty() => (queue.finish(&name, None), false),
            Sent | PartlySent(..) => (queue.retry_for(&name, &rest), false),
            Rejected(_) => (queue.finish(&name, Some(DropReason::Refused)), true),
            Blocked(_) | Refused(_) => match queue.refuse(&name) {
                Some(changes) => (changes, true),
                None => (Vec::new(), false),
            },
            Retry(failure, retry_after) => {
                let cause = queue.put_back(&name, *retry_after);
                drop(queue);
                return self.retry_later(notification, (failure, *retry_after), cause);
            }
        };
        drop(queue);
        self.context.persist(changes);
        match (&result, is_given_up) {
            (Blocked(failure) | Refused(failure) | Rejected(failure), true) => {
                self.give_up(notification, failure, &result);
            }
            (Blocked(failure) | Refused(failure), false) if selection == Some(Selection::Unsuspected) => {
                self.count_failure(failure);
            }
            _ => self.apply_result(&result),
        }
        match &result {
            Sent => self.unreached.clear(entry.recipients()),
            PartlySent(_, unreached) => self.record_unreached(entry.recipients(), unreached),
            _ => return,
        }
        self.track_firing(notification);
    }

    /// All recipients of this entry wait for an earlier notification of its check.
    fn defer(&self, entry: &Entry) {
        let rest = if entry.only.is_empty() {
            &entry.except
        } else {
            &entry.only
        };
        let changes = self.context.outbox.queue().defer_for(&self.notifier.name, rest);
        self.context.persist(changes);
    }

    /// Updates backoff and failure state from a result, and logs changes.
    fn apply_result(&mut self, result: &DeliveryResult) {
        let now = Instant::now();
        self.is_probing = false;
        match result {
            DeliveryResult::Sent => {
                self.record_success();
                self.notices.clear_losses();
            }
            DeliveryResult::PartlySent(..) => self.record_success(),
            DeliveryResult::Retry(failure, retry_after) => {
                self.failures = FailureScope::Several;
                self.backoff.record_failure(*retry_after, now);
                self.record_failure(failure, failing);
            }
            DeliveryResult::Refused(failure) | DeliveryResult::Rejected(failure) => {
                self.is_probing = true;
                self.backoff.record_failure(None, now);
                self.record_failure(failure, |notifier, message, waiting| Notice::Blocked {
                    notifier,
                    message,
                    waiting,
                });
            }
            DeliveryResult::Blocked(failure) => {
                self.is_probing = true;
                self.backoff.block(now);
                self.record_failure(failure, |notifier, message, waiting| Notice::Blocked {
                    notifier,
                    message,
                    waiting,
                });
            }
        }
    }

    /// Counts the failures of recipients that a notification did not reach, and logs new ones.
    fn record_unreached(&mut self, recipients: Recipients<'_>, unreached: &[UnreachedRecipient]) {
        let mut queue = self.context.outbox.queue();
        queue.update_report(&self.notifier.name, |report| {
            unreached
                .iter()
                .for_each(|one| report.count_failure(one.failure.code.clone()));
        });
        drop(queue);
        for one in self.unreached.record(recipients, unreached) {
            self.context.log(&Notice::PartlySent {
                notifier: Arc::clone(&self.notifier.name),
                message: one.failure.message.clone(),
                is_temporary: one.is_temporary,
            });
        }
    }

    fn record_failure(&mut self, failure: &Failure, notice: impl FnOnce(Arc<str>, String, usize) -> Notice) {
        self.count_failure(failure);
        if self.notices.record_failure(Instant::now()) {
            let name = Arc::clone(&self.notifier.name);
            let notice = notice(name, failure.message.clone(), self.waiting());
            self.context.log(&notice);
        }
    }

    fn count_failure(&self, failure: &Failure) {
        let mut queue = self.context.outbox.queue();
        let now = Instant::now();
        queue.update_report(&self.notifier.name, |report| {
            report.record_failure(failure.code.clone(), &failure.message, now)
        });
    }

    /// Records that the receiver accepted a request.
    fn record_success(&mut self) {
        self.backoff.reset();
        self.failures = FailureScope::None;
        let mut queue = self.context.outbox.queue();
        queue.update_report(&self.notifier.name, |report| report.failing = None);
        drop(queue);
        if self.notices.record_success() {
            let waiting = self.waiting();
            self.context.log(&Notice::Recovered {
                notifier: Arc::clone(&self.notifier.name),
                waiting,
            });
        }
    }

    fn waiting(&self) -> usize {
        self.context.outbox.queue().len(&self.notifier.name)
    }

    fn expire(&mut self) {
        let (name, max_age) = (&self.notifier.name, self.notifier.max_age);
        let changes = self.context.outbox.queue().expire(name, max_age);
        if !changes.is_empty() {
            self.context.persist(changes);
            self.log_loss(DropReason::Expired);
        }
    }

    /// Logs that the queue overflows.
    fn log_overflow(&mut self) {
        let mut overflow = 0;
        let mut queue = self.context.outbox.queue();
        queue.update_report(&self.notifier.name, |report| {
            overflow = report.dropped.get(&DropReason::Full).copied().unwrap_or_default();
        });
        drop(queue);
        if overflow > std::mem::replace(&mut self.seen_overflow, overflow) {
            self.log_loss(DropReason::Full);
        }
    }

    /// Logs a loss once; while it goes on, the metric has the numbers.
    fn log_loss(&mut self, reason: DropReason) {
        if self.notices.record_loss(reason, Instant::now()) {
            self.context.log(&Notice::Dropping {
                notifier: Arc::clone(&self.notifier.name),
                reason,
            });
        }
    }
}
