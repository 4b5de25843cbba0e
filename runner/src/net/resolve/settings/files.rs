//! What the operating system says of name servers and hosts.
//!
//! The files are read on a thread that lives for one look: a mount that hangs holds up that thread, and no run. What
//! was read before stays in force meanwhile.

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
use super::{Current, Hosts, ResolverSettings, Whose};
use crate::liveness::{self, Component, Impact, Registry, STALL};
use crate::regular_file;

/// Between two looks at whether the files changed.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// From when on files that cannot be read are complained about.
const LASTS: Duration = Duration::from_secs(30);
/// How long the start waits for the first look.
const FIRST_LOOK: Duration = Duration::from_secs(1);
/// What is read of `resolv.conf`, in bytes; the rest is left out.
const RESOLV_CONF_BYTES: u64 = 64 << 10;
/// What is read of `hosts`, in bytes; the rest is left out.
const HOSTS_BYTES: u64 = 8 << 20;

/// `/etc/resolv.conf` and `/etc/hosts`, or files like them.
#[derive(Debug)]
pub(in crate::net::resolve) struct SystemFiles {
    resolv_conf: PathBuf,
    hosts: PathBuf,
    /// Held for one copy of a pointer.
    current: RwLock<Arc<Current>>,
    /// Held for a few assignments.
    look: Mutex<Look>,
    liveness: Registry,
}

/// A look takes a moment; one that hangs is a delay of what it would find, and of nothing else.
const LOOKING: Component = Component {
    name: "resolv-conf",
    impact: Impact::Readiness,
};

#[derive(Debug)]
struct Look {
    /// When the last one began.
    at: Instant,
    is_under_way: bool,
    /// Of what is in force of each file; absent before it was read well.
    stamps: [Option<Stamp>; 2],
    /// Since when the files cannot be read, and why; absent while they can.
    failure: Option<(Instant, String)>,
}

/// What a file looks like; absent where there is none.
type Stamp = Option<regular_file::Stamp>;

/// A file that is another one than before.
struct Changed {
    stamp: Stamp,
    lines: Vec<u8>,
}

impl SystemFiles {
    /// Reads the files, for a second at most: then the local host is asked until they are read.
    pub(in crate::net::resolve) fn read(
        resolv_conf: PathBuf,
        hosts: PathBuf,
        liveness: &Registry,
    ) -> Arc<Self> {
        let files = Arc::new(Self {
            resolv_conf,
            hosts,
            current: RwLock::new(Arc::new(Current {
                whose: Whose::Machine,
                settings: settings(&[]),
                hosts: Arc::default(),
            })),
            look: Mutex::new(Look {
                at: Instant::now(),
                is_under_way: true,
                stamps: [None; 2],
                failure: None,
            }),
            liveness: liveness.clone(),
        });
        let (tx, rx) = mpsc::channel();
        // Nobody listens who has waited long enough.
        files.start(move || {
            let _late = tx.send(());
        });
        // Without an answer in time, what it says comes later.
        let _read = rx.recv_timeout(FIRST_LOOK);
        files
    }

    /// What the files said when they were last read. Never waits for them.
    pub(in crate::net::resolve) fn current(self: &Arc<Self>) -> Arc<Current> {
        if self.is_due() {
            self.start(|| {});
        }
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// One look at a time, and not too often.
    fn is_due(&self) -> bool {
        let mut look = self.look();
        let is_due = !look.is_under_way && look.at.elapsed() >= LOOK_EVERY;
        if is_due {
            look.at = Instant::now();
            look.is_under_way = true;
        }
        is_due
    }

    fn start(self: &Arc<Self>, done: impl FnOnce() + Send + 'static) {
        let files = Arc::clone(self);
        let started = liveness::spawn(LOOKING, &self.liveness, move |progress| {
            progress.working("reading the name servers' files", STALL);
            files.load();
            files.look().is_under_way = false;
            done();
        });
        // Where the system has no thread to spare, the next look may find one.
        if started.is_err() {
            self.look().is_under_way = false;
        }
    }

    /// Reads the files if they changed. One that cannot be read for now leaves in force what it said before, and is
    /// tried at the next look.
    fn load(&self) {
        let [resolv_conf, hosts] = self.look().stamps;
        let servers = changed(&self.resolv_conf, RESOLV_CONF_BYTES, resolv_conf);
        let names = changed(&self.hosts, HOSTS_BYTES, hosts);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = Current::clone(&current);
        let mut look = self.look();
        if let Ok(Some(Changed { stamp, lines })) = &servers {
            (next.settings, look.stamps[0]) = (settings(lines), Some(*stamp));
        }
        if let Ok(Some(Changed { stamp, lines })) = &names {
            (next.hosts, look.stamps[1]) = (Arc::new(Hosts::parse(lines)), Some(*stamp));
        }
        *current = Arc::new(next);
        let since = look.failure.take().map_or_else(Instant::now, |(since, _)| since);
        look.failure = servers.err().or(names.err()).map(|reason| (since, reason));
    }

    /// Why the files cannot be read, when that lasts.
    pub(in crate::net::resolve) fn failure(&self) -> Option<String> {
        let look = self.look();
        let (since, reason) = look.failure.as_ref()?;
        (since.elapsed() >= LASTS).then(|| reason.clone())
    }

    fn look(&self) -> MutexGuard<'_, Look> {
        self.look.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a file says that changed since it had the stamp `known`.
fn changed(file: &Path, most: u64, known: Option<Stamp>) -> Result<Option<Changed>, String> {
    let look = || -> io::Result<Option<Changed>> {
        let stamp = changed_at(file)?;
        if known == Some(stamp) {
            return Ok(None);
        }
        let read = lines(file, most);
        let is_none = |error: &io::Error| known.is_none() && error.kind() == io::ErrorKind::InvalidInput;
        let lines = match read {
            // What never was a file with lines, such as `/dev/null`, is as good as an empty one.
            Err(error) if is_none(&error) => Vec::new(),
            read => read?,
        };
        Ok(Some(Changed { stamp, lines }))
    };
    look().map_err(|error| format!("`{}`: {error}", file.display()))
}

fn changed_at(file: &Path) -> io::Result<Stamp> {
    let found = if_there(fs::metadata(file))?;
    Ok(found.as_ref().map(regular_file::Stamp::of))
}

/// The whole lines among the first `most` bytes of a regular file; none where there is no file.
fn lines(file: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let Some(file) = if_there(open(file))? else {
        return Ok(text);
    };
    file.take(most + 1).read_to_end(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|length| length > most) {
        let end = text.iter().rposition(|byte| *byte == b'\n').unwrap_or_default();
        text.truncate(end);
    }
    Ok(text)
}

fn if_there<T>(found: io::Result<T>) -> io::Result<Option<T>> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        found => found.map(Some),
    }
}

/// Opening a pipe must not wait for somebody to write into it.
fn open(file: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).map_err(io::Error::other)?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(file)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
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

    /// Without another look.
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
        tokio::time::advance(LOOK_EVERY).await;
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
        // Cannot be opened, and is not absent: as when descriptors are short.
        symlink("resolv.conf", &resolv_conf).unwrap();
        for _ in 0..3 {
            assert_eq!(files.failure(), None, "a moment is no trouble");
            files.load();
            tokio::time::advance(LASTS / 3).await;
        }
        tokio::time::advance(LOOK_EVERY).await;
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
        tokio::time::advance(LASTS).await;
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
            assert!(!files.look().is_under_way);
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
