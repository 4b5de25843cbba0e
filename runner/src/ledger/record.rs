//! What a page remembers, as plain data.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::Instant;

use crate::suite::CheckId;

/// Whose page it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageOwner {
    /// The check, or a service of the host such as `dns`.
    pub check: CheckId,
    /// 1 for the first attempt of a run.
    pub attempt: u32,
}

/// Why a run's account is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndCause {
    /// The guest returned; what it left open is a leak.
    Returned,
    /// The guest broke.
    Trapped,
    /// The deadline passed.
    Deadline,
    /// Memory or cpu ran out.
    Quota,
    /// The runner goes down, or the run's owner was dropped.
    Shutdown,
}

impl EndCause {
    /// The close reason, a bounded set of words fit for a metric.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Returned => "leak",
            Self::Trapped => "trap",
            Self::Deadline => "deadline",
            Self::Quota => "quota",
            Self::Shutdown => "shutdown",
        }
    }
}

/// Who closed a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClosedBy {
    /// The guest dropped it, or the exchange that it asked for was over.
    Guest,
    /// The peer closed or reset it first.
    Peer,
    /// The host took it back.
    Host(EndCause),
}

/// What is remembered of a connection that is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Where it went.
    pub peer: SocketAddr,
    /// From the socket's creation.
    pub opened_at: Instant,
    /// Until the descriptor was closed.
    pub open_for: Duration,
    /// Received.
    pub bytes_in: u64,
    /// Sent.
    pub bytes_out: u64,
    /// Who closed it, and why.
    pub closed_by: ClosedBy,
}

/// A descriptor that is open now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveLease {
    /// Whose it is.
    pub owner: PageOwner,
    /// Where it goes.
    pub peer: SocketAddr,
    /// Since it was created.
    pub age: Duration,
    /// Received so far.
    pub bytes_in: u64,
    /// Sent so far.
    pub bytes_out: u64,
}
