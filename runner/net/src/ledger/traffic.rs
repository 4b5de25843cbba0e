//! Byte counters and current activity of a descriptor: written by the stream, read by the live view.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use canary_record::ConnectionLog;
use canary_record::quota::format_bytes;
use canary_record::trace::ClosedBy;

/// What a connection is currently doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Activity {
    /// The TCP connect is in progress.
    #[default]
    Connect,
    /// The TLS handshake is in progress.
    Handshake,
    /// The run is writing.
    Send,
    /// The run is waiting for the first byte of a response.
    Wait,
    /// The run is reading.
    Receive,
    /// The connection is open and unused.
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

    /// The name in JSON and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
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

/// A handle that sets the activity of a connection in the live view. It does not keep the connection open.
#[derive(Debug, Clone)]
pub struct ActivityHandle(pub(super) Arc<Traffic>);

impl ActivityHandle {
    /// Sets the current activity. Reads and writes set it themselves.
    pub(crate) fn set_activity(&self, activity: Activity) {
        self.0.set_activity(activity);
    }
}

/// Counters written by the stream and read by the page. Each field is independent: no ordering between them is implied.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) bytes_in: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    pub(super) peer_closed: AtomicBool,
    /// An [`Activity`].
    activity: AtomicU8,
    /// Receives the bytes when the run's conversation is recorded.
    pub(super) connection_log: Option<ConnectionLog>,
}

impl Traffic {
    pub(super) fn new(connection_log: Option<ConnectionLog>) -> Self {
        Self {
            connection_log,
            ..Self::default()
        }
    }

    pub(super) fn activity(&self) -> Activity {
        let index = usize::from(self.activity.load(Ordering::Relaxed));
        Activity::ALL.get(index).copied().unwrap_or_default()
    }

    pub(super) fn set_activity(&self, activity: Activity) {
        self.activity.store(activity as u8, Ordering::Relaxed);
    }

    /// Logs that the descriptor was closed.
    pub(super) fn log_closed(&self, by: ClosedBy) {
        let Some(connection_log) = &self.connection_log else {
            return;
        };
        let who = match by {
            ClosedBy::Guest => "closed by the check".to_owned(),
            ClosedBy::Peer => "closed, first by the peer".to_owned(),
            ClosedBy::Host(cause) => format!("reclaimed by the host ({})", cause.as_str()),
        };
        let bytes = |count: &AtomicU64| format_bytes(count.load(Ordering::Relaxed));
        let (sent, received) = (bytes(&self.bytes_out), bytes(&self.bytes_in));
        connection_log.note(format!("{who}; sent {sent}, received {received}"));
    }

    /// Called when bytes are sent.
    pub(super) fn on_send(&self) {
        if self.activity() != Activity::Handshake {
            self.set_activity(Activity::Send);
        }
    }

    /// Called when the run waits for bytes and none are available.
    pub(super) fn on_wait(&self) {
        if matches!(self.activity(), Activity::Send | Activity::Idle) {
            self.set_activity(Activity::Wait);
        }
    }

    /// Called when bytes are received.
    pub(super) fn on_receive(&self) {
        if self.activity() != Activity::Handshake {
            self.set_activity(Activity::Receive);
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
            traffic.set_activity(activity);
            assert_eq!(traffic.activity(), activity);
        }
    }

    #[test]
    fn a_handshake_is_one_until_it_is_over_and_an_exchange_goes_through_its_phases() {
        let traffic = Traffic::default();
        traffic.set_activity(Activity::Handshake);
        traffic.on_send();
        traffic.on_wait();
        traffic.on_receive();
        assert_eq!(traffic.activity(), Activity::Handshake);
        traffic.set_activity(Activity::Idle);
        traffic.on_send();
        assert_eq!(traffic.activity(), Activity::Send);
        traffic.on_wait();
        assert_eq!(traffic.activity(), Activity::Wait);
        traffic.on_receive();
        traffic.on_wait();
        assert_eq!(traffic.activity(), Activity::Receive);
    }
}
