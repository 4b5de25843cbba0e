//! A leased connection, plain or TLS, that knows when bytes moved.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::NetError;
use super::tls::{self, Secured};
use crate::ledger::{LeasedStream, Refusal};
use crate::record::{Channel, Content, Layer};

/// Plain TCP, or TLS on it.
#[derive(Debug)]
pub enum Transport {
    /// TCP.
    Plain(LeasedStream),
    /// TLS on TCP.
    Tls(Box<Secured>),
}

impl Transport {
    /// The connection underneath.
    #[must_use]
    pub fn tcp(&self) -> &LeasedStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0.inner(),
        }
    }

    /// The connection's part of the run's conversation, where that is wanted.
    pub(super) fn channel(&self) -> Option<&Channel> {
        self.tcp().channel()
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
        if let Some(channel) = this.channel() {
            let new = buffer.filled().get(before..).unwrap_or_default();
            channel.received(Layer::Tls, Content::Dialogue, new);
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
        if let (Poll::Ready(Ok(written)), Some(channel)) = (&polled, this.channel()) {
            channel.sent(
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

/// When an exchange's bytes moved, seen from outside while a protocol library owns the stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Moments {
    pub(super) last_write: Option<Instant>,
    pub(super) first_read: Option<Instant>,
    /// Why the stream ended, of which protocol libraries make errors of their own: TLS failed, or a quota is used up.
    pub(super) failure: Option<NetError>,
}

/// A stream that notes its [`Moments`].
#[derive(Debug)]
pub(super) struct Timed {
    transport: Transport,
    moments: Arc<Mutex<Moments>>,
}

impl Timed {
    /// A peer that refuses something and goes leaves an alert that can still be read.
    fn look_for_alert(&mut self, cx: &mut Context<'_>) {
        let mut byte = [0];
        let read = Pin::new(&mut self.transport).poll_read(cx, &mut ReadBuf::new(&mut byte));
        if let Poll::Ready(read) = read {
            // Nobody is there who could make anything of what was read.
            drop(self.note(read));
        }
    }

    pub(super) fn new(transport: Transport, moments: Arc<Mutex<Moments>>) -> Self {
        Self { transport, moments }
    }
}

pub(super) fn read(moments: &Mutex<Moments>) -> Moments {
    moments.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Timed {
    /// Keeps what TLS or the ledger says of a failure.
    fn note<T>(&self, done: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &done {
            let refusal = Refusal::find(error).map(NetError::from);
            let failure = refusal.or_else(|| tls::find_failure(error).map(NetError::Tls));
            let mut moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
            moments.failure = moments.failure.take().or(failure);
        }
        done
    }
}

impl AsyncRead for Timed {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut this.transport).poll_read(cx, buffer));
        this.note(read)?;
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
        let written = ready!(Pin::new(&mut this.transport).poll_write(cx, bytes));
        let written = this.note(written);
        if written.is_err() {
            this.look_for_alert(cx);
        }
        let written = written?;
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
