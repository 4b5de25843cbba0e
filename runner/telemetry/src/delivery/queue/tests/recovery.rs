//! The spool of an earlier process is recovered once, whenever its folder becomes readable.

use super::super::super::journal::Segment;
use super::*;
use crate::delivery::disk::RETRY_INTERVAL;
use crate::delivery::simulated::fail_disk;

/// A single queue with an open disk.
pub(super) struct QueueFixture {
    queue: Queue,
    disk: Disk,
    pub(super) shares: Shares,
    pub(super) envelope: Envelope,
    /// Free disk space in bytes.
    free: u64,
}

impl QueueFixture {
    pub(super) fn new(folder: &Path) -> Self {
        let notices = NoticeSender::new(mpsc::channel(64).0);
        let settings = SpoolSettings {
            folder: folder.to_owned(),
            max_bytes: 64 << 20,
            max_age: Duration::from_secs(3600),
        };
        let mut disk = Disk::new(Some(settings), InternalFds::default(), notices.clone());
        disk.open();
        Self {
            queue: Queue::new(Signal::Traces, true, notices),
            disk,
            shares: Shares::default(),
            envelope: envelope(),
            free: 64 << 20,
        }
    }

    pub(super) fn with<T>(&mut self, work: impl FnOnce(&mut Queue, &mut QueueContext<'_>) -> T) -> T {
        let mut context = QueueContext {
            disk: &mut self.disk,
            shares: &mut self.shares,
            envelope: &self.envelope,
            room: DiskRoom {
                capacity: 64 << 20,
                free: self.free,
            },
            now: Clock::of_boot(1).with_source(clock).read(),
        };
        work(&mut self.queue, &mut context)
    }

    /// Recovers what can be recovered, and returns the number of queued requests.
    pub(super) fn recovered(&mut self) -> usize {
        self.with(|queue, context| {
            queue.recover_spool(context);
            queue.waiting.len()
        })
    }

    /// Sends everything successfully, and returns it.
    pub(super) fn drain(&mut self) -> Vec<Vec<u8>> {
        self.with(|queue, context| {
            let mut sent = Vec::new();
            while let Next::Send(id, request) = queue.next(context) {
                queue.complete(id, ExportResult::accepted(), context);
                sent.push(request.to_vec());
            }
            sent
        })
    }
}

/// Leaves a journal segment for each of these frames.
fn leave(folder: &Path, frames: &[&[u8]]) {
    let mut fixture = Fixture::new(Some(folder));
    for frame in frames {
        fixture.append(frame);
        fixture.store.close_batches();
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_of_this_process_is_not_taken_for_one_that_was_left() {
    let folder = tempfile::tempdir().unwrap();
    leave(folder.path(), &[b"left"]);
    let (wall, boot) = CLOCK.get();
    CLOCK.set((wall + 1, boot + 1));
    let mut fixture = QueueFixture::new(folder.path());
    let frame = |bytes: &[u8]| Frame::new(Owner::RUNNER, bytes.to_vec());
    fixture.with(|queue, context| {
        queue.append(&frame(b"closed"), DELAY, context);
        queue.close_batch(context);
        queue.append(&frame(b"open"), DELAY, context);
    });
    assert_eq!(fixture.recovered(), 2);
    let segments = || count(&folder.path().join("traces"), "segment");
    assert_eq!(segments(), 1, "of the open batch");
    fixture.with(|queue, context| queue.close_batch(context));
    let mut sent = fixture.drain();
    sent.sort();
    assert_eq!(sent, [b"left".as_slice(), b"open", b"closed"].map(request));
    assert_eq!(segments(), 0);
}

#[tokio::test(start_paused = true)]
async fn journals_wait_for_room_and_none_of_them_is_forgotten_or_read_twice() {
    let folder = tempfile::tempdir().unwrap();
    leave(folder.path(), &[b"1", b"2", b"3"]);
    let mut fixture = QueueFixture::new(folder.path());
    fixture.free = 0;
    assert!(
        fixture
            .with(|queue, context| queue.recover_spool(context))
            .is_some()
    );
    fixture.free = 64 << 20;
    assert_eq!(fixture.recovered(), 3);
    assert_eq!(fixture.drain(), [b"1", b"2", b"3"].map(|frame| request(frame)));
    advance(RETRY_INTERVAL).await;
    assert_eq!(fixture.recovered(), 0);
    assert!(fixture.disk.failures().is_empty());
    assert!(files(&folder.path().join("traces")).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_the_disk_refuses_is_tried_again_after_a_while() {
    for is_listed in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        leave(folder.path(), &[b"left"]);
        let mut fixture = QueueFixture::new(folder.path());
        if is_listed {
            fixture.free = 0;
            fixture.recovered();
            fixture.free = 64 << 20;
        }
        fail_disk(Some(libc::EIO));
        assert_eq!(fixture.recovered(), 0);
        fail_disk(None);
        for wait in [Duration::ZERO, RETRY_INTERVAL - DELAY] {
            advance(wait).await;
            assert_eq!(fixture.recovered(), 0, "{is_listed}");
        }
        advance(DELAY).await;
        assert_eq!(fixture.recovered(), 1, "{is_listed}");
        assert_eq!(fixture.drain(), [request(b"left")]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_new_comes_behind_what_was_left_although_the_clock_was_set_back() {
    for is_spooled in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        CLOCK.set((2_000_000_100, 1_000));
        let mut fixture = Fixture::new(Some(folder.path()));
        fixture.append(b"left");
        fixture.store.close_batches();
        if is_spooled {
            fixture.answer(Signal::Traces, away());
        }
        drop(fixture);
        CLOCK.set((2_000_000_000, 1_000));
        let mut fixture = Fixture::new(Some(folder.path()));
        fixture.append(b"new");
        fixture.store.close_batches();
        assert_eq!(fixture.drain(Signal::Traces), [request(b"left"), request(b"new")]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_is_larger_than_a_request_becomes_several() {
    let folder = tempfile::tempdir().unwrap();
    leave(folder.path(), &[b"left"]);
    let traces = folder.path().join("traces");
    let path = traces.join(&files(&traces)[0]);
    fs::remove_file(&path).unwrap();
    let mut segment = Segment::create(&path, &envelope(), InternalFds::default().acquire()).unwrap();
    let frames = [b'1', b'2', b'3'].map(|byte| vec![byte; 400 << 10]);
    for frame in &frames {
        segment.append(frame).unwrap();
    }
    drop(segment);
    let mut fixture = QueueFixture::new(folder.path());
    assert_eq!(fixture.recovered(), 3);
    assert_eq!(fixture.drain(), frames.map(|frame| request(&frame)));
}

#[tokio::test(start_paused = true)]
async fn a_full_spool_and_a_journal_are_within_the_bound_as_soon_as_they_are_taken_over() {
    const BOUND: u64 = 4_000;
    let folder = tempfile::tempdir().unwrap();
    {
        let mut fixture = Fixture::bounded(Some(folder.path()), BOUND);
        fixture.append(b"a frame");
        fixture.store.close_batches();
        fixture.answer(Signal::Traces, away());
        let each = byte_len(&request(b"a frame"));
        while fixture.report(Signal::Traces).spool_bytes + each <= BOUND {
            fixture.append(b"a frame");
            fixture.store.close_batches();
        }
        fixture.append(b"a frame that is in the journal only");
    }
    let report = Fixture::bounded(Some(folder.path()), BOUND).report(Signal::Traces);
    // More requests than are scanned at once.
    assert!(report.waiting > 100, "{report:?}");
    assert!(report.spool_bytes <= BOUND, "{report:?}");
}
