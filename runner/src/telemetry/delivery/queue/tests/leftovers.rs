//! What an earlier process left is taken over once, whenever its folder can be read.

use super::super::super::journal::Segment;
use super::*;
use crate::telemetry::delivery::disk::PATIENCE;
use crate::telemetry::delivery::simulated::fail_disk;

/// One queue, whose disk is open.
pub(super) struct Desk {
    queue: Queue,
    disk: Disk,
    pub(super) shares: Shares,
    pub(super) envelope: Envelope,
    /// Bytes for which there is room on disk.
    free: u64,
}

impl Desk {
    pub(super) fn new(folder: &Path) -> Self {
        let notices = Notices::new(mpsc::channel(64).0);
        let settings = SpoolSettings {
            folder: folder.to_owned(),
            max_bytes: 64 << 20,
            max_age: Duration::from_secs(3600),
        };
        let mut disk = Disk::new(Some(settings), Reserve::default(), notices.clone());
        disk.open();
        Self {
            queue: Queue::new(Signal::Traces, true, notices),
            disk,
            shares: Shares::default(),
            envelope: envelope(),
            free: 64 << 20,
        }
    }

    pub(super) fn with<T>(&mut self, work: impl FnOnce(&mut Queue, &mut Around<'_>) -> T) -> T {
        let mut around = Around {
            disk: &mut self.disk,
            shares: &mut self.shares,
            envelope: &self.envelope,
            room: Room {
                bound: 64 << 20,
                free: self.free,
            },
            now: Clock::of_boot(1).told_by(clock).read(),
        };
        work(&mut self.queue, &mut around)
    }

    /// How many requests wait once what was left is taken over, as far as it can be.
    pub(super) fn taken_over(&mut self) -> usize {
        self.with(|queue, around| {
            queue.take_over(around);
            queue.waiting.len()
        })
    }

    /// Has everything accepted, and says what it was.
    pub(super) fn drain(&mut self) -> Vec<Vec<u8>> {
        self.with(|queue, around| {
            let mut sent = Vec::new();
            while let Next::Send(stamp, request) = queue.next(around) {
                queue.conclude(stamp, Answer::accepted(), around);
                sent.push(request.to_vec());
            }
            sent
        })
    }
}

/// Leaves a journal with each of these frames.
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
    let (wall, boot) = TOLD.get();
    TOLD.set((wall + 1, boot + 1));
    let mut desk = Desk::new(folder.path());
    let frame = |bytes: &[u8]| Frame::new(Owner::RUNNER, bytes.to_vec());
    desk.with(|queue, around| {
        queue.append(&frame(b"closed"), DELAY, around);
        queue.close_batch(around);
        queue.append(&frame(b"open"), DELAY, around);
    });
    assert_eq!(desk.taken_over(), 2);
    let segments = || count(&folder.path().join("traces"), "segment");
    assert_eq!(segments(), 1, "of the open batch");
    desk.with(|queue, around| queue.close_batch(around));
    let mut sent = desk.drain();
    sent.sort();
    assert_eq!(sent, [b"left".as_slice(), b"open", b"closed"].map(request));
    assert_eq!(segments(), 0);
}

#[tokio::test(start_paused = true)]
async fn journals_wait_for_room_and_none_of_them_is_forgotten_or_read_twice() {
    let folder = tempfile::tempdir().unwrap();
    leave(folder.path(), &[b"1", b"2", b"3"]);
    let mut desk = Desk::new(folder.path());
    desk.free = 0;
    assert!(desk.with(|queue, around| queue.take_over(around)).is_some());
    desk.free = 64 << 20;
    assert_eq!(desk.taken_over(), 3);
    assert_eq!(desk.drain(), [b"1", b"2", b"3"].map(|frame| request(frame)));
    advance(PATIENCE).await;
    assert_eq!(desk.taken_over(), 0);
    assert!(desk.disk.failures().is_empty());
    assert!(files(&folder.path().join("traces")).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_the_disk_refuses_is_tried_again_after_a_while() {
    for is_listed in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        leave(folder.path(), &[b"left"]);
        let mut desk = Desk::new(folder.path());
        if is_listed {
            desk.free = 0;
            desk.taken_over();
            desk.free = 64 << 20;
        }
        fail_disk(Some(libc::EIO));
        assert_eq!(desk.taken_over(), 0);
        fail_disk(None);
        for wait in [Duration::ZERO, PATIENCE - DELAY] {
            advance(wait).await;
            assert_eq!(desk.taken_over(), 0, "{is_listed}");
        }
        advance(DELAY).await;
        assert_eq!(desk.taken_over(), 1, "{is_listed}");
        assert_eq!(desk.drain(), [request(b"left")]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_new_comes_behind_what_was_left_although_the_clock_was_set_back() {
    for is_spooled in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        TOLD.set((2_000_000_100, 1_000));
        let mut fixture = Fixture::new(Some(folder.path()));
        fixture.append(b"left");
        fixture.store.close_batches();
        if is_spooled {
            fixture.answer(Signal::Traces, away());
        }
        drop(fixture);
        TOLD.set((2_000_000_000, 1_000));
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
    let mut segment = Segment::create(&path, &envelope(), Reserve::default().hold()).unwrap();
    let frames = [b'1', b'2', b'3'].map(|byte| vec![byte; 400 << 10]);
    for frame in &frames {
        segment.append(frame).unwrap();
    }
    drop(segment);
    let mut desk = Desk::new(folder.path());
    assert_eq!(desk.taken_over(), 3);
    assert_eq!(desk.drain(), frames.map(|frame| request(&frame)));
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
        let each = length(&request(b"a frame"));
        while fixture.of(Signal::Traces).spool_bytes + each <= BOUND {
            fixture.append(b"a frame");
            fixture.store.close_batches();
        }
        fixture.append(b"a frame that is in the journal only");
    }
    let report = Fixture::bounded(Some(folder.path()), BOUND).of(Signal::Traces);
    // More requests than are looked through at once.
    assert!(report.waiting > 100, "{report:?}");
    assert!(report.spool_bytes <= BOUND, "{report:?}");
}
