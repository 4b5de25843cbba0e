//! A notifier that accepts and never answers, a thousand transitions, and a process that is killed again and again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use canary_tests::peer::http::{Reply, Site};
use canary_tests::receiver::{Mood, Receiver};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, timeout};

use super::running::{LIMIT, Service};
use super::{accepted, folder, http_check};

const CHECKS: usize = 100;
/// Each wave takes all checks down, or brings them up again. The number is how many notifications of it are told before
/// the process is killed and started again.
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
/// So much more may be resident when all wait than when few do: less than what all that waits may have on disk, 16 MiB,
/// and what twenty runs at once need on a machine that is slow.
const MORE_BYTES: u64 = 32 << 20;

/// The pages, and who is told of them.
struct Storm {
    is_up: Arc<AtomicBool>,
    site: Site,
    silent: Receiver,
    well: Receiver,
}

impl Storm {
    fn new() -> Self {
        let is_up = Arc::new(AtomicBool::new(true));
        let answer = Arc::clone(&is_up);
        let site = Site::start(move |_| match answer.load(Ordering::SeqCst) {
            true => Reply::status(200),
            false => Reply::status(503),
        });
        let (silent, well) = (Receiver::webhook(), Receiver::webhook());
        silent.set(Mood::Silent);
        Self {
            is_up,
            site,
            silent,
            well,
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
        // A run that a busy machine cuts off has no verdict, and is the end of an alert: begin and end take turns.
        let notifier = |name: &str, receiver: &Receiver| {
            let url = receiver.url("http", "/");
            format!("    {name}: {{ type: webhook, url: '{url}', timeout: 5s, on: [down] }}\n")
        };
        let notifiers = notifier("silent", &self.silent) + &notifier("well", &self.well);
        folder(&[
            ("suite.yaml", &suite),
            ("canary.yaml", &format!("alerts:\n  notifiers:\n{notifiers}")),
        ])
    }

    /// All checks change, and whoever answers hears of each.
    async fn wave(&self, mut service: Service, number: usize) -> Service {
        let is_up = number % 2 == 1;
        let before = self.well.taken().len();
        self.is_up.store(is_up, Ordering::SeqCst);
        let kill_after = WAVES[number];
        if let Some(told) = kill_after {
            come(&self.well, before + told).await;
            service = started(service.kill());
        }
        self.settled(if is_up { "resolved" } else { "firing" }).await;
        assert_eq!(self.silent.taken().len(), 0);
        // One that has just been started says so.
        for path in ["/livez", "/readyz"].iter().filter(|_| kill_after.is_none()) {
            let problems = service.problems(path);
            // The one that never answers is told of once it has not for a minute.
            let others = problems.iter().filter(|what| *what != "notifier_failing");
            assert_eq!(others.count(), 0, "{path} in wave {number}: {problems:?}");
        }
        service
    }

    /// Waits until this is what was last told of each check.
    async fn settled(&self, event: &str) {
        loop {
            let came = self.well.taken().len();
            let told = told(&self.well);
            let last: HashMap<&str, &Value> = told
                .iter()
                .map(|one| (text(one, "check"), &one["event"]))
                .collect();
            let there = last.values().filter(|last| ***last == event).count();
            if there == CHECKS {
                return;
            }
            come(&self.well, came + CHECKS - there).await;
        }
    }
}

fn started(folder: TempDir) -> Service {
    let state = folder.path().join("state");
    Service::within(folder, |program| program.env("CANARY_STATE_DIR", state))
}

/// Waits until a receiver took so many.
async fn come(receiver: &Receiver, count: usize) {
    let came = timeout(LIMIT, receiver.until(count)).await;
    assert!(came.is_ok(), "{} of {count} came", receiver.taken().len());
}

fn text<'a>(told: &'a Value, key: &str) -> &'a str {
    told[key].as_str().unwrap()
}

/// What a receiver was told, each notification where it came first: after a kill one may come again, with the same id.
fn told(receiver: &Receiver) -> Vec<Value> {
    let mut ids = HashSet::new();
    let mut told = receiver.bodies();
    told.retain(|one| ids.insert(text(one, "id").to_owned()));
    told
}

/// Those of one check are in order; checks take turns.
fn ids_by_check(told: &[Value]) -> BTreeMap<&str, Vec<&str>> {
    let mut ids = BTreeMap::<_, Vec<_>>::new();
    for one in told {
        ids.entry(text(one, "check")).or_default().push(text(one, "id"));
    }
    ids
}

/// Of each check: an alert begins, the same is over, the next begins, and at the end all are over.
fn take_turns(told: &[Value]) {
    let mut of_checks: HashMap<&str, Vec<&Value>> = HashMap::new();
    for one in told {
        of_checks.entry(text(one, "check")).or_default().push(one);
    }
    assert_eq!(of_checks.len(), CHECKS);
    for (check, told) in of_checks {
        for alert in told.chunks(2) {
            let events: Vec<&str> = alert.iter().map(|one| text(one, "event")).collect();
            assert_eq!(events, ["firing", "resolved"], "{check}: {told:#?}");
            assert_eq!(alert[0]["alert"], alert[1]["alert"], "{check}");
        }
    }
}

/// A sample of `/metrics` for the silent notifier, `with` one more label.
fn sample(service: &Service, metric: &str, with: &str) -> Option<usize> {
    let metrics = service.get("/metrics").text();
    let of = format!("canary_notifier_name=\"silent\",canary_notifier_type=\"webhook\"{with}}} ");
    let mut lines = metrics.lines().filter(|line| line.starts_with(metric));
    lines.find_map(|line| line.split_once(&of)?.1.parse().ok())
}

/// What is resident between runs, which need memory of their own while they go on.
fn resident(service: &Service) -> u64 {
    let readings = (0..50).map(|_| {
        service.get("/livez");
        service.process.resident()
    });
    readings.min().unwrap()
}

/// Asks for a sample until it is so.
fn until(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LIMIT, "it does not come about");
    }
}

/// Runs kept their time: a notifier that held the service up would make most of them late, while a machine that has no time
/// for anybody makes a few late.
fn in_time(service: &Service) {
    let status = service.json(&["status", "--json"]);
    let (account, checks) = (&status["account"], status["checks"].as_array().unwrap());
    let missed =
        ["overload", "overlap", "clock_jump"].map(|reason| account["missed"][reason].as_u64().unwrap());
    let scheduled = account["scheduled"].as_u64().unwrap();
    assert!(missed.iter().sum::<u64>() * 20 < scheduled, "{account}");
    let late = checks
        .iter()
        .filter(|check| check["lag_seconds"].as_f64().unwrap() > 2.0);
    assert!(late.count() * 20 < CHECKS, "{checks:#?}");
    assert!(checks.iter().all(|check| check["status"] == "up"), "{checks:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_notifier_is_told_of_a_thousand_transitions_in_the_end_whatever_is_killed_meanwhile() {
    let storm = Storm::new();
    let mut service = storm.wave(started(storm.folder()), 0).await;
    let few = resident(&service);
    for number in 1..WAVES.len() {
        service = storm.wave(service, number).await;
    }
    let all = told(&storm.well).len();
    assert!(all >= TRANSITIONS, "{all}");
    let (queue, attempts) = ("canary_alert_queue_size", "canary_alert_notifications_total");
    assert_eq!(sample(&service, queue, ""), Some(all));
    let many = resident(&service);
    assert!(many < few + MORE_BYTES, "{few} bytes, then {many}");
    // The next attempt begins when the one before it has failed.
    accepted(&storm.silent, storm.silent.accepted() + 1).await;
    assert!(sample(&service, attempts, ",error_type=\"timeout\"") > Some(0));

    storm.silent.set(Mood::Takes);
    come(&storm.silent, all).await;
    until(|| sample(&service, queue, "") == Some(0));
    let delivered = sample(&service, attempts, "");
    assert_eq!(delivered, Some(storm.silent.taken().len()));
    assert_eq!(sample(&service, "canary_alert_firing", ""), Some(0));
    in_time(&service);
    service.end();
    let (late, prompt) = (told(&storm.silent), told(&storm.well));
    // None twice, and none that the other did not hear of.
    assert_eq!(storm.silent.taken().len(), late.len());
    assert_eq!(ids_by_check(&late), ids_by_check(&prompt));
    take_turns(&late);
}
