//! Holding the conversation.

use std::time::Duration;

use canary_sdk::tcp::Connection;
use canary_sdk::{NetError, Stopwatch, tls};

use crate::plan::{Action, Expectation, Pattern};
use crate::template::Captures;

/// Bytes that a message shows of what was received.
const MAX_SHOWN: usize = 256;
/// Bytes to ask for at once.
const CHUNK: usize = 4096;

/// A conversation over one connection.
#[derive(Debug)]
pub(crate) struct Dialogue<'c> {
    connection: &'c Connection,
    /// What no step has consumed yet.
    received: Vec<u8>,
    is_ended: bool,
    captures: Captures,
    /// Of a `start_tls` step.
    pub(crate) session: Option<tls::Session>,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{}{}", .error.explain(), and_received(.received))]
    Net { error: NetError, received: Vec<u8> },
    #[error("the peer closed before it came{}", and_received(.0))]
    Ended(Vec<u8>),
    #[error("something else came{}", and_received(.0))]
    Else(Vec<u8>),
    #[error("not within {max_bytes} bytes{}", and_received(.received))]
    TooLong { max_bytes: usize, received: Vec<u8> },
    #[error("came after {took:.1?}, expected within {within}")]
    Slow {
        took: Duration,
        within: canary_sdk::Duration,
    },
    #[error("the peer sent more before TLS began{}", and_received(.0))]
    Injected(Vec<u8>),
}

impl Failure {
    /// The error of the network behind it.
    pub(crate) fn net_error(&self) -> Option<&NetError> {
        match self {
            Self::Net { error, .. } => Some(error),
            Self::Ended(_) => Some(&NetError::Closed),
            _ => None,
        }
    }
}

/// What a pattern makes of the bytes so far.
enum Finding {
    /// It is there: `shown` was found, and bytes up to `end` are consumed.
    Found {
        shown: Vec<u8>,
        end: usize,
        captures: Captures,
    },
    /// It may still come.
    Open,
    /// It cannot come any more.
    Never,
}

impl<'c> Dialogue<'c> {
    pub(crate) fn new(connection: &'c Connection) -> Self {
        let (received, captures) = Default::default();
        Self {
            connection,
            received,
            is_ended: false,
            captures,
            session: None,
        }
    }

    /// Performs one step and tells what happened.
    pub(crate) fn perform(&mut self, action: &Action) -> Result<String, Failure> {
        match action {
            Action::Send(template) => {
                let bytes = template.fill(&self.captures);
                self.connection.write(&bytes).map_err(|error| self.net(error))?;
                // Not the bytes themselves: they may be a password.
                Ok(format!("sent {} bytes", bytes.len()))
            }
            Action::Expect(expectation) => self.expect(expectation),
            Action::StartTls(options) => self.start_tls(options),
        }
    }

    fn expect(&mut self, expectation: &Expectation) -> Result<String, Failure> {
        let stopwatch = Stopwatch::start();
        let max_bytes = expectation.max_bytes;
        loop {
            // No more than that, also when more came together with what an earlier step expected: what a step finds
            // must not depend on how the network cuts what the peer sends.
            let window = self.received.get(..max_bytes).unwrap_or(&self.received);
            let is_ended = self.is_ended && self.received.len() < max_bytes;
            match expectation.pattern.find(window, is_ended) {
                Finding::Found { shown, end, captures } => {
                    self.received.drain(..end);
                    self.captures.extend(captures);
                    return in_time(stopwatch.elapsed(), expectation, &shown);
                }
                Finding::Never => return Err(Failure::Else(self.received.clone())),
                Finding::Open if is_ended => return Err(Failure::Ended(self.received.clone())),
                Finding::Open => self.receive(max_bytes)?,
            }
        }
    }

    fn receive(&mut self, max_bytes: usize) -> Result<(), Failure> {
        let room = max_bytes.saturating_sub(self.received.len()).min(CHUNK);
        if room == 0 {
            return Err(Failure::TooLong {
                max_bytes,
                received: self.received.clone(),
            });
        }
        let more = self
            .connection
            .read(u32::try_from(room).unwrap_or(u32::MAX))
            .map_err(|error| self.net(error))?;
        self.is_ended = more.is_empty();
        self.received.extend(more);
        Ok(())
    }

    fn start_tls(&mut self, options: &tls::Options) -> Result<String, Failure> {
        if !self.received.is_empty() {
            return Err(Failure::Injected(self.received.clone()));
        }
        let session = self
            .connection
            .start_tls(options)
            .map_err(|error| self.net(error))?;
        let message = format!("TLS {}, {}", session.version, session.cipher_suite);
        self.session = Some(session);
        Ok(message)
    }

    fn net(&self, error: NetError) -> Failure {
        Failure::Net {
            error,
            received: self.received.clone(),
        }
    }
}

impl Pattern {
    fn find(&self, received: &[u8], is_ended: bool) -> Finding {
        match self {
            Self::Line(regex) => find_line(regex, received, is_ended),
            Self::Somewhere(bytes) => match received
                .windows(bytes.len().max(1))
                .position(|window| window == bytes)
            {
                Some(start) => found(bytes, start + bytes.len()),
                None => Finding::Open,
            },
            Self::Next(bytes) if received.starts_with(bytes) => found(bytes, bytes.len()),
            Self::Next(bytes) if bytes.starts_with(received) => Finding::Open,
            Self::Next(_) => Finding::Never,
        }
    }
}

fn found(bytes: &[u8], end: usize) -> Finding {
    Finding::Found {
        shown: bytes.to_vec(),
        end,
        captures: Captures::new(),
    }
}

/// Only whole lines are matched: what a chunk has cut in two would give half a capture. The end of the stream ends
/// the last line.
fn find_line(regex: &regex::bytes::Regex, received: &[u8], is_ended: bool) -> Finding {
    let mut end = 0;
    for line in received.split_inclusive(|byte| *byte == b'\n') {
        if !line.ends_with(b"\n") && !is_ended {
            break;
        }
        end += line.len();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(groups) = regex.captures(line) {
            let named = regex.capture_names().flatten();
            let captures =
                named.filter_map(|name| Some((name.into(), groups.name(name)?.as_bytes().to_vec())));
            return Finding::Found {
                shown: line.to_vec(),
                end,
                captures: captures.collect(),
            };
        }
    }
    Finding::Open
}

fn in_time(took: Duration, expectation: &Expectation, shown: &[u8]) -> Result<String, Failure> {
    match expectation.within {
        Some(within) if took > within.get() => Err(Failure::Slow { took, within }),
        _ => Ok(format!("received `{}`", escape(shown))),
    }
}

fn and_received(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        "; nothing received".into()
    } else {
        format!("; received `{}`", escape(bytes))
    }
}

fn escape(bytes: &[u8]) -> String {
    match bytes.get(..MAX_SHOWN) {
        Some(start) if bytes.len() > MAX_SHOWN => {
            format!("{}… ({} bytes)", start.escape_ascii(), bytes.len())
        }
        _ => bytes.escape_ascii().to_string(),
    }
}
