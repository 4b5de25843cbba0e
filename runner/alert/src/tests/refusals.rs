//! Refusals, which may be caused by the notification or by the configuration.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures_util::future::join;
use tokio::time::{Instant, sleep};

use super::world::{World, failure, later, refused, run};
use crate::delivery_result::DeliveryResult;
use crate::notification::Notification;
use crate::sample_notification::sample;
use canary_outbound::alert_report::DropReason;

/// A notification of an alert of this check.
pub(super) fn of(check: &str, number: u32) -> Notification {
    let mut notification = sample(SystemTime::now());
    notification.check.id = check.to_owned();
    notification.alert = format!("{check}/1");
    Notification {
        number,
        ..notification
    }
}

/// Accepted notifications: seconds from the start, check and number.
type Taken = Arc<Mutex<Vec<(u64, String, u32)>>>;

/// A receiver that gives this answer to what it does not want.
fn receiver(
    refusal: impl Fn() -> DeliveryResult + Send + Sync + 'static,
    wants: impl Fn(&Notification) -> bool + Send + Sync + 'static,
) -> (World, crate::dispatcher::WorkerSet, Taken) {
    let taken = Taken::default();
    let (took, began) = (Arc::clone(&taken), Instant::now());
    let (world, workers) = World::responding(move |notification| {
        if !wants(notification) {
            return refusal();
        }
        let (check, number) = (notification.check.id.clone(), notification.number);
        took.lock()
            .unwrap()
            .push((began.elapsed().as_secs(), check, number));
        DeliveryResult::Sent
    });
    (world, workers, taken)
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_wrong_for_an_hour_costs_no_alert_and_few_requests() {
    for refusal in [refused, || DeliveryResult::Blocked(failure("gone"))] {
        let is_right = Arc::new(AtomicBool::new(false));
        let right = Arc::clone(&is_right);
        let (world, workers, taken) = receiver(refusal, move |_| right.load(Ordering::Relaxed));
        let checks: Vec<String> = (0..20).map(|number| format!("check {number}")).collect();
        world.stage_all(checks.iter().flat_map(|check| [of(check, 1), of(check, 2)]));
        let mended = async {
            sleep(Duration::from_secs(3_600)).await;
            let report = world.report();
            assert!(report.failing.is_some(), "{report:?}");
            is_right.store(true, Ordering::Relaxed);
        };
        join(run(workers, 4_000), mended).await;
        let all = [1, 2].into_iter();
        let all = all.flat_map(|number| checks.iter().map(move |check| (number, check)));
        let taken = taken.lock().unwrap();
        let mut taken: Vec<_> = taken.iter().map(|(_, check, number)| (*number, check)).collect();
        taken[..20].sort();
        taken[20..].sort();
        let mut all: Vec<_> = all.collect();
        all.sort();
        assert_eq!(taken, all, "all of it, each check in its turn");
        let report = world.report();
        assert_eq!((report.waiting, report.dropped.len(), world.on_disk()), (0, 0, 0));
        let refused: u64 = report.failed.values().sum();
        assert!(refused < 120, "{refused} requests in vain");
        assert_eq!(world.logged().len(), 2, "that it fails and that it works again");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_what_it_says_is_given_up_once_others_are_taken_and_delays_none() {
    for refusal in [refused, || DeliveryResult::Blocked(failure("forbidden"))] {
        let (world, workers, taken) = receiver(refusal, |it| it.check.id != "bad");
        world.stage_all([of("bad", 1), of("bad", 2)]);
        let comes = async {
            sleep(Duration::from_secs(2_000)).await;
            assert_eq!(world.on_disk(), 2, "nothing shows whose fault it is");
            world.stage_all([of("good", 1), of("good", 2), of("bad", 3), of("other", 1)]);
            for number in [3, 4] {
                sleep(Duration::from_secs(1_000)).await;
                world.stage_all([of("good", number)]);
            }
        };
        join(run(workers, 5_000), comes).await;
        let good = |second, check: &str, number| (second, check.to_owned(), number);
        assert_eq!(
            *taken.lock().unwrap(),
            [
                good(2_000, "good", 1),
                good(2_000, "other", 1),
                good(2_000, "good", 2),
                good(3_000, "good", 3),
                good(4_000, "good", 4)
            ]
        );
        let report = world.report();
        assert_eq!(report.dropped[&DropReason::Refused], 3);
        assert_eq!((report.waiting, report.failing, world.on_disk()), (0, None, 0));
        let logged = world.logged();
        let given_up = logged.iter().filter(|line| line.contains("rejected and dropped"));
        assert_eq!(given_up.count(), 3, "once after each delivery: {logged:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_others_are_refused_meanwhile_is_counted_and_makes_the_wait_no_longer() {
    let (world, workers, _) = receiver(refused, |_| false);
    world.stage_all((0..20).map(|number| of(&format!("check {number}"), 1)));
    run(workers, 2).await;
    let attempts = world.attempts();
    assert!(
        attempts[19].0 == 0 && attempts[20].0 <= 1,
        "the first wait is of a second at most: {attempts:?}"
    );
    assert_eq!(world.report().failed["bad"], attempts.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_goes_away_while_it_is_probed_backs_off() {
    let (world, workers) = World::responding(|notification| match notification.check.id.as_str() {
        "refused" => refused(),
        _ => later(),
    });
    world.stage_all(["refused", "away", "other"].map(|check| of(check, 1)));
    run(workers, 19).await;
    assert_eq!(world.attempts().len(), 2);
}
