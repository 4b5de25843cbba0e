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

use std::net::IpAddr;
use std::time::Duration;

use crate::backend;
use crate::endpoint::Endpoint;
use crate::error::NetError;
use crate::tcp::IpFamily;

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

/// A server's reply. A name that does not exist is a reply, too: its code is `NXDOMAIN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Such as `NOERROR` or `NXDOMAIN`.
    pub code: String,
    /// The server is an authority for the name.
    pub authoritative: bool,
    /// The server vouches for DNSSEC.
    pub authenticated: bool,
    /// The answer section.
    pub answers: Vec<Answer>,
    /// The authority section.
    pub authorities: Vec<Answer>,
    /// From question to reply.
    pub duration: Duration,
}

/// Asks for records of `kind`, such as `A` or `MX`, of `name`.
///
/// `server` is `address:port`; `None` asks the host's resolver.
pub fn query(name: &str, kind: &str, server: Option<&str>) -> Result<Reply, NetError> {
    let options = QueryOptions {
        server: server.map(str::to_owned),
        timeout: None,
    };
    options.query(name, kind)
}

/// How to query. The default uses the host's resolver, for as long as the run lasts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
#[must_use]
pub struct QueryOptions {
    /// `address:port`; `None` is the host's resolver.
    pub server: Option<String>,
    /// Time limit for the reply; `None` is what is left of the run.
    pub timeout: Option<Duration>,
}

impl QueryOptions {
    /// Queries this server, at `address:port`.
    pub fn server(mut self, server: impl Into<String>) -> Self {
        self.server = Some(server.into());
        self
    }

    /// Times out earlier than the run does.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Asks for records of `kind`, such as `A` or `MX`, of `name`.
    pub fn query(&self, name: &str, kind: &str) -> Result<Reply, NetError> {
        backend::query(name, kind, self)
    }
}

/// The addresses of an endpoint's host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddressList {
    /// Each address once, in the host's order; at least 1 and at most 512.
    pub addresses: Vec<IpAddr>,
    /// Whether it is known that there are no more: false if name servers did not answer for one family within a
    /// second of their answer for the other, or failed.
    pub complete: bool,
}

impl AddressList {
    /// These addresses and no others.
    pub fn complete(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        Self {
            addresses: addresses.into_iter().collect(),
            complete: true,
        }
    }
}

/// All addresses of an endpoint's host, resolved as for a connect: by the host's hosts file, search list and name
/// servers, once for the whole run. They include addresses that the check may not reach.
pub fn addresses(of: &Endpoint) -> Result<AddressList, NetError> {
    AddressOptions::default().addresses(of)
}

/// How to resolve addresses. The default returns both families, and may take as long as the run lasts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
#[must_use]
pub struct AddressOptions {
    /// Which addresses.
    pub ip_family: IpFamily,
    /// Time limit for the answer; `None` is what is left of the run.
    pub timeout: Option<Duration>,
}

impl AddressOptions {
    /// Resolves these addresses only.
    pub fn ip_family(mut self, family: IpFamily) -> Self {
        self.ip_family = family;
        self
    }

    /// Times out earlier than the run does.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// All addresses of an endpoint's host.
    pub fn addresses(&self, of: &Endpoint) -> Result<AddressList, NetError> {
        backend::addresses(of, self)
    }
}
