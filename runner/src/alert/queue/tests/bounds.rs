//! What is dropped for want of room, byte by byte.

use super::*;

/// A notification of so many bytes in memory.
fn of_bytes(bytes: usize) -> Notification {
    let mut queue = queue();
    let empty = Notification {
        summary: String::new(),
        ..told(1)
    };
    queue.stage("a", empty.clone());
    Notification {
        summary: "x".repeat(bytes - queue.bytes),
        ..empty
    }
}

#[test]
fn all_that_waits_may_have_exactly_so_many_bytes() {
    for (last, kept) in [(1 << 20, 16), ((1 << 20) + 1, 15)] {
        let mut queue = queue();
        for _ in 0..15 {
            queue.stage("a", of_bytes(1 << 20));
        }
        queue.stage("a", of_bytes(last));
        assert_eq!(queue.waiting("a"), kept);
    }
}

#[test]
fn small_notifications_are_weighed_with_what_they_take_beside_their_text() {
    let notifiers = (0..8).map(|number| (Arc::from(format!("{number}")), "slack"));
    let mut queue = Queue::new(notifiers, Clock::of_boot(1).told_by(clock));
    let (mut kept, mut texts) = (Disk::default(), 0);
    for number in 0..40_000 {
        kept.keep(queue.stage(&format!("{}", number % 8), told(number)));
    }
    for (_, text) in kept.rows(Shelf::Notification) {
        texts += text.len() + 500;
    }
    assert!(texts <= MAX_BYTES, "{texts} bytes");
}

#[test]
fn what_is_on_its_way_may_be_more_than_there_is_room_for() {
    let mut queue = queue();
    queue.stage("a", of_bytes(10 << 20));
    queue.release(&kept());
    assert!(queue.next("a", Turn::Fair).is_some());
    queue.stage("b", of_bytes(7 << 20));
    assert_eq!((queue.waiting("a"), queue.waiting("b")), (1, 1));
}

#[test]
fn the_notifier_with_most_bytes_makes_room_and_what_it_loses_leaves_the_disk() {
    let mut queue = queue();
    let mut disk = Disk::default();
    disk.keep(queue.stage("b", of_bytes(4 << 20)));
    for _ in 0..7 {
        disk.keep(queue.stage("a", of_bytes(2 << 20)));
    }
    assert_eq!((queue.waiting("a"), queue.waiting("b")), (6, 1));
    assert_eq!(disk.rows(Shelf::Notification).len(), 7);
}

#[test]
fn a_new_alert_is_dropped_with_its_end_and_one_that_was_notified_keeps_it() {
    let freed = |first: u32| {
        let mut queue = queue();
        queue.stage("a", of("flap/1", first, Event::Firing));
        queue.stage("a", of("flap/1", first + 1, Event::Resolved));
        queue.rows.get_mut("a").unwrap().make_room().len()
    };
    assert_eq!((freed(0), freed(1), freed(2)), (1, 2, 1));
}
