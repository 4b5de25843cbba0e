mod ages;
mod batches;
mod bounds;
mod classes;
mod deferred;
mod fair;
mod pieces;
mod recovery;
mod refused;
mod series;
mod turns;

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use http::StatusCode;
use tokio::sync::mpsc;
use tokio::time::advance;

use super::*;
use crate::delivery::disk::Disk;
use crate::delivery::export_result::{ExportFailure, ExportResult};
use crate::delivery::journal;
use crate::delivery::share::Owner;
use crate::delivery::simulated::{Step, fail_step};
use crate::delivery::store::Store;
use crate::settings::SpoolSettings;
use canary_net::ledger::audit::InternalFds;
use canary_outbound::http_client;
use canary_system::age::Clock;

/// Memory limit for a reachable collector, in bytes.
const MAX_PENDING: u64 = MAX_MEMORY / 4;
const DELAY: Duration = Duration::from_secs(1);
const MIB: usize = 1 << 20;

thread_local! {
    /// The wall-clock time and the time since boot, in seconds, as set by the test.
    static CLOCK: Cell<(u64, u64)> = const { Cell::new((2_000_000_000, 1_000)) };
}

fn clock() -> (SystemTime, Duration) {
    let (wall, boot) = CLOCK.get();
    (UNIX_EPOCH + Duration::from_secs(wall), Duration::from_secs(boot))
}

/// A store for traces and metrics, with a spool if there is a folder, and its notices.
struct Fixture {
    store: Store,
    notices_rx: mpsc::Receiver<Notice>,
}

impl Fixture {
    fn new(folder: Option<&Path>) -> Self {
        Self::bounded(folder, 64 << 20)
    }

    fn bounded(folder: Option<&Path>, max_bytes: u64) -> Self {
        Self::with(folder, max_bytes, envelope())
    }

    fn with(folder: Option<&Path>, max_bytes: u64, envelope: Envelope) -> Self {
        let (notices_tx, notices_rx) = mpsc::channel(64);
        let notices = NoticeSender::new(notices_tx);
        let queue = |signal| Queue::new(signal, true, notices.clone());
        let queues = [queue(Signal::Traces), queue(Signal::Metrics)];
        let spool = folder.map(|folder| SpoolSettings {
            folder: folder.to_owned(),
            max_bytes,
            max_age: Duration::from_secs(3600),
        });
        let store = Store::open(
            queues.into_iter(),
            Disk::new(spool, InternalFds::default(), notices.clone()),
            envelope,
            (DELAY, Clock::of_boot(1).with_source(clock)),
            &notices,
        );
        Self { store, notices_rx }
    }

    /// Appends a frame of the runner itself.
    fn append(&mut self, frame: &[u8]) {
        let frame = Frame::new(Owner::RUNNER, frame.to_vec());
        self.store.append(Signal::Traces, &frame);
    }

    /// The next request to send.
    fn send(&mut self, signal: Signal) -> Option<(RequestId, Vec<u8>)> {
        match self.store.next(signal) {
            Next::Send(id, request) => Some((id, request.to_vec())),
            Next::Wait(_) => None,
        }
    }

    /// Sends the next request with this result, and returns it.
    fn answer(&mut self, signal: Signal, answer: ExportResult) -> Vec<u8> {
        let (id, request) = self.send(signal).unwrap();
        self.store.complete(signal, id, answer);
        request
    }

    /// Sends everything successfully, and returns it.
    fn drain(&mut self, signal: Signal) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        while let Some((id, request)) = self.send(signal) {
            self.store.complete(signal, id, ExportResult::accepted());
            sent.push(request);
        }
        sent
    }

    fn report(&self, signal: Signal) -> SignalReport {
        self.store.report().signals[&signal].clone()
    }

    fn notices(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.notices_rx.try_recv().ok())
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

fn away() -> ExportResult {
    ExportResult::Retry {
        cause: ExportFailure::HttpClient(http_client::FailureCause::Connect),
        message: "nobody there".to_owned(),
        after: None,
    }
}

fn refused() -> ExportResult {
    ExportResult::Refused {
        cause: ExportFailure::Http(StatusCode::BAD_REQUEST),
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
    fixture.append(b"a");
    assert!(fixture.send(Signal::Traces).is_none());
    advance(DELAY).await;
    assert_eq!(fixture.drain(Signal::Traces), [request(b"a")]);

    for _ in 0..512 {
        fixture.append(b"b");
    }
    fixture.append(b"c");
    assert_eq!(fixture.drain(Signal::Traces), [request(&[b'b'; 512])]);

    // A frame that would exceed the maximum size begins the next batch.
    fixture.append(&vec![b'd'; 512 << 10]);
    let large = vec![b'd'; 512 << 10];
    assert_eq!(fixture.drain(Signal::Traces), [request(b"c"), request(&large)]);
}

#[tokio::test(start_paused = true)]
async fn each_frame_is_on_disk_before_append_returns_and_gone_once_it_is_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let traces = folder.path().join("traces");
    let mut fixture = Fixture::new(Some(folder.path()));
    fixture.append(b"one");
    fixture.append(b"two");
    let segment = traces.join(&files(&traces)[0]);
    assert_eq!(journal::tests::recovered(&segment).0.unwrap(), request(b"onetwo"));

    advance(DELAY).await;
    let (id, _) = fixture.send(Signal::Traces).unwrap();
    assert_eq!(count(&traces, "segment"), 1, "it is on its way only");
    fixture
        .store
        .complete(Signal::Traces, id, ExportResult::accepted());
    assert!(files(&traces).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_kill_at_any_moment_loses_no_frame_and_keeps_the_order() {
    let folder = tempfile::tempdir().unwrap();
    let traces = folder.path().join("traces");
    let mut fixture = Fixture::new(Some(folder.path()));
    fixture.append(b"on its way");
    fixture.store.close_batches();
    assert!(fixture.send(Signal::Traces).is_some());
    fixture.append(b"in the open batch");
    assert_eq!(count(&traces, "segment"), 2, "{:?}", files(&traces));
    drop(fixture);
    let torn = traces.join(files(&traces).last().unwrap());
    fs::write(&torn, [fs::read(&torn).unwrap(), vec![9, 0, 0, 0, 1]].concat()).unwrap();

    let mut fixture = Fixture::new(Some(folder.path()));
    assert_eq!(count(&traces, "request"), 2, "{:?}", files(&traces));
    assert_eq!(count(&traces, "segment"), 0);
    fixture.append(b"after the kill");
    drop(fixture);

    let mut fixture = Fixture::new(Some(folder.path()));
    fixture.append(b"after another");
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
    fixture.append(b"once");
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
async fn a_journal_that_cannot_be_removed_is_sent_once() {
    let folder = tempfile::tempdir().unwrap();
    let traces = folder.path().join("traces");
    let mut fixture = Fixture::new(Some(folder.path()));
    fixture.append(b"once");
    drop(fixture);
    fail_step(Some((Step::Remove, libc::EIO)));
    let mut fixture = Fixture::new(Some(folder.path()));
    for _ in 0..3 {
        assert_eq!(fixture.report(Signal::Traces).waiting, 1);
        advance(Duration::from_secs(11)).await;
        fixture.store.push(Signal::Metrics, b"1".to_vec());
        fixture.drain(Signal::Metrics);
    }
    assert_eq!(fixture.drain(Signal::Traces), [request(b"once")]);
    fail_step(None);
    advance(Duration::from_secs(11)).await;
    assert_eq!(fixture.drain(Signal::Traces), Vec::<Vec<u8>>::new());
    assert!(files(&traces).is_empty());
}

#[tokio::test(start_paused = true)]
async fn everything_new_goes_behind_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::new(Some(folder.path()));
    fixture.store.push(Signal::Metrics, b"1".to_vec());
    assert_eq!(
        fixture.report(Signal::Metrics).spool_bytes,
        0,
        "a first one is sent directly"
    );
    fixture.answer(Signal::Metrics, away());
    fixture.store.push(Signal::Metrics, b"2".to_vec());
    fixture.answer(Signal::Metrics, ExportResult::accepted());
    fixture.store.push(Signal::Metrics, b"3".to_vec());
    let report = fixture.report(Signal::Metrics);
    assert_eq!(
        (report.waiting, report.spool_bytes, report.memory_bytes),
        (2, 2, 0)
    );
    assert_eq!(fixture.drain(Signal::Metrics), [b"2", b"3"]);
    assert_eq!(fixture.report(Signal::Metrics).exports["success"], 3);
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
    let report = fixture.report(Signal::Metrics);
    assert_eq!(report.dead_letters, 2);
    assert_eq!(report.dropped[&DropReason::Rejected], 2);
    assert_eq!(report.exports["http_400"], 2);
    let refusals = fixture.notices();
    let refusals = refusals
        .iter()
        .filter(|notice| notice.contains("the collector rejected"));
    assert_eq!(refusals.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn items_that_were_rejected_of_an_accepted_request_are_counted() {
    let mut fixture = Fixture::new(None);
    fixture.store.push(Signal::Metrics, b"1".to_vec());
    let answer = ExportResult::Accepted {
        rejected: 7,
        message: "too old".to_owned(),
    };
    fixture.answer(Signal::Metrics, answer);
    let report = fixture.report(Signal::Metrics);
    assert_eq!((report.rejected_items, report.waiting), (7, 0));
    assert_eq!(
        fixture.notices(),
        ["the collector rejected 7 items of metrics: too old"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_collector_is_reported_once_and_again_when_it_is_back() {
    let mut fixture = Fixture::new(None);
    for _ in 0..3 {
        fixture.store.push(Signal::Metrics, b"1".to_vec());
        fixture.answer(Signal::Metrics, away());
        advance(Duration::from_secs(30)).await;
    }
    assert_eq!(
        fixture.report(Signal::Metrics).failing_for,
        Some(Duration::from_secs(90))
    );
    assert_eq!(fixture.report(Signal::Metrics).last_success, None);
    fixture.drain(Signal::Metrics);
    assert_eq!(
        fixture.notices(),
        [
            "exporting metrics failed: nobody there; buffering and retrying",
            "exporting metrics recovered; sending 2 queued requests"
        ]
    );
    assert_eq!(fixture.report(Signal::Metrics).failing_for, None);
    assert!(fixture.report(Signal::Metrics).last_success.is_some());
}

#[tokio::test(start_paused = true)]
async fn what_failed_and_was_dropped_is_not_failing_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = Fixture::bounded(Some(folder.path()), 0);
    fixture.store.push(Signal::Metrics, b"1".to_vec());
    fixture.answer(Signal::Metrics, away());
    assert!(fixture.send(Signal::Metrics).is_none());
    advance(Duration::from_secs(60)).await;
    let failing = |fixture: &mut Fixture| {
        let report = fixture.report(Signal::Metrics);
        (report.waiting, report.failing_for.map(|time| time.as_secs()))
    };
    assert_eq!(failing(&mut fixture), (0, Some(60)));
    advance(Duration::from_secs(60)).await;
    assert_eq!(failing(&mut fixture), (0, None));
    fixture.store.push(Signal::Metrics, b"2".to_vec());
    assert_eq!(failing(&mut fixture).1, None);
}
