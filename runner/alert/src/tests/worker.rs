//! How a worker reacts to the answers of its receiver, with a paused clock.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::settings;
use super::world::{OPS, World, failure, later, refused, run, unreached};
use crate::delivery_result::DeliveryResult;
use crate::notification::Notification;
use crate::sample_notification::sample;
use crate::simulated::Receiver;
use canary_net::ledger::audit::InternalFds;
use canary_outbound::alert_report::DropReason;
use canary_system::clock::simulated::Simulated;

#[tokio::test(start_paused = true)]
async fn a_receiver_that_only_an_operator_can_help_is_tried_every_five_minutes_and_misses_nothing() {
    let held = || DeliveryResult::Blocked(failure("gone"));
    let (world, workers) = World::new([held(), held()]);
    world.stage(1..=3);
    run(workers, 700).await;
    assert_eq!(world.attempts(), [(0, 1), (300, 1), (600, 1), (600, 2), (600, 3)]);
    assert_eq!(
        world.logged(),
        [
            "notifier `ops` failed: it is gone; fix its configuration (3 queued)",
            "notifier `ops` recovered; sending 2 queued"
        ]
    );
    let report = world.report();
    assert_eq!(
        (report.delivered, report.waiting, report.failed["gone"]),
        (3, 0, 2)
    );
    assert_eq!((report.failing, world.on_disk()), (None, 0));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_away_is_tried_with_the_oldest_and_logged_once() {
    let (world, workers) = World::new([later(), later(), DeliveryResult::Sent, later()]);
    world.stage(1..=2);
    run(workers, 50).await;
    assert_eq!(world.attempts(), [(0, 1), (20, 1), (40, 1), (40, 2)]);
    assert_eq!(
        world.logged(),
        [
            "notifier `ops` failed: it is away; retrying (2 queued)",
            "notifier `ops` recovered; sending 1 queued",
            "notifier `ops` failed: it is away; retrying (1 queued)",
        ]
    );
    let report = world.report();
    assert_eq!(
        (report.delivered, report.waiting, report.failed["away"]),
        (1, 1, 3)
    );
    assert_eq!(report.failing.unwrap().message, "it is away");
    assert_eq!(world.on_disk(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_was_away_and_reaches_some_delivers_again_and_may_be_away_again() {
    let partly =
        || DeliveryResult::PartlySent(failure("for some"), vec![unreached("one", "for some", false)]);
    let answers = [
        later(),
        partly(),
        partly(),
        later(),
        DeliveryResult::Sent,
        partly(),
    ];
    let (world, workers) = World::new(answers);
    world.stage(1..=4);
    run(workers, 100).await;
    assert_eq!(
        world.attempts(),
        [(0, 1), (20, 1), (20, 2), (20, 3), (40, 3), (40, 4)]
    );
    let logged = world.logged();
    let words = [
        "it is away; retrying (4 queued)",
        "recovered; sending 3 queued",
        "not reach all recipients",
        "it is away; retrying (2 queued)",
        "recovered; sending 1 queued",
        "not reach all recipients",
    ];
    let is_as_expected = logged.iter().zip(words).all(|(line, words)| line.contains(words));
    assert!(logged.len() == words.len() && is_as_expected, "{logged:?}");
    let report = world.report();
    assert_eq!((report.delivered, report.failing, world.on_disk()), (4, None, 0));
}

#[tokio::test(start_paused = true)]
async fn each_recipient_that_a_notification_does_not_reach_is_logged_once_and_counted_with_its_own_code() {
    let partly = |each: &[(&str, &'static str, bool)]| {
        let each = each
            .iter()
            .map(|(receiver, code, is_temporary)| unreached(receiver, code, *is_temporary));
        DeliveryResult::PartlySent(failure("all"), each.collect())
    };
    let (gone, late) = (("gone", "smtp_550", false), ("late", "smtp_450", true));
    let answers = [
        partly(&[gone]),
        partly(&[gone, late]),
        partly(&[gone]),
        partly(&[late]),
    ];
    let (world, workers) = World::new(answers);
    world.stage(1..=4);
    run(workers, 10).await;
    let logged = world.logged();
    // Later ones wait for the second for the recipient that it has not reached.
    let words = ["it is smtp_550; fix", "it is smtp_450; retrying"];
    let is_as_expected = logged.iter().zip(words).all(|(line, words)| line.contains(words));
    assert!(logged.len() == words.len() && is_as_expected, "{logged:?}");
    let failed = world.report().failed;
    assert_eq!((failed["smtp_550"], failed["smtp_450"], failed.len()), (3, 2, 2));
}

#[tokio::test(start_paused = true)]
async fn what_will_never_be_accepted_is_dropped_at_once_and_logged_again_after_a_delivery() {
    let rejected = || DeliveryResult::Rejected(failure("bad"));
    let answers = [rejected(), rejected(), DeliveryResult::Sent, rejected(), later()];
    let (world, workers) = World::new(answers);
    world.stage(1..=5);
    run(workers, 10).await;
    assert_eq!(world.attempts(), [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5)]);
    let logged = world.logged();
    assert_eq!(logged.len(), 3, "{logged:?}");
    assert!(
        logged[0].contains("/1` was rejected") && logged[1].contains("/4` was rejected"),
        "{logged:?}"
    );
    let report = world.report();
    assert_eq!(report.dropped[&DropReason::Refused], 3);
    assert_eq!((report.delivered, report.waiting, world.on_disk()), (1, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn waits_begin_anew_once_a_receiver_answers() {
    let failing = || DeliveryResult::Retry(failure("away"), None);
    for answer in [DeliveryResult::Sent, DeliveryResult::Rejected(failure("bad"))] {
        let answers = [
            failing(),
            failing(),
            failing(),
            failing(),
            failing(),
            answer,
            failing(),
        ];
        let (world, workers) = World::new(answers);
        world.stage(1..=2);
        run(workers, 60).await;
        let times: Vec<u64> = world.attempts().into_iter().map(|(at, _)| at).collect();
        // The fifth wait is of 8 s at least, and the one after the answer of 1 s at most.
        assert!(times[5] - times[4] >= 7 && times[7] - times[6] <= 1, "{times:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn at_the_end_what_waits_is_delivered_to_a_receiver_that_answers_and_to_no_other() {
    let stop = CancellationToken::new();
    stop.cancel();
    let (world, workers) = World::new([]);
    world.stage(1..=3);
    workers.run(stop.clone()).await;
    assert_eq!((world.attempts().len(), world.on_disk()), (3, 0));
    let (world, workers) = World::new([DeliveryResult::Sent, later()]);
    world.stage(1..=3);
    let began = Instant::now();
    workers.run(stop).await;
    assert_eq!((world.attempts().len(), world.on_disk()), (2, 2));
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn what_comes_later_is_delivered_when_it_comes() {
    let (world, workers) = World::new([]);
    let comes = async {
        for number in 1..=2 {
            tokio::time::sleep(Duration::from_secs(5)).await;
            world.stage([number]);
        }
    };
    futures_util::future::join(run(workers, 60), comes).await;
    assert_eq!(world.attempts(), [(5, 1), (10, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_does_not_answer_is_given_its_time_and_no_more() {
    let (world, _) = World::new([]);
    let attempts = Arc::clone(&world.attempts);
    let began = Instant::now();
    let silent = Receiver::new(move |sent: Notification| {
        attempts
            .lock()
            .unwrap()
            .push((began.elapsed().as_secs(), sent.number));
        std::future::pending()
    });
    let notifier = settings(OPS).unwrap().notifiers.remove(0).received_by(silent);
    let internal_fds = InternalFds::default();
    let answer = notifier
        .send(&sample(SystemTime::now()), None, &internal_fds)
        .await;
    assert_eq!(answer.failure().unwrap().message, "no response within 10s");
    assert_eq!(began.elapsed(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_too_long_is_dropped_on_disk_as_well_and_logged_once() {
    let day = Duration::from_secs(24 * 60 * 60);
    for answer in [later, refused] {
        let _clocks = Simulated::begin(SystemTime::now());
        let (world, workers) = World::responding(move |_| answer());
        let comes = async {
            for number in 1..=3 {
                world.stage([number]);
                tokio::time::sleep(day).await;
            }
        };
        futures_util::future::join(run(workers, 3 * day.as_secs() - 60), comes).await;
        let report = world.report();
        assert_eq!((report.dropped[&DropReason::Expired], report.waiting), (2, 1));
        assert_eq!(world.on_disk(), 1);
        let logged = world.logged();
        let given_up = logged.iter().filter(|line| line.contains("older than `max_age`"));
        assert_eq!(given_up.count(), 1, "{logged:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_some_could_not_take_for_now_is_tried_again_for_them_and_holds_up_no_other() {
    let partly = DeliveryResult::PartlySent(failure("some"), vec![unreached("late", "greylisted", true)]);
    let (world, workers) = World::new([partly]);
    world.stage(1..=2);
    run(workers, 100).await;
    // A recipient that has not accepted the first gets the second after it.
    assert_eq!(world.attempts(), [(0, 1), (0, 2), (60, 1), (60, 2)]);
    assert_eq!((world.report().waiting, world.on_disk()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_has_rejected_one_is_not_known_to_take_others() {
    let (world, workers) = World::new([DeliveryResult::Rejected(failure("bad"))]);
    world.stage(1..=1);
    run(workers, 10).await;
    assert_eq!(world.report().failing.unwrap().message, "it is bad");
}
