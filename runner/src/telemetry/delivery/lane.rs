//! One signal's way to its collector: one request at a time, oldest first.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{sleep, sleep_until};

use super::answer::Answer;
use super::backoff::Backoff;
use super::outlet::Outlet;
use super::queue::Next;
use super::stamp::Stamp;
use super::store::Store;
use crate::liveness::{Progress, STALL};
use crate::telemetry::settings::Signal;

/// What the lanes and the two ways in have in common.
#[derive(Debug)]
pub(super) struct Shared {
    /// Lanes and callers are on one thread and hold it between two awaits only, so that nobody ever waits for it.
    store: Mutex<Store>,
    /// One for each lane.
    news: BTreeMap<Signal, Notify>,
    concluded: Notify,
}

impl Shared {
    pub(super) fn new(store: Store, signals: impl Iterator<Item = Signal>) -> Self {
        Self {
            store: Mutex::new(store),
            news: signals.map(|signal| (signal, Notify::new())).collect(),
            concluded: Notify::new(),
        }
    }

    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        // A panic in the middle leaves a count that is off by one request at worst.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a lane look again, unless it leaves its collector alone for a while.
    pub(super) fn wake(&self, signal: Signal) {
        if let Some(news) = self.news.get(&signal) {
            news.notify_one();
        }
    }

    pub(super) fn wake_all(&self) {
        self.news.values().for_each(Notify::notify_one);
    }

    /// Ends when there is nothing more to send, or nobody to send it to.
    ///
    /// Cancellation: nothing is lost.
    pub(super) async fn settled(&self) {
        loop {
            let concluded = self.concluded.notified();
            if self.store().is_settled() {
                return;
            }
            concluded.await;
        }
    }

    /// Ends when there is room for the next request of a signal's series.
    ///
    /// Cancellation: nothing is lost.
    pub(super) async fn room(&self, signal: Signal) {
        loop {
            let concluded = self.concluded.notified();
            if self.store().has_room(signal) {
                return;
            }
            concluded.await;
        }
    }

    async fn news_of(&self, signal: Signal) {
        match self.news.get(&signal) {
            Some(news) => news.notified().await,
            None => std::future::pending().await,
        }
    }
}

/// The task of one signal.
#[derive(Debug)]
pub(super) struct Lane {
    signal: Signal,
    outlet: Outlet,
    backoff: Backoff,
    shared: Arc<Shared>,
    progress: Progress,
}

impl Lane {
    pub(super) fn new(signal: Signal, outlet: Outlet, shared: Arc<Shared>, progress: Progress) -> Self {
        Self {
            signal,
            outlet,
            backoff: Backoff::default(),
            shared,
            progress,
        }
    }

    /// Sends for ever.
    ///
    /// Cancellation: what was on its way is sent again by whoever takes over the store or the spool.
    pub(super) async fn run(mut self) {
        loop {
            let next = self.shared.store().next(self.signal);
            match next {
                Next::Send(stamp, request) => {
                    self.progress.working("exporting", self.outlet.timeout() + STALL);
                    let answer = self.outlet.export(request).await;
                    self.progress.idle();
                    self.conclude(stamp, answer).await;
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
                        () = self.shared.news_of(self.signal) => {}
                    }
                }
            }
        }
    }

    /// Takes note of an answer, and leaves the collector alone for as long as that says.
    async fn conclude(&mut self, stamp: Stamp, answer: Answer) {
        let wait = match &answer {
            Answer::Later { after, .. } => Some(self.backoff.after_failure(*after)),
            Answer::Accepted { .. }
            | Answer::Rejected { .. }
            | Answer::TooLarge { .. }
            | Answer::Refused { .. } => {
                self.backoff.reset();
                None
            }
        };
        self.shared.store().conclude(self.signal, stamp, answer);
        self.shared.concluded.notify_waiters();
        match wait {
            Some(wait) => sleep(wait).await,
            // A backlog for a fast outlet must not keep the thread for itself.
            None => tokio::task::yield_now().await,
        }
    }
}
