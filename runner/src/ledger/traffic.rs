//! What a descriptor carries, and what it does at the moment: written by the stream, read by whoever looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use crate::quota::show_bytes;
use crate::record::Channel;
use crate::trace::ClosedBy;

/// What a connection does at the moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Activity {
    /// It is being connected.
    #[default]
    Connect,
    /// Both sides agree on TLS.
    Handshake,
    /// The run writes.
    Send,
    /// The run waits for the first byte of an answer.
    Wait,
    /// The run reads.
    Receive,
    /// It is open, and nobody uses it.
    Idle,
}

impl Activity {
    const ALL: [Self; 6] = [
        Self::Connect,
        Self::Handshake,
        Self::Send,
        Self::Wait,
        Self::Receive,
        Self::Idle,
    ];

    /// The word in JSON and tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Handshake => "handshake",
            Self::Send => "send",
            Self::Wait => "wait",
            Self::Receive => "receive",
            Self::Idle => "idle",
        }
    }
}

/// What the live view shows of a connection. It keeps nothing open.
#[derive(Debug, Clone)]
pub struct LiveView(pub(super) Arc<Traffic>);

impl LiveView {
    /// Says what the connection does from now on. Reads and writes say so themselves.
    pub fn enter(&self, activity: Activity) {
        self.0.enter(activity);
    }
}

/// Counted by the stream and read by the page. Each field stands for itself: nothing follows from their order.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) bytes_in: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    pub(super) peer_closed: AtomicBool,
    /// An [`Activity`].
    activity: AtomicU8,
    /// Takes what is said, where the run's conversation is wanted.
    pub(super) channel: Option<Channel>,
}

impl Traffic {
    pub(super) fn new(channel: Option<Channel>) -> Self {
        Self {
            channel,
            ..Self::default()
        }
    }

    pub(super) fn activity(&self) -> Activity {
        let place = usize::from(self.activity.load(Ordering::Relaxed));
        Activity::ALL.get(place).copied().unwrap_or_default()
    }

    pub(super) fn enter(&self, activity: Activity) {
        self.activity.store(activity as u8, Ordering::Relaxed);
    }

    /// The descriptor is closed.
    pub(super) fn note_closed(&self, by: ClosedBy) {
        let Some(channel) = &self.channel else { return };
        let who = match by {
            ClosedBy::Guest => "closed by the check".to_owned(),
            ClosedBy::Peer => "closed, by the peer first".to_owned(),
            ClosedBy::Host(cause) => format!("taken back by the host ({})", cause.word()),
        };
        let bytes = |count: &AtomicU64| show_bytes(count.load(Ordering::Relaxed));
        let (sent, received) = (bytes(&self.bytes_out), bytes(&self.bytes_in));
        channel.note(format!("{who}; sent {sent}, received {received}"));
    }

    /// Bytes go out.
    pub(super) fn note_send(&self) {
        if self.activity() != Activity::Handshake {
            self.enter(Activity::Send);
        }
    }

    /// The run asked for bytes, and there are none.
    pub(super) fn note_wait(&self) {
        if matches!(self.activity(), Activity::Send | Activity::Idle) {
            self.enter(Activity::Wait);
        }
    }

    /// Bytes came in.
    pub(super) fn note_receive(&self) {
        if self.activity() != Activity::Handshake {
            self.enter(Activity::Receive);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_activity_is_read_as_it_was_written() {
        let traffic = Traffic::default();
        assert_eq!(traffic.activity(), Activity::Connect);
        for activity in Activity::ALL {
            traffic.enter(activity);
            assert_eq!(traffic.activity(), activity);
        }
    }

    #[test]
    fn a_handshake_is_one_until_it_is_over_and_an_exchange_goes_through_its_phases() {
        let traffic = Traffic::default();
        traffic.enter(Activity::Handshake);
        traffic.note_send();
        traffic.note_wait();
        traffic.note_receive();
        assert_eq!(traffic.activity(), Activity::Handshake);
        traffic.enter(Activity::Idle);
        traffic.note_send();
        assert_eq!(traffic.activity(), Activity::Send);
        traffic.note_wait();
        assert_eq!(traffic.activity(), Activity::Wait);
        traffic.note_receive();
        traffic.note_wait();
        assert_eq!(traffic.activity(), Activity::Receive);
    }
}
