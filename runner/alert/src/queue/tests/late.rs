//! Rows of an earlier process, read after this one has started.

use super::*;

fn numbers(queue: &Queue) -> Vec<u64> {
    let mut disk = Disk::default();
    disk.apply(queue.all_changes());
    let rows = disk.rows(Table::Notification);
    rows.iter().map(|(key, _)| key.parse().unwrap()).collect()
}

fn left_behind(notifications: &[Notification]) -> Vec<(Arc<str>, String)> {
    let (mut queue, mut disk) = (queue(), Disk::default());
    for notification in notifications {
        disk.apply(queue.stage("a", notification.clone()));
    }
    disk.rows(Table::Notification)
}

#[test]
fn what_is_restored_late_comes_before_what_is_new() {
    let mut queue = queue();
    queue.reserve_earlier_numbers(noon());
    queue.stage("a", numbered(3));
    queue.release(&committed());
    assert_eq!(queue.restore(&left_behind(&[numbered(1), numbered(2)])), []);
    assert_eq!(numbers(&queue), [1, 2, 1_800_014_400 << 20]);
    assert_eq!(drain(&mut queue, "a"), [1, 2, 3]);
}

#[test]
fn what_is_in_flight_is_the_one_that_is_finished_whatever_comes_before_it() {
    let mut queue = queue();
    queue.reserve_earlier_numbers(noon());
    queue.stage("a", numbered(3));
    queue.release(&committed());
    assert!(queue.next("a", Selection::Fair).is_some());
    queue.restore(&left_behind(&[numbered(1), numbered(2)]));
    queue.finish("a", None);
    assert_eq!(drain(&mut queue, "a"), [1, 2]);
}

#[test]
fn rows_come_back_in_order_however_they_are_read() {
    let mut rows = left_behind(&[numbered(1), numbered(2), numbered(3)]);
    rows.reverse();
    let mut queue = queue();
    queue.restore(&rows);
    assert_eq!(drain(&mut queue, "a"), [1, 2, 3]);
}

#[test]
fn numbers_go_on_from_one_before_the_time_of_day_is_set() {
    let mut queue = queue();
    queue.reserve_earlier_numbers(SystemTime::UNIX_EPOCH);
    queue.stage("a", numbered(1));
    assert_eq!(numbers(&queue), [1]);
}

#[test]
fn no_two_have_the_same_number_although_the_clock_was_set_back() {
    let mut blockers = queue();
    blockers.reserve_earlier_numbers(noon() + Duration::from_secs(60));
    let mut disk = Disk::default();
    disk.apply(blockers.stage("a", numbered(1)));
    let at_once = {
        let mut at_once = queue();
        at_once.reserve_earlier_numbers(noon());
        let mut disk = Disk::default();
        disk.apply(at_once.stage("a", numbered(1)));
        disk.rows(Table::Notification)
    };
    for rows in [disk.rows(Table::Notification), at_once] {
        let mut queue = queue();
        queue.reserve_earlier_numbers(noon());
        queue.stage("a", numbered(3));
        queue.release(&committed());
        assert_eq!(queue.restore(&rows), []);
        let first = 1_800_014_400 << 20;
        assert_eq!(numbers(&queue), [first, first + 1]);
        assert_eq!(drain(&mut queue, "a"), [3, 1]);
    }
}

/// The rest of the alert is dropped too only if nobody was notified of its beginning.
#[test]
fn a_restored_alert_is_known_to_its_receiver_unless_its_first_notification_waits() {
    let freed = |first: u32| {
        let mut queue = queue();
        queue.restore(&left_behind(&[
            of("flap/1", first, Event::Firing),
            of("flap/1", first + 1, Event::Resolved),
        ]));
        queue.notifiers.get_mut("a").unwrap().make_room().len()
    };
    assert_eq!((freed(0), freed(1), freed(2)), (1, 2, 1));
}

#[test]
fn a_number_near_the_end_of_numbers_is_damage() {
    let half = u64::MAX / 2;
    assert_eq!(parse_key(&key(half - 1)), Some(half - 1));
    assert_eq!(parse_key(&key(half)), None);
}
