//! What a page remembers, as plain data.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Activity;
use crate::record::Peer;
use crate::suite::CheckId;
use crate::trace::EndCause;

/// Whose page it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageOwner {
    /// The check, or a service of the host such as `dns`.
    pub check: CheckId,
    /// What runs for it; absent for a service of the host.
    pub run: Option<RunMark>,
    /// 1 for the first attempt of a run.
    pub attempt: u32,
}

/// Which run, of which plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunMark {
    /// Of the run; never all zero.
    pub trace_id: [u8; 16],
    /// As the suite names it.
    pub plugin: Arc<str>,
}

impl PageOwner {
    /// A service of the host itself.
    #[must_use]
    pub fn service(name: &str) -> Self {
        Self {
            check: CheckId::new(name),
            run: None,
            attempt: 1,
        }
    }
}

/// A descriptor that is open now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveLease {
    /// Whose it is.
    pub owner: PageOwner,
    /// Where it goes.
    pub peer: Peer,
    /// What it does at the moment.
    pub activity: Activity,
    /// Since it was created.
    pub age: Duration,
    /// Received so far.
    pub bytes_in: u64,
    /// Sent so far.
    pub bytes_out: u64,
}

/// A descriptor that a run left open, and the host closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reclaimed {
    /// Whose it was.
    pub owner: PageOwner,
    /// Where it went.
    pub peer: Peer,
    /// How the run ended that left it open.
    pub cause: EndCause,
    /// From its creation until it was closed.
    pub open_for: Duration,
    /// Received.
    pub bytes_in: u64,
    /// Sent.
    pub bytes_out: u64,
    /// When it was closed.
    pub at: SystemTime,
}
