//! What an earlier process left that nobody can deliver.

use super::*;
use crate::alert::report::Forgotten;

/// Rows of a process that had other notifiers, each with so many notifications.
fn left_for(notifiers: &[(&str, u32)]) -> Vec<(Arc<str>, String)> {
    let names = notifiers.iter().map(|(name, _)| (Arc::from(*name), "slack"));
    let (mut queue, mut disk) = (
        Queue::new(names, Clock::of_boot(1).told_by(clock)),
        Disk::default(),
    );
    for (name, count) in notifiers {
        for number in 1..=*count {
            disk.keep(queue.stage(name, told(number)));
        }
    }
    disk.rows(Shelf::Notification)
}

fn said(queue: &mut Queue) -> Vec<String> {
    queue.forgotten().iter().map(ToString::to_string).collect()
}

#[test]
fn what_waited_for_a_notifier_that_has_another_name_now_is_counted_and_said_once() {
    let mut queue = queue();
    assert_eq!(queue.restore(&left_for(&[("a", 2), ("renamed", 3)])).len(), 3);
    assert_eq!(queue.waiting("a"), 2);
    let removed = [("renamed".into(), 3)].into();
    let forgotten = Forgotten {
        removed,
        unreadable: 0,
    };
    assert_eq!(queue.report_all().forgotten, forgotten);
    let line = "3 notifications waited for the notifier `renamed`, which the settings no longer name; they are dropped";
    assert_eq!(said(&mut queue), [line]);
    assert!(said(&mut queue).is_empty());
    queue.restore(&left_for(&[("renamed", 1)]));
    assert_eq!(queue.report_all().forgotten.removed["renamed"], 4);
    assert_eq!(said(&mut queue).len(), 1);
}

#[test]
fn what_is_damaged_on_disk_is_counted_and_said_once() {
    let mut queue = queue();
    let mut rows = left_for(&[("a", 3)]);
    rows[0].1.truncate(20);
    rows[1].0 = "no number".into();
    assert_eq!(queue.restore(&rows).len(), 2);
    queue.forget_alert();
    assert_eq!(
        (queue.waiting("a"), queue.report_all().forgotten.unreadable),
        (1, 2)
    );
    let said = said(&mut queue);
    assert!(
        said[0].starts_with("2 notifications that waited cannot be read"),
        "{said:?}"
    );
    assert!(
        said[1].starts_with("1 alerts that were firing cannot be read"),
        "{said:?}"
    );
}

#[test]
fn only_so_many_notifiers_that_are_gone_are_named_and_none_at_length() {
    let names: Vec<String> = (0..100)
        .map(|number| format!("{number}{}", "x".repeat(500)))
        .collect();
    let notifiers: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let mut queue = queue();
    queue.restore(&left_for(&notifiers));
    let removed = queue.report_all().forgotten.removed;
    assert_eq!((removed.len(), removed.values().sum::<u64>()), (17, 100));
    assert!(removed.keys().all(|name| name.chars().count() <= 64));
}
