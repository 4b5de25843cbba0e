//! Firing alerts are resent to receivers that expire them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures_util::future::join;
use tokio::time::{Instant, sleep};

use super::world::{World, failure, later, refused, run};
use crate::delivery_result::DeliveryResult;
use crate::dispatcher::WorkerSet;
use crate::notification::{Event, Notification};
use crate::sample_notification::sample;

/// When alerts were resent, and which in one request.
type Sent = Arc<Mutex<Vec<(u64, Vec<String>)>>>;

fn of(alert: &str, number: u32, event: Event) -> Notification {
    Notification {
        alert: alert.to_owned(),
        number,
        event,
        ..sample(SystemTime::now())
    }
}

/// A receiver that gives these answers to resent alerts and then accepts them; `respond` answers all else.
fn world(
    respond: impl Fn(&Notification) -> DeliveryResult + Send + Sync + 'static,
    answers: impl IntoIterator<Item = DeliveryResult>,
) -> (World, WorkerSet, Sent) {
    let (began, sent) = (Instant::now(), Sent::default());
    let answers = Mutex::new(answers.into_iter().collect::<VecDeque<_>>());
    let sending = Arc::clone(&sent);
    let resend = move |firing: &[&Notification]| {
        let alerts = firing.iter().map(|firing| firing.alert.clone()).collect();
        sending.lock().unwrap().push((began.elapsed().as_secs(), alerts));
        let answer = answers.lock().unwrap().pop_front();
        answer.unwrap_or(DeliveryResult::Sent)
    };
    let (world, workers) = World::with_resend(respond, resend);
    (world, workers, sent)
}

/// With a hundred firing alerts: when they were resent, and how many in one request.
async fn a_hundred(answers: impl IntoIterator<Item = DeliveryResult>) -> (World, Vec<(u64, usize)>) {
    let (world, workers, sent) = world(|_| DeliveryResult::Sent, answers);
    world.stage_all((0..100).map(|alert| of(&format!("{alert:02}/1"), 1, Event::Firing)));
    run(workers, 150).await;
    let sent = sent.lock().unwrap();
    let sizes = sent.iter().map(|(at, alerts)| (*at, alerts.len())).collect();
    (world, sizes)
}

#[tokio::test(start_paused = true)]
async fn what_fires_is_sent_again_every_minute_until_it_is_over() {
    let (world, workers, sent) = world(|_| DeliveryResult::Sent, []);
    let happens = async {
        world.stage_all(["a/1", "b/1"].map(|alert| of(alert, 1, Event::Firing)));
        for (alert, second) in [("a/1", 150), ("b/1", 60)] {
            sleep(Duration::from_secs(second)).await;
            world.stage_all([of(alert, 2, Event::Resolved)]);
        }
    };
    join(run(workers, 1_000), happens).await;
    let sent: Vec<_> = sent
        .lock()
        .unwrap()
        .iter()
        .map(|(at, alerts)| (*at, alerts.join(" ")))
        .collect();
    let sent: Vec<_> = sent.iter().map(|(at, alerts)| (*at, alerts.as_str())).collect();
    assert_eq!(
        sent,
        [(0, "a/1"), (60, "a/1 b/1"), (120, "a/1 b/1"), (180, "b/1")]
    );
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_away_is_sent_nothing_more_before_the_next_minute() {
    let (world, sent) = a_hundred([DeliveryResult::Sent, later()]).await;
    assert_eq!(sent, [(0, 1), (60, 64), (120, 64), (120, 36)]);
    let logged = world.logged();
    assert!(
        logged.len() == 2 && logged[0].contains("it is away") && logged[1].contains("recovered; sending"),
        "{logged:?}"
    );
    let report = world.report();
    assert_eq!((report.failed["away"], report.failing), (1, None));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_of_it_is_counted_and_keeps_the_rest_from_nobody() {
    let rejected = || DeliveryResult::Rejected(failure("large"));
    let (world, sent) = a_hundred([DeliveryResult::Sent, refused(), DeliveryResult::Sent, rejected()]).await;
    assert_eq!(sent, [(0, 1), (60, 64), (60, 36), (120, 64), (120, 36)]);
    let report = world.report();
    assert_eq!((report.failed["bad"], report.failed["large"]), (1, 1));
    assert_eq!((report.failing, world.logged()), (None, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_away_is_sent_neither_notifications_nor_what_fires() {
    // It goes away when alerts are resent, and when it is notified.
    let (world, workers, sent) = world(|_| DeliveryResult::Sent, [later()]);
    world.stage_all([of("a/1", 1, Event::Firing), of("b/1", 2, Event::Firing)]);
    run(workers, 30).await;
    assert_eq!(
        (sent.lock().unwrap().len(), world.attempts()),
        (1, vec![(0, 1), (20, 2)])
    );

    let away = Mutex::new(Some(later()));
    let respond = move |notification: &Notification| {
        let away = (notification.number == 2).then(|| away.lock().unwrap().take());
        away.flatten().unwrap_or(DeliveryResult::Sent)
    };
    let (world, workers, sent) = self::world(respond, []);
    world.stage_all([of("a/1", 1, Event::Firing)]);
    let goes_away = async {
        sleep(Duration::from_secs(50)).await;
        world.stage_all([of("b/1", 2, Event::Firing)]);
    };
    join(run(workers, 100), goes_away).await;
    let alert = |at| (at, vec!["a/1".to_owned()]);
    assert_eq!(*sent.lock().unwrap(), [alert(0), alert(70)]);
    assert_eq!(world.attempts(), [(0, 1), (50, 2), (70, 2)]);
}

#[tokio::test(start_paused = true)]
async fn firing_alerts_of_late_rows_are_resent() {
    let (world, workers, sent) = world(|_| DeliveryResult::Sent, []);
    world.restore_late(vec![of("late/1", 1, Event::Firing)]);
    run(workers, 30).await;
    assert_eq!(*sent.lock().unwrap(), [(0, vec!["late/1".to_owned()])]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_takes_nothing_is_not_well_because_nothing_is_to_be_sent_again() {
    let (world, workers, sent) = world(|_| later(), []);
    world.stage_all([of("a/1", 1, Event::Firing)]);
    run(workers, 200).await;
    assert_eq!((world.logged().len(), sent.lock().unwrap().len()), (1, 0));
    assert!(world.report().failing.is_some());
}
