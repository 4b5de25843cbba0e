//! A runner with the checks of a story, and a good one beside them that shows whether all goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use canary_tests::command::Program;
use canary_tests::peer::Peer;
use canary_tests::peer::http::{Reply, Request, Site};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::reload::{next, put};
use super::running::{LIMIT, Service};
use super::site;

/// The good check beside those of the story.
pub(crate) const BYSTANDER: &str = "bystander";
/// Descriptors that a runner at work may have open for a moment of its own: a state file, an answer, a ping. Whatever
/// leaks here would leak many more.
pub(crate) const SLACK: usize = 8;

/// Pings of success that a stop may still bring: the heartbeat stops within three intervals.
pub(crate) const INTERVALS: usize = 3;

/// A runner with the checks of a story, a good check beside them, and a heartbeat each second.
pub(crate) struct Monitor {
    pub(crate) service: Service,
    pub(crate) bystander: Site,
    /// Where the heart beats: `/beat`, and `/beat/fail` once before it falls silent.
    pub(crate) heart: Site,
    beats: Arc<AtomicUsize>,
}

impl Monitor {
    /// Starts it with a suite that has what the story wants, and waits until the good check has run.
    pub(crate) async fn start(suite: Value) -> Self {
        Self::start_with(suite, |program| program).await
    }

    /// The same, with another environment or a limit.
    pub(crate) async fn start_with(suite: Value, with: impl FnOnce(Program) -> Program) -> Self {
        Self::start_as(suite, json!({}), with).await
    }

    /// The same, with more settings of the runner.
    pub(crate) async fn start_as(
        suite: Value,
        mut settings: Value,
        with: impl FnOnce(Program) -> Program,
    ) -> Self {
        let bystander = site();
        let beats = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&beats);
        let heart = Site::start(move |request| {
            count.fetch_add(usize::from(request.path() == "/beat"), Ordering::SeqCst);
            Reply::text("OK")
        });
        let url = heart.url("http", "/beat");
        settings["heartbeat"] = json!({ "url": url, "interval": "1s", "grace": "500ms", "start": false });
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
    pub(crate) fn reload(&mut self, suite: Value) {
        put(
            self.service.folder.path(),
            "suite.yaml",
            beside(suite, &self.bystander),
        );
        self.service.process.signal(Signal::HUP);
        next(&mut self.service.process, "reloaded: ");
    }

    /// Pings of success so far.
    pub(crate) fn beats(&self) -> usize {
        self.beats.load(Ordering::SeqCst)
    }

    /// What `/api/v1/status` tells now.
    pub(crate) fn status(&self) -> Value {
        let answer = self.service.get("/api/v1/status");
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// Looks at the status after each run of the good check until it is so.
    pub(crate) async fn until(&self, is_so: impl Fn(&Value) -> bool) -> Value {
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
    pub(crate) async fn finished(&self, check: &str, enough: u64) -> Value {
        self.until(|status| finished(status, check) >= enough).await
    }

    /// From now on the good check passes again and again, the heart beats, health has no complaint, no run is lost and
    /// no descriptor is nobody's.
    pub(crate) async fn goes_on(&self) {
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
    pub(crate) async fn descriptors(&self) -> usize {
        let mut fewest = usize::MAX;
        for _ in 0..5 {
            self.next().await;
            fewest = fewest.min(self.service.process.descriptors().len());
        }
        fewest
    }

    /// Waits until the runner has no more descriptors open than `most`.
    pub(crate) async fn settles(&self, most: usize) {
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
    pub(crate) async fn rests(&mut self, peers: impl IntoIterator<Item = &Peer>) {
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

/// Waits for the ping that says what is wrong.
pub(crate) async fn alarm(heart: &Site) -> String {
    let fail = || {
        let all = heart.requests();
        all.into_iter()
            .find(|ping: &Request| ping.path().ends_with("/fail"))
    };
    let waited = timeout(LIMIT, heart.until(|_| fail().is_some())).await;
    assert!(waited.is_ok(), "the heartbeat does not tell");
    String::from_utf8_lossy(&fail().unwrap().body).into_owned()
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
pub(crate) fn alike(count: usize, check: &Value) -> Vec<Value> {
    let numbered = |number: usize| {
        let mut check = check.clone();
        check["name"] = json!(format!("{} #{number}", check["name"].as_str().unwrap()));
        check
    };
    (1..=count).map(numbered).collect()
}

/// Runs of the checks of this name that ended with this outcome.
pub(crate) fn ended(status: &Value, check: &str, outcome: &str) -> u64 {
    let named = named(status, check);
    named
        .map(|check| check["account"]["finished"][outcome].as_u64().unwrap())
        .sum()
}

/// Runs of the checks of this name that have ended.
pub(crate) fn finished(status: &Value, check: &str) -> u64 {
    named(status, check)
        .map(|check| sum(&check["account"]["finished"]))
        .sum()
}

/// Every due time of every check has become a run, or is missed, or is this run.
pub(crate) fn comes_out_even(status: &Value) {
    for check in status["checks"].as_array().unwrap() {
        let account = &check["account"];
        let gone = sum(&account["finished"]) + sum(&account["missed"]);
        let under_way = u64::from(check["stage"] != "idle");
        assert_eq!(account["scheduled"].as_u64(), Some(gone + under_way), "{check:#}");
    }
}

pub(crate) fn named<'s>(status: &'s Value, check: &str) -> impl Iterator<Item = &'s Value> {
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
