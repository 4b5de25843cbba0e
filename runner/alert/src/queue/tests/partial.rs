//! Mails that only some of their recipients have got.

use tokio::time::advance;

use super::*;

#[tokio::test(start_paused = true)]
async fn what_some_receivers_could_not_take_is_tried_for_them_alone_and_holds_up_no_other() {
    let (mut queue, mut disk) = (queue(), Disk::default());
    for number in 1..=3 {
        disk.apply(queue.stage("a", numbered(number)));
    }
    queue.release(&committed());
    assert_eq!(queue.next("a", Selection::Fair).unwrap().notification.number, 1);
    disk.apply(queue.retry_for("a", &["late@example.com".to_owned()]));
    for number in [2, 3] {
        let entry = queue.next("a", Selection::Fair).unwrap();
        assert_eq!((entry.notification.number, entry.only.len()), (number, 0));
        disk.apply(queue.finish("a", None));
    }
    for (wait, minutes) in [
        (60, "one"),
        (120, "two"),
        (240, "four"),
        (300, "five"),
        (300, "five at most"),
    ] {
        assert!(queue.next("a", Selection::Fair).is_none());
        let due = queue.next_due("a").unwrap();
        assert_eq!(due - Instant::now(), Duration::from_secs(wait), "{minutes}");
        advance(Duration::from_secs(wait)).await;
        let entry = queue.next("a", Selection::Fair).unwrap();
        assert_eq!(
            (entry.notification.number, &entry.only[..]),
            (1, &["late@example.com".to_owned()][..])
        );
        disk.apply(queue.retry_for("a", &entry.only));
    }
    assert_eq!(disk.rows(Table::Notification).len(), 1);

    // After a restart it is for these alone as well.
    let mut queue = super::queue();
    assert_eq!(queue.restore(&disk.rows(Table::Notification)), []);
    let entry = queue.next("a", Selection::Fair).unwrap();
    assert_eq!(entry.only[..], ["late@example.com".to_owned()]);
    disk.apply(queue.finish("a", None));
    assert!(disk.rows(Table::Notification).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_delivered_to_one_receiver_after_the_other_counts_once() {
    for is_restarted in [false, true] {
        let (mut queue, mut disk) = (queue(), Disk::default());
        disk.apply(queue.stage("a", numbered(1)));
        queue.release(&committed());
        for rest in [["late", "later"].as_slice(), &["late", "later"], &["later"]] {
            assert!(queue.next("a", Selection::Fair).is_some());
            let rest: Vec<String> = rest.iter().map(|one| (*one).to_owned()).collect();
            disk.apply(queue.retry_for("a", &rest));
            assert_eq!(queue.report()["a"].delivered, 1);
            advance(Duration::from_secs(300)).await;
        }
        let mut earlier = queue.report()["a"].delivered;
        if is_restarted {
            queue = super::queue();
            queue.restore(&disk.rows(Table::Notification));
        } else {
            earlier = 0;
        }
        assert!(queue.next("a", Selection::Fair).is_some());
        disk.apply(queue.finish("a", None));
        assert_eq!(queue.report()["a"].delivered + earlier, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_left_for_some_receivers_is_given_up_when_it_has_waited_for_too_long() {
    let mut queue = queue();
    queue.stage("a", numbered(1));
    queue.release(&committed());
    assert!(queue.next("a", Selection::Fair).is_some());
    queue.retry_for("a", &["late@example.com".to_owned()]);
    CLOCK_READING.set((3_600, 3_600));
    queue.stage("a", numbered(2));
    assert_eq!(queue.expire("a", Duration::from_secs(3_599)).len(), 1);
    assert_eq!(queue.report()["a"].dropped[&DropReason::Expired], 1);
    assert_eq!(queue.len("a"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_for_some_receivers_is_given_up_although_what_is_before_it_is_not() {
    let (mut queue, late) = (queue(), ["late@example.com".to_owned()]);
    for (second, number) in [(0, 1), (0, 2), (60, 3), (100, 4)] {
        CLOCK_READING.set((0, second));
        queue.stage("a", numbered(number));
    }
    queue.release(&committed());
    for _ in 1..=3 {
        assert!(queue.next("a", Selection::Fair).is_some());
        queue.retry_for("a", &late);
    }
    let age = Duration::from_secs(90);
    assert_eq!(queue.expire("a", age).len(), 2);
    CLOCK_READING.set((0, 151));
    assert_eq!(queue.expire("a", age).len(), 1);
    assert_eq!(drain(&mut queue, "a"), [4]);
}

#[tokio::test(start_paused = true)]
async fn the_first_that_is_due_is_waited_for_and_nothing_is_late_that_is_left_alone_on_purpose() {
    let (mut queue, late) = (queue(), ["late@example.com".to_owned()]);
    queue.stage("a", numbered(1));
    queue.stage("a", numbered(2));
    queue.release(&committed());
    for _ in 1..=2 {
        assert!(queue.next("a", Selection::Fair).is_some());
        queue.retry_for("a", &late);
        advance(Duration::from_secs(29)).await;
    }
    assert_eq!(queue.report()["a"].late, None);
    let in_two_seconds = Instant::now() + Duration::from_secs(2);
    assert_eq!(queue.next_due("a"), Some(in_two_seconds));
    advance(Duration::from_secs(3)).await;
    assert_eq!(drain(&mut queue, "a"), [1]);
    queue.stage("a", numbered(3));
    advance(Duration::from_secs(7)).await;
    assert_eq!(queue.report()["a"].late, Some(Duration::from_secs(7)));
}

/// The mails of a check that each of two recipients gets from a server that may reject some.
struct Mails {
    queue: Queue,
    disk: Disk,
    is_late_taken: bool,
    got: Vec<(&'static str, u32)>,
}

impl Mails {
    fn stage(&mut self, number: u32, event: Event) {
        self.disk.apply(self.queue.stage("a", of("web/1", number, event)));
        self.queue.release(&committed());
    }

    /// Delivers all that is due.
    fn deliver(&mut self) {
        while let Some(entry) = self.queue.next("a", Selection::Fair) {
            let receivers = ["late", "bob"].into_iter();
            let receivers: Vec<_> = receivers.filter(|one| entry.recipients().include(one)).collect();
            assert!(!receivers.is_empty());
            let mut rest = entry.except.to_vec();
            for receiver in receivers {
                if receiver == "late" && !self.is_late_taken {
                    rest.push(receiver.to_owned());
                } else {
                    self.got.push((receiver, entry.notification.number));
                }
            }
            self.disk.apply(match rest.as_slice() {
                [] => self.queue.finish("a", None),
                rest => self.queue.retry_for("a", rest),
            });
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_for_now_gets_everything_of_a_check_in_order_and_the_others_wait_for_nothing() {
    for is_restarted in [false, true] {
        let mut mails = Mails {
            queue: queue(),
            disk: Disk::default(),
            is_late_taken: false,
            got: Vec::new(),
        };
        mails.stage(1, Event::Firing);
        mails.deliver();
        advance(Duration::from_secs(50)).await;
        mails.stage(2, Event::Reminder);
        mails.deliver();
        advance(Duration::from_secs(30)).await;
        // The first is deferred for two minutes now.
        mails.deliver();
        mails.is_late_taken = true;
        mails.stage(3, Event::Resolved);
        mails.deliver();
        assert_eq!(mails.got, [("bob", 1), ("bob", 2), ("bob", 3)]);
        assert_eq!(mails.disk.rows(Table::Notification).len(), 3);
        if is_restarted {
            mails.queue = queue();
            mails.queue.restore(&mails.disk.rows(Table::Notification));
        }
        for _ in 0..4 {
            mails.deliver();
            let due = mails.queue.next_due("a");
            advance(due.map_or(Duration::ZERO, |due| due - Instant::now())).await;
        }
        assert_eq!(mails.got[3..], [("late", 1), ("late", 2), ("late", 3)]);
        assert!(mails.disk.rows(Table::Notification).is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn one_receiver_that_is_refused_for_now_keeps_no_other_waiting() {
    let mut queue = queue();
    let [late, later] = ["late", "later"].map(str::to_owned);
    for number in [1, 2] {
        queue.stage("a", of("web/1", number, Event::Changed));
    }
    queue.release(&committed());
    queue.next("a", Selection::Fair).unwrap();
    queue.retry_for("a", std::slice::from_ref(&late));
    let second = queue.next("a", Selection::Fair).unwrap();
    assert_eq!(*second.except, *std::slice::from_ref(&late));
    queue.retry_for("a", &[late.clone(), later]);
    advance(Duration::from_secs(60)).await;
    queue.next("a", Selection::Fair).unwrap();
    queue.retry_for("a", std::slice::from_ref(&late));
    let second = queue.next("a", Selection::Fair).unwrap();
    assert!(!second.recipients().include("late") && second.recipients().include("later"));
    queue.retry_for("a", &second.except);
    assert!(queue.next("a", Selection::Fair).is_none());
    let due = queue.next_due("a").unwrap();
    assert_eq!(
        due - Instant::now(),
        Duration::from_secs(120),
        "when the first is due"
    );
}
