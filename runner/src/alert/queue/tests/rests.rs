//! Mails that some of their receivers have.

use tokio::time::advance;

use super::*;

#[tokio::test(start_paused = true)]
async fn what_some_receivers_could_not_take_is_tried_for_them_alone_and_holds_up_no_other() {
    let (mut queue, mut disk) = (queue(), Disk::default());
    for number in 1..=3 {
        disk.keep(queue.stage("a", told(number)));
    }
    queue.release(&kept());
    assert_eq!(queue.next("a", Turn::Fair).unwrap().notification.number, 1);
    disk.keep(queue.leave_rest("a", &["late@example.com".to_owned()]));
    for number in [2, 3] {
        let entry = queue.next("a", Turn::Fair).unwrap();
        assert_eq!((entry.notification.number, entry.only.len()), (number, 0));
        disk.keep(queue.conclude("a", None));
    }
    for (wait, minutes) in [
        (60, "one"),
        (120, "two"),
        (240, "four"),
        (300, "five"),
        (300, "five at most"),
    ] {
        assert!(queue.next("a", Turn::Fair).is_none());
        let due = queue.due("a").unwrap();
        assert_eq!(due - Instant::now(), Duration::from_secs(wait), "{minutes}");
        advance(Duration::from_secs(wait)).await;
        let entry = queue.next("a", Turn::Fair).unwrap();
        assert_eq!(
            (entry.notification.number, &entry.only[..]),
            (1, &["late@example.com".to_owned()][..])
        );
        disk.keep(queue.leave_rest("a", &entry.only));
    }
    assert_eq!(disk.rows(Shelf::Notification).len(), 1);

    // After a restart it is for these alone as well.
    let mut queue = super::queue();
    assert_eq!(queue.restore(&disk.rows(Shelf::Notification)), []);
    let entry = queue.next("a", Turn::Fair).unwrap();
    assert_eq!(entry.only[..], ["late@example.com".to_owned()]);
    disk.keep(queue.conclude("a", None));
    assert!(disk.rows(Shelf::Notification).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_left_for_some_receivers_is_given_up_when_it_has_waited_for_too_long() {
    let mut queue = queue();
    queue.stage("a", told(1));
    queue.release(&kept());
    assert!(queue.next("a", Turn::Fair).is_some());
    queue.leave_rest("a", &["late@example.com".to_owned()]);
    TOLD.set((3_600, 3_600));
    queue.stage("a", told(2));
    assert_eq!(queue.expire("a", Duration::from_secs(3_599)).len(), 1);
    assert_eq!(queue.report()["a"].dropped[&DropReason::Expired], 1);
    assert_eq!(queue.waiting("a"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_for_some_receivers_is_given_up_although_what_is_before_it_is_not() {
    let (mut queue, late) = (queue(), ["late@example.com".to_owned()]);
    for (second, number) in [(0, 1), (0, 2), (60, 3), (100, 4)] {
        TOLD.set((0, second));
        queue.stage("a", told(number));
    }
    queue.release(&kept());
    for _ in 1..=3 {
        assert!(queue.next("a", Turn::Fair).is_some());
        queue.leave_rest("a", &late);
    }
    let age = Duration::from_secs(90);
    assert_eq!(queue.expire("a", age).len(), 2);
    TOLD.set((0, 151));
    assert_eq!(queue.expire("a", age).len(), 1);
    assert_eq!(drain(&mut queue, "a"), [4]);
}

#[tokio::test(start_paused = true)]
async fn the_first_that_is_due_is_waited_for_and_nothing_is_late_that_is_left_alone_on_purpose() {
    let (mut queue, late) = (queue(), ["late@example.com".to_owned()]);
    queue.stage("a", told(1));
    queue.stage("a", told(2));
    queue.release(&kept());
    for _ in 1..=2 {
        assert!(queue.next("a", Turn::Fair).is_some());
        queue.leave_rest("a", &late);
        advance(Duration::from_secs(30)).await;
    }
    assert_eq!(queue.report()["a"].late, None);
    assert_eq!(queue.due("a"), Some(Instant::now()));
    advance(Duration::from_secs(1)).await;
    assert_eq!(drain(&mut queue, "a"), [1]);
    queue.stage("a", told(3));
    advance(Duration::from_secs(7)).await;
    assert_eq!(queue.report()["a"].late, Some(Duration::from_secs(7)));
}
