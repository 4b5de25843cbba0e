//! The order of requests when some of them are blocked.

use super::pieces::{names, span};
use super::recovery::QueueFixture;
use super::*;
use crate::delivery::simulated::fail_disk;

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_read_for_now_holds_up_no_batch() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = QueueFixture::new(folder.path());
    let mut waits_for = |work: fn(&mut Queue, &mut QueueContext<'_>)| {
        fixture.with(|queue, context| {
            work(queue, context);
            match queue.next(context) {
                Next::Wait(until) => until.map(|until| until - Instant::now()),
                Next::Send(..) => None,
            }
        })
    };
    let unread = waits_for(|queue, context| {
        queue.push(b"spooled".to_vec(), context);
        queue.spill(context);
        fail_disk(Some(libc::EIO));
    });
    fail_disk(None);
    assert_eq!(unread, Some(READ_RETRY_INTERVAL));
    let frame = waits_for(|queue, context| {
        queue.append(&Frame::new(Owner::RUNNER, b"frame".to_vec()), DELAY, context);
    });
    assert_eq!(frame, Some(DELAY));
    advance(READ_RETRY_INTERVAL + DELAY).await;
    assert_eq!(fixture.drain(), [b"spooled".to_vec(), request(b"frame")]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_goes_in_pieces_goes_on_where_it_was_though_another_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let mut fixture = QueueFixture::new(folder.path());
    fixture.envelope = Envelope::new(&Default::default(), &Default::default());
    let frames = ["1", "2", "3"].map(|name| span(name, 600 << 10)).concat();
    let large = fixture.envelope.request(&frames);
    let first = fixture.with(|queue, context| {
        queue.push(large, context);
        queue.push(b"dropped".to_vec(), context);
        let Next::Send(id, piece) = queue.next(context) else {
            panic!("there is something to send");
        };
        queue.complete(id, ExportResult::accepted(), context);
        let dropped = *queue.waiting.keys().last().unwrap();
        queue.drop_request(dropped, DropReason::Expired, context);
        piece
    });
    assert_eq!(names(&first), ["1"]);
    let rest: Vec<_> = fixture.drain().iter().flat_map(|piece| names(piece)).collect();
    assert_eq!(rest, ["2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn who_fills_a_request_is_forgotten_with_it_also_where_that_shows_only_later() {
    let folder = tempfile::tempdir().unwrap();
    let envelope = Envelope::new(&Default::default(), &Default::default());
    let mut fixture = Fixture::with(Some(folder.path()), 64 << 20, envelope);
    fixture.store.append(Signal::Traces, &fair::root("check", 100));
    fixture.store.close_batches();
    fixture.answer(Signal::Traces, away());
    drop(fixture);
    let mut fixture = QueueFixture::new(folder.path());
    let nothing = format!("{:?}", fixture.shares);
    assert_eq!(fixture.recovered(), 1);
    let thinned = fixture.with(|queue, context| queue.shed_disk(context));
    assert_eq!(thinned, Shed::Scanned);
    assert_ne!(format!("{:?}", fixture.shares), nothing);
    assert_eq!(fixture.drain().len(), 1);
    assert_eq!(format!("{:?}", fixture.shares), nothing);
}
