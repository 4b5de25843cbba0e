//! How long a client has kept its answer waiting: the time in which there was something to send, and it took nothing.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// The time that a client has cost so far. Cheap to clone; all clones are of one client.
#[derive(Debug, Clone, Default)]
pub(super) struct Blocked(Arc<Mutex<Times>>);

#[derive(Debug, Default)]
struct Times {
    before: Duration,
    /// Since when it takes nothing; absent while it does.
    since: Option<Instant>,
}

impl Blocked {
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

    fn note<T>(&self, poll: Poll<T>) -> Poll<T> {
        match poll {
            Poll::Pending => self.begin(),
            Poll::Ready(_) => self.end(),
        }
        poll
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        // Every section is a few assignments.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection whose writes are timed.
pub(super) struct Timed<S> {
    pub(super) stream: S,
    pub(super) blocked: Blocked,
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timed<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { stream, blocked } = self.get_mut();
        blocked.note(Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, blocked } = self.get_mut();
        blocked.note(Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { stream, blocked } = self.get_mut();
        blocked.note(Pin::new(stream).poll_shutdown(context))
    }
}
