//! Which request goes out when, where something else is in its way.

use super::leftovers::Desk;
use super::pieces::{names, span};
use super::*;
use crate::telemetry::delivery::simulated::fail_disk;

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_read_for_now_holds_up_no_batch() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::new(folder.path());
    let mut waits_for = |work: fn(&mut Queue, &mut Around<'_>)| {
        desk.with(|queue, around| {
            work(queue, around);
            match queue.next(around) {
                Next::Wait(until) => until.map(|until| until - Instant::now()),
                Next::Send(..) => None,
            }
        })
    };
    let unread = waits_for(|queue, around| {
        queue.push(b"spooled".to_vec(), around);
        queue.spill(around);
        fail_disk(Some(libc::EIO));
    });
    fail_disk(None);
    assert_eq!(unread, Some(READ_AGAIN));
    let frame = waits_for(|queue, around| {
        queue.append(&Frame::new(Owner::RUNNER, b"frame".to_vec()), DELAY, around);
    });
    assert_eq!(frame, Some(DELAY));
    advance(READ_AGAIN + DELAY).await;
    assert_eq!(desk.drain(), [b"spooled".to_vec(), request(b"frame")]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_goes_in_pieces_goes_on_where_it_was_though_another_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::new(folder.path());
    desk.envelope = Envelope::new(&Default::default(), &Default::default());
    let frames = ["1", "2", "3"].map(|name| span(name, 600 << 10)).concat();
    let large = desk.envelope.request(&frames);
    let first = desk.with(|queue, around| {
        queue.push(large, around);
        queue.push(b"dropped".to_vec(), around);
        let Next::Send(stamp, piece) = queue.next(around) else {
            panic!("there is something to send");
        };
        queue.conclude(stamp, Answer::accepted(), around);
        let dropped = *queue.waiting.keys().last().unwrap();
        queue.lose(dropped, DropReason::Expired, around);
        piece
    });
    assert_eq!(names(&first), ["1"]);
    let rest: Vec<_> = desk.drain().iter().flat_map(|piece| names(piece)).collect();
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
    let mut desk = Desk::new(folder.path());
    let nothing = format!("{:?}", desk.shares);
    assert_eq!(desk.taken_over(), 1);
    let thinned = desk.with(|queue, around| queue.thin_disk(around));
    assert_eq!(thinned, Thinned::Looked);
    assert_ne!(format!("{:?}", desk.shares), nothing);
    assert_eq!(desk.drain().len(), 1);
    assert_eq!(format!("{:?}", desk.shares), nothing);
}
