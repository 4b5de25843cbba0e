use super::*;
use crate::alert::tests::{Disk, kept};
use crate::alert::trial::sample;

fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_014_400)
}

fn queue() -> Queue {
    Queue::new([(Arc::from("a"), "slack"), (Arc::from("b"), "email")])
}

fn told(number: u32) -> Notification {
    Notification {
        number,
        ..sample(noon())
    }
}

/// The numbers of all that waits for a notifier, which is delivered.
fn drain(queue: &mut Queue, notifier: &str) -> Vec<u32> {
    let mut numbers = Vec::new();
    while let Some(entry) = queue.next(notifier) {
        numbers.push(entry.notification.number);
        queue.conclude(notifier, None);
    }
    numbers
}

#[test]
fn what_is_staged_waits_until_it_is_released() {
    let mut queue = queue();
    queue.stage("a", told(1), noon());
    assert!(queue.next("a").is_none());
    assert!(queue.release(&kept()));
    assert!(!queue.release(&kept()));
    queue.stage("a", told(2), noon());
    assert_eq!(drain(&mut queue, "a"), [1]);
    queue.release(&kept());
    assert_eq!(drain(&mut queue, "a"), [2]);
}

#[test]
fn each_notifier_has_its_own_order_and_none_waits_for_another() {
    let mut queue = queue();
    for number in 1..=3 {
        queue.stage("a", told(number), noon());
        queue.stage("b", told(number), noon());
    }
    queue.release(&kept());
    assert!(queue.next("a").is_some());
    assert_eq!(drain(&mut queue, "b"), [1, 2, 3]);
    queue.put_back("a");
    assert_eq!(drain(&mut queue, "a"), [1, 2, 3]);
}

#[test]
fn the_oldest_makes_room_but_not_the_one_under_way() {
    let mut queue = queue();
    let mut disk = Disk::default();
    for number in 1..=3 {
        disk.keep(queue.stage("a", told(number), noon()));
    }
    queue.release(&kept());
    let first = queue.next("a").unwrap();
    for number in 4..=u32::try_from(MAX_WAITING).unwrap() + 2 {
        disk.keep(queue.stage("a", told(number), noon()));
    }
    queue.release(&kept());
    let report = &queue.report(noon())["a"];
    assert_eq!(report.waiting, u64::try_from(MAX_WAITING).unwrap());
    assert_eq!(report.dropped, BTreeMap::from([(DropReason::Full, 2)]));
    assert_eq!(disk.rows(Shelf::Notification).len(), MAX_WAITING);
    assert_eq!(first.notification.number, 1);
    let left = drain(&mut queue, "a");
    assert_eq!(left[..3], [1, 4, 5]);
}

#[test]
fn bytes_are_bounded_over_all_notifiers() {
    let mut queue = queue();
    let large = |number| Notification {
        summary: "x".repeat(8 << 10),
        ..told(number)
    };
    for number in 0..1_500 {
        queue.stage("a", large(number), noon());
        queue.stage("b", large(number), noon());
    }
    assert!(queue.bytes <= MAX_BYTES);
    let report = queue.report(noon());
    let lost: u64 = report.values().map(|one| one.dropped[&DropReason::Full]).sum();
    let waiting: u64 = report.values().map(|one| one.waiting).sum();
    assert_eq!(lost + waiting, 3_000);
    queue.release(&kept());
    assert_eq!(drain(&mut queue, "a").last(), Some(&1_499));
    assert_eq!(drain(&mut queue, "b").last(), Some(&1_499));
    assert_eq!(queue.bytes, 0);
}

#[test]
fn what_waits_for_too_long_is_given_up_and_counted() {
    let mut queue = queue();
    let mut disk = Disk::default();
    for number in 1..=3 {
        let at = noon() + Duration::from_secs(u64::from(number) * 60);
        disk.keep(queue.stage("a", told(number), at));
    }
    queue.release(&kept());
    let now = noon() + Duration::from_secs(200);
    assert_eq!(queue.report(now)["a"].oldest_age, Some(Duration::from_secs(140)));
    disk.keep(queue.expire("a", Duration::from_secs(60), now));
    assert_eq!(
        queue.report(now)["a"].dropped,
        BTreeMap::from([(DropReason::Expired, 2)])
    );
    assert_eq!(disk.rows(Shelf::Notification).len(), 1);
    assert_eq!(drain(&mut queue, "a"), [3]);
}

#[test]
fn what_was_on_disk_comes_back_in_order_and_what_follows_comes_after_it() {
    let mut disk = Disk::default();
    let mut first = queue();
    for number in 1..=12 {
        disk.keep(first.stage("a", told(number), noon()));
    }
    let mut second = queue();
    assert_eq!(second.restore(&disk.rows(Shelf::Notification)), []);
    disk.keep(second.stage("a", told(13), noon()));
    second.release(&kept());
    assert_eq!(drain(&mut second, "a"), (1..=13).collect::<Vec<_>>());
    assert_eq!(disk.rows(Shelf::Notification).len(), 13);
}
