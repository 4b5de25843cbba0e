use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use canary_net::ledger::audit::InternalFds;

fn id(second: u64) -> RequestId {
    RequestId::from_wall_clock(UNIX_EPOCH + Duration::from_secs(second))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_request_is_there_whole_for_its_owner_only_and_leaves_no_temporary_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("spool");
    let mut spool = Spool::open(&folder, &InternalFds::default()).unwrap();
    spool.write(Signal::Traces, id(1), b"request").unwrap();

    let path = folder.join("traces/00000000000001000000.request");
    assert_eq!(fs::read(&path).unwrap(), b"request");
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("traces")), 0o700);
    assert_eq!(fs::read_dir(folder.join("traces")).unwrap().count(), 1);
}

#[test]
fn leftovers_come_oldest_first_without_what_was_never_finished_and_what_is_not_ours() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path(), &InternalFds::default()).unwrap();
    let logs = folder.path().join("logs");
    for second in [3, 1, 2] {
        spool.write(Signal::Logs, id(second), b"12345").unwrap();
    }
    fs::write(spool.segment(Signal::Logs, id(2)), b"").unwrap();
    fs::write(logs.join(format!("{}.tmp", id(9))), b"half").unwrap();
    fs::write(logs.join("notes.request"), b"").unwrap();

    let found = spool.list(Signal::Logs).unwrap();
    let request = SpoolEntry::Request(5);
    assert_eq!(
        found,
        [
            (id(1), request),
            (id(2), request),
            (id(2), SpoolEntry::Segment(0)),
            (id(3), request)
        ]
    );
    assert!(!logs.join(format!("{}.tmp", id(9))).exists());
    assert!(logs.join("notes.request").exists());
}

#[test]
fn a_folder_has_one_runner_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let first = Spool::open(folder.path(), &InternalFds::default()).unwrap();
    let error = Spool::open(folder.path(), &InternalFds::default()).unwrap_err();
    assert_eq!(error.to_string(), "the folder is in use by another process");
    drop(first);
    Spool::open(folder.path(), &InternalFds::default()).unwrap();
}

#[test]
fn a_folder_that_was_cleared_away_is_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("spool");
    let mut spool = Spool::open(&folder, &InternalFds::default()).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    spool.write(Signal::Metrics, id(1), b"request").unwrap();
    assert_eq!(spool.read(Signal::Metrics, id(1)).unwrap().unwrap(), b"request");
}

#[test]
fn a_request_whose_file_is_gone_is_lost_and_no_error_of_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path(), &InternalFds::default()).unwrap();
    assert_eq!(spool.read(Signal::Logs, id(1)).unwrap(), None);
    spool.remove(Signal::Logs, id(1), FileKind::Request).unwrap();
}

#[test]
fn a_failed_write_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path(), &InternalFds::default()).unwrap();
    // A folder under the file's name: the rename fails after the write.
    fs::create_dir(spool.request(Signal::Logs, id(1))).unwrap();
    spool.write(Signal::Logs, id(1), b"request").unwrap_err();
    let left = fs::read_dir(folder.path().join("logs")).unwrap().count();
    assert_eq!(left, 1, "the folder in the way and nothing else");
}
