//! Measures how long a client has blocked its response: the time in which there was data to send and the client
//! accepted none.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// The total time that a client has blocked its response. Cheap to clone; clones share the measurement.
#[derive(Debug, Clone, Default)]
pub(super) struct BlockedTime(Arc<Mutex<Times>>);

#[derive(Debug, Default)]
struct Times {
    before: Duration,
    /// Since when the client accepts no data; absent while it does.
    since: Option<Instant>,
}

impl BlockedTime {
    pub(super) fn time(&self) -> Duration {
        let times = self.times();
        times.before + times.since.map(|since| since.elapsed()).unwrap_or_default()
    }

    pub(super) fn begin(&self) {
        self.times().since.get_or_insert_with(Instant::now);
    }

    fn end(&self) {
        let mut times = self.times();
        if let Some(since) = times.since.take() {
            times.before += since.elapsed();
        }
    }

    fn record<T>(&self, poll: Poll<T>) -> Poll<T> {
        match poll {
            Poll::Pending => self.begin(),
            Poll::Ready(_) => self.end(),
        }
        poll
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        // A critical section is a few assignments and cannot leave the times inconsistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that measures how long its writes are blocked.
pub(super) struct TimedStream<S> {
    pub(super) stream: S,
    pub(super) blocked: BlockedTime,
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, blocked } = self.get_mut();
        blocked.record(Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, blocked } = self.get_mut();
        blocked.record(Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, blocked } = self.get_mut();
        blocked.record(Pin::new(stream).poll_shutdown(context))
    }
}
