//! What a page remembers, as plain data.

use std::net::SocketAddr;
use std::time::Duration;

use crate::suite::CheckId;

/// Whose page it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageOwner {
    /// The check, or a service of the host such as `dns`.
    pub check: CheckId,
    /// 1 for the first attempt of a run.
    pub attempt: u32,
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
