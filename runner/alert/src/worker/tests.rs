use std::time::SystemTime;

use futures_util::FutureExt as _;
use tokio::time::advance;

use super::*;
use crate::notification::Event;
use crate::sample_notification::sample;
use crate::simulated::Receiver;
use crate::tests::{committed, settings};
use canary_outbound::alert_report::NotifierReport;
use canary_system::liveness::{Impact, Registry};

fn notifier(kind: &str) -> Notifier {
    let settings =
        format!("notifiers: {{ ops: {{ type: {kind}, url: 'http://127.0.0.1/', timeout: 10s }} }}");
    self::settings(&settings).unwrap().notifiers.remove(0)
}

/// A worker whose receiver expects these firing alerts to be resent.
fn with_resend(firing: Vec<Notification>) -> NotifierWorker {
    worker(notifier("alertmanager"), firing, &Registry::default())
}

fn worker(notifier: Notifier, firing: Vec<Notification>, liveness: &Registry) -> NotifierWorker {
    let notifiers = vec![(Arc::clone(&notifier.name), notifier.type_name())];
    let context = WorkerContext {
        outbox: Arc::new(Outbox::new(notifiers)),
        external_url: None,
        internal_fds: InternalFds::default(),
        persist: Mutex::new(Box::new(|_| {})),
        log: Mutex::new(Box::new(|_, _| {})),
    };
    let progress = liveness.register("notifier ops", Impact::Readiness);
    NotifierWorker::new(notifier, firing, Arc::new(context), progress)
}

fn firing(alert: usize) -> Notification {
    Notification {
        alert: format!("check/{alert}"),
        ..sample(SystemTime::UNIX_EPOCH)
    }
}

impl NotifierWorker {
    fn adopt(&mut self, firing: Notification) {
        let outbox = &self.context.outbox;
        outbox.add_restored_firing(&self.notifier.name, vec![firing]);
        self.adopt_restored_firing();
    }

    /// How many alerts are resent, and whether this is one of them.
    fn sends_again(&self, alert: usize) -> (usize, bool) {
        let is_sent = self.firing.iter().any(|sent| sent.alert == firing(alert).alert);
        (self.firing.iter().count(), is_sent)
    }
}

#[tokio::test]
async fn ten_thousand_alerts_are_sent_again_and_no_more() {
    let mut worker = with_resend((0..=10_000).map(firing).collect());
    assert_eq!(worker.sends_again(10_000), (10_000, false));
    worker.track_firing(&firing(10_000));
    worker.adopt(firing(10_000));
    assert_eq!(worker.sends_again(10_000), (10_000, false));
    let over = |alert| Notification {
        event: Event::Resolved,
        ..firing(alert)
    };
    worker.track_firing(&over(0));
    worker.track_firing(&firing(10_000));
    assert_eq!(worker.sends_again(10_000), (10_000, true));
    worker.track_firing(&over(1));
    worker.adopt(firing(10_001));
    assert_eq!(worker.sends_again(10_001), (10_000, true));
}

#[tokio::test]
async fn what_is_sent_again_is_what_was_last_sent_of_an_alert_however_many_there_are() {
    let mut worker = with_resend((0..10_000).map(firing).collect());
    let changed = Notification {
        number: 2,
        event: Event::Changed,
        previous: Some(firing(7).status),
        ..firing(7)
    };
    worker.track_firing(&changed);
    worker.adopt(firing(7));
    let sent = worker
        .firing
        .iter()
        .find(|sent| sent.alert == changed.alert)
        .unwrap();
    assert_eq!((sent.number, sent.previous), (2, None));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_does_not_end_in_its_time_shows_and_waiting_for_something_to_deliver_does_not() {
    let liveness = Registry::default();
    let silent = notifier("slack").received_by(Receiver::new(|_| std::future::pending()));
    let worker = worker(silent, Vec::new(), &liveness);
    let outbox = Arc::clone(&worker.context.outbox);
    let mut running = Box::pin(worker.run(CancellationToken::new()));
    let mut poll = || assert!(running.as_mut().now_or_never().is_none());
    poll();
    advance(Duration::from_secs(3_600)).await;
    assert_eq!(liveness.stalls().len(), 0);
    outbox.queue().stage("ops", firing(1));
    outbox.release(&committed());
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
async fn the_first_notification_that_is_lost_for_want_of_room_is_logged() {
    let mut worker = worker(notifier("slack"), Vec::new(), &Registry::default());
    let (log, lines) = std::sync::mpsc::channel();
    *worker.context.log.lock().unwrap() = Box::new(move |_, line| log.send(line.to_owned()).unwrap());
    worker.log_overflow();
    assert!(lines.try_recv().is_err());
    for _ in 0..2 {
        let report = |report: &mut NotifierReport| report.count_dropped(DropReason::Full);
        worker.context.outbox.queue().update_report("ops", report);
        worker.log_overflow();
    }
    assert!(lines.try_recv().unwrap().contains("queue full"));
    assert!(lines.try_recv().is_err(), "once before the next delivery");
}

#[tokio::test(start_paused = true)]
async fn a_backlog_for_a_fast_receiver_does_not_keep_the_thread_for_itself() {
    let fast = notifier("slack").received_by(Receiver::new(|_| std::future::ready(DeliveryResult::Sent)));
    let worker = worker(fast, Vec::new(), &Registry::default());
    let outbox = Arc::clone(&worker.context.outbox);
    for alert in 0..3 {
        outbox.queue().stage("ops", firing(alert));
    }
    outbox.release(&committed());
    let mut running = Box::pin(worker.run(CancellationToken::new()));
    for left in [2, 1, 0] {
        assert!(running.as_mut().now_or_never().is_none());
        assert_eq!(outbox.queue().len("ops"), left);
        tokio::task::yield_now().await;
    }
}
