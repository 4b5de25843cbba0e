//! Which notification is to blame, how long it waits, and what is counted.

use tokio::time::advance;

use super::*;

const LATE: &str = "late@example.com";

fn next(queue: &mut Queue, selection: Selection) -> Option<u32> {
    let entry = queue.next("a", selection)?;
    Some(entry.notification.number)
}

/// A queue in which these are released, each of a different check.
fn with(numbers: impl IntoIterator<Item = u32>) -> Queue {
    let mut queue = queue();
    for number in numbers {
        queue.stage("a", numbered(number));
    }
    queue.release(&committed());
    queue
}

/// The wait until the next deferred entry is due.
fn wait(queue: &Queue) -> Duration {
    queue.next_due("a").unwrap() - Instant::now()
}

#[test]
fn what_was_queued_by_an_earlier_process_is_counted_when_it_is_delivered() {
    let mut disk = Disk::default();
    disk.apply(queue().stage("a", numbered(1)));
    let mut queue = queue();
    queue.restore(&disk.rows(Table::Notification));
    assert_eq!(drain(&mut queue, "a"), [1]);
    assert_eq!(queue.report()["a"].delivered, 1);
}

#[test]
fn an_earlier_commit_that_is_marked_later_changes_nothing() {
    let mut queue = with([1]);
    queue.mark_committed(2);
    queue.mark_committed(1);
    let entry = queue.next("a", Selection::Fair).unwrap();
    assert!(queue.pending_commit(&entry).is_none());
}

#[test]
fn nothing_is_counted_if_nothing_is_in_flight() {
    let mut queue = with([1]);
    queue.retry_for("a", &[LATE.to_owned()]);
    assert_eq!(queue.report()["a"].delivered, 0);
}

#[tokio::test(start_paused = true)]
async fn a_faulty_notification_waits_as_its_policy_says_even_if_it_is_asked_for_earlier() {
    let mut queue = with([1, 2]);
    assert_eq!(next(&mut queue, Selection::Fair), Some(1));
    queue.put_back("a", None);
    assert_eq!(next(&mut queue, Selection::Fair), Some(2));
    queue.finish("a", None);
    assert_eq!(next(&mut queue, Selection::Fair), Some(1));
    let source = queue.put_back("a", Some(Duration::from_millis(1)));
    assert_eq!(source, FailureSource::Notification { is_first: true });
    assert_eq!(wait(&queue), Duration::from_secs(1));
    advance(Duration::from_secs(1)).await;
    queue.stage("a", numbered(3));
    queue.release(&committed());
    assert_eq!(next(&mut queue, Selection::Fair), Some(3));
    queue.finish("a", None);
    assert_eq!(next(&mut queue, Selection::Fair), Some(1));
    queue.put_back("a", Some(Duration::from_secs(1)));
    assert_eq!(wait(&queue), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_the_rest_of_its_recipients_waits_as_they_do() {
    let mut queue = with([1]);
    assert_eq!(next(&mut queue, Selection::Fair), Some(1));
    queue.retry_for("a", &[LATE.to_owned()]);
    advance(Duration::from_secs(60)).await;
    assert_eq!(next(&mut queue, Selection::Fair), Some(1));
    queue.put_back("a", None);
    queue.stage("a", numbered(2));
    queue.release(&committed());
    assert_eq!(next(&mut queue, Selection::Fair), Some(2));
    queue.finish("a", None);
    assert_eq!(next(&mut queue, Selection::Fair), Some(1));
    queue.put_back("a", None);
    assert_eq!(wait(&queue), Duration::from_secs(120));
}

#[tokio::test(start_paused = true)]
async fn what_one_recipient_accepted_shows_that_the_receiver_works() {
    let mut queue = with([1, 2]);
    assert_eq!(next(&mut queue, Selection::Fair), Some(1));
    assert_eq!(queue.put_back("a", None), FailureSource::Receiver);
    assert_eq!(next(&mut queue, Selection::Fair), Some(2));
    queue.retry_for("a", &[LATE.to_owned()]);
    assert_eq!(next(&mut queue, Selection::Fair), Some(1));
    let source = queue.put_back("a", None);
    assert_eq!(source, FailureSource::Notification { is_first: true });
    // It is not to blame any more once one of its recipients accepted it.
    advance(Duration::from_secs(1)).await;
    assert_eq!(next(&mut queue, Selection::Fair), Some(1));
    queue.retry_for("a", &[LATE.to_owned()]);
    advance(Duration::from_secs(300)).await;
    assert_eq!(next(&mut queue, Selection::Fair), Some(2));
    queue.finish("a", None);
    assert_eq!(next(&mut queue, Selection::Fair), Some(1));
    assert_eq!(queue.put_back("a", None), FailureSource::Receiver);
}

#[tokio::test(start_paused = true)]
async fn a_faulty_notification_comes_last_until_others_are_accepted_and_is_never_a_probe() {
    let mut queue = with([1]);
    for number in 2..=4 {
        queue.stage("a", of("other/1", number, Event::Reminder));
    }
    queue.release(&committed());
    for (expected, is_accepted) in [(1, false), (2, true), (1, false), (3, false)] {
        assert_eq!(next(&mut queue, Selection::Fair), Some(expected));
        if is_accepted {
            queue.finish("a", None);
        } else {
            queue.put_back("a", None);
        }
    }
    advance(Duration::from_secs(1)).await;
    // Its turn was longer ago, but it has just failed.
    assert_eq!(next(&mut queue, Selection::Fair), Some(3));
    queue.finish("a", None);
    assert_eq!(next(&mut queue, Selection::Unsuspected), Some(4));
    queue.put_back("a", None);
    assert_eq!(next(&mut queue, Selection::Fair), Some(1));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_one_recipient_does_not_keep_another_from_the_next_one() {
    let mut queue = queue();
    for number in [1, 2] {
        queue.stage("a", of("web/1", number, Event::Reminder));
    }
    queue.release(&committed());
    for (number, rest) in [(1, "x@example.com"), (2, "y@example.com")] {
        assert_eq!(next(&mut queue, Selection::Fair), Some(number));
        queue.retry_for("a", &[rest.to_owned()]);
    }
    advance(Duration::from_secs(60)).await;
    assert_eq!(next(&mut queue, Selection::Fair), Some(1));
    queue.defer_for("a", &["x@example.com".to_owned()]);
    assert_eq!(next(&mut queue, Selection::Fair), Some(2));
}

#[tokio::test(start_paused = true)]
async fn the_resolution_of_what_somebody_got_is_not_dropped_with_it() {
    let mut queue = queue();
    queue.stage("a", of("web/1", 1, Event::Firing));
    queue.stage("a", of("web/1", 2, Event::Resolved));
    queue.release(&committed());
    assert_eq!(next(&mut queue, Selection::Fair), Some(1));
    queue.retry_for("a", &[LATE.to_owned()]);
    let freed = queue.notifiers.get_mut("a").unwrap().make_room();
    assert_eq!(freed.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_check_is_late_since_its_oldest_notification_was_queued_at_most() {
    let mut queue = queue();
    queue.stage("a", of("web/1", 1, Event::Reminder));
    queue.stage("a", of("web/1", 2, Event::Reminder));
    queue.release(&committed());
    advance(Duration::from_secs(5)).await;
    assert_eq!(next(&mut queue, Selection::Fair), Some(1));
    queue.finish("a", None);
    advance(Duration::from_secs(3)).await;
    CLOCK_READING.set((100, 100));
    queue.stage("a", of("web/1", 3, Event::Reminder));
    CLOCK_READING.set((3_600, 3_600));
    assert_eq!(queue.expire("a", Duration::from_secs(3_550)).len(), 1);
    advance(Duration::from_secs(2)).await;
    assert_eq!(queue.report()["a"].late, Some(Duration::from_secs(2)));
}
