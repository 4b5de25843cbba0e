//! A service with the checks of a story and a control check that shows whether the service keeps working.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use canary_tests::command::Program;
use canary_tests::peer::Peer;
use canary_tests::peer::http::{Reply, Request, Site};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::reload::{next, put};
use super::service_process::{LIMIT, Service};
use super::site;

/// The name of the control check, which always passes.
pub(crate) const CONTROL_CHECK: &str = "bystander";
/// Descriptors that a running service may have open temporarily: a state file, a response, a ping. A leak in these
/// tests exceeds it by far.
pub(crate) const FD_TOLERANCE: usize = 8;

/// Success pings that may still be sent after a stop: the heartbeat stops within three intervals.
pub(crate) const MAX_LATE_PINGS: usize = 3;

/// A service with the checks of a story, the control check, and a heartbeat each second.
pub(crate) struct Monitor {
    pub(crate) service: Service,
    pub(crate) control: Site,
    /// The heartbeat's address: `/beat`, and `/beat/fail` once before it stops.
    pub(crate) heartbeat: Site,
    pings: Arc<AtomicUsize>,
}

impl Monitor {
    /// Starts it with this suite, and waits until the control check has run.
    pub(crate) async fn start(suite: Value) -> Self {
        Self::start_with(suite, |program| program).await
    }

    /// Like [`Self::start`], with changes to the program, such as limits.
    pub(crate) async fn start_with(suite: Value, with: impl FnOnce(Program) -> Program) -> Self {
        Self::start_with_settings(suite, json!({}), with).await
    }

    /// Like [`Self::start_with`], with additional settings.
    pub(crate) async fn start_with_settings(
        suite: Value,
        mut settings: Value,
        with: impl FnOnce(Program) -> Program,
    ) -> Self {
        let control = site();
        let pings = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&pings);
        let heartbeat = Site::start(move |request| {
            count.fetch_add(usize::from(request.path() == "/beat"), Ordering::SeqCst);
            Reply::text("OK")
        });
        let url = heartbeat.url("http", "/beat");
        settings["heartbeat"] = json!({ "url": url, "interval": "1s", "grace": "500ms", "start": false });
        let monitor = Self {
            service: Service::start(&with_control_check(suite, &control), &settings.to_string(), with),
            control,
            heartbeat,
            pings,
        };
        monitor.next_control_run().await;
        monitor
    }

    /// Reloads another suite with the control check, and waits until it is in force.
    pub(crate) fn reload(&mut self, suite: Value) {
        put(
            self.service.folder.path(),
            "suite.yaml",
            with_control_check(suite, &self.control),
        );
        self.service.process.signal(Signal::HUP);
        next(&mut self.service.process, "reloaded: ");
    }

    /// Success pings so far.
    pub(crate) fn pings(&self) -> usize {
        self.pings.load(Ordering::SeqCst)
    }

    /// The current `/api/v1/status`.
    pub(crate) fn status(&self) -> Value {
        let answer = self.service.get("/api/v1/status");
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// Polls the status after each run of the control check until it satisfies `is_so`.
    pub(crate) async fn until(&self, is_so: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let status = self.status();
            if is_so(&status) {
                return status;
            }
            assert!(began.elapsed() < LIMIT, "{status:#}");
            self.next_control_run().await;
        }
    }

    /// Waits until the checks with this name have `enough` finished runs in total.
    pub(crate) async fn finished(&self, check: &str, enough: u64) -> Value {
        self.until(|status| finished(status, check) >= enough).await
    }

    /// Asserts that the control check keeps passing, the heartbeat pings, health reports no problem, no run is lost and
    /// no descriptor is unaccounted for.
    pub(crate) async fn assert_healthy(&self) {
        let before = ended(&self.status(), CONTROL_CHECK, "pass");
        self.until(|status| ended(status, CONTROL_CHECK, "pass") >= before + 5)
            .await;
        let pings = self.pings();
        // The first of them may still be about the state before.
        let pinged = self.heartbeat.until(|_| self.pings() >= pings + 2);
        let waited = timeout(LIMIT, pinged).await;
        assert!(waited.is_ok(), "the heart stands still: {:#}", self.status());
        assert_eq!(self.service.problems("/livez"), [""; 0]);
        let status = self.status();
        assert_accounting(&status);
        assert_eq!(status["descriptors"]["unaccounted"], 0, "{status:#}");
    }

    /// The minimum number of open descriptors in a few samples: leaked ones are in each sample, temporary ones are not.
    pub(crate) async fn descriptors(&self) -> usize {
        let mut fewest = usize::MAX;
        for _ in 0..5 {
            self.next_control_run().await;
            fewest = fewest.min(self.service.process.descriptors().len());
        }
        fewest
    }

    /// Waits until the service has at most this many descriptors open.
    pub(crate) async fn wait_for_descriptors(&self, most: usize) {
        let began = Instant::now();
        loop {
            let open = self.service.process.descriptors();
            if open.len() <= most {
                return;
            }
            assert!(began.elapsed() < LIMIT, "more than {most} stay open: {open:#?}");
            self.next_control_run().await;
        }
    }

    /// Removes the checks of the story, and asserts that no lease is left and no connection to these peers.
    pub(crate) async fn assert_clean(&mut self, peers: impl IntoIterator<Item = &Peer>) {
        self.reload(json!({ "checks": [] }));
        self.until(|status| status["descriptors"]["leased"] == 0).await;
        for peer in peers {
            let left = timeout(LIMIT, peer.until(|counts| counts.open == 0)).await;
            assert!(left.is_ok(), "{}: {:?}", peer.address(), peer.counts());
        }
    }

    /// Waits for the end of another run of the control check, which paces all polls here.
    async fn next_control_run(&self) {
        let seen = self.control.accepted();
        let ended = self
            .control
            .until(|counts| counts.accepted > seen && counts.open == 0);
        let waited = timeout(LIMIT, ended).await;
        assert!(waited.is_ok(), "the good check stands still after {seen} runs");
    }
}

/// Waits for the failure ping, and returns its body.
pub(crate) async fn failure_ping(heartbeat: &Site) -> String {
    failure_ping_about(heartbeat, "").await
}

/// Waits for the failure ping with this text, and returns its body. A machine that was busy for a moment may have had
/// one about something else.
pub(crate) async fn failure_ping_about(heartbeat: &Site, text: &str) -> String {
    let body = |ping: &Request| String::from_utf8_lossy(&ping.body).into_owned();
    let fail = || {
        let all = heartbeat.requests();
        let failures = all.iter().filter(|ping| ping.path().ends_with("/fail"));
        failures.map(body).find(|body| body.contains(text))
    };
    let waited = timeout(LIMIT, heartbeat.until(|_| fail().is_some())).await;
    assert!(waited.is_ok(), "the heartbeat does not tell: {text}");
    fail().unwrap()
}

/// Asserts that runs were on schedule: something that held them up would make most of them late, while a busy machine
/// makes a few late.
pub(crate) fn assert_on_schedule(status: &Value) {
    let account = &status["account"];
    let late = account["missed"]["overload"].as_u64().unwrap();
    assert!(Some(late * 5) <= account["scheduled"].as_u64(), "{account}");
}

/// Adds the control check to a suite.
fn with_control_check(mut suite: Value, control: &Site) -> String {
    let check = json!({
        "name": CONTROL_CHECK,
        "plugin": "http",
        "target": control.url("http", "/"),
        "interval": "200ms",
        "timeout": "200ms",
    });
    suite["checks"].as_array_mut().unwrap().push(check);
    suite.to_string()
}

/// Copies of this check with numbered names, which the functions below count as one.
pub(crate) fn replicate(count: usize, check: &Value) -> Vec<Value> {
    let numbered = |number: usize| {
        let mut check = check.clone();
        check["name"] = json!(format!("{} #{number}", check["name"].as_str().unwrap()));
        check
    };
    (1..=count).map(numbered).collect()
}

/// Runs of the checks with this name that ended with this outcome.
pub(crate) fn ended(status: &Value, check: &str, outcome: &str) -> u64 {
    let named = named(status, check);
    named
        .map(|check| check["account"]["finished"][outcome].as_u64().unwrap())
        .sum()
}

/// Finished runs of the checks with this name.
pub(crate) fn finished(status: &Value, check: &str) -> u64 {
    named(status, check)
        .map(|check| sum(&check["account"]["finished"]))
        .sum()
}

/// Asserts that every due time of every check is a finished run, a missed run or the current run.
pub(crate) fn assert_accounting(status: &Value) {
    for check in status["checks"].as_array().unwrap() {
        let account = &check["account"];
        let accounted = sum(&account["finished"]) + sum(&account["missed"]);
        let under_way = u64::from(check["stage"] != "idle");
        assert_eq!(
            account["scheduled"].as_u64(),
            Some(accounted + under_way),
            "{check:#}"
        );
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
