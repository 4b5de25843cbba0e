//! Limits and inspects the input of an HTTP library: bytes are delivered in batches, so that its queue is drained in
//! between, and what the library does not check is checked here.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::frames::{EmptyResponse, Frames};
use super::head::{Delivered, HeadObserver};

/// Maximum number of bytes delivered in one batch.
const MAX_BATCH: usize = 64 << 10;

/// A stream that delivers its bytes in batches.
#[derive(Debug)]
pub(super) struct InboundStream<S> {
    stream: S,
    /// Bytes delivered in this batch.
    delivered: usize,
    /// For HTTP/1, whose library rejects data that arrives before the request: the reader that waits until something
    /// was sent.
    early: Early,
    /// For HTTP/1.
    head: Option<HeadObserver>,
    /// For HTTP/2.
    opening: Option<HeadObserver>,
    /// A carriage return was read whose meaning depends on the next byte.
    has_return: bool,
    /// The head of the request was sent.
    is_head_sent: bool,
    /// For HTTP/2.
    frames: Option<Frames>,
}

/// How data that arrives before anything was sent is handled.
#[derive(Debug)]
enum Early {
    /// It is left unread; the reader is woken when that changes.
    Held(Option<Waker>),
    /// It is delivered.
    Delivered,
}

impl<S> InboundStream<S> {
    /// Creates a stream for HTTP/1, whose library limits the size of a head.
    pub(super) fn http1(stream: S, head: HeadObserver) -> Self {
        Self {
            stream,
            delivered: 0,
            early: Early::Held(None),
            head: Some(head),
            opening: None,
            has_return: false,
            is_head_sent: false,
            frames: None,
        }
    }

    /// Creates a stream for HTTP/2; `empty` learns how the response ends.
    pub(super) fn http2(stream: S, head: HeadObserver, empty: EmptyResponse) -> Self {
        Self {
            stream,
            delivered: 0,
            early: Early::Delivered,
            head: None,
            opening: Some(head),
            has_return: false,
            is_head_sent: false,
            frames: Some(Frames::new(empty)),
        }
    }
}

impl<S: AsyncRead + Unpin> InboundStream<S> {
    /// Reads for HTTP/1, and passes the bytes to the head observer. No new bytes mean the end of the stream.
    fn poll_head(
        &mut self,
        head: &HeadObserver,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        loop {
            if self.has_return {
                buffer.put_slice(b"\r");
            }
            if buffer.remaining() == 0 {
                self.has_return = false;
                return Poll::Ready(Ok(()));
            }
            let waited = buffer.filled().len();
            let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
            if !matches!(polled, Poll::Ready(Ok(()))) {
                buffer.set_filled(before);
                return polled;
            }
            if buffer.filled().len() == waited {
                self.has_return = false;
                return Poll::Ready(Ok(()));
            }
            let new = buffer.filled_mut().get_mut(before..).unwrap_or_default();
            let passed = head.observe(new);
            self.has_return = passed != Delivered::All;
            if let Delivered::Until(end) = passed {
                buffer.set_filled(before + end);
            }
            if buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for InboundStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Early::Held(reader) = &mut this.early {
            *reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        if this.delivered >= MAX_BATCH {
            this.delivered = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let polled = match this.head.clone() {
            Some(head) => this.poll_head(&head, cx, buffer),
            None => Pin::new(&mut this.stream).poll_read(cx, buffer),
        };
        if polled.is_pending() {
            this.delivered = 0;
        }
        ready!(polled)?;
        let new = buffer.filled().get(before..).unwrap_or_default();
        this.delivered += new.len();
        if let Some(opening) = &this.opening {
            opening.observe_http2(new);
        }
        if let Some(frames) = &mut this.frames {
            frames.inspect(new).map_err(io::Error::other)?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for InboundStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        if let (Poll::Ready(Ok(count)), Some(head)) = (&written, &this.head) {
            let sent = bytes.get(..*count).unwrap_or(bytes);
            head.transcript.sent(sent, &mut this.is_head_sent);
        }
        if written.is_ready()
            && let Early::Held(Some(reader)) = std::mem::replace(&mut this.early, Early::Delivered)
        {
            reader.wake();
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn others_have_their_turn_between_two_portions() {
        let bytes = vec![0; 4 * MAX_BATCH];
        let mut inbound = InboundStream::http1(&bytes[..], HeadObserver::default());
        inbound.early = Early::Delivered;
        let mut taken = Vec::new();
        let mut reading = std::pin::pin!(inbound.read_to_end(&mut taken));
        let mut turns = 0;
        let read = std::future::poll_fn(|cx| {
            turns += 1;
            reading.as_mut().poll(cx)
        });
        assert_eq!(read.await.unwrap(), bytes.len());
        assert!(turns > 3, "{turns}");
    }

    #[tokio::test]
    async fn a_return_is_handed_over_with_the_byte_behind_it() {
        let (near, mut far) = tokio::io::duplex(1);
        let sent = b"HTTP/1.1 200 OK\r\na: b\rc\r\n\r\nbody\r";
        let sending = async move { far.write_all(sent).await };
        let mut inbound = InboundStream::http1(near, HeadObserver::default());
        inbound.early = Early::Delivered;
        let mut taken = Vec::new();
        let (read, sent) = tokio::join!(inbound.read_to_end(&mut taken), sending);
        sent.unwrap();
        assert_eq!(read.unwrap(), taken.len());
        assert_eq!(taken, b"HTTP/1.1 200 OK\r\na: b c\r\n\r\nbody\r");
    }

    #[tokio::test]
    async fn what_comes_before_the_request_is_read_after_it() {
        let (near, mut far) = tokio::io::duplex(64);
        far.write_all(b"HTTP/1.1 503 Busy\r\n\r\n").await.unwrap();
        let (mut reader, mut writer) = tokio::io::split(InboundStream::http1(near, HeadObserver::default()));
        let mut first = [0];
        let mut reading = std::pin::pin!(reader.read_exact(&mut first));
        assert!(futures_util::poll!(&mut reading).is_pending());
        writer.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        reading.await.unwrap();
        assert_eq!(&first, b"H");
    }
}
