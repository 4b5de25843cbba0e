use std::fs;
use std::os::unix::fs::symlink;
use std::sync::mpsc::channel;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;
use tokio::time::Instant;

use super::deadline::ReadTracker;
use super::*;

fn reason(path: &Path) -> String {
    read(Owner::Suites, path, 1 << 20).unwrap_err().to_string()
}

#[test]
fn a_regular_file_is_read_up_to_its_limit() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "four").unwrap();
    assert_eq!(read(Owner::Suites, &path, 4).unwrap(), b"four");
    assert_eq!(
        read(Owner::Suites, &path, 3).unwrap_err().kind(),
        io::ErrorKind::FileTooLarge
    );
}

#[test]
fn a_link_to_a_regular_file_is_followed() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("file"), "text").unwrap();
    symlink("file", folder.path().join("link")).unwrap();
    assert_eq!(
        read(Owner::Suites, &folder.path().join("link"), 10).unwrap(),
        b"text"
    );
}

#[test]
fn what_is_not_regular_is_not_opened() {
    let folder = TempDir::new().unwrap();
    let pipe = folder.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let socket = folder.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for path in [
        pipe.as_path(),
        socket.as_path(),
        folder.path(),
        Path::new("/dev/null"),
        Path::new("/dev/tty"),
    ] {
        if path.exists() {
            assert_eq!(reason(path), "not a regular file", "{}", path.display());
        }
    }
}

#[test]
fn a_file_of_the_kernel_is_refused_by_whatever_name() {
    let folder = TempDir::new().unwrap();
    let link = folder.path().join("link");
    symlink("/proc/self/environ", &link).unwrap();
    let is_made_up = |path: &Path| reason(path).starts_with("a kernel pseudo-file");
    for path in [
        "/proc/self/environ",
        "/proc/kmsg",
        "/proc/self/../cpuinfo",
        "/sys/kernel/mm/ksm/run",
    ] {
        if Path::new(path).exists() {
            assert!(is_made_up(Path::new(path)), "{path}: {}", reason(Path::new(path)));
        }
    }
    assert!(is_made_up(&link));
}

#[test]
fn a_regular_file_below_dev_is_refused() {
    let Ok(file) = tempfile::NamedTempFile::new_in("/dev/shm") else {
        return;
    };
    assert!(reason(file.path()).contains("/dev"));
}

#[test]
fn a_file_reached_through_proc_is_checked_by_where_it_is() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "text").unwrap();
    let open = File::open(&path).unwrap();
    let through = pseudo_fs::fd_path(open.as_fd());
    assert_eq!(read(Owner::Suites, &through, 10).unwrap(), b"text");
}

#[test]
fn a_policy_sees_where_a_file_really_is() {
    let folder = TempDir::new().unwrap();
    let real = folder.path().canonicalize().unwrap().join("secret");
    fs::write(&real, "text").unwrap();
    symlink("secret", folder.path().join("link")).unwrap();
    let forbidden = real.clone();
    let policy: Policy = Arc::new(move |found| {
        if found.path == forbidden {
            Err("it is the runner's own".to_owned())
        } else {
            Ok(())
        }
    });
    let refused = read_permitted(Owner::Suites, &folder.path().join("link"), 10, &policy).unwrap_err();
    assert_eq!(
        (refused.kind(), refused.to_string().as_str()),
        (io::ErrorKind::PermissionDenied, "it is the runner's own")
    );
}

/// Work that blocks until the returned sender is dropped.
fn hung() -> (impl FnOnce() + Send + 'static, std::sync::mpsc::Sender<()>) {
    let (release, released) = channel::<()>();
    (move || released.recv().unwrap_or_default(), release)
}

const MOMENT: Duration = Duration::from_millis(1);

#[test]
fn a_disk_that_does_not_answer_is_abandoned_and_not_asked_again_until_it_does() {
    let reads = ReadTracker::default();
    let (work, release) = hung();
    let path = Path::new("/hung/file");
    let within = |path: &Path| reads.run_with_timeout(READ_TIMEOUT, Owner::Suites, path, || ());
    let gave_up = reads
        .run_with_timeout(MOMENT, Owner::Suites, path, work)
        .unwrap_err();
    assert_eq!(gave_up.kind(), io::ErrorKind::TimedOut);
    assert_eq!(
        within(path).unwrap_err().to_string(),
        Stalled::StillBlocked.to_string()
    );
    assert!(within(Path::new("/other")).is_ok());
    drop(release);
    // Available again when its thread has ended.
    while within(path).is_err() {
        std::thread::yield_now();
    }
}

#[test]
fn what_hangs_for_one_owner_takes_no_place_from_another() {
    let reads = ReadTracker::default();
    let mut held = Vec::new();
    let mut owners = vec![Owner::Suites, Owner::Plugins, Owner::RunnerFiles, Owner::Admin];
    owners.extend([Owner::peer(), Owner::peer(), Owner::TimeZones]);
    for owner in owners {
        let mut attempt = |name: usize| {
            let (work, release) = hung();
            held.push(release);
            let path = PathBuf::from(format!("/hung/{name}"));
            reads
                .run_with_timeout(MOMENT, owner, &path, work)
                .unwrap_err()
                .to_string()
        };
        for name in 0..owner.max_abandoned() {
            assert!(attempt(name).starts_with("no response"), "{owner:?} {name}");
        }
        // The number of blocked threads is bounded.
        assert_eq!(attempt(999), Stalled::TooMany(owner.max_abandoned()).to_string());
    }
    let peer = reads.run_with_timeout(READ_TIMEOUT, Owner::peer(), Path::new("/hung/0"), || "read");
    assert_eq!(peer.unwrap(), "read");
}

#[test]
fn one_thread_at_a_time_waits_for_a_path() {
    let reads = ReadTracker::default();
    let path = Path::new("/slow/file");
    let (work, release) = hung();
    let (delivered_tx, delivered) = channel();
    let deliver = move |()| delivered_tx.send(()).unwrap();
    let first = reads.spawn(Owner::Suites, path, work, deliver).unwrap();
    let (limit, asked) = (MOMENT * 100, Instant::now());
    let (began_tx, began) = channel();
    let second = move || {
        began_tx.send(asked.elapsed()).unwrap();
        drop(release);
    };
    // It may be given up: starting a thread may take a busy machine longer than that.
    let _second = reads.run_with_timeout(limit, Owner::Suites, path, second);
    // It waited for the first, and started only after its timeout.
    assert!(began.recv().unwrap() >= limit);
    delivered.recv().unwrap();
    drop(first);
    // Available again when the second has ended as well.
    while reads
        .run_with_timeout(READ_TIMEOUT, Owner::Suites, path, || ())
        .is_err()
    {
        std::thread::yield_now();
    }
}

#[test]
fn an_abandoned_read_counts_until_it_ends() {
    let reads = ReadTracker::default();
    let (path, owner) = (Path::new("/hung/file"), Owner::peer());
    let (work, release) = hung();
    let (ended_tx, ended) = channel();
    let started = reads.spawn(owner, path, work, move |()| ended_tx.send(()).unwrap());
    drop(started.unwrap());
    let again = reads.spawn(owner, path, || (), |()| {}).unwrap_err();
    assert_eq!(again.to_string(), Stalled::StillBlocked.to_string());
    drop(release);
    ended.recv().unwrap();
    assert!(reads.run_with_timeout(READ_TIMEOUT, owner, path, || ()).is_ok());
}

#[test]
fn all_reads_of_a_session_have_one_limit_and_none_begins_after_it() {
    let session = Session::with_limit(Owner::Suites, ReadTracker::default(), MOMENT);
    let (work, release) = hung();
    let over = Stalled::SessionTimedOut { limit: MOMENT }.to_string();
    let late = session.with_timeout(Path::new("/hung/file"), work).unwrap_err();
    assert_eq!(
        (late.kind(), late.to_string()),
        (io::ErrorKind::TimedOut, over.clone())
    );
    let never = || panic!("it began");
    let next = session
        .on_behalf_of(Owner::Plugins)
        .with_timeout(Path::new("/other"), never);
    assert_eq!(next.unwrap_err().to_string(), over);
    drop(release);
}

#[test]
fn a_cancelled_session_reads_nothing() {
    let session = Session::new(Owner::peer());
    let cancel = session.cancel_on_drop();
    assert!(session.with_timeout(Path::new("/file"), || ()).is_ok());
    drop(cancel);
    let cancelled = session.read(Path::new("/file"), 1).unwrap_err();
    assert_eq!(cancelled.to_string(), Stalled::Cancelled.to_string());
}
