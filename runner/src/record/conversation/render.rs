//! From what was said to lines: text as text, with what cannot be shown escaped, and everything else in hexadecimal.

use std::fmt::Write as _;
use std::time::Duration;

use super::events::{Event, Events, Said, What, count};
use super::masks::{ByKind, secret_bytes};
use super::{Content, Line, Speaker, Transcript, line};
use crate::quota::show_bytes;
use crate::redact::{REDACTED, Secrets};

/// Lines that are shown.
const LINES: usize = 4096;
/// Bytes in hexadecimal that are shown of one turn.
const HEX: usize = 256;
const HEX_ROW: usize = 16;
/// One byte in so many may be no text in what is shown as text.
const FOREIGN: usize = 10;

/// What one side said before anything else happened on its connection.
struct Turn<'a> {
    connection: Option<u32>,
    first: &'a Said,
    bytes: Vec<Byte>,
    left_out: u64,
    ended: Duration,
}

/// A byte, when it was said, and whether it may be shown.
#[derive(Clone, Copy)]
struct Byte {
    value: u8,
    at: Duration,
    is_secret: bool,
}

pub(super) fn render(events: &Events, secrets: &Secrets) -> Transcript {
    let masked: Vec<Vec<bool>> = events
        .pieces()
        .map(|piece| secret_bytes(piece, secrets))
        .collect();
    let mut transcript = Transcript {
        bytes_left_out: events.left_out(),
        ..Transcript::default()
    };
    let mut under_way: Vec<Turn<'_>> = Vec::new();
    for event in events.list() {
        match &event.what {
            What::Note(text) => {
                finish(&mut under_way, event.connection, &mut transcript, secrets);
                let text = printable(text);
                transcript.add(event.at, event.connection, Speaker::Note, text, secrets);
            }
            What::Said(said) => {
                let continues = |turn: &Turn<'_>| {
                    turn.connection == event.connection
                        && (turn.first.speaker, turn.first.content) == (said.speaker, said.content)
                };
                if !under_way.iter().any(continues) {
                    finish(&mut under_way, event.connection, &mut transcript, secrets);
                    under_way.push(Turn::new(event, said));
                }
                let masked = masked.get(said.piece).map_or([].as_slice(), Vec::as_slice);
                let bytes = bytes(event.at, said, events.piece(said.piece), masked);
                if let Some(turn) = under_way
                    .iter_mut()
                    .find(|turn| turn.connection == event.connection)
                {
                    turn.bytes.extend(bytes);
                    turn.left_out += said.left_out;
                    turn.ended = event.at;
                }
            }
        }
    }
    for turn in under_way {
        turn.finish(&mut transcript, secrets);
    }
    transcript.lines.sort_by_key(|line| line.at);
    transcript
}

/// Nothing more comes to what was being said on a connection.
fn finish(
    under_way: &mut Vec<Turn<'_>>,
    connection: Option<u32>,
    transcript: &mut Transcript,
    secrets: &Secrets,
) {
    for turn in under_way.extract_if(.., |turn| turn.connection == connection) {
        turn.finish(transcript, secrets);
    }
}

fn bytes<'a>(
    at: Duration,
    said: &'a Said,
    piece: &'a [u8],
    masked: &'a [bool],
) -> impl Iterator<Item = Byte> + 'a {
    let all = piece.iter().zip(masked);
    let of_event = all.take(said.range.end).skip(said.range.start);
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
        speaker: Speaker,
        text: String,
        secrets: &Secrets,
    ) {
        if self.lines.len() >= LINES {
            self.lines_left_out += 1;
            return;
        }
        let text = line(text, secrets);
        self.lines.push(Line {
            at,
            connection,
            speaker,
            text,
        });
    }
}

impl<'a> Turn<'a> {
    fn new(event: &Event, first: &'a Said) -> Self {
        Self {
            connection: event.connection,
            first,
            bytes: Vec::new(),
            left_out: 0,
            ended: event.at,
        }
    }

    fn finish(mut self, transcript: &mut Transcript, secrets: &Secrets) {
        let lines = match is_text(&self.bytes) {
            true => text_lines(&self.bytes, self.first.content),
            false => {
                self.left_out += count(self.bytes.len().saturating_sub(HEX));
                hex_lines(&self.bytes)
            }
        };
        for (at, text) in lines {
            transcript.add(at, self.connection, self.first.speaker, text, secrets);
        }
        if self.left_out > 0 {
            transcript.bytes_left_out += self.left_out;
            let text = format!("{} more that are not shown", show_bytes(self.left_out));
            transcript.add(self.ended, self.connection, Speaker::Note, text, secrets);
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
    foreign * FOREIGN <= values.len()
}

/// Lines with the time at which each began.
fn text_lines(bytes: &[Byte], content: Content) -> Vec<(Duration, String)> {
    let mut by_kind = ByKind::default();
    let mut lines = Vec::new();
    for line in bytes.split_inclusive(|byte| byte.value == b'\n' && !byte.is_secret) {
        let Some(at) = line.first().map(|byte| byte.at) else {
            continue;
        };
        let end = line
            .iter()
            .rposition(|byte| !b"\r\n".contains(&byte.value) || byte.is_secret);
        let text = shown(line.get(..end.map_or(0, |last| last + 1)).unwrap_or_default());
        lines.push(match content {
            Content::Dialogue => (at, by_kind.mask(text)),
            Content::Body => (at, text),
        });
    }
    lines
}

fn shown(bytes: &[Byte]) -> String {
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

/// With control characters escaped, but for tabs.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for char in text.chars() {
        match char.is_control() && char != '\t' {
            true => printable.extend(char.escape_default()),
            false => printable.push(char),
        }
    }
    printable
}

fn hex_lines(bytes: &[Byte]) -> Vec<(Duration, String)> {
    let shown = bytes.get(..HEX).unwrap_or(bytes);
    let rows = shown.chunks(HEX_ROW).enumerate();
    let line = |(row, bytes): (usize, &[Byte])| {
        let hex = bytes.iter().map(|byte| match byte.is_secret {
            true => "** ".to_owned(),
            false => format!("{:02x} ", byte.value),
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
