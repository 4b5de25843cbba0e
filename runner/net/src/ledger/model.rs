//! Plain data types of the ledger: owners, live leases and reclaimed connections.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Activity;
use canary_record::Peer;
use canary_record::trace::EndCause;
use canary_suite::CheckId;

/// The owner of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageOwner {
    /// The check, or an internal service of the host such as `dns`.
    pub check: CheckId,
    /// The run; `None` for an internal service.
    pub run: Option<RunRef>,
    /// 1 for the first attempt of a run.
    pub attempt: u32,
}

/// Identifies a run and its plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRef {
    /// Trace id of the run; never all zero.
    pub trace_id: [u8; 16],
    /// The plugin's name in the suite.
    pub plugin: Arc<str>,
}

impl PageOwner {
    /// Creates the owner for an internal service of the host.
    #[must_use]
    pub fn service(name: &str) -> Self {
        Self {
            check: CheckId::new(name),
            run: None,
            attempt: 1,
        }
    }
}

/// An open descriptor, as shown in the live view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveLease {
    /// Owner of the descriptor.
    pub owner: PageOwner,
    /// Remote address.
    pub peer: Peer,
    /// Current activity.
    pub activity: Activity,
    /// Time since creation.
    pub age: Duration,
    /// Bytes received so far.
    pub bytes_in: u64,
    /// Bytes sent so far.
    pub bytes_out: u64,
}

/// A descriptor that a run leaked and the host closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reclaimed {
    /// Owner of the descriptor.
    pub owner: PageOwner,
    /// Remote address.
    pub peer: Peer,
    /// How the run that leaked it ended.
    pub cause: EndCause,
    /// Time from creation until it was closed.
    pub open_for: Duration,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// When it was closed.
    pub at: SystemTime,
}
