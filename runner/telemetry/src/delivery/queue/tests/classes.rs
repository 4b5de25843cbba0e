//! A temporarily unusable disk loses nothing.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use canary_system::io_class::IoClass;

/// A spool with one request and an unreachable collector.
fn spooled(folder: &Path) -> Fixture {
    let mut fixture = Fixture::new(Some(folder));
    fixture.store.push(Signal::Metrics, b"waits".to_vec());
    fixture.answer(Signal::Metrics, away());
    assert_eq!(count(&folder.join("metrics"), "request"), 1);
    fixture
}

/// Makes reading an existing file fail, with a folder in its place (EISDIR), also for root.
fn spoil(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    fs::remove_file(path).unwrap();
    fs::create_dir(path).unwrap();
    bytes
}

fn mend(path: &Path, bytes: &[u8]) {
    fs::remove_dir(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_read_waits_while_the_others_go_and_goes_when_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = folder.path().join("metrics");
    let mut fixture = spooled(folder.path());
    let path = metrics.join(&files(&metrics)[0]);
    let bytes = spoil(&path);
    fixture.store.push(Signal::Metrics, b"behind".to_vec());
    assert_eq!(fixture.drain(Signal::Metrics), [b"behind"]);
    let report = fixture.report(Signal::Metrics);
    assert_eq!((report.waiting, report.dropped.len()), (1, 0));
    assert_eq!(fixture.store.report().disk_failures[&IoClass::Io], 1);
    mend(&path, &bytes);
    assert!(
        fixture.send(Signal::Metrics).is_none(),
        "it is left alone for a while"
    );
    advance(READ_RETRY_INTERVAL).await;
    assert_eq!(fixture.drain(Signal::Metrics), [b"waits"]);
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_is_gone_as_a_whole_is_not_taken_for_requests_that_were_removed() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = spooled(folder.path());
    let (metrics, elsewhere) = (folder.path().join("metrics"), folder.path().join("unmounted"));
    fs::rename(&metrics, &elsewhere).unwrap();
    assert!(fixture.send(Signal::Metrics).is_none());
    assert_eq!(fixture.store.report().disk_failures[&IoClass::Gone], 1);
    fs::rename(&elsewhere, &metrics).unwrap();
    advance(READ_RETRY_INTERVAL).await;
    assert_eq!(fixture.drain(Signal::Metrics), [b"waits"]);
    assert!(fixture.report(Signal::Metrics).dropped.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_cannot_be_read_at_the_start_is_recovered_when_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let traces = folder.path().join("traces");
    let mut fixture = Fixture::new(Some(folder.path()));
    fixture.append(b"before the kill");
    drop(fixture);
    let path = traces.join(&files(&traces)[0]);
    let bytes = spoil(&path);
    let mut fixture = Fixture::new(Some(folder.path()));
    assert!(fixture.send(Signal::Traces).is_none());
    mend(&path, &bytes);
    advance(Duration::from_secs(11)).await;
    assert_eq!(fixture.drain(Signal::Traces), [request(b"before the kill")]);
    assert!(files(&traces).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_process_left_is_found_when_its_folder_can_be_read_again() {
    let folder = tempfile::tempdir().unwrap();
    drop(spooled(folder.path()));
    let (metrics, elsewhere) = (folder.path().join("metrics"), folder.path().join("elsewhere"));
    fs::rename(&metrics, &elsewhere).unwrap();
    fs::write(&metrics, b"a file in its place").unwrap();
    let mut fixture = Fixture::new(Some(folder.path()));
    assert_eq!(fixture.report(Signal::Metrics).waiting, 0);
    fs::remove_file(&metrics).unwrap();
    fs::rename(&elsewhere, &metrics).unwrap();
    advance(Duration::from_secs(11)).await;
    assert_eq!(fixture.drain(Signal::Metrics), [b"waits"]);
}

#[tokio::test(start_paused = true)]
async fn a_journal_with_damage_in_it_is_set_aside_and_never_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (traces, dead) = (folder.path().join("traces"), folder.path().join("dead"));
    let mut fixture = Fixture::new(Some(folder.path()));
    for frame in [b"one", b"two", b"six"] {
        fixture.append(frame);
    }
    drop(fixture);
    let path = traces.join(&files(&traces)[0]);
    let mut bytes = fs::read(&path).unwrap();
    let place = bytes.windows(3).position(|window| window == b"two").unwrap();
    bytes[place] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let mut fixture = Fixture::new(Some(folder.path()));
    assert_eq!(fixture.drain(Signal::Traces), [request(b"one")]);
    assert_eq!(fs::read(dead.join(&files(&dead)[0])).unwrap(), bytes);
    assert!(files(&traces).is_empty());
}

/// Whether this process bypasses permissions, as root does.
fn is_root(folder: &Path) -> bool {
    let path = folder.join("denied");
    fs::write(&path, b"").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
    fs::read(&path).is_ok()
}

#[tokio::test(start_paused = true)]
async fn a_spool_without_permission_is_used_when_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    if is_root(folder.path()) {
        return;
    }
    let spool = folder.path().join("spool");
    let mut fixture = spooled(&spool);
    let permit = |mode| fs::set_permissions(spool.join("metrics"), fs::Permissions::from_mode(mode)).unwrap();
    permit(0);
    assert!(fixture.send(Signal::Metrics).is_none());
    assert_eq!(fixture.store.report().disk_failures[&IoClass::Permission], 1);
    permit(0o700);
    advance(READ_RETRY_INTERVAL).await;
    assert_eq!(fixture.drain(Signal::Metrics), [b"waits"]);
}
