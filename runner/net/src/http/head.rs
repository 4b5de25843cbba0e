//! Observes the head of an HTTP/1 response in transit: collects evidence for error messages, and replaces by blanks bare
//! carriage returns (RFC 9112, section 2.2) and control characters in a reason, which has no meaning (section 4).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderName;
use memchr::memchr;

use super::MAX_HEAD_BYTES;
use super::transcript::HttpTranscript;
use crate::{NetError, Phase};

/// Number of leading bytes of a response kept for messages.
const OPENING_BYTES: usize = 64;
/// Number of leading bytes of a line kept: a header's name, or the status.
const LINE_START_BYTES: usize = 64;
/// Maximum number of kept lines that determine the end of the body.
const MAX_FRAMING_LINES: usize = 4;
/// Size of an HTTP/2 frame header in bytes, and the types of the first frame and of the last known one (RFC 9113,
/// sections 3.4, 4.1 and 6).
const FRAME_HEADER: usize = 9;
const SETTINGS: u8 = 4;
const LAST_FRAME_TYPE: u8 = 9;

/// Longest `content-length` that the library accepts.
const MAX_CONTENT_LENGTH: u64 = u64::MAX - 2;
const TOO_LONG_BODY: &str = "the peer announced a body that is too long";

/// Which part of a head demonstrates an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// The first line.
    Beginning,
    /// The lines that determine the end of the body.
    Framing,
    /// The first line that is not a header.
    Header,
    /// The size.
    Size,
}

/// Observes a head, to explain errors about it.
#[derive(Debug, Clone, Default)]
pub(super) struct HeadObserver {
    state: Arc<Mutex<HeadState>>,
    pub(super) transcript: HttpTranscript,
}

/// The part of a head that was received so far.
#[derive(Debug, Default)]
struct HeadState {
    opening: Vec<u8>,
    line: Line,
    /// The status line was received.
    has_status: bool,
    /// This head belongs to an informational response; another one follows.
    is_informational: bool,
    is_over: bool,
    headers: usize,
    /// Bytes of this head.
    size: usize,
    longest: Line,
    /// The lines that determine the end of the body.
    framing: Vec<String>,
    /// The announced body length exceeds the supported maximum.
    exceeds_max_length: bool,
    /// The first line that is not a header.
    malformed: Option<String>,
}

/// One line, without its end.
#[derive(Debug, Default)]
struct Line {
    start: Vec<u8>,
    length: usize,
    ends_in_return: bool,
}

impl HeadObserver {
    pub(super) fn new(transcript: HttpTranscript) -> Self {
        let state = Arc::default();
        Self { state, transcript }
    }

    /// Observes received bytes, and replaces by blanks what other clients tolerate. If the last byte is a carriage
    /// return, it depends on the next byte: it is not consumed, and has to be passed again.
    pub(super) fn observe(&self, bytes: &mut [u8]) -> Delivered {
        let mut state = self.state();
        let room = OPENING_BYTES.saturating_sub(state.opening.len());
        let opening = bytes.get(..room).unwrap_or(bytes).to_vec();
        let mut index = 0;
        while !state.is_over {
            let Some(rest @ [_, ..]) = bytes.get_mut(index..) else {
                break;
            };
            let end = memchr(b'\n', rest).map_or(rest.len(), |newline| newline + 1);
            let is_undecided = end == rest.len() && rest.ends_with(b"\r");
            let decided = rest
                .get_mut(..end - usize::from(is_undecided))
                .unwrap_or_default();
            state.push(decided);
            index += decided.len();
            if is_undecided {
                self.transcript.head(bytes.get(..index).unwrap_or_default());
                state.opening.extend(opening.get(..index).unwrap_or(&opening));
                return Delivered::Until(index);
            }
        }
        self.transcript.head(bytes.get(..index).unwrap_or_default());
        state.opening.extend(opening);
        Delivered::All
    }

    /// Adds evidence from the head to a protocol error.
    pub(super) fn explain(&self, error: NetError, evidence: Evidence) -> NetError {
        let NetError::Protocol(reason) = error else {
            return error;
        };
        let state = self.state();
        let sent = |lines: &[String]| (!lines.is_empty()).then(|| format!("it sent {}", lines.join(" and ")));
        let (reason, hint) = match evidence {
            Evidence::Beginning => (reason, state.beginning()),
            Evidence::Framing => (reason, sent(&state.framing)),
            Evidence::Header => (reason, sent(state.malformed.as_slice())),
            Evidence::Size if state.exceeds_max_length => (TOO_LONG_BODY.to_owned(), sent(&state.framing)),
            Evidence::Size => (reason, state.size()),
        };
        let explained = NetError::Protocol(match hint {
            Some(hint) => format!("{reason}; {hint}"),
            None => reason,
        });
        match evidence {
            Evidence::Size => explained,
            _ => explained.with_peer_sent(&state.opening, Phase::Receive),
        }
    }

    /// Whether the head is larger than allowed: the library accepts what comes with one read.
    pub(super) fn is_too_large(&self) -> bool {
        self.state().size > MAX_HEAD_BYTES
    }

    /// Observes bytes received over HTTP/2, which may turn out to be another protocol.
    pub(super) fn observe_http2(&self, bytes: &[u8]) {
        let mut state = self.state();
        let room = OPENING_BYTES.saturating_sub(state.opening.len());
        state.opening.extend(bytes.iter().take(room));
        if state.is_foreign_to_http2() {
            self.transcript.head(bytes);
        }
    }

    /// Adds to an HTTP/2 error what the peer sent instead.
    pub(super) fn explain_http2(&self, error: NetError) -> NetError {
        let state = self.state();
        if !state.is_foreign_to_http2() {
            return error;
        }
        let hint = state.beginning().unwrap_or_default();
        let reason = format!("the peer does not answer in HTTP/2; {hint}");
        NetError::Protocol(reason).with_peer_sent(&state.opening, Phase::Receive)
    }

    fn state(&self) -> MutexGuard<'_, HeadState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many bytes may be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivered {
    All,
    /// Up to this index; the byte there depends on the next one.
    Until(usize),
}

impl HeadState {
    /// Adds bytes of one line, up to its end at most, and replaces by blanks what other clients tolerate.
    fn push(&mut self, bytes: &mut [u8]) {
        self.size += bytes.len();
        let (text, is_ended) = match bytes {
            [text @ .., b'\n'] => (text, true),
            text => (text, false),
        };
        let (text, end) = match text {
            [text @ .., b'\r'] if is_ended => (text, b"\r".as_slice()),
            text => (text, b"".as_slice()),
        };
        blank_returns(text);
        if self.has_status {
            self.line.push(text);
        } else {
            self.push_status(text);
        }
        self.line.push(end);
        if is_ended {
            self.end_line();
        }
    }

    fn push_status(&mut self, text: &mut [u8]) {
        for byte in text {
            if self.is_invalid_reason(*byte) {
                *byte = b' ';
            }
            self.line.push(std::slice::from_ref(byte));
        }
    }

    /// Whether the next byte is a control character in the reason, which follows the likes of `HTTP/1.1 200 `.
    fn is_invalid_reason(&self, byte: u8) -> bool {
        let is_control = byte.is_ascii_control() && byte != b'\t';
        let line = &self.line.start;
        is_control && line.starts_with(b"HTTP/") && line.get(12) == Some(&b' ')
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        match (line.is_empty(), self.has_status) {
            // Empty lines before the status line are skipped.
            (true, false) => {}
            (true, true) => {
                self.is_over = !self.is_informational;
                self.has_status = false;
                if !self.is_over {
                    self.size = 0;
                }
            }
            (false, false) => {
                self.has_status = true;
                self.is_informational = line.is_informational();
            }
            (false, true) => {
                self.headers += 1;
                self.exceeds_max_length |= line.exceeds_max_length();
                self.malformed = self.malformed.take().or_else(|| line.malformed());
                self.framing
                    .extend(line.framing().filter(|_| self.framing.len() < MAX_FRAMING_LINES));
                self.note_length(line);
            }
        }
    }

    fn note_length(&mut self, line: Line) {
        if line.length > self.longest.length {
            self.longest = line;
        }
    }

    /// Whether the received bytes are no frames of HTTP/2: the first one has a known type, and less than 64 KiB.
    fn is_foreign_to_http2(&self) -> bool {
        let header = self.opening.first_chunk::<FRAME_HEADER>();
        header.is_some_and(|[length, _, _, kind, ..]| {
            *kind != SETTINGS && (*length != 0 || *kind > LAST_FRAME_TYPE)
        })
    }

    fn beginning(&self) -> Option<String> {
        match self.opening.as_slice() {
            [20..=23, 3, ..] => return Some("it speaks TLS (use `https`)".to_owned()),
            [0, _, _, SETTINGS, _, 0, 0, 0, 0, ..] => {
                return Some("it speaks HTTP/2, which was not requested".to_owned());
            }
            _ => {}
        }
        let text = String::from_utf8_lossy(&self.opening);
        let line = text.lines().next().unwrap_or_default();
        (!line.is_empty()).then(|| format!("the answer begins with `{}`", line.escape_debug()))
    }

    fn size(&self) -> Option<String> {
        let longest = if self.has_status && self.line.length > self.longest.length {
            &self.line
        } else {
            &self.longest
        };
        let name = longest.name()?;
        let headers = self.headers + usize::from(self.line.length > 0);
        Some(format!(
            "it has {headers} headers so far, the longest is `{}` with {} bytes",
            name.escape_debug(),
            longest.length
        ))
    }
}

impl Line {
    fn push(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.last() else { return };
        self.length += bytes.len();
        self.ends_in_return = *last == b'\r';
        let room = LINE_START_BYTES.saturating_sub(self.start.len());
        self.start.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    fn is_empty(&self) -> bool {
        self.length == usize::from(self.ends_in_return)
    }

    /// Whether it is the status line of an informational response; 101 is a final response.
    fn is_informational(&self) -> bool {
        let code = self
            .start
            .split(|byte| *byte == b' ')
            .find(|word| !word.starts_with(b"HTTP/"));
        code.is_some_and(|code| code.starts_with(b"1") && code.len() >= 3 && !code.starts_with(b"101"))
    }

    /// The line, if it determines the end of the body.
    fn framing(&self) -> Option<String> {
        let is_framing = self.is_named("content-length") || self.is_named("transfer-encoding");
        is_framing.then(|| self.quoted())
    }

    /// The line, if its kept part is not a valid header.
    fn malformed(&self) -> Option<String> {
        let line = self.start.trim_ascii_end();
        // A line that starts with a blank continues the previous one.
        let is_folded = line.starts_with(b" ") || line.starts_with(b"\t");
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (name, value) = (parts.next().unwrap_or_default().trim_ascii_end(), parts.next());
        let is_whole = value.is_some() || self.length > LINE_START_BYTES;
        let is_name = is_folded || is_whole && HeaderName::from_bytes(name).is_ok();
        let value = if is_folded {
            line
        } else {
            value.unwrap_or_default()
        };
        let is_value = value
            .iter()
            .all(|byte| *byte == b'\t' || !byte.is_ascii_control());
        (!is_name || !is_value).then(|| self.quoted())
    }

    /// Whether it announces a body longer than the supported maximum.
    fn exceeds_max_length(&self) -> bool {
        if !self.is_named("content-length") {
            return false;
        }
        let line = String::from_utf8_lossy(&self.start);
        let announced = line.split_once(':').map(|(_, length)| length.trim().parse());
        matches!(announced, Some(Ok::<u64, _>(length)) if length > MAX_CONTENT_LENGTH)
    }

    fn quoted(&self) -> String {
        let line = String::from_utf8_lossy(self.start.trim_ascii());
        format!("`{}`", line.escape_debug())
    }

    fn is_named(&self, name: &str) -> bool {
        let own = self.name_bytes();
        own.is_some_and(|own| own.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// The header's name, or its kept part.
    fn name(&self) -> Option<String> {
        let name = self.name_bytes()?;
        Some(String::from_utf8_lossy(name).into_owned())
    }

    fn name_bytes(&self) -> Option<&[u8]> {
        let name = self.start.split(|byte| *byte == b':').next()?;
        let name = name.trim_ascii();
        (!name.is_empty()).then_some(name)
    }
}

/// Replaces carriage returns, none of which ends the line.
fn blank_returns(text: &mut [u8]) {
    let mut rest = text;
    while let Some(at) = memchr(b'\r', rest) {
        let Some((byte, after)) = rest.get_mut(at..).and_then(<[u8]>::split_first_mut) else {
            return;
        };
        *byte = b' ';
        rest = after;
    }
}

#[cfg(test)]
mod tests;
