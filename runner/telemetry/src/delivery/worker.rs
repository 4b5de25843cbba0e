//! The export worker of a signal: sends one request at a time, oldest first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::export_result::ExportResult;
use super::queue::Next;
use super::request_id::RequestId;
use super::sink::Sink;
use super::store::Store;
use crate::signal::Signal;
use canary_system::backoff::{Backoff, Policy};
use canary_system::liveness::{Progress, STALL};

/// For a collector that does not accept requests. It may request up to 5 min, since everything waits on disk meanwhile.
pub(super) const BACKOFF: Policy = Policy::new(Duration::from_secs(1), Duration::from_secs(30))
    .with_jitter()
    .with_max_requested(Duration::from_secs(5 * 60));

/// The state shared by the workers and by `append` and `push`.
#[derive(Debug)]
pub(super) struct Shared {
    /// Workers and callers run on one thread and never hold it across an await, so there is no contention.
    store: Mutex<Store>,
    /// One for each worker.
    wakeups: BTreeMap<Signal, Notify>,
    completed: Notify,
}

impl Shared {
    pub(super) fn new(store: Store, signals: impl Iterator<Item = Signal>) -> Self {
        Self {
            store: Mutex::new(store),
            wakeups: signals.map(|signal| (signal, Notify::new())).collect(),
            completed: Notify::new(),
        }
    }

    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        // After a panic, a count is off by one request at worst.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes a worker, unless it is backing off.
    pub(super) fn wake(&self, signal: Signal) {
        if let Some(wakeups) = self.wakeups.get(&signal) {
            wakeups.notify_one();
        }
    }

    pub(super) fn wake_all(&self) {
        self.wakeups.values().for_each(Notify::notify_one);
    }

    /// Waits until there is nothing more to send, or no reachable collector to send it to.
    ///
    /// Cancellation: nothing is lost.
    pub(super) async fn wait_idle(&self) {
        loop {
            let completed = self.completed.notified();
            if self.store().is_idle() {
                return;
            }
            completed.await;
        }
    }

    /// Waits until there is room for the next request of a signal's series.
    ///
    /// Cancellation: nothing is lost.
    pub(super) async fn wait_for_room(&self, signal: Signal) {
        loop {
            let completed = self.completed.notified();
            if self.store().has_room(signal) {
                return;
            }
            completed.await;
        }
    }

    async fn wait_for_wakeup(&self, signal: Signal) {
        match self.wakeups.get(&signal) {
            Some(wakeups) => wakeups.notified().await,
            None => std::future::pending().await,
        }
    }
}

/// The export task of one signal.
#[derive(Debug)]
pub(super) struct ExportWorker {
    signal: Signal,
    sink: Sink,
    backoff: Backoff,
    shared: Arc<Shared>,
    progress: Progress,
}

impl ExportWorker {
    pub(super) fn new(signal: Signal, sink: Sink, shared: Arc<Shared>, progress: Progress) -> Self {
        Self {
            signal,
            sink,
            backoff: Backoff::new(BACKOFF),
            shared,
            progress,
        }
    }

    /// Sends requests forever.
    ///
    /// Cancellation: a request in flight is sent again by the next user of the store or the spool.
    pub(super) async fn run(mut self) {
        loop {
            let next = self.shared.store().next(self.signal);
            match next {
                Next::Send(id, request) => {
                    self.progress.working("exporting", self.sink.timeout() + STALL);
                    let result = self.sink.export(request).await;
                    self.progress.idle();
                    self.complete(id, result).await;
                }
                Next::Wait(until) => {
                    self.progress.idle();
                    let due = async {
                        match until {
                            Some(until) => sleep_until(until).await,
                            None => std::future::pending().await,
                        }
                    };
                    tokio::select! {
                        () = due => {}
                        () = self.shared.wait_for_wakeup(self.signal) => {}
                    }
                }
            }
        }
    }

    /// Records a result and waits for the backoff.
    async fn complete(&mut self, id: RequestId, result: ExportResult) {
        let retry = match &result {
            ExportResult::Retry { after, .. } => Some(*after),
            ExportResult::Accepted { .. }
            | ExportResult::Rejected { .. }
            | ExportResult::TooLarge { .. }
            | ExportResult::Refused { .. } => None,
        };
        self.shared.store().complete(self.signal, id, result);
        self.shared.completed.notify_waiters();
        match retry {
            Some(requested) => sleep_until(self.backoff.record_failure(requested, Instant::now())).await,
            None => {
                self.backoff.reset();
                // A backlog for a fast sink must not monopolise the thread.
                tokio::task::yield_now().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(backoff: &mut Backoff, requested: Option<Duration>) -> Duration {
        let now = Instant::now();
        backoff.record_failure(requested, now) - now
    }

    #[test]
    fn waits_double_up_to_half_a_minute_and_start_anew_after_a_success() {
        let is_about = |wait: Duration, whole: u64| {
            let whole = Duration::from_secs(whole);
            (whole / 2..=whole).contains(&wait)
        };
        let mut backoff = Backoff::new(BACKOFF);
        for whole in [1, 2, 4, 8, 16, 30, 30] {
            let wait = wait(&mut backoff, None);
            assert!(is_about(wait, whole), "{wait:?} is not about {whole} s");
        }
        for _ in 0..100 {
            assert!(is_about(wait(&mut backoff, None), 30));
        }
        backoff.reset();
        assert!(is_about(wait(&mut backoff, None), 1));
    }

    #[test]
    fn a_collector_is_given_the_time_it_asks_for_within_reason() {
        let wait = |seconds| wait(&mut Backoff::new(BACKOFF), Some(Duration::from_secs(seconds)));
        assert_eq!(wait(7), Duration::from_secs(7));
        assert_eq!(wait(0), Duration::from_secs(1));
        assert_eq!(wait(86_400), Duration::from_secs(300));
    }
}
