//! A limit on the bytes read from a connection, below every library that reads from it.
//!
//! HTTP and TLS have messages that are not part of a response: informational responses, pings, settings, tickets.
//! However many of them a peer sends, no more than the limit is read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes allowed for a response in addition to its body, and for a whole conversation that is not HTTP.
const OVERHEAD_BYTES: usize = 1 << 20;

/// The remaining number of bytes that may be read from a connection. Clones share the limit.
#[derive(Debug, Clone)]
pub(crate) struct ReadLimit(Arc<AtomicUsize>);

impl Default for ReadLimit {
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(OVERHEAD_BYTES)))
    }
}

impl ReadLimit {
    /// Resets the limit for a response with a body of `body` bytes, in chunks of any size.
    pub(super) fn reset(&self, body: usize) {
        let bytes = OVERHEAD_BYTES.saturating_add(body.saturating_mul(2));
        self.0.store(bytes, Ordering::Relaxed);
    }

    fn remaining(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn consume(&self, bytes: usize) {
        self.0
            .store(self.remaining().saturating_sub(bytes), Ordering::Relaxed);
    }
}

/// A connection with a limit on the bytes read from it.
#[derive(Debug)]
pub struct LimitedStream<S> {
    stream: S,
    read_limit: ReadLimit,
}

impl<S> LimitedStream<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            read_limit: ReadLimit::default(),
        }
    }

    pub(super) fn read_limit(&self) -> ReadLimit {
        self.read_limit.clone()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for LimitedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read_limit.remaining() == 0 {
            return Poll::Ready(Err(io::Error::other("the response is too large")));
        }
        // The limit may be exceeded once, by the size of the buffer.
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.read_limit
            .consume(buffer.filled().len().saturating_sub(before));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for LimitedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex, repeat};

    use super::*;

    #[tokio::test]
    async fn a_peer_that_sends_endlessly_is_read_up_to_the_limit() {
        let mut stream = LimitedStream::new(tokio::io::join(repeat(b'x'), tokio::io::sink()));
        let mut read = Vec::new();
        let error = stream.read_to_end(&mut read).await.unwrap_err();
        assert!(error.to_string().contains("the response is too large"), "{error}");
        assert!(
            (OVERHEAD_BYTES..OVERHEAD_BYTES + (1 << 20)).contains(&read.len()),
            "{}",
            read.len()
        );
        stream.read_limit().reset(10);
        assert_eq!(stream.read_u8().await.unwrap(), b'x');
        assert_eq!(stream.read_limit().remaining(), OVERHEAD_BYTES + 2 * 10 - 1);
        // What the buffer had before was not read now.
        let mut more = vec![0; 100];
        let mut buffer = ReadBuf::new(&mut more);
        buffer.put_slice(&[0; 98]);
        std::future::poll_fn(|context| Pin::new(&mut stream).poll_read(context, &mut buffer))
            .await
            .unwrap();
        assert_eq!(stream.read_limit().remaining(), OVERHEAD_BYTES + 2 * 10 - 3);
    }

    #[tokio::test]
    async fn writes_are_not_limited() {
        let (near, mut far) = duplex(8 << 20);
        let mut stream = LimitedStream::new(near);
        stream.write_all(&vec![b'x'; 4 << 20]).await.unwrap();
        far.write_all(b"answer").await.unwrap();
        let mut answer = [0; 6];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"answer");
    }
}
