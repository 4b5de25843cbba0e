//! A connection that can be broken from the inside, below whatever protocol is spoken on it.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Neither HTTP/1.1 nor HTTP/2, nor a record of TLS.
const GARBAGE: &[u8] = b"\x00\xff\x13garbage\r\n\r\n\x7f\x00";

/// What becomes of a connection.
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
    /// Who waits for bytes that a closed connection does not have.
    reader: Option<Waker>,
}

/// Breaks the connection that it was made with.
#[derive(Clone, Default)]
pub(super) struct Saboteur(Arc<Mutex<State>>);

impl Saboteur {
    /// The next bytes that it sends are garbage, and its last.
    pub(super) fn garble(&self) {
        self.plan(Plan::Garbage);
    }

    /// The next bytes that it sends are cut in half, and its last.
    pub(super) fn halve(&self) {
        self.plan(Plan::Half);
    }

    /// It ends now.
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

    /// Whether it is closed; if not, `cx` is woken when it is.
    fn is_closed(&self, cx: &Context<'_>) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.reader = Some(cx.waker().clone());
        state.plan == Plan::Closed
    }
}

/// A connection under a saboteur.
pub(super) struct Sabotaged<S> {
    stream: S,
    saboteur: Saboteur,
}

impl<S> Sabotaged<S> {
    pub(super) const fn new(stream: S, saboteur: Saboteur) -> Self {
        Self { stream, saboteur }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Sabotaged<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.saboteur.is_closed(cx) {
            return Poll::Ready(Err(closed()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Sabotaged<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let last = match self.saboteur.planned() {
            Plan::Whole => return Pin::new(&mut self.stream).poll_write(cx, bytes),
            Plan::Closed => return Poll::Ready(Err(closed())),
            Plan::Garbage => GARBAGE,
            Plan::Half => bytes.get(..bytes.len().div_ceil(2)).unwrap_or_default(),
        };
        // They are so few that they leave at once or not at all.
        ready!(Pin::new(&mut self.stream).poll_write(cx, last))?;
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.saboteur.close();
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
