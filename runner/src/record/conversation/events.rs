//! What was said, as it was said, within bounds.

use std::ops::Range;
use std::time::Duration;

use super::{Content, Speaker};

/// Bytes that are kept of a conversation, notes included.
const KEPT: usize = 256 << 10;
/// Bytes that are kept of what one side says before the other says something.
const TURN: usize = 16 << 10;
/// Bytes that are kept of a body.
const BODY: usize = 2 << 10;
/// Events that are kept.
const EVENTS: usize = 4096;
/// What comes so soon after other bytes belongs to the same event.
const TOGETHER: Duration = Duration::from_millis(5);

/// What one side of one connection says, and what it is.
pub(super) type Source = (u32, Speaker, Content);

/// What happened, in order.
#[derive(Debug, Default)]
pub(super) struct Events {
    list: Vec<Event>,
    /// The bytes that are kept, one piece for each source and each stretch in which nothing is missing.
    pieces: Vec<Vec<u8>>,
    kept: usize,
    connections: u32,
    left_out: u64,
}

#[derive(Debug)]
pub(super) struct Event {
    pub(super) at: Duration,
    pub(super) connection: Option<u32>,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Note(String),
    Said(Said),
}

/// Bytes of one side.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) speaker: Speaker,
    pub(super) content: Content,
    /// Index of the piece, and where the bytes are in it.
    pub(super) piece: usize,
    pub(super) range: Range<usize>,
    /// Bytes behind them that were not kept.
    pub(super) left_out: u64,
    /// Bytes that were kept since the other side said something, these included.
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

    pub(super) fn piece(&self, index: usize) -> &[u8] {
        self.pieces.get(index).map_or(&[], Vec::as_slice)
    }

    pub(super) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(Vec::as_slice)
    }

    /// Bytes of which there is no event at all.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    pub(super) fn note(&mut self, at: Duration, connection: Option<u32>, text: String) {
        if self.list.len() >= EVENTS || self.kept + text.len() > KEPT {
            self.left_out += count(text.len());
            return;
        }
        self.kept += text.len();
        let what = What::Note(text);
        self.list.push(Event { at, connection, what });
    }

    pub(super) fn say(&mut self, at: Duration, source: Source, bytes: &[u8]) {
        let (connection, speaker, content) = source;
        let of_connection = |event: &&Event| event.connection == Some(connection);
        let last = self
            .list
            .iter()
            .rev()
            .find(of_connection)
            .map(|event| &event.what);
        let turn = match last {
            Some(What::Said(said)) if (said.speaker, said.content) == (speaker, content) => said.turn,
            _ => 0,
        };
        let most = match content {
            Content::Dialogue => TURN,
            Content::Body => BODY,
        };
        let room = most.saturating_sub(turn).min(KEPT.saturating_sub(self.kept));
        let (kept, rest) = bytes.split_at(room.min(bytes.len()));
        self.kept += kept.len();
        if !self.extend(at, source, kept, rest.len()) {
            self.begin(at, source, (turn, kept), rest.len());
        }
    }

    /// Adds to the last event of the connection what belongs to it.
    fn extend(
        &mut self,
        at: Duration,
        (connection, speaker, content): Source,
        kept: &[u8],
        rest: usize,
    ) -> bool {
        let is_full = self.list.len() >= EVENTS;
        let events = self.list.iter_mut().rev();
        let last = events
            .into_iter()
            .find(|event| event.connection == Some(connection));
        let Some(Event {
            at: begun,
            what: What::Said(said),
            ..
        }) = last
        else {
            return false;
        };
        let is_same = (said.speaker, said.content) == (speaker, content);
        let is_soon = at.saturating_sub(*begun) < TOGETHER || kept.is_empty();
        let Some(piece) = self.pieces.get_mut(said.piece) else {
            return false;
        };
        // Behind what is missing there is a piece of its own.
        let is_next = said.left_out == 0 && piece.len() == said.range.end || kept.is_empty();
        if !(is_same && is_next && (is_soon || is_full)) {
            return false;
        }
        piece.extend_from_slice(kept);
        said.range.end += kept.len();
        said.turn += kept.len();
        said.left_out += count(rest);
        true
    }

    fn begin(&mut self, at: Duration, source: Source, (turn, kept): (usize, &[u8]), rest: usize) {
        let (connection, speaker, content) = source;
        if self.list.len() >= EVENTS {
            self.kept = self.kept.saturating_sub(kept.len());
            self.left_out += count(kept.len()) + count(rest);
            return;
        }
        let index = self.piece_of(connection, speaker);
        let Some(piece) = self.pieces.get_mut(index) else {
            return;
        };
        let start = piece.len();
        piece.extend_from_slice(kept);
        let said = Said {
            speaker,
            content,
            piece: index,
            range: start..start + kept.len(),
            left_out: count(rest),
            turn: turn + kept.len(),
        };
        let (connection, what) = (Some(connection), What::Said(said));
        self.list.push(Event { at, connection, what });
    }

    /// The piece that the next bytes of this side belong to.
    fn piece_of(&mut self, connection: u32, speaker: Speaker) -> usize {
        let of_side = self.list.iter().rev().find_map(|event| match &event.what {
            What::Said(said) if event.connection == Some(connection) && said.speaker == speaker => Some(said),
            _ => None,
        });
        match of_side {
            Some(said) if said.left_out == 0 => said.piece,
            _ => {
                self.pieces.push(Vec::new());
                self.pieces.len() - 1
            }
        }
    }
}

pub(super) fn count(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
