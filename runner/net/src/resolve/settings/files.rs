//! The operating system's configuration of name servers and hosts.
//!
//! The files are read by a short-lived thread: a hanging mount blocks that thread, but no run. The previous contents
//! stay in force meanwhile.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use rustix::fs::OFlags;
use tokio::time::Instant;

use super::resolv_conf::{self, Environment};
use super::{Hosts, LookupConfig, ResolverSettings, ServerOwner};
use canary_system::liveness::{self, Component, Impact, Registry, STALL};
use canary_system::regular_file;

/// Interval between checks for changed files.
const RELOAD_INTERVAL: Duration = Duration::from_secs(5);
/// How long the files must be unreadable before that is reported.
const FAILURE_GRACE: Duration = Duration::from_secs(30);
/// How long the start-up waits for the first read.
const INITIAL_WAIT: Duration = Duration::from_secs(1);
/// Maximum number of bytes read from `resolv.conf`; the rest is ignored.
const RESOLV_CONF_BYTES: u64 = 64 << 10;
/// Maximum number of bytes read from `hosts`; the rest is ignored.
const HOSTS_BYTES: u64 = 8 << 20;

/// `/etc/resolv.conf` and `/etc/hosts`, or files in their place.
#[derive(Debug)]
pub(in crate::resolve) struct SystemFiles {
    resolv_conf: PathBuf,
    hosts: PathBuf,
    /// Held for one copy of a pointer.
    current: RwLock<Arc<LookupConfig>>,
    /// Held for a few assignments.
    reload: Mutex<ReloadState>,
    liveness: Registry,
}

/// A reload is quick; if it hangs, only updates of the files are delayed.
const RELOADER: Component = Component {
    name: "resolv-conf",
    impact: Impact::Readiness,
};

#[derive(Debug)]
struct ReloadState {
    /// When the last reload began.
    at: Instant,
    is_under_way: bool,
    /// Stamps of the contents in force; `None` for a file that was never read successfully.
    versions: [Option<MaybeVersion>; 2],
    /// Since when the files are unreadable, and why; `None` if they are readable.
    failure: Option<(Instant, String)>,
}

/// Identifies the version of a file; `None` if the file does not exist.
type MaybeVersion = Option<regular_file::FileVersion>;

/// A file that has changed.
struct Changed {
    version: MaybeVersion,
    lines: Vec<u8>,
}

impl SystemFiles {
    /// Reads the files, for at most one second: until they are read, the local host is queried.
    pub(in crate::resolve) fn read(resolv_conf: PathBuf, hosts: PathBuf, liveness: &Registry) -> Arc<Self> {
        let files = Arc::new(Self {
            resolv_conf,
            hosts,
            current: RwLock::new(Arc::new(LookupConfig {
                owner: ServerOwner::Machine,
                settings: settings(&[]),
                hosts: Arc::default(),
            })),
            reload: Mutex::new(ReloadState {
                at: Instant::now(),
                is_under_way: true,
                versions: [None; 2],
                failure: None,
            }),
            liveness: liveness.clone(),
        });
        let (tx, rx) = mpsc::channel();
        // The receiver is gone if the caller has stopped waiting.
        files.start(move || {
            let _late = tx.send(());
        });
        // On a timeout the contents are applied later.
        let _read = rx.recv_timeout(INITIAL_WAIT);
        files
    }

    /// The contents as last read. Never blocks on the file system.
    pub(in crate::resolve) fn current(self: &Arc<Self>) -> Arc<LookupConfig> {
        if self.is_due() {
            self.start(|| {});
        }
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Allows one reload at a time, and limits their rate.
    fn is_due(&self) -> bool {
        let mut reload = self.reload();
        let is_due = !reload.is_under_way && reload.at.elapsed() >= RELOAD_INTERVAL;
        if is_due {
            reload.at = Instant::now();
            reload.is_under_way = true;
        }
        is_due
    }

    fn start(self: &Arc<Self>, done: impl FnOnce() + Send + 'static) {
        let files = Arc::clone(self);
        let started = liveness::spawn(RELOADER, &self.liveness, move |progress| {
            progress.working("reading the name servers' files", STALL);
            files.load();
            files.reload().is_under_way = false;
            done();
        });
        // If the system cannot start a thread, the next attempt may succeed.
        if started.is_err() {
            self.reload().is_under_way = false;
        }
    }

    /// Reloads the files if they changed. A file that cannot be read keeps its previous contents and is retried at the
    /// next reload.
    fn load(&self) {
        let [resolv_conf, hosts] = self.reload().versions;
        let servers = changed(&self.resolv_conf, RESOLV_CONF_BYTES, resolv_conf);
        let names = changed(&self.hosts, HOSTS_BYTES, hosts);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = LookupConfig::clone(&current);
        let mut reload = self.reload();
        if let Ok(Some(Changed { version, lines })) = &servers {
            (next.settings, reload.versions[0]) = (settings(lines), Some(*version));
        }
        if let Ok(Some(Changed { version, lines })) = &names {
            (next.hosts, reload.versions[1]) = (Arc::new(Hosts::parse(lines)), Some(*version));
        }
        *current = Arc::new(next);
        let since = reload
            .failure
            .take()
            .map_or_else(Instant::now, |(since, _)| since);
        reload.failure = servers.err().or(names.err()).map(|reason| (since, reason));
    }

    /// Why the files are unreadable, if that persists.
    pub(in crate::resolve) fn failure(&self) -> Option<String> {
        let reload = self.reload();
        let (since, reason) = reload.failure.as_ref()?;
        (since.elapsed() >= FAILURE_GRACE).then(|| reason.clone())
    }

    fn reload(&self) -> MutexGuard<'_, ReloadState> {
        self.reload.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The contents of a file, if its stamp differs from `known`.
fn changed(file: &Path, max_bytes: u64, known: Option<MaybeVersion>) -> Result<Option<Changed>, String> {
    let reload = || -> io::Result<Option<Changed>> {
        let version = version_of(file)?;
        if known == Some(version) {
            return Ok(None);
        }
        let read = lines(file, max_bytes);
        let is_none = |error: &io::Error| known.is_none() && error.kind() == io::ErrorKind::InvalidInput;
        let lines = match read {
            // A path that was never a regular file, such as `/dev/null`, counts as an empty file.
            Err(error) if is_none(&error) => Vec::new(),
            read => read?,
        };
        Ok(Some(Changed { version, lines }))
    };
    reload().map_err(|error| format!("`{}`: {error}", file.display()))
}

fn version_of(file: &Path) -> io::Result<MaybeVersion> {
    let found = if_exists(fs::metadata(file))?;
    Ok(found.as_ref().map(regular_file::FileVersion::from_metadata))
}

/// The complete lines within the first `max_bytes` of a regular file; empty if the file does not exist.
fn lines(file: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let Some(file) = if_exists(open(file))? else {
        return Ok(text);
    };
    file.take(max_bytes + 1).read_to_end(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|length| length > max_bytes) {
        let end = text.iter().rposition(|byte| *byte == b'\n').unwrap_or_default();
        text.truncate(end);
    }
    Ok(text)
}

fn if_exists<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// Opening a FIFO must not wait for a writer.
fn open(file: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).map_err(io::Error::other)?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(file)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

fn settings(resolv_conf: &[u8]) -> ResolverSettings {
    let variable = |name| std::env::var_os(name).and_then(|value| value.into_string().ok());
    let environment = Environment {
        local_domain: variable("LOCALDOMAIN"),
        options: variable("RES_OPTIONS"),
        host_name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        interface,
    };
    resolv_conf::parse(resolv_conf, &environment)
}

/// The index of a network interface.
fn interface(name: &str) -> Option<u32> {
    if name.contains('/') {
        return None;
    }
    let index = fs::read_to_string(format!("/sys/class/net/{name}/ifindex")).ok()?;
    index.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use std::net::SocketAddr;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;
    use std::time::SystemTime;

    fn servers(files: &Arc<SystemFiles>) -> Vec<SocketAddr> {
        files.current().settings.servers.clone()
    }

    /// The servers as currently loaded, without a reload.
    fn servers_now(files: &SystemFiles) -> Vec<SocketAddr> {
        let current = files.current.read().unwrap();
        current.settings.servers.clone()
    }

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_resolv_conf_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let (resolv_conf, hosts) = (folder.path().join("resolv.conf"), folder.path().join("hosts"));
        fs::write(&resolv_conf, "nameserver 192.0.2.1\n").unwrap();
        let files = SystemFiles::read(resolv_conf.clone(), hosts, &Registry::default());
        assert_eq!(servers(&files), [address("192.0.2.1:53")]);
        fs::write(&resolv_conf, "nameserver 192.0.2.2\n").unwrap();
        let file = File::options().write(true).open(&resolv_conf).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(60))
            .unwrap();
        assert!(!files.is_due(), "it looks every five seconds only");
        tokio::time::advance(RELOAD_INTERVAL).await;
        assert!(files.is_due() && !files.is_due(), "one look at a time");
        files.load();
        assert_eq!(servers(&files), [address("192.0.2.2:53")]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_read_for_now_leaves_the_last_servers_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let (resolv_conf, hosts) = (folder.path().join("resolv.conf"), folder.path().join("hosts"));
        let write = || fs::write(&resolv_conf, "nameserver 192.0.2.1\n").unwrap();
        write();
        let files = SystemFiles::read(resolv_conf.clone(), hosts, &Registry::default());
        fs::remove_file(&resolv_conf).unwrap();
        // Cannot be opened, but exists, as when descriptors are exhausted.
        symlink("resolv.conf", &resolv_conf).unwrap();
        for _ in 0..3 {
            assert_eq!(files.failure(), None, "a moment is no trouble");
            files.load();
            tokio::time::advance(FAILURE_GRACE / 3).await;
        }
        tokio::time::advance(RELOAD_INTERVAL).await;
        assert!(
            files
                .failure()
                .is_some_and(|reason| reason.contains("resolv.conf"))
        );
        assert_eq!(servers_now(&files), [address("192.0.2.1:53")]);
        fs::remove_file(&resolv_conf).unwrap();
        write();
        files.load();
        assert_eq!(files.failure(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pipe_in_place_of_a_file_that_was_read_is_trouble_and_other_files_are_read_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let (resolv_conf, hosts) = (folder.path().join("resolv.conf"), folder.path().join("hosts"));
        fs::write(&resolv_conf, "nameserver 192.0.2.1\n").unwrap();
        fs::write(&hosts, "192.0.2.9 nine\n").unwrap();
        let files = SystemFiles::read(resolv_conf.clone(), hosts.clone(), &Registry::default());
        fs::remove_file(&hosts).unwrap();
        mknodat(CWD, &hosts, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        fs::remove_file(&resolv_conf).unwrap();
        files.load();
        assert_eq!(servers_now(&files), [address("127.0.0.1:53")]);
        tokio::time::advance(FAILURE_GRACE).await;
        assert!(files.failure().is_some_and(|reason| reason.contains("hosts")));
    }

    #[test]
    fn without_a_resolv_conf_the_local_host_is_asked() {
        let nowhere = || PathBuf::from("/nonexistent");
        let files = SystemFiles::read(nowhere(), nowhere(), &Registry::default());
        assert_eq!(servers(&files), [address("127.0.0.1:53")]);
    }

    #[test]
    fn what_is_not_a_regular_file_holds_up_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        for file in [pipe, "/dev/zero".into(), folder.path().to_owned()] {
            let files = SystemFiles::read(file.clone(), file, &Registry::default());
            assert_eq!(servers(&files), [address("127.0.0.1:53")]);
            assert!(!files.reload().is_under_way);
        }
    }

    #[test]
    fn of_a_file_that_is_too_long_the_first_lines_count() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("resolv.conf");
        let text = format!("nameserver 192.0.2.1\n{}", "# on and on\n".repeat(100_000));
        fs::write(&file, text).unwrap();
        let read = lines(&file, RESOLV_CONF_BYTES).unwrap();
        assert!(read.len() <= 64 << 10 && !read.ends_with(b"on a"));
        assert_eq!(settings(&read).servers, [address("192.0.2.1:53")]);
    }
}
