//! Keeps the first bytes that a peer sent, to report a peer that does not use TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::{AlertDescription, Error};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::NetError;

/// Number of bytes kept; a message shows their first line.
const MAX_FIRST_BYTES: usize = 64;
/// Maximum number of bytes searched for an alert after the peer disconnected.
const MAX_ALERT_SEARCH: usize = 4096;
/// Record type of an alert.
const ALERT: u8 = 21;
/// TLS record types; each record begins with one (RFC 8446, section 5.1).
const RECORDS: std::ops::RangeInclusive<u8> = 20..=24;
/// Major version of all TLS versions, the next byte of a record.
const MAJOR: u8 = 3;

/// A stream that keeps the first received bytes.
#[derive(Debug)]
pub struct SniffedStream<S> {
    stream: S,
    first: Vec<u8>,
}

impl<S> SniffedStream<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            first: Vec::new(),
        }
    }

    /// The underlying stream.
    pub fn inner(&self) -> &S {
        &self.stream
    }

    /// Whether nothing was received.
    pub(super) fn is_silent(&self) -> bool {
        self.first.is_empty()
    }

    /// Explains a failed handshake: if the peer does not use TLS, what it sent is more useful than the library's error.
    pub(super) fn explain(&self, error: impl Into<NetError>) -> NetError {
        if is_tls(&self.first) {
            error.into()
        } else {
            NetError::Tls(format!(
                "the peer does not speak TLS: it sent `{}`",
                line(&self.first).escape_ascii()
            ))
        }
    }
}

impl<S: AsyncRead + Unpin> SniffedStream<S> {
    /// The error of a handshake. A peer that rejects a handshake and disconnects leaves an alert that can still be
    /// read, whereas the first error is a failed write.
    pub(super) async fn parting_error(&mut self, error: io::Error) -> io::Error {
        let is_gone = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe].contains(&error.kind());
        let mut rest = [0; MAX_ALERT_SEARCH];
        let read = if is_gone {
            self.stream.read(&mut rest).await.unwrap_or_default()
        } else {
            0
        };
        match alert(rest.get(..read).unwrap_or_default()) {
            Some(alert) => io::Error::other(Error::AlertReceived(alert)),
            None => error,
        }
    }
}

/// The first alert in unencrypted records.
fn alert(mut records: &[u8]) -> Option<AlertDescription> {
    loop {
        match *records {
            [ALERT, MAJOR, _, 0, 2, _, description, ..] => return Some(description.into()),
            [_, MAJOR, _, high, low, ..] => {
                records = records.get(5 + usize::from(u16::from_be_bytes([high, low]))..)?;
            }
            _ => return None,
        }
    }
}

/// Whether this may be the beginning of a TLS record; an empty input may be.
fn is_tls(bytes: &[u8]) -> bool {
    match bytes {
        [] => true,
        [kind] => RECORDS.contains(kind),
        [kind, major, ..] => RECORDS.contains(kind) && *major == MAJOR,
    }
}

fn line(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
    let line = end.and_then(|end| bytes.get(..end)).unwrap_or(bytes);
    if line.is_empty() { bytes } else { line }
}

impl<S: AsyncRead + Unpin> AsyncRead for SniffedStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        let room = MAX_FIRST_BYTES.saturating_sub(this.first.len());
        let read = buffer.filled().iter().skip(before).take(room);
        this.first.extend(read);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for SniffedStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
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
    use tokio::io::AsyncReadExt;

    use super::*;

    async fn explained(sent: &[u8]) -> String {
        let mut sniffed = SniffedStream::new(sent);
        let mut read = Vec::new();
        sniffed.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, sent);
        sniffed
            .explain(io::Error::from(io::ErrorKind::UnexpectedEof))
            .to_string()
    }

    #[tokio::test]
    async fn what_is_not_tls_is_shown_to_the_end_of_its_first_line() {
        let cases: [(&[u8], &str); 5] = [
            (
                b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n",
                "HTTP/1.1 400 Bad Request",
            ),
            (b"220 mail ESMTP\r\n", "220 mail ESMTP"),
            (b"SSH-2.0-OpenSSH_9.2", "SSH-2.0-OpenSSH_9.2"),
            (b"\x16\x01ab", r"\x16\x01ab"),
            (b"\r\n", r"\r\n"),
        ];
        for (sent, shown) in cases {
            assert_eq!(
                explained(sent).await,
                format!("tls: the peer does not speak TLS: it sent `{shown}`")
            );
        }
        let long = explained(&[b'x'; 1000]).await;
        assert!(
            long.ends_with(&format!("`{}`", "x".repeat(MAX_FIRST_BYTES))),
            "{long}"
        );
    }

    #[tokio::test]
    async fn an_alert_that_a_peer_left_behind_says_more_than_its_reset() {
        let explained = async |left: &[u8], kind: io::ErrorKind| {
            let mut sniffed = SniffedStream::new(left);
            let error = sniffed.parting_error(kind.into()).await;
            sniffed.explain(error).to_string()
        };
        let left = b"\x16\x03\x03\0\x01x\x15\x03\x03\0\x02\x02\x74";
        for kind in [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe] {
            assert_eq!(
                explained(left, kind).await,
                "tls: the peer sent the alert `certificate_required`: it requires a client certificate"
            );
        }
        for left in [&b""[..], b"\x15\x03", b"\x16\x03\x03\xff\xffx"] {
            assert_eq!(
                explained(left, io::ErrorKind::ConnectionReset).await,
                "connection reset"
            );
        }
    }

    #[tokio::test]
    async fn a_record_and_silence_say_what_happened() {
        for sent in [&b""[..], b"\x15", b"\x15\x03\x03\x00\x02\x02\x28"] {
            assert_eq!(explained(sent).await, "closed by the peer");
        }
    }
}
