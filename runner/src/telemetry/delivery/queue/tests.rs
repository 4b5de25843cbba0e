use std::fs;
use std::path::Path;

use http::StatusCode;
use tokio::sync::mpsc;
use tokio::time::advance;

use super::*;
use crate::telemetry::delivery::answer::{Answer, Cause};
use crate::telemetry::delivery::store::Store;
use crate::telemetry::settings::SpoolSettings;

const DELAY: Duration = Duration::from_secs(1);
const MIB: usize = 1 << 20;

/// A store for traces and metrics, with a spool if there is a folder, and what it told.
struct Fixture {
    store: Store,
    told: mpsc::Receiver<Notice>,
}

impl Fixture {
    fn new(folder: Option<&Path>) -> Self {
        Self::bounded(folder, 64 << 20)
    }

    fn bounded(folder: Option<&Path>, max_bytes: u64) -> Self {
        let (sender, told) = mpsc::channel(64);
        let notices = Notices::new(sender);
        let queue = |signal| Queue::new(signal, true, notices.clone());
        let queues = [queue(Signal::Traces), queue(Signal::Metrics)];
        let spool = folder.map(|folder| SpoolSettings {
            folder: folder.to_owned(),
            max_bytes,
            max_age: Duration::from_secs(3600),
        });
        let store = Store::open(queues.into_iter(), spool, envelope(), DELAY, &notices);
        Self { store, told }
    }

    /// The request that goes out next.
    fn send(&mut self, signal: Signal) -> Option<(Stamp, Vec<u8>)> {
        match self.store.next(signal) {
            Next::Send(stamp, request) => Some((stamp, request.to_vec())),
            Next::Wait(_) => None,
        }
    }

    /// Answers what goes out next, and says what it was.
    fn answer(&mut self, signal: Signal, answer: Answer) -> Vec<u8> {
        let (stamp, request) = self.send(signal).unwrap();
        self.store.conclude(signal, stamp, answer);
        request
    }

    /// Accepts everything, and says what it was.
    fn drain(&mut self, signal: Signal) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        while let Some((stamp, request)) = self.send(signal) {
            self.store.conclude(signal, stamp, Answer::accepted());
            sent.push(request);
        }
        sent
    }

    fn of(&self, signal: Signal) -> SignalReport {
        self.store.report().signals[&signal].clone()
    }

    fn notices(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.told.try_recv().ok())
            .map(|notice| notice.to_string())
            .collect()
    }
}

fn envelope() -> Envelope {
    Envelope {
        resource: b"resource".to_vec(),
        scope: b"scope".to_vec(),
    }
}

fn request(frames: &[u8]) -> Vec<u8> {
    envelope().request(frames)
}

fn away() -> Answer {
    Answer::Later {
        cause: Cause::Connect,
        message: "nobody there".to_owned(),
        after: None,
    }
}

fn refused() -> Answer {
    Answer::Refused {
        cause: Cause::Http(StatusCode::BAD_REQUEST),
        message: "no".to_owned(),
    }
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn count(folder: &Path, extension: &str) -> usize {
    let names = files(folder);
    names.iter().filter(|name| name.ends_with(extension)).count()
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_closed_by_age_by_count_and_by_size() {
    let mut fixture = Fixture::new(None);
    fixture.store.append(Signal::Traces, b"a");
    assert!(fixture.send(Signal::Traces).is_none());
    advance(DELAY).await;
    assert_eq!(fixture.drain(Signal::Traces), [request(b"a")]);

    for _ in 0..512 {
        fixture.store.append(Signal::Traces, b"b");
    }
    fixture.store.append(Signal::Traces, b"c");
    assert_eq!(fixture.drain(Signal::Traces), [request(&[b'b'; 512])]);

    fixture.store.append(Signal::Traces, &vec![b'd'; 512 << 10]);
    let mut with_large = vec![b'c'];
    with_large.resize(1 + (512 << 10), b'd');
    assert_eq!(fixture.drain(Signal::Traces), [request(&with_large)]);
}

#[tokio::test(start_paused = true)]
async fn each_frame_is_on_disk_before_append_returns_and_gone_once_it_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let traces = folder.path().join("traces");
    let mut fixture = Fixture::new(Some(folder.path()));
    fixture.store.append(Signal::Traces, b"one");
    fixture.store.append(Signal::Traces, b"two");
    let segment = traces.join(&files(&traces)[0]);
    assert_eq!(journal::recover(&segment).unwrap().unwrap(), request(b"onetwo"));

    advance(DELAY).await;
    let (stamp, _) = fixture.send(Signal::Traces).unwrap();
    assert_eq!(count(&traces, "segment"), 1, "it is on its way only");
    fixture.store.conclude(Signal::Traces, stamp, Answer::accepted());
    assert!(files(&traces).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_kill_at_any_moment_loses_no_frame_and_keeps_the_order() {
    let folder = tempfile::tempdir().unwrap();
    let traces = folder.path().join("traces");
    let mut fixture = Fixture::new(Some(folder.path()));
    fixture.store.append(Signal::Traces, b"on its way");
    fixture.store.close_batches();
    assert!(fixture.send(Signal::Traces).is_some());
    fixture.store.append(Signal::Traces, b"in the open batch");
    assert_eq!(count(&traces, "segment"), 2, "{:?}", files(&traces));
    drop(fixture);
    let torn = traces.join(files(&traces).last().unwrap());
    fs::write(&torn, [fs::read(&torn).unwrap(), vec![9, 0, 0, 0, 1]].concat()).unwrap();

    let mut fixture = Fixture::new(Some(folder.path()));
    assert_eq!(count(&traces, "request"), 2, "{:?}", files(&traces));
    assert_eq!(count(&traces, "segment"), 0);
    fixture.store.append(Signal::Traces, b"after the kill");
    drop(fixture);

    let mut fixture = Fixture::new(Some(folder.path()));
    fixture.store.append(Signal::Traces, b"after another");
    advance(DELAY).await;
    let sent = [
        b"on its way".as_slice(),
        b"in the open batch",
        b"after the kill",
        b"after another",
    ];
    let sent = sent.map(request);
    assert_eq!(fixture.drain(Signal::Traces), sent);
    assert!(files(&traces).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_kill_between_spooling_and_clearing_the_journal_sends_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let traces = folder.path().join("traces");
    let mut fixture = Fixture::new(Some(folder.path()));
    fixture.store.append(Signal::Traces, b"once");
    let segment = traces.join(&files(&traces)[0]);
    let journal = fs::read(&segment).unwrap();
    fixture.store.close_batches();
    fixture.answer(Signal::Traces, away());
    drop(fixture);
    fs::write(&segment, journal).unwrap();

    let mut fixture = Fixture::new(Some(folder.path()));
    assert_eq!(fixture.drain(Signal::Traces), [request(b"once")]);
    assert!(files(&traces).is_empty());
}

#[tokio::test(start_paused = true)]
async fn everything_new_goes_behind_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(Some(folder.path()));
    fixture.store.push(Signal::Metrics, b"1".to_vec());
    assert_eq!(
        fixture.of(Signal::Metrics).spool_bytes,
        0,
        "a first one is sent directly"
    );
    fixture.answer(Signal::Metrics, away());
    fixture.store.push(Signal::Metrics, b"2".to_vec());
    fixture.answer(Signal::Metrics, Answer::accepted());
    fixture.store.push(Signal::Metrics, b"3".to_vec());
    let report = fixture.of(Signal::Metrics);
    assert_eq!(
        (report.waiting, report.spool_bytes, report.memory_bytes),
        (2, 2, 0)
    );
    assert_eq!(fixture.drain(Signal::Metrics), [b"2", b"3"]);
    assert_eq!(fixture.of(Signal::Metrics).exports["success"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_refused_goes_to_the_dead_letters_and_holds_nothing_up() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(Some(folder.path()));
    for request in [b"in memory", b"spooled 1", b"spooled 2"] {
        fixture.store.push(Signal::Metrics, request.to_vec());
    }
    fixture.answer(Signal::Metrics, refused());
    fixture.answer(Signal::Metrics, away());
    fixture.answer(Signal::Metrics, refused());
    assert_eq!(fixture.drain(Signal::Metrics), [b"spooled 2"]);

    let dead = folder.path().join("dead");
    let letters: Vec<_> = files(&dead)
        .iter()
        .map(|name| fs::read(dead.join(name)).unwrap())
        .collect();
    assert_eq!(letters, [b"in memory", b"spooled 1"]);
    assert!(files(&folder.path().join("metrics")).is_empty());
    let report = fixture.of(Signal::Metrics);
    assert_eq!(report.dead_letters, 2);
    assert_eq!(report.dropped[&DropReason::Rejected], 2);
    assert_eq!(report.exports["http_400"], 2);
    let refusals = fixture.notices();
    let refusals = refusals.iter().filter(|notice| notice.contains("refuses"));
    assert_eq!(refusals.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn items_that_were_rejected_of_an_accepted_request_are_counted() {
    let mut fixture = Fixture::new(None);
    fixture.store.push(Signal::Metrics, b"1".to_vec());
    let answer = Answer::Accepted {
        rejected: 7,
        message: "too old".to_owned(),
    };
    fixture.answer(Signal::Metrics, answer);
    let report = fixture.of(Signal::Metrics);
    assert_eq!((report.rejected_items, report.waiting), (7, 0));
    assert_eq!(
        fixture.notices(),
        ["the collector rejected 7 items of metrics: too old"]
    );
}

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
    let (traces, metrics) = (fixture.of(Signal::Traces), fixture.of(Signal::Metrics));
    assert_eq!(traces.dropped, BTreeMap::from([(DropReason::SpoolFull, 1)]));
    assert_eq!((traces.waiting, traces.spool_bytes), (0, 0));
    assert_eq!((metrics.waiting, metrics.spool_bytes), (3, 90));
    assert!(files(&folder.path().join("traces")).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_is_not_dropped_to_make_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::bounded(Some(folder.path()), 50);
    fixture.store.push(Signal::Metrics, vec![b'0'; 30]);
    fixture.answer(Signal::Metrics, away());
    let (stamp, _) = fixture.send(Signal::Metrics).unwrap();
    fixture.store.push(Signal::Metrics, vec![b'1'; 30]);
    fixture.store.conclude(Signal::Metrics, stamp, Answer::accepted());
    let report = fixture.of(Signal::Metrics);
    assert_eq!(report.exports["success"], 1);
    assert_eq!(report.dropped[&DropReason::SpoolFull], 1);
}

#[tokio::test(start_paused = true)]
async fn what_waited_too_long_is_dropped_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = folder.path().join("metrics");
    fs::create_dir_all(&metrics).unwrap();
    fs::write(metrics.join("00000000000001000000.request"), b"of 1970").unwrap();
    let mut fixture = Fixture::new(Some(folder.path()));
    assert_eq!(fixture.of(Signal::Metrics).dropped[&DropReason::Expired], 1);
    assert!(fixture.send(Signal::Metrics).is_none());
    assert!(files(&metrics).is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_a_spool_memory_is_bounded_and_the_oldest_goes() {
    let mut fixture = Fixture::new(None);
    fixture.store.push(Signal::Metrics, b"oldest".to_vec());
    fixture.answer(Signal::Metrics, away());
    for _ in 0..16 {
        fixture.store.push(Signal::Metrics, vec![0; MIB]);
    }
    let report = fixture.of(Signal::Metrics);
    assert_eq!((report.waiting, report.memory_bytes), (16, MAX_MEMORY));
    assert_eq!(report.dropped, BTreeMap::from([(DropReason::MemoryFull, 1)]));
    assert_eq!(fixture.of(Signal::Traces).dropped.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_is_slow_fills_the_disk_and_not_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(Some(folder.path()));
    fixture.store.push(Signal::Metrics, b"on its way".to_vec());
    let (stamp, _) = fixture.send(Signal::Metrics).unwrap();
    for _ in 0..20 {
        fixture.store.push(Signal::Metrics, vec![0; MIB]);
    }
    assert!(fixture.of(Signal::Metrics).memory_bytes <= MAX_PENDING);
    fixture.store.conclude(Signal::Metrics, stamp, Answer::accepted());
    assert_eq!(fixture.drain(Signal::Metrics).len(), 20);
    assert!(fixture.of(Signal::Metrics).dropped.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_spool_that_cannot_be_used_is_told_once_and_again_when_it_can() {
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
    let failures = notices.iter().filter(|notice| notice.contains("cannot be used"));
    assert_eq!(failures.count(), 1, "{notices:?}");
    let report = fixture.store.report();
    assert!(report.disk_failures >= 5 && !report.spool_is_well);
    assert_eq!(fixture.of(Signal::Metrics).waiting, 6);

    fs::remove_file(&spool).unwrap();
    advance(Duration::from_secs(11)).await;
    fixture.store.push(Signal::Metrics, b"3".to_vec());
    assert_eq!(
        fixture.notices(),
        [format!("spool folder `{}` can be used again", spool.display())]
    );
    assert_eq!(count(&spool.join("metrics"), "request"), 7);
    assert!(fixture.store.report().spool_is_well);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_under_way_costs_nothing_while_memory_has_room() {
    let folder = tempfile::tempdir().unwrap();
    let traces = folder.path().join("traces");
    let mut fixture = Fixture::new(Some(folder.path()));
    fs::remove_dir_all(&traces).unwrap();
    fs::write(&traces, b"a file in its place").unwrap();
    fixture.store.append(Signal::Traces, b"one");
    fixture.store.close_batches();
    fixture.answer(Signal::Traces, away());
    fixture.store.append(Signal::Traces, b"two");
    fixture.store.close_batches();
    assert_eq!(fixture.of(Signal::Traces).waiting, 2);
    assert_eq!(fixture.drain(Signal::Traces), [request(b"one"), request(b"two")]);
    assert!(fixture.store.report().disk_failures > 0);
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
        fixture.of(Signal::Metrics).dropped,
        BTreeMap::from([(DropReason::DiskError, 1)])
    );
}

#[tokio::test(start_paused = true)]
async fn at_the_end_everything_is_on_disk_or_counted_as_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(Some(folder.path()));
    fixture.store.append(Signal::Traces, b"open");
    fixture.store.push(Signal::Metrics, b"waiting".to_vec());
    fixture.store.end();
    assert_eq!(count(&folder.path().join("traces"), "request"), 1);
    assert_eq!(count(&folder.path().join("traces"), "segment"), 0);
    assert_eq!(count(&folder.path().join("metrics"), "request"), 1);
    assert!(fixture.of(Signal::Metrics).dropped.is_empty());

    let mut fixture = Fixture::new(None);
    fixture.store.append(Signal::Traces, b"open");
    fixture.store.end();
    assert_eq!(fixture.of(Signal::Traces).dropped[&DropReason::Shutdown], 1);
}

#[tokio::test(start_paused = true)]
async fn a_collector_that_is_away_is_told_once_and_again_when_it_is_back() {
    let mut fixture = Fixture::new(None);
    for _ in 0..3 {
        fixture.store.push(Signal::Metrics, b"1".to_vec());
        fixture.answer(Signal::Metrics, away());
        advance(Duration::from_secs(30)).await;
    }
    assert_eq!(
        fixture.of(Signal::Metrics).failing_for,
        Some(Duration::from_secs(90))
    );
    assert_eq!(fixture.of(Signal::Metrics).last_success, None);
    fixture.drain(Signal::Metrics);
    assert_eq!(
        fixture.notices(),
        [
            "metrics are not delivered: nobody there; they wait and are sent later",
            "metrics are delivered again; 2 requests waited"
        ]
    );
    assert_eq!(fixture.of(Signal::Metrics).failing_for, None);
    assert!(fixture.of(Signal::Metrics).last_success.is_some());
}
