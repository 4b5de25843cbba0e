//! The conversation of a run with its peers, for human readers. Recorded only when it is requested for the run.
//!
//! Bytes are recorded where the host moves them, by the innermost layer in which they are meaningful: a
//! [`ConnectionLog`] belongs to a socket, and the socket's bytes are recorded until TLS or HTTP takes over. So every
//! protocol is covered. Secrets are masked at the end, so that a secret split across reads is still recognised.

mod events;
mod masks;
mod render;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Text;
use crate::redact::Secrets;
use events::Events;

/// The conversation of a run in progress. Clones share their content.
#[derive(Debug, Clone)]
pub struct Conversation(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    began: Instant,
    /// Held for a few assignments and while bytes are copied.
    events: Mutex<Events>,
}

/// The origin of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineKind {
    /// A note by the host about its actions and findings.
    Note,
    /// Bytes sent to the peer.
    Sent,
    /// Bytes received from the peer.
    Received,
}

impl LineKind {
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
    /// Time since the start of the run.
    pub at: Duration,
    /// Connection number, from 1; `None` if the line belongs to no connection.
    pub connection: Option<u32>,
    /// Origin of the line.
    pub kind: LineKind,
    /// The text, without secrets and control characters.
    pub text: Text,
}

/// A finished conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transcript {
    /// Lines, ordered by start time.
    pub lines: Vec<Line>,
    /// Number of bytes that are not shown.
    pub bytes_left_out: u64,
    /// Number of lines that are not shown.
    pub lines_left_out: u64,
}

/// The layer that records the bytes of a connection, from outermost to innermost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Layer {
    /// Bytes are recorded at the socket.
    Socket,
    /// The socket carries TLS with a proxy; what is sent and received in that session is recorded.
    Proxy,
    /// The socket, or the session with the proxy, carries TLS with the target; plaintext is recorded above it.
    Tls,
    /// HTTP records heads and bodies itself.
    Http,
}

/// The kind of recorded bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Commands, responses, message heads.
    Dialogue,
    /// An HTTP message body, of which only the beginning is shown.
    Body,
}

impl Conversation {
    pub(super) fn new() -> Self {
        Self(Arc::new(Shared {
            began: Instant::now(),
            events: Mutex::default(),
        }))
    }

    /// Adds a note about an action or finding of the host.
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

/// The conversation on one connection. Clones share their state.
#[derive(Debug, Clone)]
pub struct ConnectionLog {
    conversation: Conversation,
    state: Arc<LogState>,
}

#[derive(Debug, Default)]
struct LogState {
    /// 0 until the connection is established.
    number: AtomicU32,
    /// A [`Layer`].
    layer: AtomicU8,
    /// Whether the peer responds in TLS when it was addressed in TLS.
    reply: AtomicU8,
    /// Whether the bytes of the target are in a session with a proxy.
    is_proxied: AtomicBool,
}

/// Nothing was received yet; the first bytes were TLS; the first bytes were something else.
const UNKNOWN: u8 = 0;
const TLS: u8 = 1;
const PLAIN: u8 = 2;
/// TLS record types; each record begins with one (RFC 8446, section 5.1).
const RECORDS: std::ops::RangeInclusive<u8> = 20..=24;

impl ConnectionLog {
    /// Creates the log for a socket that is about to be connected.
    #[must_use]
    pub fn new(conversation: &Conversation) -> Self {
        Self {
            conversation: conversation.clone(),
            state: Arc::default(),
        }
    }

    /// Assigns a connection number once the connection is established.
    pub fn open(&self, text: String) {
        let number = self.conversation.events().next_connection();
        self.state.number.store(number, Ordering::Relaxed);
        self.note(text);
    }

    /// Sets the layer that records bytes from now on.
    pub fn set_layer(&self, layer: Layer) {
        self.state.layer.store(layer as u8, Ordering::Relaxed);
        if layer == Layer::Proxy {
            self.state.is_proxied.store(true, Ordering::Relaxed);
            self.state.reply.store(UNKNOWN, Ordering::Relaxed);
        }
    }

    /// Adds a note about the connection, if it is established.
    pub fn note(&self, text: impl Into<String>) {
        let Some(number) = self.number() else { return };
        let at = self.conversation.0.began.elapsed();
        self.conversation.events().note(at, Some(number), text.into());
    }

    /// Records bytes sent by a layer, if this is the recording layer.
    pub fn sent(&self, layer: Layer, content: Content, bytes: &[u8]) {
        if self.is_in(layer) {
            self.record(LineKind::Sent, content, bytes);
        }
    }

    /// Records bytes received by a layer, if this is the recording layer, or if they are not TLS in response to TLS.
    pub fn received(&self, layer: Layer, content: Content, bytes: &[u8]) {
        if self.is_in(layer) || layer == self.carrier() && self.is_plain_reply(bytes) {
            self.record(LineKind::Received, content, bytes);
        }
    }

    fn number(&self) -> Option<u32> {
        let number = self.state.number.load(Ordering::Relaxed);
        (number > 0).then_some(number)
    }

    fn is_in(&self, layer: Layer) -> bool {
        self.state.layer.load(Ordering::Relaxed) == layer as u8
    }

    /// The layer that carries TLS with the target.
    fn carrier(&self) -> Layer {
        if self.state.is_proxied.load(Ordering::Relaxed) {
            Layer::Proxy
        } else {
            Layer::Socket
        }
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

    fn record(&self, line_kind: LineKind, content: Content, bytes: &[u8]) {
        let Some(number) = self.number().filter(|_| !bytes.is_empty()) else {
            return;
        };
        let at = self.conversation.0.began.elapsed();
        self.conversation
            .events()
            .record(at, (number, line_kind, content), bytes);
    }
}

/// Creates the text of a line from recorded bytes.
fn line(text: String, secrets: &Secrets) -> Text {
    let kept = text.len();
    Text::redacted(Cow::Owned(text), kept, secrets)
}
