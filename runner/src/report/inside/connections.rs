//! Who holds which connection.

use serde::{Deserialize, Serialize};

use super::Moment;

/// Open connections of checks, and the last ones that the host had to close.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Connections {
    /// Open ones that were asked for; [`Connections::open`] may have fewer.
    pub matched: u64,
    /// Oldest run first.
    pub open: Vec<OpenConnection>,
    /// Latest first; 256 are remembered.
    pub reclaimed: Vec<ReclaimedConnection>,
}

/// A connection that is open now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenConnection {
    /// Id of the check, or a service of the host such as `dns`.
    pub check: String,
    /// Trace id of the run; absent for a service of the host.
    pub run: Option<String>,
    /// 1 for the first attempt of a run.
    pub attempt: u32,
    /// Absent for a service of the host.
    pub plugin: Option<String>,
    /// Address and port.
    pub peer: String,
    /// `connect`, `handshake`, `send`, `wait`, `receive` or `idle`.
    pub phase: String,
    /// When its descriptor came to be.
    pub opened_at: Option<Moment>,
    /// Since then.
    pub age_seconds: f64,
    /// Received so far.
    pub bytes_in: u64,
    /// Sent so far.
    pub bytes_out: u64,
}

/// A connection that a run left open, and the host closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReclaimedConnection {
    /// Id of the check, or a service of the host.
    pub check: String,
    /// Trace id of the run; absent for a service of the host.
    pub run: Option<String>,
    /// 1 for the first attempt of a run.
    pub attempt: u32,
    /// Absent for a service of the host.
    pub plugin: Option<String>,
    /// Address and port.
    pub peer: String,
    /// `leak`, `trap`, `deadline`, `quota` or `shutdown`: how the run ended.
    pub cause: String,
    /// When it was closed.
    pub at: Option<Moment>,
    /// Until then.
    pub open_for_seconds: f64,
    /// Received.
    pub bytes_in: u64,
    /// Sent.
    pub bytes_out: u64,
}
