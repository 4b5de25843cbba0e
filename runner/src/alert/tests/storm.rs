//! A thousand transitions while the receiver is silent, and a process that is killed on the way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use canary_tests::peer::http::Reply;
use canary_tests::receiver::{Mood, Receiver};
use tokio::sync::watch;
use tokio::time::timeout;

use super::{Disk, begun, kept, settings};
use crate::alert::desk::Desk;
use crate::alert::notification::Notification;
use crate::alert::report::AlertReport;
use crate::alert::settings::Settings;
use crate::alert::trial::sample;
use crate::alert::{Courier, Start, start};
use crate::ledger::audit::Reserve;
use crate::liveness::Registry;
use crate::state::Shelf;

/// How long anything here may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A process that keeps its state on a disk.
struct Process {
    courier: Courier,
    desk: Desk,
    disk: Arc<Mutex<Disk>>,
    said: watch::Receiver<Vec<String>>,
    reserve: Reserve,
}

impl Process {
    fn start(settings: &Settings, disk: &Arc<Mutex<Disk>>) -> Self {
        let rows = |shelf| disk.lock().unwrap().rows(shelf);
        let (saying, said) = watch::channel(Vec::new());
        let kept = Arc::clone(disk);
        let reserve = Reserve::default();
        let (desk, courier) = start(Start {
            settings,
            alerts: &rows(Shelf::Alert),
            notifications: &rows(Shelf::Notification),
            reserve: reserve.clone(),
            begin: begun(),
            keep: Box::new(move |changes| kept.lock().unwrap().keep(changes)),
            say: Box::new(move |_, line| saying.send_modify(|said| said.push(line.to_owned()))),
            liveness: Registry::default(),
        })
        .unwrap();
        Self {
            courier,
            desk,
            disk: Arc::clone(disk),
            said,
            reserve,
        }
    }

    /// What the desk does with a notification that it decided on.
    fn tell(&self, notifiers: &[&str], notification: &Notification) {
        for notifier in notifiers {
            let mut queue = self.desk.outbox().queue();
            let changes = queue.stage(notifier, notification.clone());
            drop(queue);
            self.disk.lock().unwrap().keep(changes);
        }
        self.desk.post(&kept());
    }

    fn report(&self) -> AlertReport {
        self.courier.reports().now()
    }

    /// Waits until the operator is told something that holds these words.
    async fn hears(&mut self, words: &str) {
        let is_said = |said: &Vec<String>| said.iter().any(|line| line.contains(words));
        let heard = timeout(LIMIT, self.said.wait_for(is_said)).await.is_ok();
        assert!(heard, "nobody said `{words}`: {:?}", self.said.borrow());
    }
}

fn told(number: u32) -> Notification {
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
        silent.set(Mood::Silent);
        let yaml = hook("silent", &silent, ", timeout: 200ms") + &hook("well", &well, "");
        let settings = settings(&format!("notifiers:\n{yaml}")).unwrap();
        let disk = Arc::default();
        let mut process = Process::start(&settings, &disk);
        for number in 1..=500 {
            process.tell(&["silent", "well"], &told(number));
        }
        process
            .hears("`silent` does not deliver: no answer within 200ms")
            .await;
        timeout(LIMIT, well.until(500)).await.unwrap();
        // A kill: nothing is handed over but what is on disk.
        drop(process);
        assert_eq!(disk.lock().unwrap().rows(Shelf::Notification).len(), 500);
        let mut process = Process::start(&settings, &disk);
        for number in 501..=1_000 {
            process.tell(&["silent", "well"], &told(number));
        }
        timeout(LIMIT, well.until(1_000)).await.unwrap();
        assert_eq!(process.report().notifiers["silent"].waiting, 1_000);
        silent.set(Mood::Takes);
        process.hears("`silent` delivers again").await;
        timeout(LIMIT, silent.until(500)).await.unwrap();
        drop(process);
        let process = Process::start(&settings, &disk);
        timeout(LIMIT, silent.until(1_000)).await.unwrap();
        process.courier.finish();
        assert!(disk.lock().unwrap().rows(Shelf::Notification).is_empty());
        for receiver in [&silent, &well] {
            let mut order = Vec::new();
            let mut times: HashMap<String, u32> = HashMap::new();
            for body in receiver.bodies() {
                let id = body["id"].as_str().unwrap().to_owned();
                order.push(id.rsplit('/').next().unwrap().parse::<u32>().unwrap());
                *times.entry(id).or_default() += 1;
            }
            assert_eq!(order, (1..=1_000).collect::<Vec<_>>());
        }
    });
}

/// An alert that was told before the last restart, as it is on disk.
const FIRING: &str = r#"{"check":{"id":"web","name":"web","target":"https://example.com/","plugin":"http","labels":{}},
    "status":"down","since":1700000000000,"summary":"503","consecutive_failures":2,
    "alerts":{"am":{"since":1700000000000,"begun":1700000000000,"count":1,"told":{"status":"down","at":1700000000000}}}}"#;

#[test]
fn an_alertmanager_hears_at_once_of_what_fired_before_a_restart() {
    run(async {
        let receiver = Receiver::webhook();
        let url = receiver.url("http", "");
        let settings = settings(&format!(
            "notifiers: {{ am: {{ type: alertmanager, url: '{url}' }} }}"
        ))
        .unwrap();
        let mut disk = Disk::default();
        let row = crate::state::Change::keep(Shelf::Alert, "web", FIRING.to_owned());
        disk.keep(vec![row]);
        let process = Process::start(&settings, &Arc::new(Mutex::new(disk)));
        timeout(LIMIT, receiver.until(1)).await.unwrap();
        let taken = receiver.taken();
        assert_eq!(taken[0].path(), "/api/v2/alerts");
        let told = &receiver.bodies()[0][0];
        assert_eq!(told["labels"]["check"], "web");
        assert_eq!(told["startsAt"], "2023-11-14T22:13:20.000Z");
        process.courier.finish();
    });
}

#[test]
fn losses_are_said_once_for_each_row_of_failures() {
    run(async {
        let receiver = Receiver::webhook();
        receiver.set(Mood::Answers(Reply::status(413)));
        let yaml = hook("hook", &receiver, "");
        let settings = settings(&format!("notifiers:\n{yaml}")).unwrap();
        let mut process = Process::start(&settings, &Arc::default());
        for number in 1..=20 {
            process.tell(&["hook"], &told(number));
        }
        process.hears("is refused").await;
        let refused = || process.report().notifiers["hook"].dropped.values().sum::<u64>();
        let all = async {
            while refused() < 20 {
                tokio::task::yield_now().await;
            }
        };
        timeout(LIMIT, all).await.unwrap();
        assert_eq!(process.said.borrow().len(), 1);
    });
}

#[test]
fn a_receiver_that_hangs_holds_up_neither_another_nor_the_end() {
    run(async {
        let (silent, well) = (Receiver::webhook(), Receiver::webhook());
        silent.set(Mood::Silent);
        let yaml = hook("silent", &silent, ", timeout: 2m") + &hook("well", &well, "");
        let settings = settings(&format!("notifiers:\n{yaml}")).unwrap();
        let disk = Arc::default();
        let process = Process::start(&settings, &disk);
        for number in 1..=10 {
            process.tell(&["silent", "well"], &told(number));
        }
        timeout(LIMIT, well.until(10)).await.unwrap();
        let reserve = process.reserve.clone();
        let before = tokio::time::Instant::now();
        process.courier.finish();
        assert!(before.elapsed() < Duration::from_secs(10));
        assert_eq!(format!("{reserve:?}"), "Reserve(0)");
        assert_eq!(disk.lock().unwrap().rows(Shelf::Notification).len(), 10);
    });
}

#[test]
fn what_is_too_large_is_given_up_and_counted_and_the_next_one_has_its_turn() {
    run(async {
        let receiver = Receiver::webhook();
        receiver.set(Mood::Answers(Reply::status(413).body("too large")));
        let yaml = hook("hook", &receiver, "");
        let settings = settings(&format!("notifiers:\n{yaml}")).unwrap();
        let disk = Arc::default();
        let mut process = Process::start(&settings, &disk);
        process.tell(&["hook"], &told(1));
        process.hears("is refused and given up: the answer is 413").await;
        receiver.set(Mood::Takes);
        process.tell(&["hook"], &told(2));
        timeout(LIMIT, receiver.until(1)).await.unwrap();
        let reports = process.courier.reports();
        process.courier.finish();
        let report = reports.now();
        let hook = &report.notifiers["hook"];
        assert_eq!((hook.delivered, hook.waiting), (1, 0));
        assert_eq!(hook.failed.get("http_413"), Some(&1));
        assert_eq!(hook.dropped.values().sum::<u64>(), 1);
        assert!(disk.lock().unwrap().rows(Shelf::Notification).is_empty());
    });
}

#[test]
fn a_receiver_that_asks_for_a_wait_is_given_it() {
    run(async {
        let receiver = Receiver::webhook();
        receiver.set(Mood::Answers(Reply::status(429).header("retry-after", "1")));
        let yaml = hook("hook", &receiver, "");
        let settings = settings(&format!("notifiers:\n{yaml}")).unwrap();
        let mut process = Process::start(&settings, &Arc::default());
        let before = tokio::time::Instant::now();
        process.tell(&["hook"], &told(1));
        process.hears("429").await;
        receiver.set(Mood::Takes);
        timeout(LIMIT, receiver.until(1)).await.unwrap();
        assert!(before.elapsed() >= Duration::from_secs(1));
        assert_eq!(receiver.accepted(), 2);
    });
}
