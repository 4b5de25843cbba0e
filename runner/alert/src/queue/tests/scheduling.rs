//! Which check has the next turn.

use super::*;

#[test]
fn checks_take_turns_so_that_one_that_flaps_holds_up_no_other() {
    let mut queue = queue();
    for number in 1..=6_u32 {
        let event = if number % 2 == 1 {
            Event::Firing
        } else {
            Event::Resolved
        };
        queue.stage("a", of(&format!("flappy/{}", number.div_ceil(2)), number, event));
    }
    queue.stage("a", of("important/1", 10, Event::Firing));
    queue.stage("a", of("other/1", 20, Event::Firing));
    queue.stage("a", of("important/1", 11, Event::Resolved));
    queue.release(&committed());
    assert_eq!(drain(&mut queue, "a"), [1, 10, 20, 2, 11, 3, 4, 5, 6]);
}

#[test]
fn what_is_put_back_or_refused_has_had_its_turn() {
    let mut queue = queue();
    for check in ["first/1", "second/1", "third/1"] {
        queue.stage("a", of(check, 1, Event::Firing));
    }
    queue.stage("a", of("first/1", 2, Event::Resolved));
    queue.release(&committed());
    let mut tried = Vec::new();
    for round in 0..6 {
        let entry = queue.next("a", Selection::Fair).unwrap();
        tried.push(entry.notification.id());
        match round % 2 {
            0 => drop(queue.put_back("a", None)),
            _ => assert_eq!(queue.refuse("a"), None),
        }
    }
    let each = ["first/1/1", "second/1/1", "third/1/1"];
    assert_eq!(tried, [each, each].concat(), "each check in its order");
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_while_others_are_taken_is_left_alone_for_longer_each_time() {
    let mut queue = queue();
    queue.stage("a", of("bad/1", 1, Event::Firing));
    queue.stage("a", of("bad/1", 2, Event::Resolved));
    queue.release(&committed());
    let mut deferrals_until = Vec::new();
    for number in 10..=20 {
        queue.stage("a", numbered(number));
        queue.release(&committed());
        let mut causes = Vec::new();
        while let Some(entry) = queue.next("a", Selection::Fair) {
            match entry.notification.number {
                1 => causes.push(queue.put_back("a", None)),
                _ => drop(queue.finish("a", None)),
            }
        }
        let is_first = number == 10;
        let at_fault = FailureSource::Notification { is_first };
        if is_first {
            assert_eq!(causes, [FailureSource::Receiver, at_fault]);
        } else {
            assert_eq!(causes, [at_fault]);
        }
        assert_eq!(queue.len("a"), 2, "what follows of its check waits for it");
        let due = queue.next_due("a").unwrap();
        deferrals_until.push((due - Instant::now()).as_secs());
        advance(due - Instant::now()).await;
    }
    assert_eq!(deferrals_until, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
}

#[tokio::test(start_paused = true)]
async fn one_check_that_waits_behind_its_own_is_not_late() {
    let mut queue = queue();
    for number in 1..=20 {
        queue.stage("a", of("flappy/1", number, Event::Firing));
    }
    queue.release(&committed());
    for _ in 0..10 {
        advance(Duration::from_secs(60)).await;
        assert!(queue.next("a", Selection::Fair).is_some());
        queue.finish("a", None);
    }
    assert_eq!(queue.report()["a"].late, Some(Duration::ZERO));
    queue.stage("a", numbered(1));
    advance(Duration::from_secs(400)).await;
    assert_eq!(queue.report()["a"].late, Some(Duration::from_secs(400)));
    // A failure is no delivery.
    assert!(queue.next("a", Selection::Fair).is_some());
    queue.put_back("a", None);
    assert_eq!(queue.report()["a"].late, Some(Duration::from_secs(400)));
}
