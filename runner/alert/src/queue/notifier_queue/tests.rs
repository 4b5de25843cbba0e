//! The counts of the queues agree with their entries, whatever happened.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::advance;

use super::*;
use crate::queue::tests::{CLOCK_READING, of, queue};
use crate::queue::{Queue, Selection};
use crate::tests::committed;

/// What [`NotifierQueue`] counts, counted again.
fn verify(queue: &NotifierQueue) {
    let mut alerts: HashMap<String, usize> = HashMap::new();
    let mut checks: BTreeMap<String, (usize, usize, usize)> = BTreeMap::new();
    for entry in &queue.entries {
        let of_alert = alerts.entry(entry.notification.alert.clone()).or_default();
        let (count, bytes, superseded) = checks.entry(check_id(entry).to_owned()).or_default();
        *superseded += usize::from(*of_alert > 0);
        *of_alert += 1;
        *count += 1;
        *bytes += entry.bytes;
    }
    assert_eq!(queue.alerts, alerts);
    let counted = |backlog: &CheckBacklog| (backlog.count, backlog.bytes, backlog.superseded);
    let counted = queue
        .checks
        .iter()
        .map(|(check, backlog)| (check.clone(), counted(backlog)));
    assert_eq!(counted.collect::<BTreeMap<_, _>>(), checks);
    let superseded = checks.iter().filter(|(_, (_, _, superseded))| *superseded > 0);
    let by_bytes = superseded.map(|(check, (_, bytes, _))| (*bytes, check.clone()));
    assert_eq!(queue.checks_by_bytes, by_bytes.collect());
    let bytes: usize = queue.entries.iter().map(|entry| entry.bytes).sum();
    assert_eq!(queue.bytes, bytes);
    let deferred = queue.entries.iter().filter(|entry| is_deferred(entry)).count();
    assert_eq!(queue.deferred, deferred);
}

/// One random thing that happens to the queue of a notifier.
fn step(dice: &mut fastrand::Rng, queue: &mut Queue, notifier: &str) {
    let rest = ["one@example.com".to_owned(), "two@example.com".to_owned()];
    let rest = &rest[..dice.usize(1..=2)];
    match dice.u8(..14) {
        0..=4 => {
            let (check, alert) = (dice.u8(..3), dice.u8(..2));
            let event = [Event::Firing, Event::Reminder, Event::Resolved][dice.usize(..3)];
            let mut staged = of(&format!("{check}/{alert}"), dice.u32(1..4), event);
            staged.summary = "x".repeat(dice.usize(..200));
            queue.stage(notifier, staged);
            queue.release(&committed());
        }
        5 => drop(queue.finish(notifier, None)),
        6 => drop(queue.refuse(notifier)),
        7 => drop(queue.retry_for(notifier, rest)),
        8 => drop(queue.defer_for(notifier, rest)),
        9 => drop(queue.put_back(notifier, Some(Duration::from_secs(dice.u64(..60))))),
        10 => {
            let freed = queue.notifiers.get_mut(notifier).unwrap().make_room();
            queue.delete(&freed);
        }
        11 => {
            queue.expire(notifier, Duration::from_secs(dice.u64(600..6_000)));
        }
        _ => {
            let is_idle = queue.notifiers[notifier].in_flight.is_none();
            let selection = [Selection::Fair, Selection::Unsuspected][dice.usize(..2)];
            let has_next = queue.has_next(notifier, selection);
            assert!(!is_idle || queue.next(notifier, selection).is_some() == has_next);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_counts_of_a_queue_are_those_of_its_entries_whatever_happens() {
    for seed in 0..40 {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut queue = queue();
        let mut passed = 0;
        for _ in 0..300 {
            let notifier = ["a", "b"][dice.usize(..2)];
            step(&mut dice, &mut queue, notifier);
            for notifier in queue.notifiers.values() {
                verify(notifier);
            }
            let bytes: usize = queue.notifiers.values().map(NotifierQueue::bytes).sum();
            assert_eq!(queue.bytes, bytes, "seed {seed}");
            let seconds = dice.u64(..40);
            passed += seconds;
            CLOCK_READING.set((i64::try_from(passed).unwrap(), passed));
            advance(Duration::from_secs(seconds)).await;
        }
    }
    CLOCK_READING.set((0, 0));
}
