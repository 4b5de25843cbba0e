//! A thousand transitions while the receiver is silent, and a process that is killed on the way.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use canary_tests::peer::http::Reply;
use canary_tests::receiver::{Receiver, ReceiverMode};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{Disk, committed, settings, started};
use crate::notification::Notification;
use crate::router::AlertRouter;
use crate::sample_notification::sample;
use crate::settings::Settings;
use crate::{NotificationDispatcher, Start, start};
use canary_net::ledger::audit::InternalFds;
use canary_outbound::alert_report::AlertReport;
use canary_state::Table;
use canary_system::liveness::Registry;

/// How long anything here may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A process with its state on a disk.
struct Process {
    dispatcher: NotificationDispatcher,
    router: AlertRouter,
    disk: Arc<Mutex<Disk>>,
    logged: watch::Receiver<Vec<String>>,
    internal_fds: InternalFds,
}

impl Process {
    fn start(settings: &Settings, disk: &Arc<Mutex<Disk>>) -> Self {
        let rows = |table| disk.lock().unwrap().rows(table);
        let (log_tx, logged) = watch::channel(Vec::new());
        let kept = Arc::clone(disk);
        let internal_fds = InternalFds::default();
        let (router, dispatcher) = start(Start {
            settings,
            alerts: &rows(Table::Alert),
            notifications: &rows(Table::Notification),
            internal_fds: internal_fds.clone(),
            start_signal: started(),
            persist: Box::new(move |changes| kept.lock().unwrap().apply(changes)),
            log: Box::new(move |_, line| log_tx.send_modify(|logged| logged.push(line.to_owned()))),
            liveness: Registry::default(),
        })
        .unwrap();
        Self {
            dispatcher,
            router,
            disk: Arc::clone(disk),
            logged,
            internal_fds,
        }
    }

    /// Stages and releases a notification like the router.
    fn stage(&self, notifiers: &[&str], notification: &Notification) {
        for notifier in notifiers {
            let mut queue = self.router.outbox().queue();
            let changes = queue.stage(notifier, notification.clone());
            drop(queue);
            self.disk.lock().unwrap().apply(changes);
        }
        self.router.dispatch(&committed());
    }

    fn report(&self) -> AlertReport {
        self.dispatcher.reports().now()
    }

    /// Waits until nothing waits for a notifier any more. Its receiver has the last notification before that.
    async fn until_delivered(&self, notifier: &str) {
        let delivered = async {
            while self.report().notifiers[notifier].waiting > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LIMIT, delivered).await.unwrap();
    }

    /// Waits for a log line that contains these words.
    async fn wait_for_log(&mut self, words: &str) {
        let is_logged = |logged: &Vec<String>| logged.iter().any(|line| line.contains(words));
        let is_found = timeout(LIMIT, self.logged.wait_for(is_logged)).await.is_ok();
        assert!(is_found, "nobody said `{words}`: {:?}", self.logged.borrow());
    }
}

fn numbered(number: u32) -> Notification {
    Notification {
        number,
        ..sample(SystemTime::now())
    }
}

fn run<F: Future>(test: F) -> F::Output {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(test)
}

fn hook(name: &str, receiver: &Receiver, more: &str) -> String {
    let url = receiver.url("http", "/");
    format!("  {name}: {{ type: webhook, url: '{url}'{more} }}\n")
}

#[test]
fn a_thousand_transitions_before_a_silent_receiver_all_arrive_once_it_answers() {
    run(async {
        let (silent, well) = (Receiver::webhook(), Receiver::webhook());
        silent.set(ReceiverMode::Silent);
        // A receiver that answers is given time: what it takes too late is sent again.
        let with_timeout = |time: &str| {
            let silent = hook("silent", &silent, &format!(", timeout: {time}"));
            let well = hook("well", &well, ", timeout: 60s");
            settings(&format!("notifiers:\n{silent}{well}")).unwrap()
        };
        let disk = Arc::default();
        let mut process = Process::start(&with_timeout("200ms"), &disk);
        for number in 1..=500 {
            process.stage(&["silent", "well"], &numbered(number));
        }
        process
            .wait_for_log("`silent` failed: no response within 200ms")
            .await;
        timeout(LIMIT, well.until(500)).await.unwrap();
        process.until_delivered("well").await;
        // A kill: nothing is left but what is on disk.
        drop(process);
        assert_eq!(disk.lock().unwrap().rows(Table::Notification).len(), 500);
        let mut process = Process::start(&with_timeout("3s"), &disk);
        for number in 501..=1_000 {
            process.stage(&["silent", "well"], &numbered(number));
        }
        timeout(LIMIT, well.until(1_000)).await.unwrap();
        process.until_delivered("well").await;
        process.wait_for_log("`silent` failed").await;
        assert_eq!(process.report().notifiers["silent"].waiting, 1_000);
        silent.set(ReceiverMode::Accept);
        process.wait_for_log("`silent` recovered").await;
        timeout(LIMIT, silent.until(500)).await.unwrap();
        drop(process);
        let process = Process::start(&with_timeout("60s"), &disk);
        timeout(LIMIT, silent.until(1_000)).await.unwrap();
        process.until_delivered("silent").await;
        drop(process.dispatcher);
        assert!(disk.lock().unwrap().rows(Table::Notification).is_empty());
        for receiver in [&silent, &well] {
            let mut order = Vec::new();
            for body in receiver.bodies() {
                let id = body["id"].as_str().unwrap().to_owned();
                order.push(id.rsplit('/').next().unwrap().parse::<u32>().unwrap());
            }
            // The one that was under way when a process ended, after its two seconds, may have come twice.
            let count = order.len();
            order.dedup();
            assert_eq!(order, (1..=1_000).collect::<Vec<_>>());
            assert!(count <= 1_001, "{count}");
        }
    });
}

/// An alert that was sent before the last restart, as stored on disk.
const FIRING: &str = r#"{"check":{"id":"web","name":"web","target":"https://example.com/","plugin":"http","labels":{}},
    "status":"down","since":1700000000000,"summary":"503","consecutive_failures":2,
    "alerts":{"am":{"since":1700000000000,"begun":1700000000000,"count":1,"told":{"status":"down","at":1700000000000}}}}"#;

#[test]
fn an_alertmanager_gets_at_once_what_fired_before_a_restart() {
    run(async {
        let receiver = Receiver::webhook();
        let url = receiver.url("http", "");
        let settings = settings(&format!(
            "notifiers: {{ am: {{ type: alertmanager, url: '{url}' }} }}"
        ))
        .unwrap();
        let mut disk = Disk::default();
        let row = canary_state::Change::put(Table::Alert, "web", FIRING.to_owned());
        disk.apply(vec![row]);
        let process = Process::start(&settings, &Arc::new(Mutex::new(disk)));
        timeout(LIMIT, receiver.until(1)).await.unwrap();
        let taken = receiver.delivered();
        assert_eq!(taken[0].path(), "/api/v2/alerts");
        let sent = &receiver.bodies()[0][0];
        assert_eq!(sent["labels"]["check"], "web");
        assert_eq!(sent["startsAt"], "2023-11-14T22:13:20.000Z");
        drop(process.dispatcher);
    });
}

#[test]
fn losses_are_logged_once_for_each_series_of_failures() {
    run(async {
        let receiver = Receiver::webhook();
        receiver.set(ReceiverMode::Respond(Reply::status(413)));
        let yaml = hook("hook", &receiver, "");
        let settings = settings(&format!("notifiers:\n{yaml}")).unwrap();
        let mut process = Process::start(&settings, &Arc::default());
        for number in 1..=20 {
            process.stage(&["hook"], &numbered(number));
        }
        process.wait_for_log("was rejected").await;
        let refused = || process.report().notifiers["hook"].dropped.values().sum::<u64>();
        let all = async {
            while refused() < 20 {
                tokio::task::yield_now().await;
            }
        };
        timeout(LIMIT, all).await.unwrap();
        assert_eq!(process.logged.borrow().len(), 1);
    });
}

#[test]
fn a_receiver_that_hangs_holds_up_neither_another_nor_the_end() {
    run(async {
        let (silent, well) = (Receiver::webhook(), Receiver::webhook());
        silent.set(ReceiverMode::Silent);
        let yaml = hook("silent", &silent, ", timeout: 2m") + &hook("well", &well, "");
        let settings = settings(&format!("notifiers:\n{yaml}")).unwrap();
        let disk = Arc::default();
        let process = Process::start(&settings, &disk);
        for number in 1..=10 {
            process.stage(&["silent", "well"], &numbered(number));
        }
        timeout(LIMIT, well.until(10)).await.unwrap();
        let internal_fds = process.internal_fds.clone();
        let before = tokio::time::Instant::now();
        drop(process.dispatcher);
        assert!(before.elapsed() < LIMIT);
        assert_eq!(format!("{internal_fds:?}"), "InternalFds(0)");
        assert_eq!(disk.lock().unwrap().rows(Table::Notification).len(), 10);
    });
}

#[test]
fn what_is_too_large_is_given_up_and_counted_and_the_next_one_has_its_turn() {
    run(async {
        let receiver = Receiver::webhook();
        receiver.set(ReceiverMode::Respond(Reply::status(413).body("too large")));
        let yaml = hook("hook", &receiver, "");
        let settings = settings(&format!("notifiers:\n{yaml}")).unwrap();
        let disk = Arc::default();
        let mut process = Process::start(&settings, &disk);
        process.stage(&["hook"], &numbered(1));
        process.wait_for_log("was rejected and dropped: HTTP 413").await;
        receiver.set(ReceiverMode::Accept);
        process.stage(&["hook"], &numbered(2));
        timeout(LIMIT, receiver.until(1)).await.unwrap();
        let reports = process.dispatcher.reports();
        drop(process.dispatcher);
        let report = reports.now();
        let hook = &report.notifiers["hook"];
        assert_eq!((hook.delivered, hook.waiting), (1, 0));
        assert_eq!(hook.failed.get("http_413"), Some(&1));
        assert_eq!(hook.dropped.values().sum::<u64>(), 1);
        assert!(disk.lock().unwrap().rows(Table::Notification).is_empty());
    });
}

#[test]
fn a_receiver_that_asks_for_a_wait_is_given_it() {
    run(async {
        let receiver = Receiver::webhook();
        receiver.set(ReceiverMode::Respond(
            Reply::status(429).header("retry-after", "1"),
        ));
        let yaml = hook("hook", &receiver, "");
        let settings = settings(&format!("notifiers:\n{yaml}")).unwrap();
        let mut process = Process::start(&settings, &Arc::default());
        let before = tokio::time::Instant::now();
        process.stage(&["hook"], &numbered(1));
        process.wait_for_log("429").await;
        receiver.set(ReceiverMode::Accept);
        timeout(LIMIT, receiver.until(1)).await.unwrap();
        // Each attempt but the last was answered with a wait: more than one if this test was slow to change the answer.
        let waits = u32::try_from(receiver.accepted() - 1).unwrap();
        assert!(
            waits >= 1 && before.elapsed() >= waits * Duration::from_secs(1),
            "{waits}"
        );
    });
}
