//! Which servers are asked, and how.

mod files;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::rr::Name;
use hickory_resolver::Hosts;

pub(super) use files::SystemFiles;

/// Which servers are asked, and how.
#[derive(Debug, Clone)]
pub struct ResolverSettings {
    /// In the order in which they are asked.
    pub servers: Vec<SocketAddr>,
    /// Domains appended to short names.
    pub search: Vec<Name>,
    /// A name with at least this many dots is tried as it is first.
    pub ndots: usize,
    /// For one answer of one server.
    pub timeout: Duration,
    /// Rounds over all servers.
    pub attempts: usize,
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
        }
    }
}

/// What a lookup goes by.
#[derive(Debug, Clone)]
pub(super) struct Current {
    pub(super) settings: ResolverSettings,
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
