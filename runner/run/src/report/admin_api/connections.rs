//! The connections of checks, as in `/api/v1/connections`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ApiTime;

/// Open connections of checks, and the connections that the host recently reclaimed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Connections {
    /// Number of matching open connections; `open` may have fewer because of `limit`.
    pub matched: u64,
    /// Open connections, oldest run first.
    pub open: Vec<OpenConnection>,
    /// Reclaimed connections, latest first; at most 256.
    pub reclaimed: Vec<ReclaimedConnection>,
}

/// A connection that is open now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    #[schemars(extend("enum" = ["connect", "handshake", "send", "wait", "receive", "idle"]))]
    pub phase: String,
    /// When its descriptor was created.
    pub opened_at: Option<ApiTime>,
    /// The time since then.
    pub age_seconds: f64,
    /// Bytes received so far.
    pub bytes_in: u64,
    /// Bytes sent so far.
    pub bytes_out: u64,
}

/// A connection that a run left open and the host closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    #[schemars(extend("enum" = ["leak", "trap", "deadline", "quota", "shutdown"]))]
    pub cause: String,
    /// When it was closed.
    pub at: Option<ApiTime>,
    /// How long it was open.
    pub open_for_seconds: f64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
}
