//! Execution of the dialogue.

use std::time::Duration;

use canary_sdk::tcp::Connection;
use canary_sdk::{ErrorCode, NetError, Phase, Stopwatch, tls, usage};
use regex::bytes::Regex;

use crate::plan::{Action, Expectation, Pattern};
use crate::template::{Captures, Template};

/// Maximum bytes of received data in a message.
const MAX_SHOWN: usize = 256;
/// Maximum number of captures that become attributes.
const MAX_CAPTURES: usize = 32;
/// Maximum bytes that the host sends at once.
const MAX_SEND: usize = 8 << 20;
/// Bytes per read.
const CHUNK: usize = 4096;
/// The percentage of a run's CPU time that the dialogue may use. The rest is for the verdict.
const CPU_PART: u32 = 85;
/// Memory that has to stay free besides the received data, in bytes.
const SPARE: usize = 256 << 10;

/// A dialogue over one connection.
#[derive(Debug)]
pub(crate) struct Dialogue<'c> {
    connection: &'c Connection,
    /// Received data that no step has consumed yet.
    received: Vec<u8>,
    is_ended: bool,
    captures: Captures,
    /// The session of a `start_tls` step.
    pub(crate) session: Option<tls::Session>,
    /// Running since the start of the dialogue.
    stopwatch: Stopwatch,
    limits: Limits,
}

/// The limits of a dialogue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Time from its start to its end, if that is less than the run.
    pub(crate) time: Option<Duration>,
    /// CPU time of the whole run.
    pub(crate) cpu: Duration,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{}{}", .error.explain(), and_received(.received))]
    Net { error: NetError, received: Vec<u8> },
    #[error("the peer closed the connection{}", and_received(.0))]
    Ended(Vec<u8>),
    #[error("unexpected data{}", and_received(.0))]
    Else(Vec<u8>),
    #[error("not found within {max_bytes} bytes{}", and_received(.received))]
    TooLong { max_bytes: usize, received: Vec<u8> },
    #[error("received after {took:.1?}, expected within {within}")]
    Slow {
        took: Duration,
        within: canary_sdk::Duration,
    },
    #[error("not received within {within}{}", and_received(.received))]
    Late {
        within: canary_sdk::Duration,
        received: Vec<u8>,
    },
    #[error("{0} bytes to send, mostly captured from the peer; at most {MAX_SEND} can be sent")]
    TooMuch(usize),
    #[error("the peer sent more before TLS started{}", and_received(.0))]
    Injected(Vec<u8>),
    #[error("keeping the received data takes more memory than a run has (raise the quota `memory`){}", and_received(.0))]
    OutOfMemory(Vec<u8>),
    #[error(
        "searching the received data takes more CPU time than a run has (raise the quota `cpu`){}",
        and_received(.0)
    )]
    OutOfTime(Vec<u8>),
}

impl Failure {
    /// The network error that caused it.
    pub(crate) fn net_error(&self) -> Option<NetError> {
        match self {
            Self::Net { error, .. } => Some(error.clone()),
            Self::Ended(_) => Some(NetError::from(ErrorCode::Closed).in_phase(Phase::Receive)),
            _ => None,
        }
    }

    /// Whether the check itself lacks a resource, which says nothing about the peer.
    pub(crate) fn is_own(&self) -> bool {
        matches!(self, Self::OutOfMemory(_) | Self::OutOfTime(_))
    }
}

/// The result of searching a pattern in the received data.
enum SearchResult {
    /// Found as `shown`; bytes up to `end` are consumed.
    Found {
        shown: String,
        end: usize,
        captures: Captures,
    },
    /// Found, but there is no memory for what it captures.
    TooLarge,
    /// Not found yet.
    Open,
    /// No further data can match.
    Never,
}

impl<'c> Dialogue<'c> {
    pub(crate) fn new(connection: &'c Connection, limits: Limits) -> Self {
        let (received, captures) = Default::default();
        Self {
            connection,
            received,
            is_ended: false,
            captures,
            session: None,
            stopwatch: Stopwatch::start(),
            limits,
        }
    }

    /// The captures of the steps, as attributes show them: bounded, escaped, and without names that begin with `_`.
    pub(crate) fn shown_captures(&self) -> impl Iterator<Item = (&str, String)> {
        let public = self.captures.iter().filter(|(name, _)| !name.starts_with('_'));
        public
            .take(MAX_CAPTURES)
            .map(|(name, value)| (name.as_str(), escape(value)))
    }

    /// Performs one step and describes the result.
    pub(crate) fn perform(&mut self, action: &Action) -> Result<String, Failure> {
        match action {
            Action::Send(template) => {
                let bytes = self.fill(template)?;
                self.connection.write(&bytes).map_err(|error| self.net(error))?;
                // Not the bytes themselves: they may be a password.
                Ok(format!("sent {} bytes", bytes.len()))
            }
            Action::Expect(expectation) => self.expect(expectation),
            Action::StartTls(options) => self.start_tls(options),
        }
    }

    /// Fills a template: it may contain the peer's own bytes many times.
    fn fill(&self, template: &Template) -> Result<Vec<u8>, Failure> {
        let pieces = || template.pieces(&self.captures);
        let length = pieces().map(<[u8]>::len).fold(0, usize::saturating_add);
        if length > MAX_SEND {
            return Err(Failure::TooMuch(length));
        }
        let mut bytes = Vec::new();
        match bytes.try_reserve_exact(length + SPARE) {
            Ok(()) => pieces().for_each(|piece| bytes.extend_from_slice(piece)),
            Err(_) => return Err(Failure::OutOfMemory(Vec::new())),
        }
        Ok(bytes)
    }

    fn expect(&mut self, expectation: &Expectation) -> Result<String, Failure> {
        let Some(within) = expectation.within else {
            return self.find(expectation);
        };
        let stopwatch = Stopwatch::start();
        let left = self.left();
        let is_sooner = left.is_none_or(|left| within.get() < left);
        if is_sooner {
            self.connection.set_deadline(Some(within.get()));
        }
        let found = self.find(expectation);
        self.connection.set_deadline(self.left());
        match found {
            // The connection's time limit may cut off its last millisecond.
            Err(Failure::Net { error, received })
                if error.code == ErrorCode::Timeout
                    && is_sooner
                    && stopwatch.elapsed() + Duration::from_millis(1) >= within.get() =>
            {
                Err(Failure::Late { within, received })
            }
            found => found,
        }
    }

    /// How long the dialogue may continue, if that is less than the run.
    fn left(&self) -> Option<Duration> {
        let time = self.limits.time?;
        Some(time.saturating_sub(self.stopwatch.elapsed()))
    }

    fn find(&mut self, expectation: &Expectation) -> Result<String, Failure> {
        let stopwatch = Stopwatch::start();
        let max_bytes = expectation.max_bytes;
        let mut search = Search::default();
        loop {
            // At most `max_bytes`, even if more was received together with what an earlier step expected: the result
            // of a step must not depend on how the network splits the data.
            let window = self.received.get(..max_bytes).unwrap_or(&self.received);
            let is_ended = self.is_ended && self.received.len() < max_bytes;
            match search.advance(&expectation.pattern, window, is_ended) {
                SearchResult::Found { shown, end, captures } => {
                    self.received.drain(..end);
                    self.captures.extend(captures);
                    return in_time(stopwatch.elapsed(), expectation, &shown);
                }
                SearchResult::TooLarge => return Err(Failure::OutOfMemory(self.take_received())),
                SearchResult::Never => return Err(Failure::Else(self.take_received())),
                SearchResult::Open if is_ended => return Err(Failure::Ended(self.take_received())),
                SearchResult::Open => self.receive(max_bytes)?,
            }
        }
    }

    fn receive(&mut self, max_bytes: usize) -> Result<(), Failure> {
        if usage::cpu() > self.limits.cpu.saturating_mul(CPU_PART) / 100 {
            return Err(Failure::OutOfTime(self.take_received()));
        }
        let room = max_bytes.saturating_sub(self.received.len()).min(CHUNK);
        if room == 0 {
            return Err(Failure::TooLong {
                max_bytes,
                received: self.take_received(),
            });
        }
        let more = self
            .connection
            .read(u32::try_from(room).unwrap_or(u32::MAX))
            .map_err(|error| self.net(error))?;
        self.is_ended = more.is_empty();
        if self.received.try_reserve(more.len() + SPARE).is_err() {
            return Err(Failure::OutOfMemory(self.take_received()));
        }
        self.received.extend(more);
        Ok(())
    }

    fn start_tls(&mut self, options: &tls::Options) -> Result<String, Failure> {
        if !self.received.is_empty() {
            return Err(Failure::Injected(self.take_received()));
        }
        let session = self
            .connection
            .start_tls(options)
            .map_err(|error| self.net(error))?;
        let message = format!("TLS {}, {}", session.version, session.cipher_suite);
        self.session = Some(session);
        Ok(message)
    }

    fn net(&mut self, error: NetError) -> Failure {
        Failure::Net {
            error,
            received: self.take_received(),
        }
    }

    /// For a failure, which ends the dialogue: there may be no memory for a copy.
    fn take_received(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.received)
    }
}

/// The progress of a search: if a peer sends byte by byte, every byte must not be scanned again each time.
#[derive(Debug, Default)]
struct Search {
    /// Start of the first line that was not matched yet.
    line: usize,
    /// Bytes that were scanned.
    scanned: usize,
}

impl Search {
    /// Searches what was received since the last time.
    fn advance(&mut self, pattern: &Pattern, received: &[u8], is_ended: bool) -> SearchResult {
        let finding = match pattern {
            Pattern::Line(regex) => self.find_line(regex, received, is_ended),
            Pattern::Somewhere(bytes) => self.find_somewhere(bytes, received),
            Pattern::Next(bytes) => self.compare(bytes, received),
        };
        self.scanned = received.len();
        finding
    }

    /// Only complete lines are matched: a line that a chunk has split would yield half a capture. The end of the
    /// stream ends the last line.
    fn find_line(&mut self, regex: &Regex, received: &[u8], is_ended: bool) -> SearchResult {
        while let Some(end) = self.line_end(received, is_ended) {
            let line = received.get(self.line..end).unwrap_or_default();
            (self.line, self.scanned) = (end, end);
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if let Some(groups) = regex.captures(line) {
                let shown = escape(line);
                return match captured(regex, &groups) {
                    Some(captures) => SearchResult::Found { shown, end, captures },
                    None => SearchResult::TooLarge,
                };
            }
        }
        SearchResult::Open
    }

    fn line_end(&self, received: &[u8], is_ended: bool) -> Option<usize> {
        let new = received.get(self.scanned..).unwrap_or_default();
        match new.iter().position(|byte| *byte == b'\n') {
            Some(place) => Some(self.scanned + place + 1),
            None => (is_ended && self.line < received.len()).then_some(received.len()),
        }
    }

    fn find_somewhere(&self, bytes: &[u8], received: &[u8]) -> SearchResult {
        // A part of it may have been scanned before.
        let from = self.scanned.saturating_sub(bytes.len().saturating_sub(1));
        let new = received.get(from..).unwrap_or_default();
        match memchr::memmem::find(new, bytes) {
            Some(place) => found(bytes, from + place + bytes.len()),
            None => SearchResult::Open,
        }
    }

    fn compare(&self, bytes: &[u8], received: &[u8]) -> SearchResult {
        let expected = bytes.get(self.scanned..).unwrap_or_default();
        let new = received.get(self.scanned..).unwrap_or_default();
        if new.starts_with(expected) {
            found(bytes, bytes.len())
        } else if expected.starts_with(new) {
            SearchResult::Open
        } else {
            SearchResult::Never
        }
    }
}

/// Copies of the named groups; `None` if there is no memory for them.
fn captured(regex: &Regex, groups: &regex::bytes::Captures<'_>) -> Option<Captures> {
    let mut captures = Captures::new();
    for name in regex.capture_names().flatten() {
        let Some(group) = groups.name(name) else {
            continue;
        };
        let mut value = Vec::new();
        value.try_reserve_exact(group.len() + SPARE).ok()?;
        value.extend_from_slice(group.as_bytes());
        value.shrink_to_fit();
        captures.insert(name.into(), value);
    }
    Some(captures)
}

fn found(bytes: &[u8], end: usize) -> SearchResult {
    SearchResult::Found {
        shown: escape(bytes),
        end,
        captures: Captures::new(),
    }
}

fn in_time(took: Duration, expectation: &Expectation, shown: &str) -> Result<String, Failure> {
    match expectation.within {
        Some(within) if took > within.get() => Err(Failure::Slow { took, within }),
        _ => Ok(format!("received `{shown}`")),
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
