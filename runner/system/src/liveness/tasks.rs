//! Long-lived tasks that run concurrently on one runtime.

use std::future::Future;

use tokio::task::JoinSet;

use super::Progress;

/// A set of tasks that are aborted on drop. Each has a [`Progress`] of its own, so that one that panics or hangs is
/// detected.
#[derive(Debug, Default)]
pub struct Tasks(JoinSet<()>);

impl Tasks {
    /// Spawns a task on the current runtime.
    pub fn spawn<F>(&mut self, progress: Progress, work: impl FnOnce(Progress) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.spawn(work(progress));
    }

    /// Waits until every task has ended, including by a panic.
    ///
    /// Cancellation: the tasks continue.
    pub async fn join(&mut self) {
        while self.0.join_next().await.is_some() {}
    }

    /// Aborts every task and waits until they have ended.
    pub async fn shutdown(&mut self) {
        self.0.shutdown().await;
    }

    /// Aborts every task.
    pub fn abort_all(&mut self) {
        self.0.abort_all();
    }
}
