//! Rows of an earlier process that nobody can send.

use super::*;
use canary_outbound::alert_report::Discarded;

/// Rows of a process that had other notifiers, each with so many notifications.
fn left_for(notifiers: &[(&str, u32)]) -> Vec<(Arc<str>, String)> {
    let names = notifiers.iter().map(|(name, _)| (Arc::from(*name), "slack"));
    let (mut queue, mut disk) = (
        Queue::new(names, Clock::of_boot(1).with_source(clock)),
        Disk::default(),
    );
    for (name, count) in notifiers {
        for number in 1..=*count {
            disk.apply(queue.stage(name, numbered(number)));
        }
    }
    disk.rows(Table::Notification)
}

fn logged(queue: &mut Queue) -> Vec<String> {
    queue.take_notices().iter().map(ToString::to_string).collect()
}

#[test]
fn what_was_queued_for_a_renamed_notifier_is_counted_and_logged_once() {
    let mut queue = queue();
    assert_eq!(queue.restore(&left_for(&[("a", 2), ("renamed", 3)])).len(), 3);
    assert_eq!(queue.len("a"), 2);
    let removed = [("renamed".into(), 3)].into();
    let discarded = Discarded {
        removed,
        unreadable: 0,
    };
    assert_eq!(queue.report_all().discarded, discarded);
    let line = "dropped 3 queued notifications of notifier `renamed`, which is no longer configured";
    assert_eq!(logged(&mut queue), [line]);
    assert!(logged(&mut queue).is_empty());
    queue.restore(&left_for(&[("renamed", 1)]));
    assert_eq!(queue.report_all().discarded.removed["renamed"], 4);
    assert_eq!(logged(&mut queue).len(), 1);
}

#[test]
fn what_is_damaged_on_disk_is_counted_and_logged_once() {
    let mut queue = queue();
    let mut rows = left_for(&[("a", 3)]);
    rows[0].1.truncate(20);
    rows[1].0 = "no number".into();
    assert_eq!(queue.restore(&rows).len(), 2);
    queue.count_unreadable_alert();
    assert_eq!((queue.len("a"), queue.report_all().discarded.unreadable), (1, 2));
    let first = logged(&mut queue);
    assert!(
        first[0].starts_with("dropped 2 queued notifications that cannot be read"),
        "{first:?}"
    );
    assert!(first[1].starts_with("cannot read 1 stored alerts"), "{first:?}");
    queue.restore(&rows[..1]);
    queue.count_unreadable_alert();
    let later = logged(&mut queue);
    assert!(
        later[0].starts_with("dropped 1 queued notifications"),
        "{later:?}"
    );
    assert!(later[1].starts_with("cannot read 1 stored alerts"), "{later:?}");
}

#[test]
fn only_so_many_notifiers_that_are_gone_are_named_and_none_at_length() {
    let names: Vec<String> = (0..100)
        .map(|number| format!("{number}{}", "x".repeat(500)))
        .collect();
    let notifiers: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let mut queue = queue();
    queue.restore(&left_for(&notifiers));
    let removed = queue.report_all().discarded.removed;
    assert_eq!((removed.len(), removed.values().sum::<u64>()), (17, 100));
    assert!(removed.keys().all(|name| name.chars().count() <= 64));
}
