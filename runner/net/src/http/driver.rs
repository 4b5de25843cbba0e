//! Drives a connection without a task of its own: it is polled while something that depends on it is awaited.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{FuturesUnordered, StreamExt};
use hyper::rt::Executor;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection owned by the HTTP library. It makes progress only while something is awaited through it; dropping it
/// closes the socket.
pub(super) struct Driver(Option<Task>);

impl Driver {
    /// Drives a connection that lives until `sender`, the handle for sending requests, is dropped.
    pub(super) fn new(sender: impl Send + 'static, connection: impl Future + Send + 'static) -> Self {
        Self(Some(Box::pin(async move {
            let _sender = sender;
            drop(connection.await);
        })))
    }

    /// Awaits something that depends on the connection.
    ///
    /// Cancellation: loses nothing that a later call needs.
    pub(super) async fn drive_until<T>(&mut self, awaited: impl Future<Output = T>) -> T {
        let mut awaited = pin!(awaited);
        if let Some(connection) = &mut self.0 {
            tokio::select! {
                biased;
                output = &mut awaited => return output,
                // A finished connection has already reported its result to the awaited future.
                () = connection.as_mut() => {}
            }
            self.0 = None;
        }
        awaited.await
    }
}

/// An executor that runs the HTTP/2 library's tasks within the exchange that needs them.
#[derive(Clone, Default)]
pub(super) struct InlineExecutor {
    started: Arc<Mutex<Vec<Task>>>,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for InlineExecutor {
    fn execute(&self, task: F) {
        self.started
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Box::pin(task));
    }
}

impl InlineExecutor {
    /// Never completes by itself: the exchange drops it.
    pub(super) async fn run(self) -> Infallible {
        let mut tasks = FuturesUnordered::new();
        std::future::poll_fn(|cx| {
            loop {
                tasks.extend(
                    self.started
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .drain(..),
                );
                match tasks.poll_next_unpin(cx) {
                    std::task::Poll::Ready(Some(())) => {}
                    _ => return std::task::Poll::Pending,
                }
            }
        })
        .await
    }
}
