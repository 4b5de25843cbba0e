//! Reads one answer of a server, whatever packets it arrives in, within limits.

use canary_sdk::tcp::Connection;
use canary_sdk::{ErrorCode, NetError, Phase};

use super::error::{Error, MAX_SHOWN, described, quote};

/// Maximum bytes of one answer.
pub(super) const MAX_BYTES: u32 = 64 * 1024;
/// Maximum lines or tags of one answer. Each costs a call of the host, however short it is.
pub(super) const MAX_PARTS: usize = 4096;

/// Maximum bytes of an answer whose end only its content shows: more than any message quotes.
const MAX_REST: usize = 8 * 1024;

/// The answer to one step. It never reads beyond what it returns, so that plain text that follows the answer is seen
/// when TLS begins.
pub(super) struct Reader<'a> {
    connection: &'a Connection,
    step: &'static str,
    received: Vec<u8>,
    parts: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(connection: &'a Connection, step: &'static str) -> Self {
        Self {
            connection,
            step,
            received: Vec::new(),
            parts: 0,
        }
    }

    /// A line without its end. Invalid UTF-8 is replaced.
    pub(super) fn line(&mut self) -> Result<String, Error> {
        let line = self.part(b"\n", "lines")?;
        Ok(String::from_utf8_lossy(&line)
            .trim_end_matches(['\r', '\n'])
            .to_owned())
    }

    /// Everything up to and with the end of markup.
    pub(super) fn until_bracket(&mut self) -> Result<Vec<u8>, Error> {
        self.part(b">", "tags")
    }

    fn part(&mut self, end: &[u8], unit: &'static str) -> Result<Vec<u8>, Error> {
        if self.parts == MAX_PARTS {
            return Err(self.too_long(MAX_PARTS, unit));
        }
        let left = self.left();
        if left == 0 {
            return Err(self.too_many_bytes());
        }
        match self.connection.read_until(end, left) {
            Ok(bytes) => {
                self.parts += 1;
                self.received.extend(&bytes);
                Ok(bytes)
            }
            Err(error) if error.code == ErrorCode::Protocol => Err(self.too_many_bytes()),
            Err(error) => Err(self.interrupted(error)),
        }
    }

    /// Exactly so many bytes.
    pub(super) fn exact(&mut self, length: usize) -> Result<Vec<u8>, Error> {
        let mut missing = u32::try_from(length).unwrap_or(u32::MAX);
        if missing > self.left() {
            return Err(self.too_many_bytes());
        }
        let mut bytes = Vec::new();
        while missing > 0 {
            let more = match self.connection.read(missing) {
                Ok(more) if more.is_empty() => {
                    return Err(self.interrupted(NetError::from(ErrorCode::Closed).in_phase(Phase::Receive)));
                }
                Ok(more) => more,
                Err(error) => return Err(self.interrupted(error)),
            };
            missing = missing.saturating_sub(u32::try_from(more.len()).unwrap_or(u32::MAX));
            self.received.extend(&more);
            bytes.extend(more);
        }
        Ok(bytes)
    }

    /// Whatever arrives until `is_complete`, the end of the stream or of the time, or [`MAX_REST`]. For an answer after
    /// which no TLS can follow.
    pub(super) fn rest(&mut self, is_complete: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let mut bytes = Vec::new();
        while !is_complete(&bytes) && bytes.len() < MAX_REST {
            let missing = u32::try_from(MAX_REST - bytes.len()).unwrap_or(u32::MAX);
            match self.connection.read(missing) {
                Ok(more) if !more.is_empty() => bytes.extend(more),
                _ => break,
            }
        }
        bytes
    }

    /// The reason that what was read, quoted, is no answer of the protocol or not the one that was wanted.
    pub(super) fn refused(&self) -> Error {
        Error::quoted(self.step, &self.received)
    }

    /// As [`refused`](Self::refused), for an answer whose end is unknown: with what has arrived of it.
    pub(super) fn unintelligible(&mut self) -> Error {
        self.add_arrived();
        self.refused()
    }

    /// The reason that the answer lacks the offer of TLS.
    pub(super) fn not_offered(&self, answer: &[u8], offer: &str) -> Error {
        Error::refused(
            self.step,
            format!("{}, which does not offer {offer}", quote(answer)),
        )
    }

    /// The bytes that may still be read.
    fn left(&self) -> u32 {
        MAX_BYTES.saturating_sub(u32::try_from(self.received.len()).unwrap_or(u32::MAX))
    }

    fn too_many_bytes(&self) -> Error {
        self.too_long(usize::try_from(MAX_BYTES).unwrap_or(usize::MAX), "bytes")
    }

    fn too_long(&self, limit: usize, unit: &'static str) -> Error {
        Error::TooLong {
            step: self.step,
            limit,
            unit,
        }
    }

    /// The peer's last words may be half a line, which the host keeps for the next read.
    fn interrupted(&mut self, error: NetError) -> Error {
        if matches!(
            error.code,
            ErrorCode::Closed | ErrorCode::Reset | ErrorCode::Timeout
        ) {
            self.add_arrived();
        }
        if self.received.is_empty() {
            return error.into();
        }
        Error::Interrupted {
            step: self.step,
            answer: described(&self.received),
            error: Box::new(error),
        }
    }

    fn add_arrived(&mut self) {
        let max = u32::try_from(MAX_SHOWN + 1).unwrap_or(u32::MAX);
        if let Ok(Some(more)) = self.connection.read_ready(max) {
            self.received.extend(more);
        }
    }
}
