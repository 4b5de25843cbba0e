//! Hostile TCP and HTTP peers.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time;

use super::{Connection, Peer};

/// Default interval between two bytes of a slow peer.
pub const DRIP_INTERVAL: Duration = Duration::from_secs(1);

/// Size of the large body in bytes: more than fits into socket buffers.
pub const LARGE_BODY_BYTES: usize = 5_000_000;

/// Maximum size of a request head in bytes.
const REQUEST_LIMIT_BYTES: usize = 64 * 1024;

/// How a hostile TCP or HTTP peer misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hostile {
    /// Accepts and reads, but never sends anything.
    Silent,
    /// Accepts and closes at once.
    ClosesAtOnce,
    /// Accepts and resets the connection.
    Resets,
    /// Sends half a response, then shuts down its sending side and keeps the socket.
    HalfOpen,
    /// Never reads and never responds. A client with full send buffers must reset to get rid of the connection.
    NeverReads,
    /// Sends a valid response, one byte per interval.
    Drips(Duration),
    /// Sends an endless chunked body.
    EndlessBody,
    /// Sends endless headers.
    EndlessHeaders,
    /// Sends an endless line without waiting for a request.
    EndlessLine,
    /// Sends a complete response of [`LARGE_BODY_BYTES`] and keeps the connection open.
    LargeBody,
    /// Redirects every path to another path of its own.
    RedirectLoop,
    /// Redirects to `http://10.0.0.1/`.
    RedirectToPrivate,
    /// Redirects to the metadata address of cloud providers.
    RedirectToMetadata,
    /// Redirects to another port on loopback, where [`Peer::redirect_target`] counts connections.
    RedirectToLoopback,
    /// Sends endless informational header blocks over HTTP/2, each with hundreds of headers in a few bytes.
    InformationalFlood,
    /// Sends bytes that are not HTTP.
    Garbage,
    /// Closes before its `content-length` is reached.
    ShortBody,
}

impl Hostile {
    /// Every kind, for tests that loop over all.
    pub const ALL: [Self; 17] = [
        Self::Silent,
        Self::ClosesAtOnce,
        Self::Resets,
        Self::HalfOpen,
        Self::NeverReads,
        Self::Drips(DRIP_INTERVAL),
        Self::EndlessBody,
        Self::EndlessHeaders,
        Self::EndlessLine,
        Self::LargeBody,
        Self::RedirectLoop,
        Self::RedirectToPrivate,
        Self::RedirectToMetadata,
        Self::RedirectToLoopback,
        Self::InformationalFlood,
        Self::Garbage,
        Self::ShortBody,
    ];

    /// Its name in the messages of tests that loop over all.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::ClosesAtOnce => "closes at once",
            Self::Resets => "resets",
            Self::HalfOpen => "half open",
            Self::NeverReads => "never reads",
            Self::Drips(_) => "drips",
            Self::EndlessBody => "endless body",
            Self::EndlessHeaders => "endless headers",
            Self::EndlessLine => "endless line",
            Self::LargeBody => "large body",
            Self::RedirectLoop => "redirect loop",
            Self::RedirectToPrivate => "redirect to a private network",
            Self::RedirectToMetadata => "redirect to the metadata address",
            Self::RedirectToLoopback => "redirect to loopback",
            Self::InformationalFlood => "flood of informational answers",
            Self::Garbage => "garbage",
            Self::ShortBody => "short body",
        }
    }

    /// Starts a peer of this kind on loopback.
    pub fn start(self) -> Peer {
        let lure = (self == Self::RedirectToLoopback).then(|| Peer::tcp(drain));
        let location: Arc<str> = match &lure {
            Some(lure) => lure.url("http", "/").into(),
            None => self.location().into(),
        };
        let peer = Peer::tcp(move |connection| self.serve(connection, location.clone()));
        match lure {
            Some(lure) => peer.with_redirect_target(lure),
            None => peer,
        }
    }

    const fn location(self) -> &'static str {
        match self {
            Self::RedirectToPrivate => "http://10.0.0.1/",
            Self::RedirectToMetadata => "http://169.254.169.254/latest/meta-data/",
            _ => "/again",
        }
    }

    async fn serve(self, connection: Connection, location: Arc<str>) -> io::Result<()> {
        match self {
            Self::Silent => drain(connection).await,
            Self::ClosesAtOnce => Ok(()),
            Self::Resets => connection.reset(),
            Self::NeverReads => {
                connection.closed().await;
                Ok(())
            }
            Self::EndlessLine => endless(connection, b"", &[b'x'; 4096]).await,
            Self::InformationalFlood => flood_informational(connection).await,
            _ => self.answer(connection, &location).await,
        }
    }

    /// Answers requests, the first one at least.
    async fn answer(self, mut stream: impl AsyncRead + AsyncWrite + Unpin, location: &str) -> io::Result<()> {
        while read_head(&mut stream).await?.is_some() {
            match self {
                Self::HalfOpen => {
                    stream
                        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf a resp")
                        .await?;
                    stream.shutdown().await?;
                    return drain(stream).await;
                }
                Self::Drips(interval) => drip(&mut stream, interval).await?,
                Self::EndlessBody => return endless(stream, CHUNKED_HEAD, CHUNK).await,
                Self::EndlessHeaders => {
                    return endless(stream, b"HTTP/1.1 200 OK\r\n", b"x-more: and more\r\n").await;
                }
                Self::Garbage => return stream.write_all(b"\x00\xff\x13garbage\r\n\r\n\x7f\x00").await,
                Self::ShortBody => return stream.write_all(SHORT_BODY).await,
                Self::LargeBody => send_large_body(&mut stream).await?,
                _ => redirect(&mut stream, location).await?,
            }
        }
        Ok(())
    }
}

/// SETTINGS of the server, and its acknowledgement of the client's (RFC 9113, section 6.5).
const H2_SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0";

/// Waits for a request over HTTP/2, then floods its stream.
async fn flood_informational(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let mut preface = [0; 24];
    stream.read_exact(&mut preface).await?;
    stream.write_all(H2_SETTINGS).await?;
    loop {
        let mut header = [0; 9];
        stream.read_exact(&mut header).await?;
        let [high, middle, low, kind, ..] = header;
        let payload = u32::from_be_bytes([0, high, middle, low]);
        let mut payload = (&mut stream).take(payload.into());
        tokio::io::copy(&mut payload, &mut tokio::io::sink()).await?;
        if kind == 1 {
            return endless(stream, b"", &informational()).await;
        }
    }
}

/// HEADERS of stream 1: `:status: 103`, and the same header of HPACK's static table 340 times.
fn informational() -> Vec<u8> {
    let block = [b"\x08\x03103".as_slice(), &[0x8f; 340]].concat();
    let [.., high, low] = block.len().to_be_bytes();
    [&[0, high, low, 1, 4, 0, 0, 0, 1], block.as_slice()].concat()
}

const CHUNKED_HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
const CHUNK: &[u8] = b"10\r\n0123456789abcdef\r\n";
const SHORT_BODY: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this";

/// Reads and discards until the client has closed.
///
/// # Errors
/// When the connection breaks.
pub async fn drain(mut stream: impl AsyncRead + Unpin) -> io::Result<()> {
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    Ok(())
}

/// Sends a complete response of [`LARGE_BODY_BYTES`] and keeps the connection open.
///
/// # Errors
/// When the connection breaks.
pub async fn send_large_body(stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE_BODY_BYTES}\r\nconnection: keep-alive\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let piece = [b'x'; 50_000];
    for _ in 0..LARGE_BODY_BYTES / piece.len() {
        stream.write_all(&piece).await?;
    }
    stream.flush().await
}

/// Reads a request head up to its empty line, byte by byte so as to take nothing else; `None` at the end of the stream.
pub(super) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if head.len() == REQUEST_LIMIT_BYTES || stream.read(&mut byte).await? == 0 {
            return Ok(None);
        }
        head.extend(byte);
    }
    Ok(Some(String::from_utf8_lossy(&head).into_owned()))
}

async fn endless(mut stream: impl AsyncWrite + Unpin, head: &[u8], piece: &[u8]) -> io::Result<()> {
    stream.write_all(head).await?;
    let pieces = piece.repeat(4096 / piece.len());
    loop {
        stream.write_all(&pieces).await?;
    }
}

async fn drip(stream: &mut (impl AsyncWrite + Unpin), interval: Duration) -> io::Result<()> {
    for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nslow" {
        time::sleep(interval).await;
        stream.write_all(&[*byte]).await?;
    }
    Ok(())
}

async fn redirect(stream: &mut (impl AsyncWrite + Unpin), location: &str) -> io::Result<()> {
    let head = format!("HTTP/1.1 302 Found\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(head.as_bytes()).await
}

#[cfg(test)]
mod tests;
