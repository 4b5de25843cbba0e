//! Limits the input of an HTTP library: bytes are delivered in batches, so that its queue is drained in between, and
//! HTTP/2 header blocks are counted, because they use far more memory than their size.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::head::{Delivered, HeadObserver};

/// Maximum number of bytes delivered in one batch.
const MAX_BATCH: usize = 64 << 10;
/// Maximum number of header blocks per exchange: informational responses, the response itself, its trailers.
const HEADER_BLOCKS: u32 = 64;

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

    /// Creates a stream for HTTP/2.
    pub(super) fn http2(stream: S, head: HeadObserver) -> Self {
        Self {
            stream,
            delivered: 0,
            early: Early::Delivered,
            head: None,
            opening: Some(head),
            has_return: false,
            is_head_sent: false,
            frames: Some(Frames::default()),
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
            frames.count(new).map_err(io::Error::other)?;
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

/// The peer sent more header blocks than an exchange can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the peer sent more than {HEADER_BLOCKS} header blocks")]
struct TooManyHeaders;

/// Size of a frame header in bytes: length, type, flags, stream (RFC 9113, section 4.1).
const FRAME_HEADER: usize = 9;

/// Tracks frame boundaries in a stream of bytes.
#[derive(Debug, Default)]
struct Frames {
    header: [u8; FRAME_HEADER],
    filled: usize,
    /// Remaining bytes of the frame's payload.
    payload: usize,
    header_blocks: u32,
}

impl Frames {
    fn count(&mut self, mut bytes: &[u8]) -> Result<(), TooManyHeaders> {
        while let Some((first, rest)) = bytes.split_first() {
            if self.payload > 0 {
                let skipped = self.payload.min(bytes.len());
                self.payload -= skipped;
                bytes = bytes.get(skipped..).unwrap_or_default();
                continue;
            }
            if let Some(slot) = self.header.get_mut(self.filled) {
                *slot = *first;
            }
            self.filled += 1;
            bytes = rest;
            if self.filled == FRAME_HEADER {
                self.begin()?;
            }
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), TooManyHeaders> {
        let [high, middle, low, kind, ..] = self.header;
        self.filled = 0;
        self.payload = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        // HEADERS, PUSH_PROMISE, CONTINUATION.
        if matches!(kind, 1 | 5 | 9) {
            self.header_blocks += 1;
        }
        if self.header_blocks > HEADER_BLOCKS {
            Err(TooManyHeaders)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, 0, 0, 0, 0, 1], payload].concat()
    }

    #[test]
    fn header_blocks_are_counted_however_the_bytes_are_cut() {
        let allowed = [frame(1, &[1; 300]), frame(0, &[1; 7_000])].concat().repeat(64);
        for cut in [1, 7, 9, 10, 4_096, usize::MAX] {
            let mut frames = Frames::default();
            for piece in allowed.chunks(cut.min(allowed.len())) {
                assert_eq!(frames.count(piece), Ok(()), "cut {cut}");
            }
            assert_eq!(frames.count(&frame(9, b"")), Err(TooManyHeaders), "cut {cut}");
        }
    }

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
