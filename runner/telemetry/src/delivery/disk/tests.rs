use tokio::sync::mpsc;
use tokio::time::advance;

use super::super::simulated::{Step, fail_disk, fail_step};
use super::*;
use canary_system::age::Clock;

const SECOND: Duration = Duration::from_secs(1);

fn disk(folder: &std::path::Path) -> Disk {
    let settings = SpoolSettings {
        folder: folder.join("spool"),
        max_bytes: 1 << 20,
        max_age: Duration::from_secs(60),
    };
    let (sender, _notices) = mpsc::channel(8);
    Disk::new(Some(settings), InternalFds::default(), NoticeSender::new(sender))
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_removed_is_removed_once_the_disk_is_well() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = disk(folder.path());
    disk.open();
    let id = RequestId::next(None, &Clock::default().read());
    let kept = disk.attempt(|spool| spool.write(Signal::Traces, id, b"delivered"));
    assert!(kept.is_some());
    fail_disk(Some(libc::EIO));
    disk.remove(Signal::Traces, id, FileKind::Request);
    fail_disk(None);
    let left = |disk: &mut Disk| disk.attempt(|spool| spool.list(Signal::Traces)).unwrap();
    disk.retry_removals();
    assert_eq!(
        (left(&mut disk).len(), disk.is_pending_removal(Signal::Traces, id)),
        (1, true)
    );
    advance(RETRY_INTERVAL).await;
    disk.retry_removals();
    assert_eq!(
        (left(&mut disk).len(), disk.is_pending_removal(Signal::Traces, id)),
        (0, false)
    );
}

#[tokio::test(start_paused = true)]
async fn a_folder_is_tried_again_after_ten_seconds_and_is_well_once_ten_more_went_well() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("spool");
    std::fs::write(&place, b"a file in its place").unwrap();
    let mut disk = disk(folder.path());
    disk.open();
    std::fs::remove_file(&place).unwrap();
    disk.open();
    assert!(!disk.is_open());
    advance(RETRY_INTERVAL).await;
    disk.open();
    assert!(disk.is_open());
    let id = RequestId::next(None, &Clock::default().read());
    let keep = |disk: &mut Disk| disk.attempt(|spool| spool.write(Signal::Traces, id, b"1"));
    fail_disk(Some(libc::EIO));
    keep(&mut disk);
    fail_disk(None);
    for (wait, is_well) in [(RETRY_INTERVAL - SECOND, false), (SECOND, true)] {
        advance(wait).await;
        assert!(keep(&mut disk).is_some());
        assert_eq!(disk.is_healthy(), is_well);
    }
}

#[tokio::test(start_paused = true)]
async fn no_journal_is_begun_while_what_cannot_be_removed_takes_all_the_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = disk(folder.path());
    disk.open();
    let mut last = None;
    for bytes in [1, (1 << 20) - 1] {
        assert!(disk.accepts_segments());
        let id = RequestId::next(last, &Clock::default().read());
        last = Some(id);
        disk.attempt(|spool| spool.write(Signal::Traces, id, &vec![0; bytes]));
        fail_disk(Some(libc::EIO));
        disk.remove(Signal::Traces, id, FileKind::Request);
        fail_disk(None);
    }
    assert!(!disk.accepts_segments());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_there_though_the_disk_failed_counts_until_it_is_gone_or_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = disk(folder.path());
    disk.open();
    let id = RequestId::next(None, &Clock::default().read());
    let name = (Signal::Traces, id, FileKind::Request);
    let path = folder.path().join(format!("spool/traces/{id}.request"));
    let make = |disk: &mut Disk, errno: Option<i32>| {
        let made = disk.create(name, |spool| {
            spool.write(Signal::Traces, id, b"request")?;
            errno.map_or(Ok(()), |errno| Err(io::Error::from_raw_os_error(errno)))
        });
        (made.is_some(), path.exists(), disk.pending_removal_bytes())
    };
    assert_eq!(make(&mut disk, Some(libc::EIO)), (false, false, 0));
    fail_step(Some((Step::Remove, libc::EIO)));
    assert_eq!(make(&mut disk, Some(libc::EIO)), (false, true, 7));
    assert_eq!(make(&mut disk, None), (true, true, 0));
    fail_step(None);
    advance(RETRY_INTERVAL).await;
    disk.retry_removals();
    assert!(path.exists(), "it is wanted now");
    let segment = (Signal::Traces, id, FileKind::Segment);
    let is_left = |disk: &mut Disk, kind| {
        let made = disk.create(segment, |spool| {
            std::fs::write(spool.segment(Signal::Traces, id), b"another's")?;
            Err::<(), _>(io::Error::from(kind))
        });
        made.is_none() && path.with_extension("segment").exists()
    };
    assert!(is_left(&mut disk, io::ErrorKind::AlreadyExists));
    assert!(!is_left(&mut disk, io::ErrorKind::StorageFull));
}

#[tokio::test(start_paused = true)]
async fn files_that_cannot_be_removed_hold_up_no_others_and_the_disk_is_in_trouble_until_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let mut disk = disk(folder.path());
    disk.open();
    let clock = || Clock::default().read();
    let mut last = None;
    let ids = [(); 6].map(|()| {
        let id = RequestId::next(last, &clock());
        last = Some(id);
        id
    });
    for id in ids {
        disk.attempt(|spool| spool.write(Signal::Traces, id, b"delivered"));
    }
    fail_disk(Some(libc::EROFS));
    for id in ids {
        disk.remove(Signal::Traces, id, FileKind::Request);
    }
    fail_disk(None);
    assert_eq!(disk.pending_removal_bytes(), 6 * 9);
    // A folder in place of the file cannot be removed as a file.
    let stuck = ids.map(|id| folder.path().join(format!("spool/traces/{id}.request")));
    for path in &stuck[..5] {
        std::fs::remove_file(path).unwrap();
        std::fs::create_dir(path).unwrap();
    }
    let is_left = |disk: &Disk| disk.is_pending_removal(Signal::Traces, ids[5]);
    for _ in 0..2 {
        assert!(is_left(&disk));
        advance(RETRY_INTERVAL).await;
        disk.retry_removals();
    }
    assert!(!is_left(&disk) && disk.is_pending_removal(Signal::Traces, ids[0]));
    assert_eq!(disk.pending_removal_bytes(), 5 * 9);
    advance(RETRY_INTERVAL).await;
    disk.attempt(|spool| spool.write(Signal::Logs, ids[0], b"1"));
    assert!(!disk.is_healthy());
    for path in &stuck[..5] {
        std::fs::remove_dir(path).unwrap();
    }
    disk.retry_removals();
    advance(RETRY_INTERVAL).await;
    disk.attempt(|spool| spool.write(Signal::Logs, ids[1], b"1"));
    assert!(disk.is_healthy() && disk.pending_removal_bytes() == 0);
}
