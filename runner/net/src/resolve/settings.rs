//! Settings of the resolver and where they come from.

mod files;
mod hosts;
mod resolv_conf;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub(super) use files::SystemFiles;
pub(super) use hosts::Hosts;

/// Which name servers are queried, and how.
#[derive(Debug, Clone)]
pub struct ResolverSettings {
    /// In query order.
    pub servers: Vec<SocketAddr>,
    /// Domains appended to short names, as they are written; `.` is the root.
    pub search: Vec<String>,
    /// A name with at least this many dots is first tried as is.
    pub ndots: usize,
    /// Timeout for one response of one server.
    pub timeout: Duration,
    /// Number of rounds over all servers.
    pub attempts: usize,
    /// Each query starts with another server.
    pub rotates: bool,
    /// Addresses are queried with EDNS (RFC 6891).
    pub edns: bool,
    /// Queries use TCP only.
    pub over_tcp: bool,
    /// IPv6 addresses are not queried.
    pub no_aaaa: bool,
    /// A name without dots is not queried as is if there is a search list.
    pub no_tld_query: bool,
}

impl ResolverSettings {
    /// Settings with these servers, no search list, and two rounds of 2 s.
    #[must_use]
    pub fn servers(servers: Vec<SocketAddr>) -> Self {
        Self {
            servers,
            search: Vec::new(),
            ndots: 1,
            timeout: Duration::from_secs(2),
            attempts: 2,
            rotates: false,
            edns: false,
            over_tcp: false,
            no_aaaa: false,
            no_tld_query: false,
        }
    }
}

/// Who configured the name servers of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ServerOwner {
    /// The machine's servers, which serve all checks.
    Machine,
    /// A check's own servers, whose health does not concern other checks.
    Check,
}

/// The configuration of a lookup.
#[derive(Debug, Clone)]
pub(super) struct LookupConfig {
    pub(super) settings: ResolverSettings,
    pub(super) owner: ServerOwner,
    pub(super) hosts: Arc<Hosts>,
}

/// The system's files for name servers and hosts, if a resolver uses them.
#[derive(Debug, Clone, Default)]
pub struct NameFiles(Option<Arc<SystemFiles>>);

impl NameFiles {
    /// Why they cannot be read, if that persists for half a minute; the previous contents stay in force.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.0.as_ref()?.failure()
    }
}

/// The source of a resolver's configuration.
#[derive(Debug)]
pub(super) enum ConfigSource {
    /// Fixed settings.
    Fixed(Arc<LookupConfig>),
    /// The system's files, reloaded when they change during the lifetime of the runner.
    System(Arc<SystemFiles>),
}

impl ConfigSource {
    pub(super) fn files(&self) -> NameFiles {
        match self {
            Self::Fixed(_) => NameFiles::default(),
            Self::System(files) => NameFiles(Some(Arc::clone(files))),
        }
    }

    pub(super) fn current(&self) -> Arc<LookupConfig> {
        match self {
            Self::Fixed(current) => Arc::clone(current),
            Self::System(files) => files.current(),
        }
    }
}
