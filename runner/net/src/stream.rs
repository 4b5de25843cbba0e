//! A connection to a target, plain or TLS, that records when bytes are transferred.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::NetError;
use super::carrier::{Carrier, TlsConnection};
use super::error::ProxyFailure;
use super::tls::explain::find_failure;
use crate::ledger::{LeasedStream, Refusal};
use canary_record::{ConnectionLog, Content, Layer};

/// Plain text, or TLS with the target.
#[derive(Debug)]
pub enum Transport {
    /// Without TLS.
    Plain(Carrier),
    /// With TLS.
    Tls(Box<TlsConnection>),
}

impl Transport {
    /// The underlying TCP connection.
    #[must_use]
    pub fn tcp(&self) -> &LeasedStream {
        match self {
            Self::Plain(stream) => stream.tcp(),
            Self::Tls(stream) => stream.get_ref().0.inner().tcp(),
        }
    }

    /// The connection's part of the run's conversation, if that is recorded.
    pub(super) fn connection_log(&self) -> Option<&ConnectionLog> {
        self.tcp().connection_log()
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let this = self.get_mut();
        let stream = match this {
            Self::Plain(stream) => return Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => stream,
        };
        let polled = Pin::new(stream).poll_read(cx, buffer);
        if let Some(connection_log) = this.connection_log() {
            let new = buffer.filled().get(before..).unwrap_or_default();
            connection_log.received(Layer::Tls, Content::Dialogue, new);
        }
        polled
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let stream = match this {
            Self::Plain(stream) => return Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => stream,
        };
        let polled = Pin::new(stream).poll_write(cx, bytes);
        if let (Poll::Ready(Ok(written)), Some(connection_log)) = (&polled, this.connection_log()) {
            connection_log.sent(
                Layer::Tls,
                Content::Dialogue,
                bytes.get(..*written).unwrap_or(bytes),
            );
        }
        polled
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// Timestamps of the I/O of an exchange, observable while a protocol library owns the stream.
#[derive(Debug, Clone, Default)]
pub(super) struct IoTimestamps {
    pub(super) last_write: Option<Instant>,
    pub(super) first_read: Option<Instant>,
    /// Why the stream failed, which protocol libraries hide in errors of their own: TLS failed, a quota is exhausted, or
    /// the peer reset the connection.
    pub(super) failure: Option<NetError>,
}

impl IoTimestamps {
    /// Replaces a protocol library's error by the stream's own failure, if there is one.
    pub(super) fn prefer_failure(&self, error: NetError) -> NetError {
        match (error, &self.failure) {
            (
                NetError::Protocol(_) | NetError::Closed | NetError::Reset | NetError::Other(_),
                Some(failure),
            ) => failure.clone(),
            (error, _) => error,
        }
    }
}

/// A stream that records [`IoTimestamps`].
#[derive(Debug)]
pub(super) struct TimedStream {
    transport: Transport,
    timestamps: Arc<Mutex<IoTimestamps>>,
}

impl TimedStream {
    /// Reads a TLS alert that a peer may have sent before it closed the connection.
    fn read_alert(&mut self, cx: &mut Context<'_>) {
        let mut byte = [0];
        let read = Pin::new(&mut self.transport).poll_read(cx, &mut ReadBuf::new(&mut byte));
        if let Poll::Ready(read) = read {
            // The caller has no use for the read itself.
            drop(self.record_failure(read));
        }
    }

    pub(super) fn new(transport: Transport, timestamps: Arc<Mutex<IoTimestamps>>) -> Self {
        Self {
            transport,
            timestamps,
        }
    }
}

pub(super) fn snapshot_of(timestamps: &Mutex<IoTimestamps>) -> IoTimestamps {
    timestamps.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl TimedStream {
    /// Records a failure reported by TLS, the ledger or the kernel. The kernel reports a reset once; a library that meets
    /// it between two steps of its own only finds that the connection is over.
    fn record_failure<T>(&self, done: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &done {
            let refusal = Refusal::find(error).map(NetError::from);
            let failure = refusal
                .or_else(|| ProxyFailure::find(error))
                .or_else(|| find_failure(error).map(NetError::Tls))
                .or_else(|| is_reset(error).then_some(NetError::Reset));
            let mut timestamps = self.timestamps.lock().unwrap_or_else(PoisonError::into_inner);
            timestamps.failure = timestamps.failure.take().or(failure);
        }
        done
    }
}

/// Whether the kernel reported a reset. An error with a text of its own says more.
fn is_reset(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionReset && error.get_ref().is_none()
}

impl AsyncRead for TimedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut this.transport).poll_read(cx, buffer));
        this.record_failure(read)?;
        if buffer.filled().len() > before {
            let mut timestamps = this.timestamps.lock().unwrap_or_else(PoisonError::into_inner);
            // Data that arrives before the request is sent, such as HTTP/2 settings, is not a response to it.
            if timestamps.last_write.is_some() {
                timestamps.first_read.get_or_insert_with(Instant::now);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.transport).poll_write(cx, bytes));
        let written = this.record_failure(written);
        if written.is_err() {
            this.read_alert(cx);
        }
        let written = written?;
        let mut timestamps = this.timestamps.lock().unwrap_or_else(PoisonError::into_inner);
        if timestamps.first_read.is_none() {
            timestamps.last_write = Some(Instant::now());
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().transport).poll_shutdown(cx)
    }
}
