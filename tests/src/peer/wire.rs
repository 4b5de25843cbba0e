//! Sockets that can be taken away from the tasks that use them.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::os::fd::AsRawFd;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, Interest, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time;

use super::Counts;
use super::descriptors::held;

/// How long a connection that has been served is read from before it is closed.
const LINGER: Duration = Duration::from_secs(1);

/// A socket shared between the task that uses it and the peer that may close it at any moment.
pub(super) struct Slot<T>(Arc<Mutex<Option<T>>>);

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: AsRawFd> Slot<T> {
    pub(super) fn new(socket: T) -> Self {
        held().insert(socket.as_raw_fd());
        Self(Arc::new(Mutex::new(Some(socket))))
    }

    /// Closes the socket; what is polled later finds the slot empty.
    pub(super) fn close(&self) {
        let mut slot = lock(&self.0);
        let mut held = held();
        if let Some(socket) = slot.take() {
            held.remove(&socket.as_raw_fd());
            drop(socket);
        }
    }

    /// Lets `operation` poll the socket; `None` when it has been taken away.
    pub(super) fn poll<R>(&self, operation: impl FnOnce(&mut T) -> Poll<R>) -> Poll<Option<R>> {
        match lock(&self.0).as_mut() {
            Some(socket) => operation(socket).map(Some),
            None => Poll::Ready(None),
        }
    }

    /// Tells this slot from every other one that is alive.
    fn key(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// All connections of one peer.
pub(super) struct Switchboard {
    pub(super) counts: watch::Sender<Counts>,
    /// `None` once the peer is closed: a connection accepted meanwhile is dropped.
    slots: Mutex<Option<HashMap<usize, Slot<TcpStream>>>>,
}

impl Default for Switchboard {
    fn default() -> Self {
        Self {
            counts: watch::Sender::default(),
            slots: Mutex::new(Some(HashMap::new())),
        }
    }
}

impl Switchboard {
    /// Accepts the next connection; `None` when the peer is closed.
    pub(super) async fn accept(self: &Arc<Self>, listener: &Slot<TcpListener>) -> Option<io::Result<Wire>> {
        // The connection is entered while the listener is locked, so that no close can slip in between.
        let accept = |cx: &mut Context<'_>| {
            listener.poll(|listener| {
                let accepted = ready!(poll_accept(listener, cx));
                Poll::Ready(accepted.map(|stream| self.enter(stream)))
            })
        };
        let entered = poll_fn(accept).await?;
        self.counts
            .send_modify(|counts| counts.accepted += usize::from(entered.is_ok()));
        entered.transpose()
    }

    /// Enters any connection, so that it is closed with the peer.
    fn enter(self: &Arc<Self>, stream: TcpStream) -> Option<Wire> {
        let slot = Slot::new(stream);
        match lock(&self.slots).as_mut() {
            Some(slots) => slots.insert(slot.key(), slot.clone()),
            None => {
                slot.close();
                return None;
            }
        };
        self.counts.send_modify(|counts| {
            counts.open += 1;
            counts.most_open = counts.most_open.max(counts.open);
        });
        Some(Wire {
            slot,
            switchboard: self.clone(),
        })
    }

    /// Closes every connection, for good.
    pub(super) fn close(&self) {
        let slots = lock(&self.slots).take().unwrap_or_default();
        slots.values().for_each(Slot::close);
    }
}

fn poll_accept(listener: &TcpListener, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
    let mut held = held();
    let (stream, _) = ready!(listener.poll_accept(cx))?;
    held.insert(stream.as_raw_fd());
    Poll::Ready(Ok(stream))
}

/// One connection of a peer. It ends when it is dropped, and at once when its peer is.
pub struct Wire {
    slot: Slot<TcpStream>,
    switchboard: Arc<Switchboard>,
}

impl Wire {
    /// Ends the connection with a reset instead of an orderly close.
    ///
    /// # Errors
    /// When the socket is closed already.
    pub fn reset(self) -> io::Result<()> {
        match self.slot.poll(|stream| Poll::Ready(stream.set_zero_linger())) {
            Poll::Ready(Some(result)) => result,
            _ => Err(gone()),
        }
    }

    /// Waits until the client has closed its side, without reading what it sent.
    pub async fn closed(&self) {
        poll_fn(|cx| self.poll_closed(cx)).await;
    }

    fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        let polled = self.slot.poll(|stream| {
            loop {
                let _readable = ready!(stream.poll_read_ready(cx));
                // Of all kinds of readiness, the end of the stream is the only one that stays in this set.
                let mut end = pin!(stream.ready(Interest::PRIORITY));
                if end
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()))
                    .is_ready()
                {
                    return Poll::Ready(());
                }
                // Forget that there is something to read, so that the next poll waits for news.
                let _forgotten = stream.try_io(Interest::READABLE, || {
                    Err::<(), _>(io::ErrorKind::WouldBlock.into())
                });
            }
        });
        polled.map(|_| ())
    }

    /// Enters `stream`, opened by this connection's task, so that it is closed with the peer as well.
    ///
    /// # Errors
    /// When the peer is closed already.
    pub fn adopt(&self, stream: TcpStream) -> io::Result<Self> {
        self.switchboard.enter(stream).ok_or_else(gone)
    }

    fn poll_io<R>(
        &self,
        operation: impl FnOnce(Pin<&mut TcpStream>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        let polled = self.slot.poll(|stream| operation(Pin::new(stream)));
        polled.map(|result| result.unwrap_or_else(|| Err(gone())))
    }
}

fn gone() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

impl Drop for Wire {
    fn drop(&mut self) {
        // Close before counting: who sees the count may rely on it.
        self.slot.close();
        if let Some(slots) = lock(&self.switchboard.slots).as_mut() {
            slots.remove(&self.slot.key());
        }
        self.switchboard.counts.send_modify(|counts| counts.open -= 1);
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(self.poll_io(|stream| stream.poll_read(cx, buffer)))?;
        let read = (buffer.filled().len() - before) as u64;
        self.switchboard
            .counts
            .send_modify(|counts| counts.received += read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_io(|stream| stream.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_io(|stream| stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_io(|stream| stream.poll_shutdown(cx))
    }
}

/// Closes as servers do that want their last words heard: what still comes is read, for with unread bytes the kernel
/// resets the connection, and the client sees an end or a reset by chance.
pub(super) async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let reading = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
    };
    let _late = time::timeout(LINGER, reading).await;
}
