//! What reaches a target: a TCP connection, or a TLS session with a proxy.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use super::NetError;
use super::error::ProxyFailure;
use crate::ledger::LeasedStream;
use crate::tls::explain::find_failure;
use crate::tls::sniffed::SniffedStream;
use canary_record::{ConnectionLog, Content, Layer};

/// A byte stream to a target, on which TLS with the target may begin.
#[derive(Debug)]
pub enum Carrier {
    /// TCP, to the target or to a proxy.
    Tcp(LeasedStream),
    /// A TLS session with a proxy.
    Proxy(Box<ProxySession>),
}

/// A TLS session on a leased connection, or within a session with a proxy.
pub(crate) type TlsConnection = TlsStream<SniffedStream<Carrier>>;

/// A TLS session with a proxy.
#[derive(Debug)]
pub struct ProxySession {
    stream: TlsConnection,
    /// Such as ``the proxy `https://proxy.test:443` ``.
    proxy: String,
}

impl Carrier {
    /// Sends and receives in a TLS session with a proxy; `proxy` describes it in errors.
    pub(super) fn proxy(stream: TlsConnection, proxy: String) -> Self {
        if let Some(connection_log) = stream.get_ref().0.inner().tcp().connection_log() {
            connection_log.set_layer(Layer::Proxy);
        }
        Self::Proxy(Box::new(ProxySession { stream, proxy }))
    }

    /// The underlying TCP connection.
    #[must_use]
    pub fn tcp(&self) -> &LeasedStream {
        match self {
            Self::Tcp(stream) => stream,
            Self::Proxy(session) => session.stream.get_ref().0.inner().tcp(),
        }
    }

    /// The connection's part of the run's conversation, if that is recorded.
    pub(super) fn connection_log(&self) -> Option<&ConnectionLog> {
        self.tcp().connection_log()
    }
}

impl ProxySession {
    /// Attributes errors of TLS itself to the proxy. A connection that ends may be the target's.
    fn attribute<T>(&self, done: io::Result<T>) -> io::Result<T> {
        done.map_err(|error| match find_failure(&error) {
            Some(reason) => {
                let failure = NetError::Tls(reason).into_own_failure(&self.proxy);
                io::Error::other(ProxyFailure(failure))
            }
            None => error,
        })
    }
}

impl AsyncRead for Carrier {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let session = match self.get_mut() {
            Self::Tcp(stream) => return Pin::new(stream).poll_read(cx, buffer),
            Self::Proxy(session) => session,
        };
        let before = buffer.filled().len();
        let polled = Pin::new(&mut session.stream).poll_read(cx, buffer);
        if let Some(connection_log) = session.stream.get_ref().0.inner().connection_log() {
            let new = buffer.filled().get(before..).unwrap_or_default();
            connection_log.received(Layer::Proxy, Content::Dialogue, new);
        }
        polled.map(|read| session.attribute(read))
    }
}

impl AsyncWrite for Carrier {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let session = match self.get_mut() {
            Self::Tcp(stream) => return Pin::new(stream).poll_write(cx, bytes),
            Self::Proxy(session) => session,
        };
        let polled = Pin::new(&mut session.stream).poll_write(cx, bytes);
        let connection_log = session.stream.get_ref().0.inner().connection_log();
        if let (Poll::Ready(Ok(written)), Some(connection_log)) = (&polled, connection_log) {
            let sent = bytes.get(..*written).unwrap_or(bytes);
            connection_log.sent(Layer::Proxy, Content::Dialogue, sent);
        }
        polled.map(|written| session.attribute(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Proxy(session) => {
                let flushed = Pin::new(&mut session.stream).poll_flush(cx);
                flushed.map(|flushed| session.attribute(flushed))
            }
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Proxy(session) => Pin::new(&mut session.stream).poll_shutdown(cx),
        }
    }
}
