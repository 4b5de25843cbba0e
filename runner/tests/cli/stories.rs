//! How monitors have stopped, made to happen here: a runner goes on, or says aloud that it does not.
//!
//! | story | where | what stopped there | the tests here |
//! |--:|---|---|---|
//! | 1 | ssl-checker #478 | it read the certificate and never closed the socket | `leaks::story_01_…` |
//! | 3 | blackbox_exporter #84, #96, #288, #513, #941 | kept alive by its peers it ran out of descriptors, and every server was "down" | `leaks::story_03_…` |
//! | 4 | OpenTelemetry's httpcheck #40552, #40695 | no body was closed, and there was no time-out | `endings::story_04_…` |
//! | 9 | Telegraf #15177, x509_cert | each reload lost descriptors; one tarpit held up every certificate | `reloads::story_09_…` |
//! | 10 | Cloudprober #1083, #584 | a probe ate all memory; a handshake that failed kept its socket | `endings::story_10_…` |
//! | 12 | cachet-monitor #75, #11 | at 1024 sockets it "stopped working after some time" | `leaks::story_12_…` |
//! | 13 | ssl_exporter #31 and six more | one way out of many forgot the connection | `endings::story_13_…` |
//! | 14 | opnsense-exporter #113 | it leaked where its target failed, and nowhere else | `leaks::story_14_…` |

mod endings;
mod leaks;
mod reloads;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use canary_tests::command::Program;
use canary_tests::peer::Peer;
use canary_tests::peer::http::{Reply, Site};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::reload::{next, put};
use super::running::{LIMIT, Service};
use super::site;

/// The good check beside those of the story.
pub(super) const BYSTANDER: &str = "bystander";
/// Descriptors that a runner at work may have open for a moment of its own: a state file, an answer, a ping. Whatever
/// leaks here would leak many more.
pub(super) const SLACK: usize = 8;

/// A runner with the checks of a story, a good check beside them, and a heartbeat each second.
pub(super) struct Monitor {
    pub(super) service: Service,
    pub(super) bystander: Site,
    /// Where the heart beats: `/beat`, and `/beat/fail` once before it falls silent.
    pub(super) heart: Site,
    beats: Arc<AtomicUsize>,
}

impl Monitor {
    /// Starts it with a suite that has what the story wants, and waits until the good check has run.
    pub(super) async fn start(suite: Value) -> Self {
        Self::start_with(suite, |program| program).await
    }

    /// The same, with another environment or a limit.
    pub(super) async fn start_with(suite: Value, with: impl FnOnce(Program) -> Program) -> Self {
        let bystander = site();
        let beats = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&beats);
        let heart = Site::start(move |request| {
            count.fetch_add(usize::from(request.path() == "/beat"), Ordering::SeqCst);
            Reply::text("OK")
        });
        let url = heart.url("http", "/beat");
        let settings =
            json!({ "heartbeat": { "url": url, "interval": "1s", "grace": "500ms", "start": false } });
        let monitor = Self {
            service: Service::start(&beside(suite, &bystander), &settings.to_string(), with),
            bystander,
            heart,
            beats,
        };
        monitor.next().await;
        monitor
    }

    /// Has another suite read in place of this one, the good check in it too, and waits until it is in force.
    pub(super) fn reload(&mut self, suite: Value) {
        put(
            self.service.folder.path(),
            "suite.yaml",
            beside(suite, &self.bystander),
        );
        self.service.process.signal(Signal::HUP);
        next(&mut self.service.process, "reloaded: ");
    }

    /// Pings of success so far.
    pub(super) fn beats(&self) -> usize {
        self.beats.load(Ordering::SeqCst)
    }

    /// What `/api/v1/status` tells now.
    pub(super) fn status(&self) -> Value {
        let answer = self.service.get("/api/v1/status");
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// Looks at the status after each run of the good check until it is so.
    pub(super) async fn until(&self, is_so: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let status = self.status();
            if is_so(&status) {
                return status;
            }
            assert!(began.elapsed() < LIMIT, "{status:#}");
            self.next().await;
        }
    }

    /// Waits until the checks of this name have ended so often, taken together.
    pub(super) async fn finished(&self, check: &str, enough: u64) -> Value {
        self.until(|status| finished(status, check) >= enough).await
    }

    /// From now on the good check passes again and again, the heart beats, health has no complaint, no run is lost and
    /// no descriptor is nobody's.
    pub(super) async fn goes_on(&self) {
        let before = ended(&self.status(), BYSTANDER, "pass");
        self.until(|status| ended(status, BYSTANDER, "pass") >= before + 5)
            .await;
        let beats = self.beats();
        // The first of them may tell of what was before.
        let beating = self.heart.until(|_| self.beats() >= beats + 2);
        let waited = timeout(LIMIT, beating).await;
        assert!(waited.is_ok(), "the heart stands still: {:#}", self.status());
        assert_eq!(self.service.problems("/livez"), [""; 0]);
        let status = self.status();
        comes_out_even(&status);
        assert_eq!(status["descriptors"]["unaccounted"], 0, "{status:#}");
    }

    /// The fewest descriptors that the runner had open in a few looks: what leaks is in each of them, what a run or an
    /// answer needs for a moment is not.
    pub(super) async fn descriptors(&self) -> usize {
        let mut fewest = usize::MAX;
        for _ in 0..5 {
            self.next().await;
            fewest = fewest.min(self.service.process.descriptors().len());
        }
        fewest
    }

    /// Waits until the runner has no more descriptors open than `most`.
    pub(super) async fn settles(&self, most: usize) {
        let began = Instant::now();
        loop {
            let open = self.service.process.descriptors();
            if open.len() <= most {
                return;
            }
            assert!(began.elapsed() < LIMIT, "more than {most} stay open: {open:#?}");
            self.next().await;
        }
    }

    /// Takes the checks of the story out. Nothing is lent any more, and nobody is connected to these peers of theirs.
    pub(super) async fn rests(&mut self, peers: impl IntoIterator<Item = &Peer>) {
        self.reload(json!({ "checks": [] }));
        self.until(|status| status["descriptors"]["leased"] == 0).await;
        for peer in peers {
            let left = timeout(LIMIT, peer.until(|counts| counts.open == 0)).await;
            assert!(left.is_ok(), "{}: {:?}", peer.address(), peer.counts());
        }
    }

    /// Waits for the end of another run of the good check, which is the clock of all that waits here.
    async fn next(&self) {
        let seen = self.bystander.accepted();
        let ended = self
            .bystander
            .until(|counts| counts.accepted > seen && counts.open == 0);
        let waited = timeout(LIMIT, ended).await;
        assert!(waited.is_ok(), "the good check stands still after {seen} runs");
    }
}

/// A suite with the good check in it.
fn beside(mut suite: Value, bystander: &Site) -> String {
    let check = json!({
        "name": BYSTANDER,
        "plugin": "http",
        "target": bystander.url("http", "/"),
        "interval": "200ms",
        "timeout": "200ms",
    });
    suite["checks"].as_array_mut().unwrap().push(check);
    suite.to_string()
}

/// So many checks like this one, whose names count as one in what follows.
pub(super) fn alike(count: usize, check: &Value) -> Vec<Value> {
    let numbered = |number: usize| {
        let mut check = check.clone();
        check["name"] = json!(format!("{} #{number}", check["name"].as_str().unwrap()));
        check
    };
    (1..=count).map(numbered).collect()
}

/// Runs of the checks of this name that ended with this outcome.
pub(super) fn ended(status: &Value, check: &str, outcome: &str) -> u64 {
    let named = named(status, check);
    named
        .map(|check| check["account"]["finished"][outcome].as_u64().unwrap())
        .sum()
}

/// Runs of the checks of this name that have ended.
pub(super) fn finished(status: &Value, check: &str) -> u64 {
    named(status, check)
        .map(|check| sum(&check["account"]["finished"]))
        .sum()
}

/// Every due time of every check has become a run, or is missed, or is this run.
pub(super) fn comes_out_even(status: &Value) {
    for check in status["checks"].as_array().unwrap() {
        let account = &check["account"];
        let gone = sum(&account["finished"]) + sum(&account["missed"]);
        let under_way = u64::from(check["stage"] != "idle");
        assert_eq!(account["scheduled"].as_u64(), Some(gone + under_way), "{check:#}");
    }
}

fn named<'s>(status: &'s Value, check: &str) -> impl Iterator<Item = &'s Value> {
    let checks = status["checks"].as_array().unwrap();
    let named = checks
        .iter()
        .filter(move |one| one["name"].as_str().unwrap().split(" #").next() == Some(check));
    assert!(
        named.clone().next().is_some(),
        "there is no check `{check}`: {status:#}"
    );
    named
}

fn sum(counts: &Value) -> u64 {
    counts
        .as_object()
        .unwrap()
        .values()
        .filter_map(Value::as_u64)
        .sum()
}
