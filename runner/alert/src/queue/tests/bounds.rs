//! What is dropped when there is no room, byte by byte.

use super::*;

/// A notification of so many bytes in memory.
fn of_bytes(bytes: usize) -> Notification {
    let mut queue = queue();
    let empty = Notification {
        summary: String::new(),
        ..numbered(1)
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
        assert_eq!(queue.len("a"), kept);
    }
}

#[test]
fn small_notifications_are_weighed_with_what_they_take_beside_their_text() {
    let notifiers = (0..8).map(|number| (Arc::from(format!("{number}")), "slack"));
    let mut queue = Queue::new(notifiers, Clock::of_boot(1).with_source(clock));
    let (mut kept, mut texts) = (Disk::default(), 0);
    for number in 0..40_000 {
        kept.apply(queue.stage(&format!("{}", number % 8), numbered(number)));
    }
    for (_, text) in kept.rows(Table::Notification) {
        texts += text.len() + 500;
    }
    assert!(texts <= MAX_BYTES, "{texts} bytes");
}

#[test]
fn what_is_on_its_way_may_be_more_than_there_is_room_for() {
    let mut queue = queue();
    queue.stage("a", of_bytes(10 << 20));
    queue.release(&committed());
    assert!(queue.next("a", Selection::Fair).is_some());
    queue.stage("b", of_bytes(7 << 20));
    assert_eq!((queue.len("a"), queue.len("b")), (1, 1));
}

#[test]
fn the_notifier_with_most_bytes_makes_room_and_what_it_loses_leaves_the_disk() {
    let mut queue = queue();
    let mut disk = Disk::default();
    disk.apply(queue.stage("b", of_bytes(4 << 20)));
    for _ in 0..7 {
        disk.apply(queue.stage("a", of_bytes(2 << 20)));
    }
    assert_eq!((queue.len("a"), queue.len("b")), (6, 1));
    assert_eq!(disk.rows(Table::Notification).len(), 7);
}

#[test]
fn of_rows_in_any_order_the_oldest_are_dropped() {
    let (mut earlier, mut disk) = (queue(), Disk::default());
    for _ in 0..16 {
        disk.apply(earlier.stage("a", of_bytes(1 << 20)));
    }
    // Of another process, as the queue of one does not have room for it.
    let mut rows = disk.rows(Table::Notification);
    rows.push((key(17).into(), rows[0].1.clone()));
    rows.reverse();
    let mut queue = queue();
    let gone = queue.restore(&rows);
    assert_eq!(gone, [Change::delete(Table::Notification, &key(1))]);
}

#[test]
fn what_is_deferred_for_many_recipients_makes_room_for_their_names() {
    let mut queue = queue();
    for _ in 0..16 {
        queue.stage("a", of_bytes(1 << 20));
    }
    queue.release(&committed());
    assert!(queue.next("a", Selection::Fair).is_some());
    let changes = queue.defer_for("a", &["late@example.com".to_owned()]);
    assert_eq!((changes.len(), queue.len("a")), (2, 15));
}

#[test]
fn what_follows_a_first_notification_that_was_dropped_is_the_first() {
    let mut queue = queue();
    for (number, event) in [(1, Event::Firing), (2, Event::Reminder), (3, Event::Resolved)] {
        queue.stage("a", of("flap/1", number, event));
    }
    let mut freed = || queue.notifiers.get_mut("a").unwrap().make_room().len();
    assert_eq!((freed(), freed()), (1, 2));
}

#[test]
fn a_new_alert_is_dropped_with_its_end_and_one_that_was_notified_keeps_it() {
    let freed = |first: u32| {
        let mut queue = queue();
        queue.stage("a", of("flap/1", first, Event::Firing));
        queue.stage("a", of("flap/1", first + 1, Event::Resolved));
        queue.notifiers.get_mut("a").unwrap().make_room().len()
    };
    assert_eq!((freed(0), freed(1), freed(2)), (1, 2, 1));
}

/// A notification with a summary of so many bytes.
fn with(alert: &str, number: u32, bytes: usize) -> Notification {
    Notification {
        summary: "x".repeat(bytes),
        ..of(alert, number, Event::Reminder)
    }
}

/// What is dropped of these to make room.
fn dropped(
    notifications: impl IntoIterator<Item = Notification>,
    is_first_in_flight: bool,
) -> Vec<(String, u32)> {
    let mut queue = queue();
    for notification in notifications {
        queue.stage("a", notification);
    }
    queue.release(&committed());
    assert!(!is_first_in_flight || queue.next("a", Selection::Fair).is_some());
    let gone = queue.notifiers.get_mut("a").unwrap().make_room();
    let gone = gone.iter().map(|entry| &entry.notification);
    gone.map(|gone| (gone.alert.clone(), gone.number)).collect()
}

#[test]
fn the_check_with_most_bytes_makes_room_by_what_was_superseded() {
    // The other has fewer bytes in all, though more of them in each.
    let light = [2, 3].map(|number| with("light/1", number, 200));
    let heavy = [2, 3, 4].map(|number| with("heavy/1", number, 100));
    let gone = dropped(light.into_iter().chain(heavy), false);
    assert_eq!(gone, [("heavy/1".to_owned(), 2)]);
}

#[test]
fn what_was_superseded_goes_before_whatever_is_the_last_of_its_alert() {
    let last = |check: &str| with(&format!("{check}/1"), 2, 5_000);
    let mut waiting = vec![last("a"), last("b"), last("c")];
    waiting.extend([2, 3].map(|number| with("small/1", number, 0)));
    assert_eq!(dropped(waiting.clone(), false), [("small/1".to_owned(), 2)]);
    // The check has another alert since, without superseded notifications.
    waiting.push(with("small/2", 1, 0));
    assert_eq!(dropped(waiting, false), [("small/1".to_owned(), 2)]);
}

#[test]
fn where_the_heaviest_check_is_being_notified_the_next_one_makes_room() {
    let pairs = ["a/1", "b/1"].map(|alert| [2, 3].map(|number| with(alert, number, 200)));
    let [mut heavy, light] = pairs;
    heavy[0].summary.push('x');
    let gone = dropped(heavy.into_iter().chain(light), true);
    assert_eq!(gone, [("b/1".to_owned(), 2)]);
}
