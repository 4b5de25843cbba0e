//! A receiver that fails at the notifications of one check, and one that fails at everything.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join;
use tokio::time::{Instant, sleep};

use super::refusals::of;
use super::world::{World, failure, run};
use crate::delivery_result::DeliveryResult;
use crate::dispatcher::WorkerSet;

/// Attempts: seconds from the start, the check, and whether the notification was accepted.
type Attempts = Arc<Mutex<Vec<(u64, String, bool)>>>;

/// A receiver that fails at notifications of checks whose names begin with `bad`, and at all others while it is down.
fn receiver(answer: fn() -> DeliveryResult, is_up: &Arc<AtomicBool>) -> (World, WorkerSet, Attempts) {
    let attempts = Attempts::default();
    let (noted, began, is_up) = (Arc::clone(&attempts), Instant::now(), Arc::clone(is_up));
    let (world, workers) = World::responding(move |notification| {
        let check = notification.check.id.clone();
        let is_taken = !check.starts_with("bad") && is_up.load(Ordering::Relaxed);
        noted
            .lock()
            .unwrap()
            .push((began.elapsed().as_secs(), check, is_taken));
        if is_taken { DeliveryResult::Sent } else { answer() }
    });
    (world, workers, attempts)
}

fn up() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(true))
}

const ANSWERS: [fn() -> DeliveryResult; 2] = [
    || DeliveryResult::Retry(failure("http_500"), None),
    || DeliveryResult::timeout(Duration::from_secs(10)),
];

#[tokio::test(start_paused = true)]
async fn one_notification_at_which_the_receiver_fails_delays_no_other_check() {
    for answer in ANSWERS {
        let (world, workers, attempts) = receiver(answer, &up());
        world.stage_all([of("bad", 1)]);
        let comes = async {
            // First while nothing else was ever accepted, then after others were.
            for (time, check) in [(3_000, "one"), (10, "two"), (1_000, "three"), (5_000, "four")] {
                sleep(Duration::from_secs(time)).await;
                world.stage_all([of(check, 1), of(check, 2)]);
            }
        };
        join(run(workers, 20_000), comes).await;
        let attempts = attempts.lock().unwrap();
        let taken = attempts.iter().filter(|(.., is_taken)| *is_taken);
        let taken: Vec<_> = taken.map(|(at, check, _)| (*at, check.as_str())).collect();
        let each = [(3_000, "one"), (3_010, "two"), (4_010, "three"), (9_010, "four")];
        assert_eq!(taken, each.map(|one| [one, one]).concat());
        let in_vain = attempts.len() - taken.len();
        assert!((60..160).contains(&in_vain), "{in_vain} attempts in vain");
        assert_eq!(world.report().waiting, 1);
        let logged = world.logged();
        let at_fault = logged
            .iter()
            .filter(|line| line.contains("cannot deliver notification `bad/1/1`"));
        assert_eq!(at_fault.count(), 1, "{logged:?}");
        assert_eq!(
            logged.len(),
            3,
            "it fails, it delivers, one is at fault: {logged:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn many_of_them_delay_no_other_check_once_others_were_taken() {
    let (world, workers, attempts) = receiver(ANSWERS[0], &up());
    let bad = (0..20).map(|number| of(&format!("bad {number}"), 1));
    world.stage_all(bad.chain([of("good", 1)]));
    let comes = async {
        sleep(Duration::from_secs(4_000)).await;
        world.stage_all([of("other", 1)]);
    };
    join(run(workers, 5_000), comes).await;
    let attempts = attempts.lock().unwrap();
    let taken = attempts.iter().filter(|(.., is_taken)| *is_taken);
    let taken: Vec<_> = taken.map(|(at, check, _)| (*at, check.as_str())).collect();
    let [(_, "good"), (4_000, "other")] = taken[..] else {
        panic!("{taken:?}")
    };
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_down_gets_no_more_requests_for_many_checks_than_for_one() {
    for seed in 0..20 {
        let one = attempts_while_down(1, seed).await;
        let fifty = attempts_while_down(50, seed).await;
        assert!(one < 32, "seed {seed}: {one}");
        assert!(fifty <= one + 1, "seed {seed}: {one} and {fifty}");
    }
}

/// How many attempts are made within an hour in which the receiver is down, while so many checks have a notification
/// for it. The waits between attempts are random; those of one seed are the same.
async fn attempts_while_down(checks: usize, seed: u64) -> usize {
    fastrand::seed(seed);
    let is_up = up();
    let (world, workers, attempts) = receiver(ANSWERS[0], &is_up);
    // It was known to fail at this one before.
    world.stage_all([of("bad", 1), of("good", 1), of("good", 2)]);
    let goes_away = async {
        sleep(Duration::from_secs(100)).await;
        is_up.store(false, Ordering::Relaxed);
        world.stage_all((0..checks).map(|number| of(&format!("check {number}"), 1)));
        sleep(Duration::from_secs(3_600)).await;
        assert!(world.report().failing.is_some());
        is_up.store(true, Ordering::Relaxed);
    };
    join(run(workers, 5_000), goes_away).await;
    let attempts = attempts.lock().unwrap();
    let taken = attempts
        .iter()
        .filter(|(at, _, is_taken)| *is_taken && *at < 4_001);
    assert_eq!(taken.count(), checks + 2, "all of it, and at once");
    let meanwhile = attempts.iter().filter(|(at, ..)| (100..3_700).contains(at));
    meanwhile.count()
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_asks_for_a_wait_is_left_alone_for_that_long() {
    let asks = || DeliveryResult::Retry(failure("http_429"), Some(Duration::from_secs(60)));
    let (world, workers, attempts) = receiver(asks, &up());
    world.stage_all([of("bad", 1), of("one", 1), of("two", 1)]);
    run(workers, 500).await;
    let attempts = attempts.lock().unwrap();
    let first: Vec<_> = attempts
        .iter()
        .take(4)
        .map(|(at, check, _)| (*at, check.as_str()))
        .collect();
    assert_eq!(first, [(0, "bad"), (60, "one"), (60, "two"), (60, "bad")]);
    assert!(attempts[4..].iter().all(|(at, ..)| *at >= 120), "{attempts:?}");
}
