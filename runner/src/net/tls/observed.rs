//! What a peer sent first, for the message when it is not TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustls::{AlertDescription, Error};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::net::NetError;

/// Bytes that are kept, of which a message shows the first line.
const KEPT: usize = 64;
/// Bytes that are looked through for an alert when the peer is gone.
const PARTING: usize = 4096;
/// The kind of an alert's record.
const ALERT: u8 = 21;
/// Kinds of records, with which each of them begins (RFC 8446, section 5.1).
const RECORDS: std::ops::RangeInclusive<u8> = 20..=24;
/// The first byte of every version of TLS, which follows.
const MAJOR: u8 = 3;

/// A stream that keeps the first bytes that were received.
#[derive(Debug)]
pub struct Observed<S> {
    stream: S,
    first: Vec<u8>,
}

impl<S> Observed<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            first: Vec::new(),
        }
    }

    /// The stream underneath.
    pub fn inner(&self) -> &S {
        &self.stream
    }

    /// Whether nothing was received.
    pub(super) fn is_silent(&self) -> bool {
        self.first.is_empty()
    }

    /// Why a handshake failed: what the peer speaks in place of TLS says more than what TLS makes of it.
    pub(super) fn explain(&self, error: impl Into<NetError>) -> NetError {
        match is_tls(&self.first) {
            true => error.into(),
            false => NetError::Tls(format!(
                "the peer does not speak TLS: it sent `{}`",
                line(&self.first).escape_ascii()
            )),
        }
    }
}

impl<S: AsyncRead + Unpin> Observed<S> {
    /// The error of a handshake. A peer that refuses something and goes leaves an alert that can still be read, while what is
    /// noticed first is that nothing more can be sent to it.
    pub(super) async fn parting_error(&mut self, error: io::Error) -> io::Error {
        let is_gone = [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe].contains(&error.kind());
        let mut rest = [0; PARTING];
        let read = match is_gone {
            true => self.stream.read(&mut rest).await.unwrap_or_default(),
            false => 0,
        };
        match alert(rest.get(..read).unwrap_or_default()) {
            Some(alert) => io::Error::other(Error::AlertReceived(alert)),
            None => error,
        }
    }
}

/// The first alert in records that are not encrypted.
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

/// Whether it is the begin of a record; nothing is the begin of everything.
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

impl<S: AsyncRead + Unpin> AsyncRead for Observed<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        let room = KEPT.saturating_sub(this.first.len());
        let read = buffer.filled().iter().skip(before).take(room);
        this.first.extend(read);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Observed<S> {
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

    async fn told(sent: &[u8]) -> String {
        let mut observed = Observed::new(sent);
        let mut read = Vec::new();
        observed.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, sent);
        observed
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
                told(sent).await,
                format!("tls: the peer does not speak TLS: it sent `{shown}`")
            );
        }
        let long = told(&[b'x'; 1000]).await;
        assert!(long.ends_with(&format!("`{}`", "x".repeat(KEPT))), "{long}");
    }

    #[tokio::test]
    async fn an_alert_that_a_peer_left_behind_says_more_than_its_reset() {
        let told = async |left: &[u8], kind: io::ErrorKind| {
            let mut observed = Observed::new(left);
            let error = observed.parting_error(kind.into()).await;
            observed.explain(error).to_string()
        };
        let left = b"\x16\x03\x03\0\x01x\x15\x03\x03\0\x02\x02\x74";
        for kind in [io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe] {
            assert_eq!(
                told(left, kind).await,
                "tls: the peer sent the alert `certificate_required`: it wants a client certificate"
            );
        }
        for left in [&b""[..], b"\x15\x03", b"\x16\x03\x03\xff\xffx"] {
            assert_eq!(
                told(left, io::ErrorKind::ConnectionReset).await,
                "connection reset"
            );
        }
    }

    #[tokio::test]
    async fn a_record_and_silence_say_what_happened() {
        for sent in [&b""[..], b"\x15", b"\x15\x03\x03\x00\x02\x02\x28"] {
            assert_eq!(told(sent).await, "closed by the peer");
        }
    }
}
