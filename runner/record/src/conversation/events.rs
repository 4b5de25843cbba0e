//! The raw recorded events of a conversation, within bounds.

use std::ops::Range;
use std::time::Duration;

use super::{Content, LineKind};

/// Maximum number of bytes kept per conversation, including notes.
const MAX_BYTES: usize = 256 << 10;
/// Maximum number of bytes kept of what one side sends before the other side responds.
const MAX_TURN_BYTES: usize = 16 << 10;
/// Maximum number of bytes kept of a body.
const MAX_BODY_BYTES: usize = 2 << 10;
/// Maximum number of events.
const MAX_EVENTS: usize = 4096;
/// Bytes that arrive within this time of earlier ones belong to the same event.
const MERGE_WINDOW: Duration = Duration::from_millis(5);

/// Connection, direction and content of recorded bytes.
pub(super) type Source = (u32, LineKind, Content);

/// Recorded events in order.
#[derive(Debug, Default)]
pub(super) struct Events {
    list: Vec<Event>,
    /// The recorded bytes: one buffer per source and per uninterrupted stretch.
    buffers: Vec<Vec<u8>>,
    kept: usize,
    connections: u32,
    omitted: u64,
}

#[derive(Debug)]
pub(super) struct Event {
    pub(super) at: Duration,
    pub(super) connection: Option<u32>,
    pub(super) kind: EventKind,
}

#[derive(Debug)]
pub(super) enum EventKind {
    Note(String),
    Chunk(Chunk),
}

/// Bytes in one direction.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) line_kind: LineKind,
    pub(super) content: Content,
    /// Index of the buffer, and the range within it.
    pub(super) buffer: usize,
    pub(super) range: Range<usize>,
    /// Number of subsequent bytes that were not kept.
    pub(super) omitted: u64,
    /// Bytes kept since the other side last sent something, including these.
    turn: usize,
}

impl Events {
    pub(super) fn next_connection(&mut self) -> u32 {
        self.connections = self.connections.saturating_add(1);
        self.connections
    }

    pub(super) fn list(&self) -> &[Event] {
        &self.list
    }

    pub(super) fn buffer(&self, index: usize) -> &[u8] {
        self.buffers.get(index).map_or(&[], Vec::as_slice)
    }

    pub(super) fn buffers(&self) -> impl Iterator<Item = &[u8]> {
        self.buffers.iter().map(Vec::as_slice)
    }

    /// Bytes for which no event was recorded at all.
    pub(super) fn omitted(&self) -> u64 {
        self.omitted
    }

    pub(super) fn note(&mut self, at: Duration, connection: Option<u32>, text: String) {
        if self.list.len() >= MAX_EVENTS || self.kept + text.len() > MAX_BYTES {
            self.omitted += count(text.len());
            return;
        }
        self.kept += text.len();
        let kind = EventKind::Note(text);
        self.list.push(Event { at, connection, kind });
    }

    pub(super) fn record(&mut self, at: Duration, source: Source, bytes: &[u8]) {
        let (connection, line_kind, content) = source;
        let of_connection = |event: &&Event| event.connection == Some(connection);
        let last = self
            .list
            .iter()
            .rev()
            .find(of_connection)
            .map(|event| &event.kind);
        let turn = match last {
            Some(EventKind::Chunk(chunk)) if (chunk.line_kind, chunk.content) == (line_kind, content) => {
                chunk.turn
            }
            _ => 0,
        };
        let max_bytes = match content {
            Content::Dialogue => MAX_TURN_BYTES,
            Content::Body => MAX_BODY_BYTES,
        };
        let room = max_bytes
            .saturating_sub(turn)
            .min(MAX_BYTES.saturating_sub(self.kept));
        let (kept, rest) = bytes.split_at(room.min(bytes.len()));
        self.kept += kept.len();
        if !self.extend(at, source, kept, rest.len()) {
            self.begin(at, source, (turn, kept), rest.len());
        }
    }

    /// Appends to the connection's last event if the bytes belong to it.
    fn extend(
        &mut self,
        at: Duration,
        (connection, line_kind, content): Source,
        kept: &[u8],
        rest: usize,
    ) -> bool {
        let is_full = self.list.len() >= MAX_EVENTS;
        let events = self.list.iter_mut().rev();
        let last = events
            .into_iter()
            .find(|event| event.connection == Some(connection));
        let Some(Event {
            at: begun,
            kind: EventKind::Chunk(chunk),
            ..
        }) = last
        else {
            return false;
        };
        let is_same = (chunk.line_kind, chunk.content) == (line_kind, content);
        let is_soon = at.saturating_sub(*begun) < MERGE_WINDOW || kept.is_empty();
        let Some(buffer) = self.buffers.get_mut(chunk.buffer) else {
            return false;
        };
        // Bytes after a gap go into a buffer of their own.
        let is_next = chunk.omitted == 0 && buffer.len() == chunk.range.end || kept.is_empty();
        if !(is_same && is_next && (is_soon || is_full)) {
            return false;
        }
        buffer.extend_from_slice(kept);
        chunk.range.end += kept.len();
        chunk.turn += kept.len();
        chunk.omitted += count(rest);
        true
    }

    fn begin(&mut self, at: Duration, source: Source, (turn, kept): (usize, &[u8]), rest: usize) {
        let (connection, line_kind, content) = source;
        if self.list.len() >= MAX_EVENTS {
            self.kept = self.kept.saturating_sub(kept.len());
            self.omitted += count(kept.len()) + count(rest);
            return;
        }
        let index = self.buffer_for(connection, line_kind);
        let Some(buffer) = self.buffers.get_mut(index) else {
            return;
        };
        let start = buffer.len();
        buffer.extend_from_slice(kept);
        let chunk = Chunk {
            line_kind,
            content,
            buffer: index,
            range: start..start + kept.len(),
            omitted: count(rest),
            turn: turn + kept.len(),
        };
        let (connection, kind) = (Some(connection), EventKind::Chunk(chunk));
        self.list.push(Event { at, connection, kind });
    }

    /// Index of the buffer that the next bytes of this side belong to.
    fn buffer_for(&mut self, connection: u32, line_kind: LineKind) -> usize {
        let of_side = self.list.iter().rev().find_map(|event| match &event.kind {
            EventKind::Chunk(chunk)
                if event.connection == Some(connection) && chunk.line_kind == line_kind =>
            {
                Some(chunk)
            }
            _ => None,
        });
        match of_side {
            Some(chunk) if chunk.omitted == 0 => chunk.buffer,
            _ => {
                self.buffers.push(Vec::new());
                self.buffers.len() - 1
            }
        }
    }
}

pub(super) fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
