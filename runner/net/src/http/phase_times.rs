//! How long each phase of a request took.

use std::time::Duration;

use tokio::time::Instant;

use crate::stream::IoTimestamps;

/// Time spent in each phase of an exchange, even if it failed.
#[derive(Clone, Copy, Default)]
pub(super) struct PhaseTimes {
    pub(super) send: Option<Duration>,
    pub(super) wait: Option<Duration>,
    pub(super) receive: Option<Duration>,
}

impl PhaseTimes {
    /// A phase that never completed lasted until the end.
    pub(super) fn new(timestamps: &IoTimestamps, started_at: Instant, ended_at: Instant) -> Self {
        let sent_at = timestamps.last_write;
        Self {
            send: Some(sent_at.unwrap_or(ended_at) - started_at),
            wait: sent_at.map(|sent| timestamps.first_read.unwrap_or(ended_at) - sent),
            receive: timestamps.first_read.map(|read| ended_at - read),
        }
    }
}
