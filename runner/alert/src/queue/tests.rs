mod bounds;
mod discarded;
mod late;
mod partial;
mod retries;
mod scheduling;

use std::cell::Cell;

use tokio::time::advance;

use super::*;
use crate::notification::{Event, unix_millis};
use crate::sample_notification::sample;
use crate::tests::{Disk, committed};

fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_014_400)
}

thread_local! {
    /// The time of day and the time since the boot, in seconds after noon.
    pub(super) static CLOCK_READING: Cell<(i64, u64)> = const { Cell::new((0, 0)) };
}

fn clock() -> (SystemTime, Duration) {
    let (wall, boot) = CLOCK_READING.get();
    let noon = 1_800_014_400_u64.checked_add_signed(wall).unwrap();
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(noon);
    (wall, Duration::from_secs(1_000 + boot))
}

pub(super) fn queue() -> Queue {
    let notifiers = [(Arc::from("a"), "slack"), (Arc::from("b"), "email")];
    Queue::new(notifiers, Clock::of_boot(1).with_source(clock))
}

/// The first notification of an alert, each of a different check.
fn numbered(number: u32) -> Notification {
    let mut sent = of("check", number, Event::Firing);
    sent.check.id = format!("check {number}");
    sent.alert = format!("check {number}/1");
    sent
}

/// A notification of this alert; its check is in the key.
pub(super) fn of(alert: &str, number: u32, event: Event) -> Notification {
    let mut sent = sample(noon());
    sent.alert = alert.to_owned();
    sent.check.id = alert.split('/').next().unwrap().to_owned();
    Notification {
        number,
        event,
        ..sent
    }
}

/// Delivers everything queued for a notifier and returns the numbers.
fn drain(queue: &mut Queue, notifier: &str) -> Vec<u32> {
    let mut numbers = Vec::new();
    while let Some(entry) = queue.next(notifier, Selection::Fair) {
        numbers.push(entry.notification.number);
        queue.finish(notifier, None);
    }
    numbers
}

#[test]
fn what_is_staged_waits_until_it_is_released() {
    let mut queue = queue();
    queue.stage("a", numbered(1));
    assert!(queue.next("a", Selection::Fair).is_none());
    assert!(queue.release(&committed()));
    assert!(!queue.release(&committed()));
    queue.stage("a", numbered(2));
    queue.stage("a", numbered(3));
    assert_eq!(drain(&mut queue, "a"), [1]);
    queue.release(&committed());
    assert_eq!(drain(&mut queue, "a"), [2, 3]);
    assert_eq!(queue.refuse("a"), None, "nothing is under way");
}

#[test]
fn each_notifier_has_its_own_order_and_none_waits_for_another() {
    let mut queue = queue();
    for number in 1..=3 {
        queue.stage("a", numbered(number));
        queue.stage("b", numbered(number));
    }
    queue.release(&committed());
    assert!(queue.next("a", Selection::Fair).is_some());
    assert_eq!(drain(&mut queue, "b"), [1, 2, 3]);
    queue.put_back("a", None);
    assert_eq!(drain(&mut queue, "a"), [2, 3, 1]);
    assert_eq!(queue.report()["a"].delivered, 3);
    assert_eq!(queue.len("nobody"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_notifier_is_late_by_what_waits_for_all_of_its_receivers() {
    let mut queue = queue();
    let late = |queue: &mut Queue| queue.report()["a"].late;
    assert_eq!(late(&mut queue), None);
    queue.stage("a", numbered(1));
    queue.release(&committed());
    advance(Duration::from_secs(7)).await;
    queue.stage("a", numbered(2));
    assert_eq!(late(&mut queue), Some(Duration::from_secs(7)));
    queue.next("a", Selection::Fair).unwrap();
    queue.retry_for("a", &["late@example.com".to_owned()]);
    assert_eq!(late(&mut queue), Some(Duration::ZERO));
}

#[test]
fn a_commit_is_waited_for_once_for_all_that_it_persists() {
    let mut queue = queue();
    queue.stage("a", numbered(1));
    queue.stage("a", numbered(2));
    queue.release(&committed());
    for _ in 0..2 {
        let entry = queue.next("a", Selection::Fair).unwrap();
        assert!(queue.pending_commit(&entry).is_some());
        queue.finish("a", None);
    }
    queue.stage("a", numbered(3));
    queue.release(&committed());
    let entry = queue.next("a", Selection::Fair).unwrap();
    let (_, released) = queue.pending_commit(&entry).unwrap();
    queue.mark_committed(released);
    assert!(queue.pending_commit(&entry).is_none());
}

#[test]
fn what_is_in_flight_is_not_dropped_before_it_is_put_back() {
    let mut queue = queue();
    queue.stage("a", numbered(1));
    queue.release(&committed());
    assert!(queue.next("a", Selection::Fair).is_some());
    CLOCK_READING.set((3_600, 3_600));
    let hour = Duration::from_secs(3_599);
    assert_eq!(queue.expire("a", hour), []);
    queue.put_back("a", None);
    assert_eq!(queue.expire("a", hour).len(), 1);
}

#[test]
fn the_oldest_makes_room_but_not_the_one_in_flight() {
    let mut queue = queue();
    let mut disk = Disk::default();
    for number in 1..=3 {
        disk.apply(queue.stage("a", numbered(number)));
    }
    queue.release(&committed());
    let first = queue.next("a", Selection::Fair).unwrap();
    for number in 4..=u32::try_from(MAX_QUEUED).unwrap() + 2 {
        disk.apply(queue.stage("a", numbered(number)));
    }
    queue.release(&committed());
    let report = &queue.report()["a"];
    assert_eq!(report.waiting, u64::try_from(MAX_QUEUED).unwrap());
    assert_eq!(report.dropped, BTreeMap::from([(DropReason::Full, 2)]));
    assert_eq!(disk.rows(Table::Notification).len(), MAX_QUEUED);
    assert_eq!(first.notification.number, 1);
    let left = drain(&mut queue, "a");
    assert_eq!(left[..3], [1, 4, 5]);
    assert_eq!(queue.bytes, 0);
}

#[test]
fn bytes_are_bounded_over_all_notifiers() {
    let mut queue = queue();
    let large = |number| Notification {
        summary: "x".repeat(8 << 10),
        ..numbered(number)
    };
    for number in 0..1_500 {
        queue.stage("a", large(number));
        queue.stage("b", large(number));
    }
    assert!(queue.bytes <= MAX_BYTES);
    let report = queue.report();
    let lost: u64 = report.values().map(|one| one.dropped[&DropReason::Full]).sum();
    let waiting: u64 = report.values().map(|one| one.waiting).sum();
    assert_eq!(lost + waiting, 3_000);
    queue.release(&committed());
    assert_eq!(drain(&mut queue, "a").last(), Some(&1_499));
    assert_eq!(drain(&mut queue, "b").last(), Some(&1_499));
    assert_eq!(queue.bytes, 0);
}

#[test]
fn what_waits_for_too_long_is_given_up_and_counted_whatever_the_clock_is_set_to() {
    let mut queue = queue();
    let mut disk = Disk::default();
    for number in 1..=3 {
        CLOCK_READING.set((0, u64::from(number) * 60));
        disk.apply(queue.stage("a", numbered(number)));
    }
    queue.release(&committed());
    for day in [3, -2, 0] {
        CLOCK_READING.set((day * 86_400, 200));
        assert_eq!(queue.report()["a"].oldest_age, Some(Duration::from_secs(140)));
        disk.apply(queue.expire("a", Duration::from_secs(140)));
        assert_eq!(queue.len("a"), 3);
    }
    disk.apply(queue.expire("a", Duration::from_secs(60)));
    assert_eq!(
        queue.report()["a"].dropped,
        BTreeMap::from([(DropReason::Expired, 2)])
    );
    assert_eq!(disk.rows(Table::Notification).len(), 1);
    assert_eq!(drain(&mut queue, "a"), [3]);
}

#[test]
fn ages_go_on_over_a_restart_whatever_the_clock_was_set_to() {
    let mut disk = Disk::default();
    CLOCK_READING.set((3 * 86_400, 0));
    disk.apply(queue().stage("a", numbered(1)));
    CLOCK_READING.set((0, 100));
    let mut second = queue();
    second.restore(&disk.rows(Table::Notification));
    assert_eq!(second.report()["a"].oldest_age, Some(Duration::from_secs(100)));
    assert_eq!(second.expire("a", Duration::from_secs(100)), []);
    assert_eq!(second.expire("a", Duration::from_secs(99)).len(), 1);
}

#[test]
fn what_an_older_version_left_is_given_up_by_the_time_of_day_once_that_is_settled() {
    let mut notification = serde_json::to_value(numbered(1)).unwrap();
    notification["at"] = 1_800_000_000_000_u64.into();
    let row =
        serde_json::json!({ "notifier": "a", "at": 1_800_000_000_000_u64, "notification": notification });
    let mut queue = queue();
    assert_eq!(
        queue.restore(&[("00000000000000000001".into(), row.to_string())]),
        []
    );
    CLOCK_READING.set((3_600, 3_600));
    assert_eq!(
        queue.report()["a"].oldest_age,
        Some(Duration::from_secs(14_400 + 3_600))
    );
    let hour = Duration::from_secs(3_600);
    CLOCK_READING.set((90 * 86_400, 3_601));
    assert_eq!(queue.expire("a", hour), [], "it was set a moment ago");
    CLOCK_READING.set((3_602, 3_602));
    assert_eq!(queue.expire("a", hour), []);
    CLOCK_READING.set((4_300, 4_300));
    assert_eq!(queue.expire("a", hour).len(), 1);
}

#[test]
fn a_check_that_flaps_pushes_out_only_its_own_and_never_how_an_alert_stands() {
    let mut queue = queue();
    let mut disk = Disk::default();
    for number in 1..=5 {
        disk.apply(queue.stage("a", numbered(number)));
    }
    // Its first alert was sent before the receiver went away.
    disk.apply(queue.stage("a", of("flap/0", 2, Event::Resolved)));
    for alert in 1..=6_000 {
        let alert = format!("flap/{alert}");
        disk.apply(queue.stage("a", of(&alert, 1, Event::Firing)));
        disk.apply(queue.stage("a", of(&alert, 2, Event::Resolved)));
    }
    disk.apply(queue.stage("a", of("flap/last", 1, Event::Firing)));
    disk.apply(queue.stage("a", of("flap/last", 2, Event::Changed)));
    queue.release(&committed());
    assert_eq!(disk.rows(Table::Notification).len(), queue.len("a"));
    let report = &queue.report()["a"];
    assert!(report.waiting <= u64::try_from(MAX_QUEUED).unwrap(), "{report:?}");
    assert_eq!(report.dropped.keys().collect::<Vec<_>>(), [&DropReason::Full]);
    let mut left = Vec::new();
    while let Some(entry) = queue.next("a", Selection::Fair) {
        left.push((entry.notification.alert.clone(), entry.notification.event));
        queue.finish("a", None);
    }
    for number in 1..=5 {
        assert!(
            left.contains(&(format!("check {number}/1"), Event::Firing)),
            "{number}"
        );
    }
    assert!(left.contains(&("flap/0".to_owned(), Event::Resolved)));
    assert_eq!(left.last().unwrap(), &("flap/last".to_owned(), Event::Changed));
    // No receiver is notified of the end of an alert without its beginning.
    for (alert, event) in left.iter().filter(|(alert, _)| alert.starts_with("flap/")) {
        let begins = left.contains(&(alert.clone(), Event::Firing));
        assert!(
            *event != Event::Resolved || begins || alert == "flap/0",
            "{alert}"
        );
    }
}

#[test]
fn a_notifier_that_is_away_makes_room_for_the_others() {
    let mut queue = queue();
    let large = |alert: &str, number| Notification {
        summary: "x".repeat(2_000),
        ..of(alert, number, Event::Reminder)
    };
    for number in 1..=9_000 {
        queue.stage("a", large(&format!("check {}", number % 200), number));
    }
    for number in 1..=5 {
        queue.stage("b", numbered(number));
    }
    for number in 9_001..=30_000 {
        queue.stage("a", large(&format!("check {}", number % 200), number));
    }
    assert!(queue.bytes <= MAX_BYTES);
    queue.release(&committed());
    assert_eq!(drain(&mut queue, "b"), [1, 2, 3, 4, 5]);
    assert!(queue.len("a") >= 200);
}

#[test]
fn what_was_on_disk_comes_back_in_order_and_what_follows_comes_after_it() {
    let mut disk = Disk::default();
    let mut first = queue();
    for number in 1..=12 {
        disk.apply(first.stage("a", numbered(number)));
    }
    let mut second = queue();
    assert_eq!(second.restore(&disk.rows(Table::Notification)), []);
    disk.apply(second.stage("a", numbered(13)));
    second.release(&committed());
    assert_eq!(drain(&mut second, "a"), (1..=13).collect::<Vec<_>>());
    assert_eq!(disk.rows(Table::Notification).len(), 13);
}

#[test]
fn a_row_that_this_program_cannot_have_written_is_forgotten() {
    let mut disk = Disk::default();
    disk.apply(queue().stage("a", numbered(1)));
    let rows = disk.rows(Table::Notification);
    let [(own, text)] = rows.as_slice() else {
        panic!("{rows:?}")
    };
    let (last, short, signed) = (u64::MAX.to_string(), "1", "+0000000000000000001");
    for key in [last.as_str(), short, signed] {
        let mut queue = queue();
        let rows = [(Arc::clone(own), text.clone()), (Arc::from(key), text.clone())];
        assert_eq!(queue.restore(&rows), [Change::delete(Table::Notification, key)]);
        disk.apply(queue.stage("a", numbered(2)));
        queue.release(&committed());
        assert_eq!(drain(&mut queue, "a"), [1, 2], "{key}");
    }
}

#[test]
fn a_time_that_cannot_be_written_is_as_good_as_none() {
    let mut disk = Disk::default();
    disk.apply(queue().stage("a", numbered(1)));
    let (key, text) = disk.rows(Table::Notification).remove(0);
    let since = format!("\"since\":{}", unix_millis(numbered(1).since));
    for millis in [253_402_300_800_000, u64::MAX] {
        let mut queue = queue();
        let damaged = text.replace(&since, &format!("\"since\":{millis}"));
        assert_ne!(damaged, text);
        queue.restore(&[(Arc::clone(&key), damaged)]);
        queue.release(&committed());
        let span = queue.next("a", Selection::Fair).unwrap().notification.span();
        assert!(span.contains("1970-01-01T00:00:00Z"), "{span}");
    }
}
