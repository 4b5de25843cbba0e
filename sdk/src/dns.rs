//! Questions to the DNS.
//!
//! ```
//! use canary_sdk::dns;
//! use canary_sdk::fake::{FakeHost, reply};
//!
//! let host = FakeHost::new().dns("example.com", "MX", Ok(reply("example.com", "MX", ["10 mail.example.com."])));
//! let reply = host.enter(|| dns::query("example.com", "MX", None))?;
//! assert_eq!(reply.answers[0].data, "10 mail.example.com.");
//! # Ok::<(), canary_sdk::NetError>(())
//! ```

use std::time::Duration;

use crate::backend;
use crate::error::NetError;

/// One resource record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The name it belongs to.
    pub name: String,
    /// Such as `A` or `MX`.
    pub kind: String,
    /// Seconds.
    pub ttl: u32,
    /// In presentation format, as a zone file would hold it.
    pub data: String,
}

/// What a server replied. A name that does not exist is a reply, too: its code is `NXDOMAIN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Such as `NOERROR` or `NXDOMAIN`.
    pub code: String,
    /// The server is an authority for the name.
    pub authoritative: bool,
    /// The server vouches for DNSSEC.
    pub authenticated: bool,
    /// What was asked for.
    pub answers: Vec<Answer>,
    /// Who knows about it.
    pub authorities: Vec<Answer>,
    /// From question to reply.
    pub duration: Duration,
}

/// Asks for records of `kind`, such as `A` or `MX`, of `name`.
///
/// `server` is `address:port`; `None` asks the host's resolver.
pub fn query(name: &str, kind: &str, server: Option<&str>) -> Result<Reply, NetError> {
    backend::query(name, kind, server)
}
