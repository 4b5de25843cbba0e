//! A connection at work, without a task of its own: it is polled while something of it is awaited.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::stream::{FuturesUnordered, StreamExt};
use hyper::rt::Executor;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A connection that HTTP's library drives. Nothing happens on it but while something is awaited beside it; dropping it
/// closes the socket.
pub(super) struct Driver(Option<Task>);

impl Driver {
    /// Of a connection that goes on until `sender`, which requests are sent with, is dropped.
    pub(super) fn new(sender: impl Send + 'static, connection: impl Future + Send + 'static) -> Self {
        Self(Some(Box::pin(async move {
            let _sender = sender;
            drop(connection.await);
        })))
    }

    /// Waits for something that comes over the connection.
    ///
    /// Cancellation: nothing is lost that a later wait would want.
    pub(super) async fn beside<T>(&mut self, awaited: impl Future<Output = T>) -> T {
        let mut awaited = pin!(awaited);
        if let Some(connection) = &mut self.0 {
            tokio::select! {
                biased;
                came = &mut awaited => return came,
                // A connection that is over has reported it to what is awaited, or left its answer there.
                () = connection.as_mut() => {}
            }
            self.0 = None;
        }
        awaited.await
    }
}

/// Runs what HTTP/2 would spawn inside the exchange that needs it.
#[derive(Clone, Default)]
pub(super) struct Inline {
    started: Arc<Mutex<Vec<Task>>>,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Inline {
    fn execute(&self, task: F) {
        self.started
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Box::pin(task));
    }
}

impl Inline {
    /// Never ends by itself: the exchange ends it.
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
