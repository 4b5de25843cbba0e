//! Which servers are asked, and how; and what the operating system says of it.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use hickory_proto::rr::Name;
use hickory_resolver::Hosts;
use hickory_resolver::system_conf::parse_resolv_conf;
use tokio::time::Instant;

/// The longest that one server may take to answer one question.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Between two looks at whether the system's files changed.
const LOOK_EVERY: Duration = Duration::from_secs(5);

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
#[derive(Debug)]
pub(super) struct Current {
    pub(super) settings: ResolverSettings,
    pub(super) hosts: Hosts,
}

/// Where a resolver's settings come from.
#[derive(Debug)]
pub(super) enum Source {
    /// They never change.
    Fixed(Arc<Current>),
    /// The system's files, read again when they change: a runner outlives many of their versions.
    System(SystemFiles),
}

impl Source {
    pub(super) fn current(&self) -> Arc<Current> {
        match self {
            Self::Fixed(current) => Arc::clone(current),
            Self::System(files) => files.current(),
        }
    }
}

/// `/etc/resolv.conf` and `/etc/hosts`, or files like them.
#[derive(Debug)]
pub(super) struct SystemFiles {
    resolv_conf: PathBuf,
    hosts: PathBuf,
    /// Held while the files are looked at: a few system calls every five seconds.
    read: Mutex<Read>,
}

#[derive(Debug)]
struct Read {
    current: Arc<Current>,
    stamps: Stamps,
    looked_at: Instant,
}

/// When each file last changed; absent while it cannot be read.
type Stamps = [Option<SystemTime>; 2];

impl SystemFiles {
    pub(super) fn new(resolv_conf: PathBuf, hosts: PathBuf) -> Self {
        let read = Read {
            stamps: stamps(&resolv_conf, &hosts),
            current: Arc::new(load(&resolv_conf, &hosts)),
            looked_at: Instant::now(),
        };
        Self {
            resolv_conf,
            hosts,
            read: Mutex::new(read),
        }
    }

    fn current(&self) -> Arc<Current> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.looked_at.elapsed() >= LOOK_EVERY {
            read.looked_at = Instant::now();
            let stamps = stamps(&self.resolv_conf, &self.hosts);
            if stamps != read.stamps {
                read.stamps = stamps;
                read.current = Arc::new(load(&self.resolv_conf, &self.hosts));
            }
        }
        Arc::clone(&read.current)
    }
}

fn stamps(resolv_conf: &PathBuf, hosts: &PathBuf) -> Stamps {
    [resolv_conf, hosts].map(|file| fs::metadata(file).and_then(|metadata| metadata.modified()).ok())
}

fn load(resolv_conf: &PathBuf, hosts: &PathBuf) -> Current {
    let mut known = Hosts::default();
    // A hosts file that is missing or broken is the same as an empty one.
    let _read = fs::File::open(hosts).map(|file| known.read_hosts_conf(file));
    Current {
        settings: settings(resolv_conf),
        hosts: known,
    }
}

/// The local host where no server is named, as resolv.conf(5) says.
fn settings(resolv_conf: &PathBuf) -> ResolverSettings {
    let parsed = fs::read(resolv_conf)
        .ok()
        .and_then(|text| parse_resolv_conf(text).ok());
    let Some((config, options)) = parsed else {
        return ResolverSettings::servers(vec![SocketAddr::from(([127, 0, 0, 1], 53))]);
    };
    let address = |server: &hickory_resolver::config::NameServerConfig| {
        SocketAddr::new(
            server.ip,
            server.connections.first().map_or(53, |first| first.port),
        )
    };
    let mut servers: Vec<_> = config.name_servers.iter().map(address).collect();
    servers.dedup();
    ResolverSettings {
        search: config.domain.into_iter().chain(config.search).collect(),
        ndots: options.ndots,
        timeout: options.timeout.min(LONGEST_WAIT),
        attempts: options.attempts.clamp(1, 5),
        servers,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_changed_resolv_conf_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let (resolv_conf, hosts) = (folder.path().join("resolv.conf"), folder.path().join("hosts"));
        fs::write(&resolv_conf, "nameserver 192.0.2.1\n").unwrap();
        let files = SystemFiles::new(resolv_conf.clone(), hosts);
        let servers = |files: &SystemFiles| files.current().settings.servers.clone();
        assert_eq!(servers(&files), ["192.0.2.1:53".parse().unwrap()]);
        fs::write(&resolv_conf, "nameserver 192.0.2.2\n").unwrap();
        let later = SystemTime::now() + Duration::from_secs(60);
        fs::File::options()
            .write(true)
            .open(&resolv_conf)
            .unwrap()
            .set_modified(later)
            .unwrap();
        assert_eq!(
            servers(&files),
            ["192.0.2.1:53".parse().unwrap()],
            "it looks every five seconds only"
        );
        tokio::time::advance(LOOK_EVERY).await;
        assert_eq!(servers(&files), ["192.0.2.2:53".parse().unwrap()]);
    }

    #[test]
    fn without_a_resolv_conf_the_local_host_is_asked() {
        let nowhere = PathBuf::from("/nonexistent/resolv.conf");
        assert_eq!(settings(&nowhere).servers, ["127.0.0.1:53".parse().unwrap()]);
    }
}
