//! Open batches and how they are closed.

use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::delivery::simulated::fail_disk;

#[tokio::test(start_paused = true)]
async fn a_worker_is_woken_for_a_batch_that_begins_or_is_full_and_not_for_each_frame() {
    let mut fixture = Fixture::new(None);
    let frame = Frame::new(Owner::RUNNER, b"a".to_vec());
    let woken = (0..513).filter(|_| fixture.store.append(Signal::Traces, &frame));
    assert_eq!(woken.collect::<Vec<_>>(), [0, 511, 512]);
    assert!(!fixture.store.append(Signal::Logs, &frame), "it goes nowhere");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_full_goes_to_disk_at_once_while_the_collector_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(Some(folder.path()));
    fixture.append(b"first");
    fixture.store.close_batches();
    fixture.answer(Signal::Traces, away());
    for _ in 0..512 {
        fixture.append(b"frame");
    }
    let report = fixture.report(Signal::Traces);
    assert_eq!((report.waiting, report.memory_bytes), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn delivery_is_idle_when_each_signal_is_sent_or_has_nobody_to_be_sent_to() {
    let mut fixture = Fixture::new(None);
    assert!(fixture.store.is_idle());
    fixture.store.push(Signal::Metrics, b"1".to_vec());
    assert!(!fixture.store.is_idle());
    let (id, _) = fixture.send(Signal::Metrics).unwrap();
    assert!(!fixture.store.is_idle());
    fixture.store.complete(Signal::Metrics, id, away());
    assert!(fixture.store.is_idle());
    assert!(fixture.send(Signal::Metrics).is_some());
    assert!(!fixture.store.is_idle(), "an attempt goes on");
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_answers_gets_what_is_new_from_memory_whatever_it_answers() {
    for answer in [ExportResult::accepted(), refused(), pieces::too_large()] {
        let folder = tempfile::tempdir().unwrap();
        let mut fixture = Fixture::new(Some(folder.path()));
        fixture.store.push(Signal::Metrics, b"1".to_vec());
        fixture.answer(Signal::Metrics, away());
        fixture.answer(Signal::Metrics, answer.clone());
        fixture.store.push(Signal::Metrics, b"2".to_vec());
        let report = fixture.report(Signal::Metrics);
        assert_eq!((report.memory_bytes, report.spool_bytes), (1, 0), "{answer:?}");
        let dead_letters = u64::from(answer != ExportResult::accepted());
        assert_eq!(report.dead_letters, dead_letters);
        let refusals = fixture.notices();
        let refusals = refusals
            .iter()
            .filter(|notice| notice.contains("the collector rejected"));
        assert_eq!(refusals.count() as u64, dead_letters);
    }
    let mut nowhere = Fixture::new(None);
    nowhere.store.push(Signal::Metrics, b"1".to_vec());
    nowhere.answer(Signal::Metrics, refused());
    assert_eq!(
        nowhere.report(Signal::Metrics).dead_letters,
        0,
        "there is no disk"
    );
}

#[tokio::test(start_paused = true)]
async fn an_open_batch_is_the_oldest_that_waits_where_nothing_else_does() {
    let mut fixture = Fixture::new(None);
    fixture.append(b"open");
    let (wall, boot) = CLOCK.get();
    CLOCK.set((wall + 30, boot + 30));
    assert!(fixture.send(Signal::Metrics).is_none());
    let age = fixture.report(Signal::Traces).oldest_age;
    assert_eq!(age, Some(Duration::from_secs(30)));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_has_no_room_on_disk_in_the_end_is_kept_by_its_journal() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::bounded(Some(folder.path()), 100);
    fixture.store.push(Signal::Metrics, vec![b'0'; 60]);
    fixture.answer(Signal::Metrics, away());
    assert!(fixture.send(Signal::Metrics).is_some(), "it makes no room now");
    fixture.append(&[b'1'; 50]);
    fixture.store.shutdown();
    assert!(fixture.report(Signal::Traces).dropped.is_empty());
    assert_eq!(count(&folder.path().join("traces"), "segment"), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_to_a_journal_behind_what_the_disk_refused() {
    let folder = tempfile::tempdir().unwrap();
    let traces = folder.path().join("traces");
    let mut fixture = Fixture::new(Some(folder.path()));
    fixture.append(b"1");
    fail_disk(Some(libc::EIO));
    fixture.append(b"2");
    fail_disk(None);
    fixture.append(b"3");
    let segment = traces.join(&files(&traces)[0]);
    assert_eq!(journal::tests::recovered(&segment).0.unwrap(), request(b"1"));
    fixture.store.close_batches();
    assert_eq!(fixture.drain(Signal::Traces), [request(b"123")]);
    assert!(files(&traces).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_batch_has_no_journal_while_what_cannot_be_removed_takes_all_the_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::bounded(Some(folder.path()), 100);
    fixture.store.push(Signal::Metrics, vec![b'0'; 100]);
    fixture.answer(Signal::Metrics, away());
    let (id, _) = fixture.send(Signal::Metrics).unwrap();
    fail_disk(Some(libc::EIO));
    fixture
        .store
        .complete(Signal::Metrics, id, ExportResult::accepted());
    fail_disk(None);
    fixture.append(b"frame");
    assert!(files(&folder.path().join("traces")).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_waits_on_disk_is_for_nobody_else_to_read() {
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    let mut fixture = Fixture::new(Some(&spool));
    fixture.store.push(Signal::Metrics, b"request".to_vec());
    fixture.answer(Signal::Metrics, away());
    fixture.append(b"frame");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for (name, extension) in [("traces", "segment"), ("metrics", "request")] {
        let inside = spool.join(name);
        let file = inside.join(&files(&inside)[0]);
        assert_eq!(file.extension().unwrap(), extension);
        assert_eq!((mode(&inside), mode(&file)), (0o700, 0o600));
    }
    assert_eq!((mode(&spool), mode(&spool.join("lock"))), (0o700, 0o600));
}
