//! A streamed HTTP exchange.

use std::time::Duration;

use super::{ExchangeInfo, Head, Request};
use crate::backend;
use crate::error::{ErrorCode, NetError, Phase};

/// Bytes that [`Exchange::chunk`] requests: 64 KiB.
const CHUNK: u32 = 64 << 10;

/// A request and its response, whose body is streamed: for event streams without an end, a download that is judged by
/// its speed, or a response of which the beginning is enough.
///
/// The host closes the connection when the body is over, and when this is dropped at any time. Redirects, proxies,
/// cookies and quotas are those of [`Request::send`]. A compressed body is not decompressed.
///
/// ```
/// use std::time::Duration;
///
/// use canary_sdk::http::Request;
/// use canary_sdk::{Error, ErrorCode, Verdict};
///
/// /// Whether a stream of server-sent events contains one of this kind within a time limit.
/// fn judge(url: &str, kind: &str, within: Duration) -> Result<Verdict, Error> {
///     let mut exchange = Request::get(url).header("accept", "text/event-stream").open()?;
///     let mut verdict = Verdict::pass(format!("status {}", exchange.head().status));
///     exchange.set_deadline(Some(within));
///     let wanted = format!("event: {kind}");
///     let found = loop {
///         match exchange.read_line(4096) {
///             Ok(Some(line)) if line == wanted => break true,
///             Ok(Some(_)) => {}
///             Ok(None) => break false,
///             Err(late) if late.code == ErrorCode::Timeout => break false,
///             Err(error) => return Err(error.into()),
///         }
///     };
///     let info = exchange.info();
///     verdict.assert("event", found, format!("{} bytes of events came", info.received));
///     Ok(verdict)
/// }
/// # use canary_sdk::Status;
/// # use canary_sdk::fake::{FakeHost, Script, Stream, response};
/// # let events = || Script::new().send(": hello\n\n").wait(Duration::from_secs(1)).send("event: up\n\n").silence();
/// # let host = FakeHost::new().http_stream(move |_| Ok(Stream::new(response(200), events())));
/// # host.enter(|| {
/// #     let judged = |within| judge("http://a/", "up", Duration::from_millis(within)).unwrap().status();
/// #     assert_eq!((judged(1_500), judged(500)), (Status::Pass, Status::Fail));
/// # });
/// # assert_eq!(host.open_connections(), 0);
/// ```
#[derive(Debug)]
#[must_use = "dropping an exchange closes its connection"]
pub struct Exchange {
    exchange: backend::Exchange,
    head: Head,
    /// Received bytes that are not read yet.
    behind: Vec<u8>,
}

impl Exchange {
    /// Sends a request, and returns as soon as the head of the response is received; if redirects are followed, that
    /// of the last one. Its `timeout` applies to the whole exchange, its body included; its `max_body` and `read_for`
    /// are ignored.
    pub fn open(request: Request) -> Result<Self, NetError> {
        let (exchange, head) = backend::Exchange::open(request)?;
        Ok(Self {
            exchange,
            head,
            behind: Vec::new(),
        })
    }

    /// The head of the response.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Limits each following read to this time from now, with [`ErrorCode::Timeout`]; `None` leaves the request's
    /// `timeout` and the run's deadline, which are never later. Data that arrives afterwards is not lost: another
    /// read returns it.
    pub fn set_deadline(&mut self, time: Option<Duration>) {
        self.exchange.set_deadline(time);
    }

    /// The next bytes of the body as soon as there are any, 64 KiB at most; `None` at its end.
    ///
    /// A body that breaks off is an error with its [`progress`](NetError::progress), which each later read returns as
    /// well.
    pub fn chunk(&mut self) -> Result<Option<Vec<u8>>, NetError> {
        let bytes = self.read(CHUNK)?;
        Ok((!bytes.is_empty()).then_some(bytes))
    }

    /// Up to `max` bytes of the body as soon as there are any; empty at its end. Errors as of [`chunk`](Self::chunk).
    pub fn read(&mut self, max: u32) -> Result<Vec<u8>, NetError> {
        if self.behind.is_empty() {
            self.exchange.read(max)
        } else {
            Ok(self.take(max))
        }
    }

    /// What [`read`](Self::read) would return without waiting; `None` if nothing has arrived. Takes a millisecond at
    /// most.
    pub fn read_ready(&mut self, max: u32) -> Result<Option<Vec<u8>>, NetError> {
        if self.behind.is_empty() {
            self.exchange.read_ready(max)
        } else {
            Ok(Some(self.take(max)))
        }
    }

    /// Reads a line of at most `max` bytes and removes its end (`\n` or `\r\n`), which is optional for the last line;
    /// `None` at the end of the body. Invalid UTF-8 is replaced. [`ErrorCode::Protocol`] if a line is longer.
    pub fn read_line(&mut self, max: u32) -> Result<Option<String>, NetError> {
        let most = usize::try_from(max).unwrap_or(usize::MAX);
        let mut searched = 0;
        loop {
            let rest = self.behind.get(searched..).unwrap_or_default();
            let end = rest.iter().position(|byte| *byte == b'\n');
            let end = end.map(|end| searched.saturating_add(end).saturating_add(1));
            if end.unwrap_or(self.behind.len()) > most {
                let message = format!("protocol error: no end of a line within {max} bytes");
                return Err(NetError::new(ErrorCode::Protocol, message).in_phase(Phase::Receive));
            }
            if let Some(end) = end {
                return Ok(Some(line(self.behind.drain(..end).collect())));
            }
            searched = self.behind.len();
            let more = self.exchange.read(CHUNK)?;
            if more.is_empty() {
                let last = std::mem::take(&mut self.behind);
                return Ok((!last.is_empty()).then(|| line(last)));
            }
            self.behind.extend(more);
        }
    }

    /// The progress up to now.
    pub fn info(&self) -> ExchangeInfo {
        self.exchange.info()
    }

    /// The trailers, after the body was read to its end; until then none.
    pub fn trailers(&self) -> Vec<(String, Vec<u8>)> {
        self.exchange.trailers()
    }

    fn take(&mut self, max: u32) -> Vec<u8> {
        let count = usize::try_from(max).unwrap_or(usize::MAX).min(self.behind.len());
        self.behind.drain(..count).collect()
    }
}

fn line(bytes: Vec<u8>) -> String {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;
