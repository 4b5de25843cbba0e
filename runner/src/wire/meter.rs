//! A connection that counts what its peer sends: the last bound, under every library that reads from it.
//!
//! HTTP and TLS have messages that are no part of an answer: informational responses, pings, settings, tickets. However
//! many of them come, and whatever a library keeps of them, no more is read than is allowed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes of an answer that are not of its body, and all that is read of a conversation that is not HTTP.
const AROUND: usize = 1 << 20;

/// How much more may be read of a connection. Clones are of the same connection.
#[derive(Debug, Clone)]
pub(crate) struct Allowance(Arc<AtomicUsize>);

impl Default for Allowance {
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(AROUND)))
    }
}

impl Allowance {
    /// From now on, as much as an answer takes whose body has so many bytes, whatever that is cut into.
    pub(super) fn renew(&self, body: usize) {
        let bytes = AROUND.saturating_add(body.saturating_mul(2));
        self.0.store(bytes, Ordering::Relaxed);
    }

    fn left(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn spend(&self, bytes: usize) {
        self.0.store(self.left().saturating_sub(bytes), Ordering::Relaxed);
    }
}

/// A connection of which no more is read than its allowance.
#[derive(Debug)]
pub(crate) struct Metered<S> {
    stream: S,
    allowance: Allowance,
}

impl<S> Metered<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            allowance: Allowance::default(),
        }
    }

    pub(super) fn allowance(&self) -> Allowance {
        self.allowance.clone()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.allowance.left() == 0 {
            return Poll::Ready(Err(io::Error::other(
                "the peer sends more than an answer may have",
            )));
        }
        // A buffer has a bound of its own, by which the allowance may be exceeded once.
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        self.allowance.spend(buffer.filled().len().saturating_sub(before));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
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
    async fn a_peer_that_sends_without_end_is_read_up_to_the_allowance() {
        let mut metered = Metered::new(tokio::io::join(repeat(b'x'), tokio::io::sink()));
        let mut read = Vec::new();
        let error = metered.read_to_end(&mut read).await.unwrap_err();
        assert!(
            error.to_string().contains("more than an answer may have"),
            "{error}"
        );
        assert!(
            (AROUND..AROUND + (1 << 20)).contains(&read.len()),
            "{}",
            read.len()
        );
        metered.allowance().renew(10);
        assert_eq!(metered.read_u8().await.unwrap(), b'x');
    }

    #[tokio::test]
    async fn what_is_written_is_not_counted() {
        let (near, mut far) = duplex(8 << 20);
        let mut metered = Metered::new(near);
        metered.write_all(&vec![b'x'; 4 << 20]).await.unwrap();
        far.write_all(b"answer").await.unwrap();
        let mut answer = [0; 6];
        metered.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"answer");
    }
}
