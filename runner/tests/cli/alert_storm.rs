//! An alert storm: a thousand transitions, a notifier that never responds, and a process that is killed repeatedly.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use canary_tests::peer::Peer;
use canary_tests::peer::http::{Reply, Site};
use canary_tests::receiver::{Receiver, ReceiverMode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use super::service_process::{LIMIT, Service};
use super::{folder, http_check};

const CHECKS: usize = 100;
/// Each wave takes all checks down or up. The number is how many of its notifications are delivered before the process
/// is killed and restarted; `None` means no kill.
const WAVES: [Option<usize>; 10] = [
    None,
    None,
    Some(CHECKS / 2),
    Some(0),
    None,
    Some(CHECKS),
    Some(CHECKS / 5),
    None,
    None,
    None,
];
const TRANSITIONS: usize = CHECKS * WAVES.len();
/// Time limit for the next attempt at the silent notifier: the waits between attempts grow up to five minutes.
const NEXT_ATTEMPT: Duration = Duration::from_secs(360);
/// Maximum growth of resident memory with all notifications queued: 16 MiB for the queue, which is its limit on disk,
/// and the memory of twenty concurrent runs on a slow machine.
const MAX_GROWTH_BYTES: u64 = 32 << 20;

/// The site that all checks watch, and the two receivers.
struct AlertStorm {
    is_up: Arc<AtomicBool>,
    site: Site,
    silent: Receiver,
    healthy: Receiver,
}

impl AlertStorm {
    fn new() -> Self {
        let is_up = Arc::new(AtomicBool::new(true));
        let answer = Arc::clone(&is_up);
        let site = Site::start(move |_| {
            if answer.load(Ordering::SeqCst) {
                Reply::status(200)
            } else {
                Reply::status(503)
            }
        });
        let (silent, healthy) = (Receiver::webhook(), Receiver::webhook());
        silent.set(ReceiverMode::Silent);
        Self {
            is_up,
            site,
            silent,
            healthy,
        }
    }

    fn folder(&self) -> TempDir {
        let checks = (0..CHECKS).map(|number| http_check(&format!("page {number}"), &self.site, "/"));
        let suite = format!(
            "groups: {{ pages: {{ concurrency: 20 }} }}\n\
             defaults: {{ group: pages, interval: 2s, timeout: 2s, retries: 0, failure_threshold: 1 }}\n\
             checks:\n{}",
            checks.collect::<String>()
        );
        // Only `down`: on a busy machine a run may be stopped without a verdict, which ends an alert. Firing and
        // resolved still alternate.
        let notifier = |name: &str, receiver: &Receiver| {
            let url = receiver.url("http", "/");
            format!("    {name}: {{ type: webhook, url: '{url}', timeout: 5s, statuses: [down] }}\n")
        };
        let notifiers = notifier("silent", &self.silent) + &notifier("well", &self.healthy);
        folder(&[
            ("suite.yaml", &suite),
            ("canary.yaml", &format!("alerts:\n  notifiers:\n{notifiers}")),
        ])
    }

    /// Changes all checks, and waits until the healthy receiver got a notification of each.
    async fn wave(&self, mut service: Service, number: usize) -> Service {
        let is_up = number % 2 == 1;
        let before = self.healthy.delivered().len();
        self.is_up.store(is_up, Ordering::SeqCst);
        let kill_after = WAVES[number];
        if let Some(count) = kill_after {
            wait_for(&self.healthy, before + count).await;
            service = started(service.kill());
        }
        self.wait_for_event(if is_up { "resolved" } else { "firing" })
            .await;
        assert_eq!(self.silent.delivered().len(), 0);
        // A service that was just restarted may report problems.
        for path in ["/livez", "/readyz"].iter().filter(|_| kill_after.is_none()) {
            let problems = service.problems(path);
            // The silent notifier is reported after a minute of failures, and a busy machine has slow polls.
            let is_other = |what: &&String| !["notifier_failing", "slow_poll"].contains(&what.as_str());
            let others = problems.iter().filter(is_other);
            assert_eq!(others.count(), 0, "{path} in wave {number}: {problems:?}");
        }
        service
    }

    /// Waits until this is the last event of each check.
    async fn wait_for_event(&self, event: &str) {
        loop {
            let came = self.healthy.delivered().len();
            let notifications = notifications(&self.healthy);
            let last: HashMap<&str, &Value> = notifications
                .iter()
                .map(|one| (text(one, "check"), &one["event"]))
                .collect();
            let there = last.values().filter(|last| ***last == event).count();
            if there == CHECKS {
                return;
            }
            wait_for(&self.healthy, came + CHECKS - there).await;
        }
    }
}

fn started(folder: TempDir) -> Service {
    let state = folder.path().join("state");
    Service::within(folder, |program| program.env("CANARY_STATE_DIR", state))
}

/// Waits until a receiver has accepted this many notifications.
async fn wait_for(receiver: &Receiver, count: usize) {
    let came = timeout(NEXT_ATTEMPT, receiver.until(count)).await;
    assert!(came.is_ok(), "{} of {count} came", receiver.delivered().len());
}

fn text<'a>(notification: &'a Value, key: &str) -> &'a str {
    notification[key].as_str().unwrap()
}

/// The notifications of a receiver without repetitions: after a kill one may be sent again, with the same id.
fn notifications(receiver: &Receiver) -> Vec<Value> {
    let mut ids = HashSet::new();
    let mut notifications = receiver.bodies();
    notifications.retain(|one| ids.insert(text(one, "id").to_owned()));
    notifications
}

/// The notification ids of each check, in order.
fn ids_by_check(notifications: &[Value]) -> BTreeMap<&str, Vec<&str>> {
    let mut ids = BTreeMap::<_, Vec<_>>::new();
    for one in notifications {
        ids.entry(text(one, "check")).or_default().push(text(one, "id"));
    }
    ids
}

/// Asserts that for each check firing and resolved alternate, in pairs of one alert, and that all alerts are resolved.
fn assert_alternating(notifications: &[Value]) {
    let mut of_checks: HashMap<&str, Vec<&Value>> = HashMap::new();
    for one in notifications {
        of_checks.entry(text(one, "check")).or_default().push(one);
    }
    assert_eq!(of_checks.len(), CHECKS);
    for (check, notifications) in of_checks {
        for alert in notifications.chunks(2) {
            let events: Vec<&str> = alert.iter().map(|one| text(one, "event")).collect();
            assert_eq!(events, ["firing", "resolved"], "{check}: {notifications:#?}");
            assert_eq!(alert[0]["alert"], alert[1]["alert"], "{check}");
        }
    }
}

/// A sample of `/metrics` for the silent notifier, with an additional label.
fn sample(service: &Service, metric: &str, with: &str) -> Option<usize> {
    let metrics = service.get("/metrics").text();
    let of = format!("canary_notifier_name=\"silent\",canary_notifier_type=\"webhook\"{with}}} ");
    let mut lines = metrics.lines().filter(|line| line.starts_with(metric));
    lines.find_map(|line| line.split_once(&of)?.1.parse().ok())
}

/// Resident memory between runs: the minimum of several samples.
fn resident(service: &Service) -> u64 {
    let readings = (0..50).map(|_| {
        service.get("/livez");
        service.process.resident()
    });
    readings.min().unwrap()
}

/// Polls until the condition holds.
fn until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LIMIT, "it does not come about");
    }
}

/// Asserts that runs were on schedule: a notifier that blocked the service would make most of them late, while a busy
/// machine makes a few late.
fn assert_on_schedule(service: &Service) {
    let status = service.json(&["status", "--format", "json"]);
    let (account, checks) = (&status["account"], status["checks"].as_array().unwrap());
    let missed =
        ["overload", "overlap", "clock_jump"].map(|reason| account["missed"][reason].as_u64().unwrap());
    let scheduled = account["scheduled"].as_u64().unwrap();
    assert!(missed.iter().sum::<u64>() * 20 < scheduled, "{account}");
    let late = checks
        .iter()
        .filter(|check| check["lag_seconds"].as_f64().unwrap() > 2.0);
    assert!(late.count() * 20 < CHECKS, "{checks:#?}");
    // A run that a busy machine stopped says nothing; the next one does.
    service.until(&["status", "--format", "json"], |status| {
        let mut checks = status["checks"].as_array().unwrap().iter();
        checks.all(|check| check["status"] == "up")
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_notifier_is_told_of_a_thousand_transitions_in_the_end_whatever_is_killed_meanwhile() {
    let storm = AlertStorm::new();
    let mut service = storm.wave(started(storm.folder()), 0).await;
    let few = resident(&service);
    for number in 1..WAVES.len() {
        service = storm.wave(service, number).await;
    }
    let all = notifications(&storm.healthy).len();
    assert!(all >= TRANSITIONS, "{all}");
    let (queue, attempts) = ("canary_alert_queue_size", "canary_alert_notifications_total");
    assert_eq!(sample(&service, queue, ""), Some(all));
    let many = resident(&service);
    assert!(many < few + MAX_GROWTH_BYTES, "{few} bytes, then {many}");
    // The next attempt begins after the one before it has failed.
    let attempts_before = storm.silent.accepted();
    let next = Peer::until(&storm.silent, |counts| counts.accepted > attempts_before);
    assert!(timeout(NEXT_ATTEMPT, next).await.is_ok(), "no more attempts");
    assert!(sample(&service, attempts, ",error_type=\"timeout\"") > Some(0));

    storm.silent.set(ReceiverMode::Accept);
    wait_for(&storm.silent, all).await;
    until(|| sample(&service, queue, "") == Some(0));
    let delivered = sample(&service, attempts, "");
    assert_eq!(delivered, Some(storm.silent.delivered().len()));
    assert_eq!(sample(&service, "canary_alert_firing", ""), Some(0));
    assert_on_schedule(&service);
    service.end();
    let (late, prompt) = (notifications(&storm.silent), notifications(&storm.healthy));
    // No repetition, and the same notifications as the other receiver.
    assert_eq!(storm.silent.delivered().len(), late.len());
    assert_eq!(ids_by_check(&late), ids_by_check(&prompt));
    assert_alternating(&late);
}
