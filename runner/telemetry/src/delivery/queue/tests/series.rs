//! Series of requests that are produced faster than they are sent.

use std::collections::HashMap;

use super::*;
use crate::delivery::request::Request;

/// Pushes requests of 512 KiB while there is room, at most 100; returns their number.
fn push_while_there_is_room(fixture: &mut Fixture) -> usize {
    let mut pushed = 0;
    while pushed < 100 && fixture.store.has_room(Signal::Metrics) {
        fixture.store.push(Signal::Metrics, vec![0; MIB / 2]);
        pushed += 1;
    }
    pushed
}

#[tokio::test(start_paused = true)]
async fn the_next_request_of_a_series_waits_until_most_of_those_before_it_are_delivered() {
    for has_spool in [false, true] {
        let folder = has_spool.then(|| tempfile::tempdir().unwrap());
        let mut fixture = Fixture::new(folder.as_ref().map(|folder| folder.path()));
        fixture.store.begin_series(Signal::Metrics);
        assert_eq!(push_while_there_is_room(&mut fixture), 4);
        assert_eq!(push_while_there_is_room(&mut fixture), 0);
        fixture.answer(Signal::Metrics, ExportResult::accepted());
        assert_eq!(push_while_there_is_room(&mut fixture), 1);
        let report = fixture.report(Signal::Metrics);
        assert!(report.dropped.is_empty() && report.spool_bytes == 0, "{report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_collector_that_is_away_a_series_makes_room_of_older_requests_and_never_of_its_own() {
    let mut fixture = Fixture::new(None);
    for _ in 0..32 {
        fixture.store.push(Signal::Metrics, vec![1; MIB / 2]);
    }
    fixture.answer(Signal::Metrics, away());
    fixture.store.begin_series(Signal::Metrics);
    assert_eq!(push_while_there_is_room(&mut fixture), 16);
    let dropped = fixture.report(Signal::Metrics).dropped;
    assert_eq!(dropped, BTreeMap::from([(DropReason::MemoryFull, 16)]));
    // The next series has as much room.
    fixture.store.begin_series(Signal::Metrics);
    assert_eq!(push_while_there_is_room(&mut fixture), 16);
    let sent = fixture.drain(Signal::Metrics);
    assert_eq!(sent.iter().filter(|request| request[0] == 0).count(), 32);
}

#[tokio::test(start_paused = true)]
async fn a_series_for_a_collector_that_is_away_waits_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::bounded(Some(folder.path()), 32 << 20);
    fixture.store.push(Signal::Metrics, vec![1; 10]);
    fixture.answer(Signal::Metrics, away());
    fixture.store.begin_series(Signal::Metrics);
    let pushed = push_while_there_is_room(&mut fixture);
    let report = fixture.report(Signal::Metrics);
    assert_eq!((pushed, report.memory_bytes), (33, 0), "half of the spool");
    assert!(report.dropped.is_empty(), "{report:?}");
    // It is reachable again, and new requests queue behind the old ones.
    fixture.answer(Signal::Metrics, ExportResult::accepted());
    assert_eq!(push_while_there_is_room(&mut fixture), 0);
    fixture.drain(Signal::Metrics);
    assert!(fixture.store.has_room(Signal::Metrics));
}

#[tokio::test(start_paused = true)]
async fn a_signal_that_goes_nowhere_has_room_for_everything() {
    let mut fixture = Fixture::new(None);
    fixture.store.begin_series(Signal::Logs);
    assert!(fixture.store.has_room(Signal::Logs));
}

#[tokio::test(start_paused = true)]
async fn it_is_known_of_a_request_who_fills_it() {
    let owners = HashMap::from([(Owner::of_check("loud"), 10), (Owner::RUNNER, 20)]);
    let request = Request::new(vec![0; 30], &owners);
    assert_ne!(request.share, Share::default());
    assert_eq!(Request::from(vec![0; 30]).share, Share::default());
}
