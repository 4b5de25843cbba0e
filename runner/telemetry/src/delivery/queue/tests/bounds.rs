//! The limits of the queue: what stays and what is dropped.

use super::*;
use canary_system::io_class::IoClass;

#[tokio::test(start_paused = true)]
async fn the_oldest_of_all_signals_makes_room_in_a_full_spool() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::bounded(Some(folder.path()), 100);
    for signal in [Signal::Traces, Signal::Metrics] {
        fixture.store.push(signal, vec![b'0'; 30]);
        fixture.answer(signal, away());
    }
    for _ in 0..2 {
        fixture.store.push(Signal::Metrics, vec![b'1'; 30]);
    }
    let (traces, metrics) = (fixture.report(Signal::Traces), fixture.report(Signal::Metrics));
    assert_eq!(traces.dropped, BTreeMap::from([(DropReason::SpoolFull, 1)]));
    assert_eq!((traces.waiting, traces.spool_bytes), (0, 0));
    assert_eq!((metrics.waiting, metrics.spool_bytes), (3, 90));
    assert!(files(&folder.path().join("traces")).is_empty());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_to_a_spool_before_there_is_room_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::bounded(Some(folder.path()), 400);
    for _ in 0..400 {
        fixture.store.push(Signal::Metrics, b"0".to_vec());
        fixture.answer(Signal::Metrics, away());
    }
    drop(fixture);
    // Their owners are unknown now, and there are more of them than are scanned at once.
    let mut fixture = Fixture::bounded(Some(folder.path()), 400);
    fixture.store.push(Signal::Traces, vec![b'1'; 30]);
    fixture.store.push(Signal::Traces, vec![b'2'; 500]);
    fixture.answer(Signal::Traces, away());
    let spooled = |fixture: &Fixture| {
        let of = |signal| fixture.report(signal);
        (of(Signal::Metrics).spool_bytes, of(Signal::Traces).spool_bytes)
    };
    assert_eq!(spooled(&fixture), (400, 0), "it waits in memory");
    for _ in 0..8 {
        fixture.answer(Signal::Traces, away());
        let (metrics, traces) = spooled(&fixture);
        assert!(metrics + traces <= 400, "{metrics} and {traces}");
    }
    assert_eq!(spooled(&fixture), (370, 30));
    assert_eq!(
        fixture.report(Signal::Metrics).dropped[&DropReason::SpoolFull],
        30
    );
    let report = fixture.report(Signal::Traces);
    assert_eq!(
        report.dropped[&DropReason::SpoolFull],
        1,
        "what is larger than all of the spool costs nobody anything: {report:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_removed_counts_and_the_rest_waits_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = folder.path().join("metrics");
    let mut fixture = Fixture::bounded(Some(folder.path()), 2_000);
    for _ in 0..20 {
        fixture.store.push(Signal::Metrics, vec![b'0'; 100]);
        fixture.answer(Signal::Metrics, away());
    }
    // Folders in place of the files cannot be removed as files.
    for name in files(&metrics) {
        fs::remove_file(metrics.join(&name)).unwrap();
        fs::create_dir(metrics.join(name)).unwrap();
    }
    for _ in 0..40 {
        fixture.store.push(Signal::Metrics, vec![b'1'; 100]);
    }
    let report = fixture.report(Signal::Metrics);
    let lost = report.dropped[&DropReason::SpoolFull];
    assert_eq!(
        (lost, report.spool_bytes),
        (16, 400),
        "it is seen soon that nothing goes"
    );
    assert_eq!(report.memory_bytes, 4_000);
    assert_eq!(files(&metrics).len(), 20);
    assert!(!fixture.store.report().spool_is_healthy);
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_cannot_be_synced_holds_what_it_holds_and_no_more_than_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = folder.path().join("metrics");
    fail_step(Some((Step::Sync, libc::EIO)));
    let mut fixture = Fixture::bounded(Some(folder.path()), 2_000);
    for _ in 0..60 {
        fixture.store.push(Signal::Metrics, vec![b'0'; 100]);
        fixture.answer(Signal::Metrics, away());
    }
    let report = fixture.report(Signal::Metrics);
    assert_eq!((report.spool_bytes, report.memory_bytes), (2_000, 0));
    assert_eq!(report.dropped, BTreeMap::from([(DropReason::SpoolFull, 40)]));
    assert_eq!(files(&metrics).len(), 20);
    assert!(!fixture.store.report().spool_is_healthy);
    drop(fixture);
    let mut fixture = Fixture::bounded(Some(folder.path()), 2_000);
    assert_eq!(fixture.drain(Signal::Metrics).len(), 20, "what was not lost");
    fail_step(None);
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_is_not_dropped_to_make_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::bounded(Some(folder.path()), 70);
    fixture.store.push(Signal::Metrics, vec![b'0'; 30]);
    fixture.answer(Signal::Metrics, away());
    let (id, _) = fixture.send(Signal::Metrics).unwrap();
    for byte in [b'1', b'2'] {
        fixture.store.push(Signal::Metrics, vec![byte; 30]);
    }
    fixture
        .store
        .complete(Signal::Metrics, id, ExportResult::accepted());
    assert_eq!(fixture.drain(Signal::Metrics), [[b'2'; 30]]);
    let report = fixture.report(Signal::Metrics);
    assert_eq!(report.exports["success"], 2);
    assert_eq!(report.dropped[&DropReason::SpoolFull], 1);
}

#[tokio::test(start_paused = true)]
async fn without_a_spool_memory_is_bounded_and_the_oldest_goes() {
    let mut fixture = Fixture::new(None);
    fixture.store.push(Signal::Metrics, b"oldest".to_vec());
    fixture.answer(Signal::Metrics, away());
    for _ in 0..16 {
        fixture.store.push(Signal::Metrics, vec![0; MIB]);
    }
    let report = fixture.report(Signal::Metrics);
    assert_eq!((report.waiting, report.memory_bytes), (16, MAX_MEMORY));
    assert_eq!(report.dropped, BTreeMap::from([(DropReason::MemoryFull, 1)]));
    assert_eq!(fixture.report(Signal::Traces).dropped.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_is_slow_fills_the_disk_and_not_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(Some(folder.path()));
    fixture.store.push(Signal::Metrics, b"on its way".to_vec());
    let (id, _) = fixture.send(Signal::Metrics).unwrap();
    for _ in 0..20 {
        fixture.store.push(Signal::Metrics, vec![0; MIB]);
    }
    assert!(fixture.report(Signal::Metrics).memory_bytes <= MAX_PENDING);
    fixture
        .store
        .complete(Signal::Metrics, id, ExportResult::accepted());
    assert_eq!(fixture.drain(Signal::Metrics).len(), 20);
    assert!(fixture.report(Signal::Metrics).dropped.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_spool_that_cannot_be_used_is_reported_once_and_again_when_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let spool = folder.path().join("spool");
    fs::write(&spool, b"a file in its place").unwrap();
    let mut fixture = Fixture::new(Some(&spool));
    fixture.store.push(Signal::Metrics, b"1".to_vec());
    fixture.answer(Signal::Metrics, away());
    for _ in 0..5 {
        advance(Duration::from_secs(11)).await;
        fixture.store.push(Signal::Metrics, b"2".to_vec());
    }
    let notices = fixture.notices();
    let failures = notices.iter().filter(|notice| notice.contains("cannot use"));
    assert_eq!(failures.count(), 1, "{notices:?}");
    let report = fixture.store.report();
    assert!(
        report.disk_failures[&IoClass::Gone] >= 5 && !report.spool_is_healthy,
        "{report:?}"
    );
    assert_eq!(fixture.report(Signal::Metrics).waiting, 6);

    fs::remove_file(&spool).unwrap();
    advance(Duration::from_secs(11)).await;
    fixture.store.push(Signal::Metrics, b"3".to_vec());
    assert_eq!(
        fixture.notices(),
        [format!("spool folder `{}` is usable again", spool.display())]
    );
    assert_eq!(count(&spool.join("metrics"), "request"), 7);
    assert!(fixture.store.report().spool_is_healthy);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_under_way_costs_nothing_while_memory_has_room() {
    let folder = tempfile::tempdir().unwrap();
    let traces = folder.path().join("traces");
    let mut fixture = Fixture::new(Some(folder.path()));
    fs::remove_dir_all(&traces).unwrap();
    fs::write(&traces, b"a file in its place").unwrap();
    fixture.append(b"one");
    fixture.store.close_batches();
    fixture.answer(Signal::Traces, away());
    fixture.append(b"two");
    fixture.store.close_batches();
    assert_eq!(fixture.report(Signal::Traces).waiting, 2);
    assert_eq!(fixture.drain(Signal::Traces), [request(b"one"), request(b"two")]);
    assert!(!fixture.store.report().disk_failures.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_gone_is_counted_and_holds_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = folder.path().join("metrics");
    let mut fixture = Fixture::new(Some(folder.path()));
    for request in [b"1", b"2"] {
        fixture.store.push(Signal::Metrics, request.to_vec());
    }
    fixture.answer(Signal::Metrics, away());
    fs::remove_file(metrics.join(&files(&metrics)[0])).unwrap();
    assert_eq!(fixture.drain(Signal::Metrics), [b"2"]);
    assert_eq!(
        fixture.report(Signal::Metrics).dropped,
        BTreeMap::from([(DropReason::Removed, 1)])
    );
}

#[tokio::test(start_paused = true)]
async fn at_the_end_everything_is_on_disk_or_counted_as_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(Some(folder.path()));
    fixture.append(b"open");
    fixture.store.push(Signal::Metrics, b"waiting".to_vec());
    fixture.store.shutdown();
    assert_eq!(count(&folder.path().join("traces"), "request"), 1);
    assert_eq!(count(&folder.path().join("traces"), "segment"), 0);
    assert_eq!(count(&folder.path().join("metrics"), "request"), 1);
    assert!(fixture.report(Signal::Metrics).dropped.is_empty());

    let mut fixture = Fixture::new(None);
    fixture.append(b"open");
    fixture.store.shutdown();
    assert_eq!(fixture.report(Signal::Traces).dropped[&DropReason::Shutdown], 1);
}

#[tokio::test(start_paused = true)]
async fn what_goes_to_disk_together_has_its_room_together() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::bounded(Some(folder.path()), 100);
    for _ in 0..3 {
        fixture.store.push(Signal::Metrics, vec![b'0'; 40]);
    }
    fixture.answer(Signal::Metrics, away());
    let report = fixture.report(Signal::Metrics);
    assert_eq!((report.waiting, report.spool_bytes), (2, 80));
}
