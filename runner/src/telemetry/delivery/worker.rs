//! The export worker of a signal: sends one request at a time, oldest first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{sleep, sleep_until};

use super::backoff::Backoff;
use super::export_result::ExportResult;
use super::queue::Next;
use super::request_id::RequestId;
use super::sink::Sink;
use super::store::Store;
use crate::liveness::{Progress, STALL};
use crate::telemetry::settings::Signal;

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
            backoff: Backoff::default(),
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
        let wait = match &result {
            ExportResult::Retry { after, .. } => Some(self.backoff.after_failure(*after)),
            ExportResult::Accepted { .. }
            | ExportResult::Rejected { .. }
            | ExportResult::TooLarge { .. }
            | ExportResult::Refused { .. } => {
                self.backoff.reset();
                None
            }
        };
        self.shared.store().complete(self.signal, id, result);
        self.shared.completed.notify_waiters();
        match wait {
            Some(wait) => sleep(wait).await,
            // A backlog for a fast sink must not monopolise the thread.
            None => tokio::task::yield_now().await,
        }
    }
}
