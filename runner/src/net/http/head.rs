//! The head of an answer over HTTP/1 as it passes by: what a message may say of it, and carriage returns that stand alone,
//! which become blanks (RFC 9112, section 2.2).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderName;

use super::noted::Noted;
use crate::net::{NetError, Phase};

/// First bytes of an answer that are kept for messages.
const OPENING: usize = 64;
/// First bytes of a line that are kept: a header's name, or the status.
const LINE_START: usize = 64;
/// Lines that say where the body ends, as many of them as are kept.
const FRAMING: usize = 4;
/// Bytes of the header of a frame of HTTP/2, and its kind that comes first (RFC 9113, sections 3.4 and 4.1).
const FRAME_HEADER: usize = 9;
const SETTINGS: u8 = 4;

/// Where a length is no length any more, for the library.
const LONGEST: u64 = u64::MAX - 2;
const ENDLESS: &str = "the peer announces a longer body than there can be";

/// What of a head shows what is wrong with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evidence {
    /// Its first line.
    Beginning,
    /// The lines that say where the body ends.
    Framing,
    /// The first line that is not a header.
    Header,
    /// How long it is.
    Size,
}

/// What is known of a head, for the message when it is not HTTP.
#[derive(Debug, Clone, Default)]
pub(super) struct Head {
    passing: Arc<Mutex<Passing>>,
    pub(super) noted: Noted,
}

/// A head, as far as it has passed.
#[derive(Debug, Default)]
struct Passing {
    opening: Vec<u8>,
    line: Line,
    /// The status line has passed.
    has_status: bool,
    /// Another head follows: this one is an informational answer's.
    is_informational: bool,
    is_over: bool,
    headers: usize,
    longest: Line,
    /// The lines that say where the body ends.
    framing: Vec<String>,
    /// A body is announced that is longer than any.
    is_endless: bool,
    /// The first line that is not a header.
    odd: Option<String>,
}

/// One line, its end left out.
#[derive(Debug, Default)]
struct Line {
    start: Vec<u8>,
    length: usize,
    ends_in_return: bool,
}

impl Head {
    pub(super) fn new(noted: Noted) -> Self {
        let passing = Arc::default();
        Self { passing, noted }
    }

    /// Takes note of bytes that are handed over, and makes blanks of carriage returns that stand alone. The last byte
    /// may be one that the next byte decides about: then it is not counted, and has to be shown again.
    pub(super) fn pass(&self, bytes: &mut [u8]) -> Passed {
        let mut passing = self.passing();
        let room = OPENING.saturating_sub(passing.opening.len());
        let opening = bytes.get(..room).unwrap_or(bytes).to_vec();
        let mut place = 0;
        while !passing.is_over {
            let Some(rest) = bytes.get_mut(place..) else { break };
            match rest {
                [] => break,
                [b'\r'] => {
                    self.noted.head(bytes.get(..place).unwrap_or_default());
                    passing.opening.extend(opening.get(..place).unwrap_or(&opening));
                    return Passed::Until(place);
                }
                [byte @ b'\r', next, ..] if *next != b'\n' => *byte = b' ',
                _ => {}
            }
            if let Some(byte) = rest.first() {
                passing.take(*byte);
            }
            place += 1;
        }
        self.noted.head(bytes.get(..place).unwrap_or_default());
        passing.opening.extend(opening);
        Passed::All
    }

    /// Adds to a protocol error what shows it of what came.
    pub(super) fn explain(&self, error: NetError, evidence: Evidence) -> NetError {
        let NetError::Protocol(reason) = error else {
            return error;
        };
        let passing = self.passing();
        let sent = |lines: &[String]| (!lines.is_empty()).then(|| format!("it sent {}", lines.join(" and ")));
        let (reason, hint) = match evidence {
            Evidence::Beginning => (reason, passing.beginning()),
            Evidence::Framing => (reason, sent(&passing.framing)),
            Evidence::Header => (reason, sent(passing.odd.as_slice())),
            Evidence::Size if passing.is_endless => (ENDLESS.to_owned(), sent(&passing.framing)),
            Evidence::Size => (reason, passing.size()),
        };
        let explained = NetError::Protocol(match hint {
            Some(hint) => format!("{reason}; {hint}"),
            None => reason,
        });
        match evidence {
            Evidence::Size => explained,
            _ => explained.after(&passing.opening, Phase::Receive),
        }
    }

    /// Takes note of what comes over HTTP/2, as far as that may be something else.
    pub(super) fn pass_http2(&self, bytes: &[u8]) {
        let mut passing = self.passing();
        let room = OPENING.saturating_sub(passing.opening.len());
        passing.opening.extend(bytes.iter().take(room));
        if passing.is_foreign_to_http2() {
            self.noted.head(bytes);
        }
    }

    /// Adds to an error over HTTP/2 what came in place of it.
    pub(super) fn explain_http2(&self, error: NetError) -> NetError {
        let passing = self.passing();
        if !passing.is_foreign_to_http2() {
            return error;
        }
        let hint = passing.beginning().unwrap_or_default();
        let reason = format!("the peer does not answer in HTTP/2; {hint}");
        NetError::Protocol(reason).after(&passing.opening, Phase::Receive)
    }

    fn passing(&self) -> MutexGuard<'_, Passing> {
        self.passing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far bytes may be handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    All,
    /// Up to here; the byte there waits for the next one.
    Until(usize),
}

impl Passing {
    fn take(&mut self, byte: u8) {
        match byte {
            b'\n' => self.end_line(),
            _ => self.line.push(byte),
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        match (line.is_empty(), self.has_status) {
            // Before the status, empty lines are skipped.
            (true, false) => {}
            (true, true) => {
                self.is_over = !self.is_informational;
                self.has_status = false;
            }
            (false, false) => {
                self.has_status = true;
                self.is_informational = line.is_informational();
            }
            (false, true) => {
                self.headers += 1;
                self.is_endless |= line.is_endless();
                self.odd = self.odd.take().or_else(|| line.odd());
                self.framing
                    .extend(line.framing().filter(|_| self.framing.len() < FRAMING));
                self.note_length(line);
            }
        }
    }

    fn note_length(&mut self, line: Line) {
        if line.length > self.longest.length {
            self.longest = line;
        }
    }

    /// Whether what came is not the begin of a connection of HTTP/2.
    fn is_foreign_to_http2(&self) -> bool {
        let header = self.opening.first_chunk::<FRAME_HEADER>();
        header.is_some_and(|[.., kind, _, _, _, _, _]| *kind != SETTINGS)
    }

    fn beginning(&self) -> Option<String> {
        match self.opening.as_slice() {
            [20..=23, 3, ..] => return Some("it speaks TLS, as `https` asks for".to_owned()),
            [0, _, _, SETTINGS, _, 0, 0, 0, 0, ..] => {
                return Some("it speaks HTTP/2 without being asked".to_owned());
            }
            _ => {}
        }
        let text = String::from_utf8_lossy(&self.opening);
        let line = text.lines().next().unwrap_or_default();
        (!line.is_empty()).then(|| format!("the answer begins with `{}`", line.escape_debug()))
    }

    fn size(&self) -> Option<String> {
        let longest = match self.has_status && self.line.length > self.longest.length {
            true => &self.line,
            false => &self.longest,
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
    fn push(&mut self, byte: u8) {
        self.length += 1;
        self.ends_in_return = byte == b'\r';
        if self.start.len() < LINE_START {
            self.start.push(byte);
        }
    }

    fn is_empty(&self) -> bool {
        self.length == usize::from(self.ends_in_return)
    }

    /// Whether it is the status line of an answer before the answer; 101 is the answer itself.
    fn is_informational(&self) -> bool {
        let code = self
            .start
            .split(|byte| *byte == b' ')
            .find(|word| !word.starts_with(b"HTTP/"));
        code.is_some_and(|code| code.starts_with(b"1") && code.len() >= 3 && !code.starts_with(b"101"))
    }

    /// The line, if it says where the body ends.
    fn framing(&self) -> Option<String> {
        let name = self.name()?.to_ascii_lowercase();
        let is_framing = matches!(name.as_str(), "content-length" | "transfer-encoding");
        is_framing.then(|| self.quoted())
    }

    /// The line, if it is not a header as far as it was kept.
    fn odd(&self) -> Option<String> {
        let line = self.start.trim_ascii_end();
        // What begins with a blank belongs to the line before.
        let is_folded = line.starts_with(b" ") || line.starts_with(b"\t");
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (name, value) = (parts.next().unwrap_or_default().trim_ascii_end(), parts.next());
        let is_whole = value.is_some() || self.length > LINE_START;
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

    /// Whether it announces a body that is longer than any.
    fn is_endless(&self) -> bool {
        let line = String::from_utf8_lossy(&self.start);
        let announced = line
            .split_once(':')
            .filter(|(name, _)| name.trim().eq_ignore_ascii_case("content-length"));
        let length = announced.and_then(|(_, length)| length.trim().parse::<u64>().ok());
        length.is_some_and(|length| length > LONGEST)
    }

    fn quoted(&self) -> String {
        let line = String::from_utf8_lossy(self.start.trim_ascii());
        format!("`{}`", line.escape_debug())
    }

    /// The header's name, or as much of it as was kept.
    fn name(&self) -> Option<String> {
        let name = self.start.split(|byte| *byte == b':').next()?;
        let name = name.trim_ascii();
        (!name.is_empty()).then(|| String::from_utf8_lossy(name).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is handed over of bytes that come in pieces of this size.
    fn passed(bytes: &[u8], size: usize) -> Vec<u8> {
        let head = Head::default();
        let (mut handed, mut waiting) = (Vec::new(), Vec::new());
        for piece in bytes.chunks(size) {
            waiting.extend_from_slice(piece);
            let end = match head.pass(&mut waiting) {
                Passed::All => waiting.len(),
                Passed::Until(end) => end,
            };
            handed.extend(waiting.drain(..end));
        }
        [handed, waiting].concat()
    }

    #[test]
    fn a_return_that_stands_alone_is_a_blank_in_a_head_and_nowhere_else() {
        let sent = b"\r\nHTTP/1.1 103 Hints\r\nlink: a\rb\r\n\r\nHTTP/1.1 200 OK\na: 1\r\r\nb: \r2\n\r\nbody\r\r\nbody\r";
        let expected = b"\r\nHTTP/1.1 103 Hints\r\nlink: a b\r\n\r\nHTTP/1.1 200 OK\na: 1 \r\nb:  2\n\r\nbody\r\r\nbody\r";
        for size in [1, 2, 3, 7, sent.len()] {
            assert_eq!(passed(sent, size), expected, "pieces of {size}");
        }
    }

    #[test]
    fn the_body_of_a_final_answer_is_never_taken_for_a_head() {
        for status in ["101 Switching", "200 OK", "299", "500 Bad"] {
            let sent = format!("HTTP/1.1 {status}\r\n\r\nHTTP/1.1 100 C\r\na: b\rc\r\n\r\nx\ry");
            assert_eq!(passed(sent.as_bytes(), 5), sent.as_bytes(), "{status}");
        }
    }

    #[test]
    fn a_head_that_is_too_large_names_its_longest_header() {
        let head = Head::default();
        let mut sent = format!(
            "HTTP/1.1 200 OK\r\na: 1\r\nx-big: {}\r\nset-cook",
            "v".repeat(5_000)
        )
        .into_bytes();
        assert_eq!(head.pass(&mut sent), Passed::All);
        let explained = head.explain(NetError::Protocol("too large".to_owned()), Evidence::Size);
        assert_eq!(
            explained.to_string(),
            "protocol: too large; it has 3 headers so far, the longest is `x-big` with 5008 bytes"
        );
    }

    #[test]
    fn what_is_not_http_is_quoted() {
        let head = Head::default();
        let mut sent = b"SSH-2.0-x\r\n".repeat(20);
        head.pass(&mut sent);
        let explained = head.explain(NetError::Protocol("no".to_owned()), Evidence::Beginning);
        assert_eq!(
            explained.to_string(),
            "protocol: no; the answer begins with `SSH-2.0-x`"
        );
    }
}
