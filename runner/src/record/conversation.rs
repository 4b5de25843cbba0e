//! What a run and its peers said to each other, for a person who reads it: kept only for a run that is asked for it.
//!
//! The bytes are noted where the host moves them, by the innermost layer that they have a meaning in: a [`Channel`] belongs
//! to a socket, and what goes through a socket is noted there until TLS or HTTP takes over. So no protocol is left out.
//! Secrets are masked once everything is there, so that none is divided by the pieces in which it came.

mod events;
mod masks;
mod render;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Text;
use crate::redact::Secrets;
use events::Events;

/// One run's conversation while it goes on. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Conversation(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    began: Instant,
    /// Held for a few assignments and for copying what was said.
    events: Mutex<Events>,
}

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The host, about what it does and finds.
    Note,
    /// The host, to the peer.
    Sent,
    /// The peer.
    Received,
}

impl Speaker {
    /// `note`, `sent` or `received`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Sent => "sent",
            Self::Received => "received",
        }
    }
}

/// One line of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Since the run's start.
    pub at: Duration,
    /// Number of the connection, from 1; absent for what belongs to none.
    pub connection: Option<u32>,
    /// Who said it.
    pub speaker: Speaker,
    /// Without secrets and control characters.
    pub text: Text,
}

/// A conversation that is over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transcript {
    /// In the order in which they began.
    pub lines: Vec<Line>,
    /// Bytes that were said and are not shown.
    pub bytes_left_out: u64,
    /// Lines that are not shown.
    pub lines_left_out: u64,
}

/// Where bytes have a meaning, from the outermost layer to the innermost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Layer {
    /// What goes through the socket is what is said.
    Socket,
    /// What goes through the socket is TLS.
    Tls,
    /// HTTP notes heads and bodies itself.
    Http,
}

/// What a part of what was said is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Commands, answers, heads.
    Dialogue,
    /// The body of an HTTP message, of which the first part is shown.
    Body,
}

impl Conversation {
    pub(super) fn new() -> Self {
        Self(Arc::new(Shared {
            began: Instant::now(),
            events: Mutex::default(),
        }))
    }

    /// Notes what the host does or finds.
    pub fn note(&self, text: impl Into<String>) {
        let at = self.0.began.elapsed();
        self.events().note(at, None, text.into());
    }

    pub(super) fn transcript(&self, secrets: &Secrets) -> Transcript {
        render::render(&self.events(), secrets)
    }

    fn events(&self) -> MutexGuard<'_, Events> {
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's part of a conversation. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Channel {
    conversation: Conversation,
    state: Arc<ChannelState>,
}

#[derive(Debug, Default)]
struct ChannelState {
    /// 0 until there is a connection.
    number: AtomicU32,
    /// A [`Layer`].
    layer: AtomicU8,
    /// Whether the peer answers in TLS where it was spoken to in TLS.
    reply: AtomicU8,
}

/// Nothing came yet; what came is TLS; what came is something else.
const UNKNOWN: u8 = 0;
const TLS: u8 = 1;
const PLAIN: u8 = 2;
/// Kinds of records, with which each of them begins (RFC 8446, section 5.1).
const RECORDS: std::ops::RangeInclusive<u8> = 20..=24;

impl Channel {
    /// For a socket that is about to be connected.
    #[must_use]
    pub fn new(conversation: &Conversation) -> Self {
        Self {
            conversation: conversation.clone(),
            state: Arc::default(),
        }
    }

    /// There is a connection.
    pub fn open(&self, text: String) {
        let number = self.conversation.events().next_connection();
        self.state.number.store(number, Ordering::Relaxed);
        self.note(text);
    }

    /// From now on this layer notes what is said.
    pub fn enter(&self, layer: Layer) {
        self.state.layer.store(layer as u8, Ordering::Relaxed);
    }

    /// Notes something about the connection, if there is one.
    pub fn note(&self, text: impl Into<String>) {
        let Some(number) = self.number() else { return };
        let at = self.conversation.0.began.elapsed();
        self.conversation.events().note(at, Some(number), text.into());
    }

    /// Bytes that were sent in a layer; noted if this is the one that notes.
    pub fn sent(&self, layer: Layer, content: Content, bytes: &[u8]) {
        if self.is_in(layer) {
            self.say(Speaker::Sent, content, bytes);
        }
    }

    /// Bytes that were received in a layer; noted if this is the one that notes, or if they are not TLS in answer to TLS.
    pub fn received(&self, layer: Layer, content: Content, bytes: &[u8]) {
        if self.is_in(layer) || layer == Layer::Socket && self.is_plain_reply(bytes) {
            self.say(Speaker::Received, content, bytes);
        }
    }

    fn number(&self) -> Option<u32> {
        let number = self.state.number.load(Ordering::Relaxed);
        (number > 0).then_some(number)
    }

    fn is_in(&self, layer: Layer) -> bool {
        self.state.layer.load(Ordering::Relaxed) == layer as u8
    }

    fn is_plain_reply(&self, bytes: &[u8]) -> bool {
        if !self.is_in(Layer::Tls) {
            return false;
        }
        let reply = &self.state.reply;
        if let Some(first) = bytes.first().filter(|_| reply.load(Ordering::Relaxed) == UNKNOWN) {
            let found = if RECORDS.contains(first) { TLS } else { PLAIN };
            reply.store(found, Ordering::Relaxed);
        }
        reply.load(Ordering::Relaxed) == PLAIN
    }

    fn say(&self, speaker: Speaker, content: Content, bytes: &[u8]) {
        let Some(number) = self.number().filter(|_| !bytes.is_empty()) else {
            return;
        };
        let at = self.conversation.0.began.elapsed();
        self.conversation
            .events()
            .say(at, (number, speaker, content), bytes);
    }
}

/// A text for a line, which was made out of what was said.
fn line(text: String, secrets: &Secrets) -> Text {
    let kept = text.len();
    Text::recorded(Cow::Owned(text), kept, secrets)
}
