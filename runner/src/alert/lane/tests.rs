use std::time::SystemTime;

use futures_util::FutureExt as _;
use tokio::time::advance;

use super::*;
use crate::alert::notification::Event;
use crate::alert::report::NotifierReport;
use crate::alert::simulated::Receiver;
use crate::alert::tests::{kept, settings};
use crate::alert::trial::sample;
use crate::liveness::{Impact, Registry};

fn notifier(kind: &str) -> Notifier {
    let settings =
        format!("notifiers: {{ ops: {{ type: {kind}, url: 'http://127.0.0.1/', timeout: 10s }} }}");
    self::settings(&settings).unwrap().notifiers.remove(0)
}

/// The lane of a receiver that is sent again what fires, which is this.
fn refreshed(standing: Vec<Notification>) -> Lane {
    lane(notifier("alertmanager"), standing, &Registry::default())
}

fn lane(notifier: Notifier, standing: Vec<Notification>, liveness: &Registry) -> Lane {
    let notifiers = vec![(Arc::clone(&notifier.name), notifier.kind())];
    let shared = Shared {
        outbox: Arc::new(Outbox::new(notifiers)),
        link: None,
        reserve: Reserve::default(),
        keep: Mutex::new(Box::new(|_| {})),
        say: Mutex::new(Box::new(|_, _| {})),
    };
    let progress = liveness.register("notifier ops", Impact::Readiness);
    Lane::new(notifier, standing, Arc::new(shared), progress)
}

fn firing(alert: usize) -> Notification {
    Notification {
        alert: format!("check/{alert}"),
        ..sample(SystemTime::UNIX_EPOCH)
    }
}

impl Lane {
    fn adopt(&mut self, standing: Notification) {
        let outbox = &self.shared.outbox;
        outbox.add_standing(&self.notifier.name, vec![standing]);
        self.adopt_standing();
    }

    /// How many alerts are sent again, and whether this is one of them.
    fn sends_again(&self, alert: usize) -> (usize, bool) {
        let is_sent = self.standing.iter().any(|sent| sent.alert == firing(alert).alert);
        (self.standing.iter().count(), is_sent)
    }
}

#[tokio::test]
async fn ten_thousand_alerts_are_sent_again_and_no_more() {
    let mut lane = refreshed((0..=10_000).map(firing).collect());
    assert_eq!(lane.sends_again(10_000), (10_000, false));
    lane.remember(&firing(10_000));
    lane.adopt(firing(10_000));
    assert_eq!(lane.sends_again(10_000), (10_000, false));
    let over = |alert| Notification {
        event: Event::Resolved,
        ..firing(alert)
    };
    lane.remember(&over(0));
    lane.remember(&firing(10_000));
    assert_eq!(lane.sends_again(10_000), (10_000, true));
    lane.remember(&over(1));
    lane.adopt(firing(10_001));
    assert_eq!(lane.sends_again(10_001), (10_000, true));
}

#[tokio::test]
async fn what_is_sent_again_is_what_was_last_sent_of_an_alert_however_many_there_are() {
    let mut lane = refreshed((0..10_000).map(firing).collect());
    let changed = Notification {
        number: 2,
        event: Event::Changed,
        previous: Some(firing(7).status),
        ..firing(7)
    };
    lane.remember(&changed);
    lane.adopt(firing(7));
    let sent = lane
        .standing
        .iter()
        .find(|sent| sent.alert == changed.alert)
        .unwrap();
    assert_eq!((sent.number, sent.previous), (2, None));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_does_not_end_in_its_time_shows_and_waiting_for_something_to_deliver_does_not() {
    let liveness = Registry::default();
    let silent = notifier("slack").received_by(Receiver::new(|_| std::future::pending()));
    let lane = lane(silent, Vec::new(), &liveness);
    let outbox = Arc::clone(&lane.shared.outbox);
    let mut running = Box::pin(lane.run(CancellationToken::new()));
    let mut poll = || assert!(running.as_mut().now_or_never().is_none());
    poll();
    advance(Duration::from_secs(3_600)).await;
    assert_eq!(liveness.stalls().len(), 0);
    outbox.queue().stage("ops", firing(1));
    outbox.release(&kept());
    poll();
    advance(Duration::from_secs(10) + STALL).await;
    assert_eq!(liveness.stalls().len(), 0);
    advance(Duration::from_millis(1)).await;
    let stalls: Vec<_> = liveness
        .stalls()
        .into_iter()
        .map(|stall| stall.activity)
        .collect();
    assert_eq!(stalls, ["delivering"]);
}

#[tokio::test(start_paused = true)]
async fn the_first_notification_that_is_lost_for_want_of_room_is_spoken_of() {
    let mut lane = lane(notifier("slack"), Vec::new(), &Registry::default());
    let (said, saying) = std::sync::mpsc::channel();
    *lane.shared.say.lock().unwrap() = Box::new(move |_, line| said.send(line.to_owned()).unwrap());
    lane.tell_lost();
    assert!(saying.try_recv().is_err());
    for _ in 0..2 {
        let report = |report: &mut NotifierReport| report.lose(DropReason::Full);
        lane.shared.outbox.queue().note("ops", report);
        lane.tell_lost();
    }
    assert!(saying.try_recv().unwrap().contains("the queue is full"));
    assert!(saying.try_recv().is_err(), "once before the next delivery");
}

#[tokio::test(start_paused = true)]
async fn a_backlog_for_a_fast_receiver_does_not_keep_the_thread_for_itself() {
    let fast = notifier("slack").received_by(Receiver::new(|_| std::future::ready(Answer::Delivered)));
    let lane = lane(fast, Vec::new(), &Registry::default());
    let outbox = Arc::clone(&lane.shared.outbox);
    for alert in 0..3 {
        outbox.queue().stage("ops", firing(alert));
    }
    outbox.release(&kept());
    let mut running = Box::pin(lane.run(CancellationToken::new()));
    for left in [2, 1, 0] {
        assert!(running.as_mut().now_or_never().is_none());
        assert_eq!(outbox.queue().waiting("ops"), left);
        tokio::task::yield_now().await;
    }
}
