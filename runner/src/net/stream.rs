//! A leased connection, plain or TLS, that knows when bytes moved.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use crate::ledger::LeasedStream;

/// Plain TCP, or TLS on it.
#[derive(Debug)]
pub enum Transport {
    /// TCP.
    Plain(LeasedStream),
    /// TLS on TCP.
    Tls(Box<TlsStream<LeasedStream>>),
}

impl Transport {
    /// The connection underneath.
    #[must_use]
    pub fn tcp(&self) -> &LeasedStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
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

/// When an exchange's bytes moved, seen from outside while a protocol library owns the stream.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moments {
    pub(super) last_write: Option<Instant>,
    pub(super) first_read: Option<Instant>,
}

/// A stream that notes its [`Moments`].
#[derive(Debug)]
pub(super) struct Timed {
    transport: Transport,
    moments: Arc<Mutex<Moments>>,
}

impl Timed {
    pub(super) fn new(transport: Transport, moments: Arc<Mutex<Moments>>) -> Self {
        Self { transport, moments }
    }
}

pub(super) fn read(moments: &Mutex<Moments>) -> Moments {
    *moments.lock().unwrap_or_else(PoisonError::into_inner)
}

impl AsyncRead for Timed {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.transport).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            let mut moments = this.moments.lock().unwrap_or_else(PoisonError::into_inner);
            // What comes before a request is sent, such as HTTP/2 settings, is no answer to it.
            if moments.last_write.is_some() {
                moments.first_read.get_or_insert_with(Instant::now);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Timed {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = ready!(Pin::new(&mut this.transport).poll_write(cx, bytes))?;
        let mut moments = this.moments.lock().unwrap_or_else(PoisonError::into_inner);
        if moments.first_read.is_none() {
            moments.last_write = Some(Instant::now());
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
