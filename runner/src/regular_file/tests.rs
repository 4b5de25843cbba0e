use std::fs;
use std::os::unix::fs::symlink;
use std::sync::mpsc::channel;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::deadline::Waiting;
use super::*;

fn reason(path: &Path) -> String {
    read(path, 1 << 20).unwrap_err().to_string()
}

#[test]
fn a_regular_file_is_read_up_to_its_limit() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "four").unwrap();
    assert_eq!(read(&path, 4).unwrap(), b"four");
    assert_eq!(read(&path, 3).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
}

#[test]
fn a_link_to_a_regular_file_is_followed() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("file"), "text").unwrap();
    symlink("file", folder.path().join("link")).unwrap();
    assert_eq!(read(&folder.path().join("link"), 10).unwrap(), b"text");
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
    let is_made_up = |path: &Path| reason(path).starts_with("a file that the kernel makes up");
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
fn a_file_reached_through_proc_is_judged_by_where_it_is() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "text").unwrap();
    let open = File::open(&path).unwrap();
    let through = kernel::own_descriptor(open.as_fd());
    assert_eq!(read(&through, 10).unwrap(), b"text");
}

#[test]
fn a_policy_sees_where_a_file_really_is() {
    let folder = TempDir::new().unwrap();
    let real = folder.path().canonicalize().unwrap().join("secret");
    fs::write(&real, "text").unwrap();
    symlink("secret", folder.path().join("link")).unwrap();
    let forbidden = real.clone();
    let policy: Policy = Arc::new(move |found| match found.path == forbidden {
        true => Err("it is the runner's own".to_owned()),
        false => Ok(()),
    });
    let refused = read_permitted(&folder.path().join("link"), 10, &policy).unwrap_err();
    assert_eq!(
        (refused.kind(), refused.to_string().as_str()),
        (io::ErrorKind::PermissionDenied, "it is the runner's own")
    );
}

#[test]
fn a_disk_that_does_not_answer_is_given_up_and_not_asked_again_until_it_does() {
    let waiting = Waiting::default();
    let (release, released) = channel::<()>();
    let path = Path::new("/hung/file");
    let hangs = move || released.recv().unwrap_or_default();
    let gave_up = waiting
        .within(Duration::from_millis(10), path, hangs)
        .unwrap_err();
    assert_eq!(gave_up.kind(), io::ErrorKind::TimedOut);
    let again = waiting.within(LIMIT, path, || ()).unwrap_err();
    assert_eq!(again.to_string(), Stalled::Before.to_string());
    assert!(waiting.within(LIMIT, Path::new("/other"), || ()).is_ok());
    release.send(()).unwrap();
    // It is free again once its thread has ended.
    while waiting.within(LIMIT, path, || ()).is_err() {
        std::thread::yield_now();
    }
}

#[test]
fn threads_that_wait_for_a_disk_are_bounded() {
    let waiting = Waiting::default();
    let mut held = Vec::new();
    let mut attempt = |name: usize| {
        let (release, released) = channel::<()>();
        held.push(release);
        let path = PathBuf::from(format!("/hung/{name}"));
        waiting.within(Duration::from_millis(1), &path, move || {
            released.recv().unwrap_or_default()
        })
    };
    let reasons: Vec<String> = (0..9)
        .map(|name| attempt(name).unwrap_err().to_string())
        .collect();
    assert!(reasons[..8].iter().all(|reason| reason.starts_with("no answer")));
    assert_eq!(reasons[8], Stalled::TooMany.to_string());
}
