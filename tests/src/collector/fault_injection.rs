//! A stream wrapper that can break a connection below the protocol that uses it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Neither HTTP/1.1 nor HTTP/2, nor a record of TLS.
const GARBAGE: &[u8] = b"\x00\xff\x13garbage\r\n\r\n\x7f\x00";

/// What happens to a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Plan {
    #[default]
    Whole,
    /// The next bytes are replaced by garbage; then it is closed.
    Garbage,
    /// Half of the next bytes are sent; then it is closed.
    Half,
    Closed,
}

#[derive(Default)]
struct State {
    plan: Plan,
    /// The waker of a pending read, woken when the connection is closed.
    reader: Option<Waker>,
}

/// Breaks the [`FaultyStream`] that was created with it.
#[derive(Clone, Default)]
pub(super) struct FaultInjector(Arc<Mutex<State>>);

impl FaultInjector {
    /// Replaces the next bytes that are sent with garbage, then closes.
    pub(super) fn garble(&self) {
        self.plan(Plan::Garbage);
    }

    /// Sends only half of the next bytes, then closes.
    pub(super) fn halve(&self) {
        self.plan(Plan::Half);
    }

    /// Closes the connection now.
    pub(super) fn close(&self) {
        self.plan(Plan::Closed);
    }

    fn plan(&self, plan: Plan) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.plan = plan;
        if plan == Plan::Closed
            && let Some(reader) = state.reader.take()
        {
            reader.wake();
        }
    }

    fn planned(&self) -> Plan {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).plan
    }

    /// Whether it is closed; otherwise `cx` is woken once it is.
    fn is_closed(&self, cx: &Context<'_>) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.reader = Some(cx.waker().clone());
        state.plan == Plan::Closed
    }
}

/// A stream whose faults a [`FaultInjector`] controls.
pub(super) struct FaultyStream<S> {
    stream: S,
    injector: FaultInjector,
}

impl<S> FaultyStream<S> {
    pub(super) const fn new(stream: S, injector: FaultInjector) -> Self {
        Self { stream, injector }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for FaultyStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.injector.is_closed(cx) {
            return Poll::Ready(Err(closed()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FaultyStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let last = match self.injector.planned() {
            Plan::Whole => return Pin::new(&mut self.stream).poll_write(cx, bytes),
            Plan::Closed => return Poll::Ready(Err(closed())),
            Plan::Garbage => GARBAGE,
            Plan::Half => bytes.get(..bytes.len().div_ceil(2)).unwrap_or_default(),
        };
        // The bytes are few enough to be written at once or not at all.
        ready!(Pin::new(&mut self.stream).poll_write(cx, last))?;
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.injector.close();
        Poll::Ready(Err(closed()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn closed() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}
