//! Which servers are asked, and how.

mod files;
mod hosts;
mod resolv_conf;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub(super) use files::SystemFiles;
pub(super) use hosts::Hosts;

/// Which servers are asked, and how.
#[derive(Debug, Clone)]
pub struct ResolverSettings {
    /// In the order in which they are asked.
    pub servers: Vec<SocketAddr>,
    /// Domains appended to short names, as they are written; `.` is the root.
    pub search: Vec<String>,
    /// A name with at least this many dots is tried as it is first.
    pub ndots: usize,
    /// For one answer of one server.
    pub timeout: Duration,
    /// Rounds over all servers.
    pub attempts: usize,
    /// Each question begins with another server.
    pub rotates: bool,
    /// Addresses are asked for with EDNS (RFC 6891).
    pub edns: bool,
    /// Questions go over TCP only.
    pub over_tcp: bool,
    /// IPv6 addresses are not asked for.
    pub no_aaaa: bool,
    /// A name without dots is not asked for as it is, where there is a search list.
    pub no_tld_query: bool,
}

impl ResolverSettings {
    /// These servers, no search list, two rounds of 2 s.
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

/// Who chose the servers that a question goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Whose {
    /// Those of the machine, which serve all checks.
    Machine,
    /// A check's own: what they are like is no matter of other checks.
    Check,
}

/// What a lookup goes by.
#[derive(Debug, Clone)]
pub(super) struct Current {
    pub(super) settings: ResolverSettings,
    pub(super) whose: Whose,
    pub(super) hosts: Arc<Hosts>,
}

/// The system's files with name servers and hosts, where a resolver goes by them.
#[derive(Debug, Clone, Default)]
pub struct NameFiles(Option<Arc<SystemFiles>>);

impl NameFiles {
    /// Why they cannot be read, when that lasts for half a minute; what they said before is in force.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.0.as_ref()?.failure()
    }
}

/// Where a resolver's settings come from.
#[derive(Debug)]
pub(super) enum Source {
    /// They never change.
    Fixed(Arc<Current>),
    /// The system's files, read again when they change: a runner outlives many of their versions.
    System(Arc<SystemFiles>),
}

impl Source {
    pub(super) fn files(&self) -> NameFiles {
        match self {
            Self::Fixed(_) => NameFiles::default(),
            Self::System(files) => NameFiles(Some(Arc::clone(files))),
        }
    }

    pub(super) fn current(&self) -> Arc<Current> {
        match self {
            Self::Fixed(current) => Arc::clone(current),
            Self::System(files) => files.current(),
        }
    }
}
