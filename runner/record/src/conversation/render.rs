//! Renders recorded bytes as lines: text with escapes for unprintable characters, and everything else as hexadecimal.

use std::fmt::Write as _;
use std::time::Duration;

use super::events::{Chunk, Event, EventKind, Events, count};
use super::masks::{CredentialMask, secret_bytes};
use super::{Content, Line, LineKind, Transcript, line};
use crate::quota::format_bytes;
use crate::redact::{REDACTED, Secrets};

/// Maximum number of lines.
const MAX_LINES: usize = 4096;
/// Maximum number of bytes of a turn shown in hexadecimal.
const MAX_HEX_BYTES: usize = 256;
const HEX_ROW: usize = 16;
/// Bytes are shown as text if at most one in this many is not text.
const MAX_NON_TEXT_RATIO: usize = 10;

/// What one side sent before anything else happened on its connection.
struct Turn<'a> {
    connection: Option<u32>,
    first: &'a Chunk,
    bytes: Vec<Byte>,
    omitted: u64,
    ended: Duration,
}

/// A byte, the time at which it was recorded, and whether it is secret.
#[derive(Clone, Copy)]
struct Byte {
    value: u8,
    at: Duration,
    is_secret: bool,
}

pub(super) fn render(events: &Events, secrets: &Secrets) -> Transcript {
    let masked: Vec<Vec<bool>> = events
        .buffers()
        .map(|buffer| secret_bytes(buffer, secrets))
        .collect();
    let mut transcript = Transcript {
        bytes_left_out: events.omitted(),
        ..Transcript::default()
    };
    let mut open_turns: Vec<Turn<'_>> = Vec::new();
    for event in events.list() {
        match &event.kind {
            EventKind::Note(text) => {
                finish(&mut open_turns, event.connection, &mut transcript, secrets);
                let text = printable(text);
                transcript.add(event.at, event.connection, LineKind::Note, text, secrets);
            }
            EventKind::Chunk(chunk) => {
                let continues = |turn: &Turn<'_>| {
                    turn.connection == event.connection
                        && (turn.first.line_kind, turn.first.content) == (chunk.line_kind, chunk.content)
                };
                if !open_turns.iter().any(continues) {
                    finish(&mut open_turns, event.connection, &mut transcript, secrets);
                    open_turns.push(Turn::new(event, chunk));
                }
                let masked = masked.get(chunk.buffer).map_or([].as_slice(), Vec::as_slice);
                let bytes = bytes(event.at, chunk, events.buffer(chunk.buffer), masked);
                if let Some(turn) = open_turns
                    .iter_mut()
                    .find(|turn| turn.connection == event.connection)
                {
                    turn.bytes.extend(bytes);
                    turn.omitted += chunk.omitted;
                    turn.ended = event.at;
                }
            }
        }
    }
    for turn in open_turns {
        turn.finish(&mut transcript, secrets);
    }
    transcript.lines.sort_by_key(|line| line.at);
    transcript
}

/// Completes the open turn of a connection.
fn finish(
    open_turns: &mut Vec<Turn<'_>>,
    connection: Option<u32>,
    transcript: &mut Transcript,
    secrets: &Secrets,
) {
    for turn in open_turns.extract_if(.., |turn| turn.connection == connection) {
        turn.finish(transcript, secrets);
    }
}

fn bytes<'a>(
    at: Duration,
    chunk: &'a Chunk,
    buffer: &'a [u8],
    masked: &'a [bool],
) -> impl Iterator<Item = Byte> + 'a {
    let all = buffer.iter().zip(masked);
    let of_event = all.take(chunk.range.end).skip(chunk.range.start);
    of_event.map(move |(value, is_secret)| Byte {
        value: *value,
        at,
        is_secret: *is_secret,
    })
}

impl Transcript {
    fn add(
        &mut self,
        at: Duration,
        connection: Option<u32>,
        line_kind: LineKind,
        text: String,
        secrets: &Secrets,
    ) {
        if self.lines.len() >= MAX_LINES {
            self.lines_left_out += 1;
            return;
        }
        let text = line(text, secrets);
        self.lines.push(Line {
            at,
            connection,
            kind: line_kind,
            text,
        });
    }
}

impl<'a> Turn<'a> {
    fn new(event: &Event, first: &'a Chunk) -> Self {
        Self {
            connection: event.connection,
            first,
            bytes: Vec::new(),
            omitted: 0,
            ended: event.at,
        }
    }

    fn finish(mut self, transcript: &mut Transcript, secrets: &Secrets) {
        let lines = if is_text(&self.bytes) {
            text_lines(&self.bytes, self.first.content)
        } else {
            self.omitted += count(self.bytes.len().saturating_sub(MAX_HEX_BYTES));
            hex_lines(&self.bytes)
        };
        for (at, text) in lines {
            transcript.add(at, self.connection, self.first.line_kind, text, secrets);
        }
        if self.omitted > 0 {
            transcript.bytes_left_out += self.omitted;
            let text = format!("{} more that are not shown", format_bytes(self.omitted));
            transcript.add(self.ended, self.connection, LineKind::Note, text, secrets);
        }
    }
}

fn is_text(bytes: &[Byte]) -> bool {
    let values: Vec<u8> = bytes.iter().map(|byte| byte.value).collect();
    let is_foreign = |char: &char| char.is_control() && !matches!(char, '\t' | '\r' | '\n');
    let foreign: usize = values
        .utf8_chunks()
        .map(|chunk| chunk.valid().chars().filter(is_foreign).count() + chunk.invalid().len())
        .sum();
    foreign * MAX_NON_TEXT_RATIO <= values.len()
}

/// Text lines and the time at which each began.
fn text_lines(bytes: &[Byte], content: Content) -> Vec<(Duration, String)> {
    let mut by_kind = CredentialMask::default();
    let mut lines = Vec::new();
    for line in bytes.split_inclusive(|byte| byte.value == b'\n' && !byte.is_secret) {
        let Some(at) = line.first().map(|byte| byte.at) else {
            continue;
        };
        let end = line
            .iter()
            .rposition(|byte| !b"\r\n".contains(&byte.value) || byte.is_secret);
        let text = escaped(line.get(..end.map_or(0, |last| last + 1)).unwrap_or_default());
        lines.push(match content {
            Content::Dialogue => (at, by_kind.mask(text)),
            Content::Body => (at, text),
        });
    }
    lines
}

fn escaped(bytes: &[Byte]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for part in bytes.chunk_by(|one, next| one.is_secret == next.is_secret) {
        if part.first().is_some_and(|byte| byte.is_secret) {
            text.push_str(REDACTED);
            continue;
        }
        let values: Vec<u8> = part.iter().map(|byte| byte.value).collect();
        for chunk in values.utf8_chunks() {
            text.push_str(&printable(chunk.valid()));
            for byte in chunk.invalid() {
                let _infallible = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text
}

/// Escapes control characters, except for tabs.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() && char != '\t' {
            printable.extend(char.escape_default())
        } else {
            printable.push(char)
        }
    }
    printable
}

fn hex_lines(bytes: &[Byte]) -> Vec<(Duration, String)> {
    let escaped = bytes.get(..MAX_HEX_BYTES).unwrap_or(bytes);
    let rows = escaped.chunks(HEX_ROW).enumerate();
    let line = |(row, bytes): (usize, &[Byte])| {
        let hex = bytes.iter().map(|byte| {
            if byte.is_secret {
                "** ".to_owned()
            } else {
                format!("{:02x} ", byte.value)
            }
        });
        let hex: String = hex.collect();
        let text = bytes.iter().map(|byte| match byte.value {
            _ if byte.is_secret => '*',
            value @ b' '..=b'~' => char::from(value),
            _ => '.',
        });
        let text: String = text.collect();
        let at = bytes.first().map_or(Duration::ZERO, |byte| byte.at);
        (at, format!("{:04x}  {hex:48} {text}", row * HEX_ROW))
    };
    rows.map(line).collect()
}
