//! Sockets that a peer can close while tasks still use them.

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

/// How long a served connection is read from before it is closed.
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

    /// Closes the socket; later polls find the slot empty.
    pub(super) fn close(&self) {
        let mut slot = lock(&self.0);
        let mut held = held();
        if let Some(socket) = slot.take() {
            held.remove(&socket.as_raw_fd());
            drop(socket);
        }
    }

    /// Lets `operation` poll the socket; `None` when it has been closed.
    pub(super) fn poll<R>(&self, operation: impl FnOnce(&mut T) -> Poll<R>) -> Poll<Option<R>> {
        match lock(&self.0).as_mut() {
            Some(socket) => operation(socket).map(Some),
            None => Poll::Ready(None),
        }
    }

    /// A key that is unique among all live slots.
    fn key(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The open connections of one peer.
pub(super) struct ConnectionRegistry {
    pub(super) counts: watch::Sender<Counts>,
    /// `None` once the peer is closed: a connection accepted meanwhile is dropped.
    slots: Mutex<Option<HashMap<usize, Slot<TcpStream>>>>,
}

impl Default for ConnectionRegistry {
    fn default() -> Self {
        Self {
            counts: watch::Sender::default(),
            slots: Mutex::new(Some(HashMap::new())),
        }
    }
}

impl ConnectionRegistry {
    /// Accepts the next connection; `None` when the peer is closed.
    pub(super) async fn accept(
        self: &Arc<Self>,
        listener: &Slot<TcpListener>,
    ) -> Option<io::Result<Connection>> {
        // The connection is registered while the listener is locked, so that no close can happen in between.
        let accept = |cx: &mut Context<'_>| {
            listener.poll(|listener| {
                let accepted = ready!(poll_accept(listener, cx));
                Poll::Ready(accepted.map(|stream| self.register(stream)))
            })
        };
        let entered = poll_fn(accept).await?;
        self.counts
            .send_modify(|counts| counts.accepted += usize::from(entered.is_ok()));
        entered.transpose()
    }

    /// Registers a connection, so that it is closed with the peer.
    fn register(self: &Arc<Self>, stream: TcpStream) -> Option<Connection> {
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
        Some(Connection {
            slot,
            registry: self.clone(),
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

/// One connection of a peer. It is closed on drop, and immediately when its peer is dropped.
pub struct Connection {
    slot: Slot<TcpStream>,
    registry: Arc<ConnectionRegistry>,
}

impl Connection {
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
                // Of all kinds of readiness, only the end of the stream stays in this set.
                let mut end = pin!(stream.ready(Interest::PRIORITY));
                if end
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()))
                    .is_ready()
                {
                    return Poll::Ready(());
                }
                // Clear the read readiness, so that the next poll waits for a new event.
                let _forgotten = stream.try_io(Interest::READABLE, || {
                    Err::<(), _>(io::ErrorKind::WouldBlock.into())
                });
            }
        });
        polled.map(|_| ())
    }

    /// Registers `stream`, opened by this connection's task, so that it is closed with the peer as well.
    ///
    /// # Errors
    /// When the peer is closed already.
    pub fn adopt(&self, stream: TcpStream) -> io::Result<Self> {
        self.registry.register(stream).ok_or_else(gone)
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

impl Drop for Connection {
    fn drop(&mut self) {
        // Close before updating the counters: observers rely on it.
        self.slot.close();
        if let Some(slots) = lock(&self.registry.slots).as_mut() {
            slots.remove(&self.slot.key());
        }
        self.registry.counts.send_modify(|counts| counts.open -= 1);
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(self.poll_io(|stream| stream.poll_read(cx, buffer)))?;
        let read = (buffer.filled().len() - before) as u64;
        self.registry.counts.send_modify(|counts| counts.received += read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
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

/// Lingering close: reads what still arrives for a moment. With unread bytes the kernel would reset the connection, and
/// the client would see either the end of the response or a reset.
pub(super) async fn linger<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let reading = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await
    };
    let _late = time::timeout(LINGER, reading).await;
}
