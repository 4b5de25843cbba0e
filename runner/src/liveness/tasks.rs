//! Tasks that live for long, beside each other on one runtime.

use std::future::Future;

use tokio::task::JoinSet;

use super::Progress;

/// Tasks that end with this value. Each has a [`Progress`] of its own, so that one that panics or hangs is noticed.
#[derive(Debug, Default)]
pub struct Tasks(JoinSet<()>);

impl Tasks {
    /// Starts a task on the current runtime.
    pub fn spawn<F>(&mut self, progress: Progress, work: impl FnOnce(Progress) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.spawn(work(progress));
    }

    /// Waits until every task has ended; one that panicked has ended as well.
    ///
    /// Cancellation: the tasks go on.
    pub async fn join(&mut self) {
        while self.0.join_next().await.is_some() {}
    }

    /// Ends every task at its next await, and waits for that.
    pub async fn shutdown(&mut self) {
        self.0.shutdown().await;
    }

    /// Ends every task at its next await.
    pub fn abort_all(&mut self) {
        self.0.abort_all();
    }
}
