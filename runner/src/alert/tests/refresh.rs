//! What fires is sent again to a receiver that forgets what it does not hear of.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use futures_util::future::join;
use tokio::time::{Instant, sleep};

use super::lane::{World, failure, later, refused, run};
use crate::alert::answer::Answer;
use crate::alert::courier::Deliveries;
use crate::alert::notification::{Event, Notification};
use crate::alert::trial::sample;

/// The alerts that were sent again at once, and when.
type Sent = Arc<Mutex<Vec<(u64, Vec<String>)>>>;

fn of(alert: &str, number: u32, event: Event) -> Notification {
    Notification {
        alert: alert.to_owned(),
        number,
        event,
        ..sample(SystemTime::now())
    }
}

/// A receiver that gives these answers to what is sent again, and then takes it; and `judge` to all else.
fn world(
    judge: impl Fn(&Notification) -> Answer + Send + Sync + 'static,
    answers: impl IntoIterator<Item = Answer>,
) -> (World, Deliveries, Sent) {
    let (began, sent) = (Instant::now(), Sent::default());
    let answers = Mutex::new(answers.into_iter().collect::<VecDeque<_>>());
    let sending = Arc::clone(&sent);
    let refresh = move |firing: &[&Notification]| {
        let alerts = firing.iter().map(|firing| firing.alert.clone()).collect();
        sending.lock().unwrap().push((began.elapsed().as_secs(), alerts));
        let answer = answers.lock().unwrap().pop_front();
        answer.unwrap_or(Answer::Delivered)
    };
    let (world, deliveries) = World::refreshed(judge, refresh);
    (world, deliveries, sent)
}

/// How many alerts were sent again at once, and when, with a hundred that fire.
async fn a_hundred(answers: impl IntoIterator<Item = Answer>) -> (World, Vec<(u64, usize)>) {
    let (world, deliveries, sent) = world(|_| Answer::Delivered, answers);
    world.stage_all((0..100).map(|alert| of(&format!("{alert:02}/1"), 1, Event::Firing)));
    run(deliveries, 150).await;
    let sent = sent.lock().unwrap();
    let sizes = sent.iter().map(|(at, alerts)| (*at, alerts.len())).collect();
    (world, sizes)
}

#[tokio::test(start_paused = true)]
async fn what_fires_is_sent_again_every_minute_until_it_is_over() {
    let (world, deliveries, sent) = world(|_| Answer::Delivered, []);
    let happens = async {
        world.stage_all(["a/1", "b/1"].map(|alert| of(alert, 1, Event::Firing)));
        for (alert, second) in [("a/1", 150), ("b/1", 60)] {
            sleep(Duration::from_secs(second)).await;
            world.stage_all([of(alert, 2, Event::Resolved)]);
        }
    };
    join(run(deliveries, 1_000), happens).await;
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
    let (world, sent) = a_hundred([Answer::Delivered, later()]).await;
    assert_eq!(sent, [(0, 1), (60, 64), (120, 64), (120, 36)]);
    let said = world.said();
    assert!(
        said.len() == 2 && said[0].contains("it is away") && said[1].contains("delivers again"),
        "{said:?}"
    );
    let report = world.report();
    assert_eq!((report.failed["away"], report.failing), (1, None));
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_of_it_is_counted_and_keeps_the_rest_from_nobody() {
    let rejected = || Answer::Rejected(failure("large"));
    let (world, sent) = a_hundred([Answer::Delivered, refused(), Answer::Delivered, rejected()]).await;
    assert_eq!(sent, [(0, 1), (60, 64), (60, 36), (120, 64), (120, 36)]);
    let report = world.report();
    assert_eq!((report.failed["bad"], report.failed["large"]), (1, 1));
    assert_eq!((report.failing, world.said()), (None, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_away_is_sent_neither_notifications_nor_what_fires() {
    // It goes away when something is sent again, and when it is notified.
    let (world, deliveries, sent) = world(|_| Answer::Delivered, [later()]);
    world.stage_all([of("a/1", 1, Event::Firing), of("b/1", 2, Event::Firing)]);
    run(deliveries, 30).await;
    assert_eq!(
        (sent.lock().unwrap().len(), world.tries()),
        (1, vec![(0, 1), (20, 2)])
    );

    let away = Mutex::new(Some(later()));
    let judge = move |notification: &Notification| {
        let away = (notification.number == 2).then(|| away.lock().unwrap().take());
        away.flatten().unwrap_or(Answer::Delivered)
    };
    let (world, deliveries, sent) = self::world(judge, []);
    world.stage_all([of("a/1", 1, Event::Firing)]);
    let goes_away = async {
        sleep(Duration::from_secs(50)).await;
        world.stage_all([of("b/1", 2, Event::Firing)]);
    };
    join(run(deliveries, 100), goes_away).await;
    let alert = |at| (at, vec!["a/1".to_owned()]);
    assert_eq!(*sent.lock().unwrap(), [alert(0), alert(70)]);
    assert_eq!(world.tries(), [(0, 1), (50, 2), (70, 2)]);
}

#[tokio::test(start_paused = true)]
async fn what_fires_by_rows_that_were_read_late_is_sent_again() {
    let (world, deliveries, sent) = world(|_| Answer::Delivered, []);
    world.restore_late(vec![of("late/1", 1, Event::Firing)]);
    run(deliveries, 30).await;
    assert_eq!(*sent.lock().unwrap(), [(0, vec!["late/1".to_owned()])]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_takes_nothing_is_not_well_because_nothing_is_to_be_sent_again() {
    let (world, deliveries, sent) = world(|_| later(), []);
    world.stage_all([of("a/1", 1, Event::Firing)]);
    run(deliveries, 200).await;
    assert_eq!((world.said().len(), sent.lock().unwrap().len()), (1, 0));
    assert!(world.report().failing.is_some());
}
