//! The world around the service, and its invariants.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, advance, sleep};

use super::blocked::Blocked;
use super::collector::Collector;
use super::expected::Expected;
use super::plan::Plan;
use super::process::{Pings, Process, Start};
use super::receivers::{self, Receivers};
use super::spool::Spool;
use super::targets::{self, Targets};
use super::{noon, reloads, secs};
use canary_run::publish::Stage;
use canary_state::Table;
use canary_state::simulated::{Disk, DiskMode};
use canary_suite::{Check, Window};
use canary_system::clock::simulated::Simulated;
use canary_watch::health::HealthIssue;

/// What the disk has not committed for longer than this may be delivered all the same, and be forgotten in a kill.
const UNKNOWN: Duration = Duration::from_millis(450);
/// Time within which what was sent has arrived, and its response.
const REST: Duration = Duration::from_millis(1_500);
/// A leap ends this long before a due time.
const BEFORE_DUE: Duration = Duration::from_millis(100);
/// In seconds, including its waits.
const LONGEST_RUN: u32 = 30;
/// Number of events that a failure prints.
const SHOWN: usize = 60;

pub(super) struct World {
    seed: u64,
    pub(super) plan: &'static Plan,
    pub(super) random: fastrand::Rng,
    pub(super) clocks: Simulated,
    pub(super) disk: Disk,
    pub(super) targets: Targets,
    pub(super) receivers: Receivers,
    pub(super) blocked: Blocked,
    pub(super) expected: Expected,
    pub(super) checks: Vec<Arc<Check>>,
    pub(super) pings: Pings,
    pub(super) collector: Collector,
    pub(super) spool: Spool,
    /// Maintenance windows; they survive all reloads.
    pub(super) windows: Vec<Window>,
    settings: canary_alert::Settings,
    pub(super) process: Option<Process>,
    /// Health issues that are allowed, and until when.
    pub(super) allowed: BTreeMap<&'static str, Instant>,
    /// Until when the accounts may lag behind the clocks.
    pub(super) lag_allowed_until: Instant,
    /// Whether the process started without the rows of an earlier one, with an account of its own.
    pub(super) is_unread: bool,
    began: Instant,
    happened: Vec<String>,
}

impl World {
    pub(super) fn begin(seed: u64, plan: &'static Plan) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let receivers = Receivers::default();
        let mut settings = plan.alert_settings();
        for notifier in &mut settings.notifiers {
            let name = receivers::NAMES.into_iter().find(|name| **name == *notifier.name);
            *notifier = notifier.clone().received_by(receivers.receiver(name.unwrap()));
        }
        let now = Instant::now();
        let mut world = Self {
            seed,
            plan,
            clocks: Simulated::begin(noon()),
            disk: Disk::default(),
            targets: Targets::new(seed),
            receivers,
            blocked: Blocked::default(),
            expected: Expected::default(),
            checks: reloads::checks(plan, &mut random),
            pings: Pings::default(),
            collector: Collector::default(),
            spool: Spool::new(&mut random),
            windows: plan.windows(&reloads::NAMES, &mut random, noon()),
            settings,
            process: None,
            allowed: BTreeMap::new(),
            lag_allowed_until: now,
            is_unread: false,
            began: now,
            happened: Vec::new(),
            random,
        };
        world.receivers.expect_silence(&world.windows);
        world.start();
        world
    }

    /// Starts a process.
    pub(super) fn start(&mut self) {
        self.process = Some(Process::start(Start {
            settings: &self.settings,
            disk: &self.disk,
            loaded: reloads::loaded(&self.checks, &self.windows),
            targets: self.targets.clone(),
            pings: Arc::clone(&self.pings),
            blocked: self.blocked.clone(),
            collector: self.collector.clone(),
            spool: self.spool.settings(),
            exports: self.plan.exports,
        }));
        self.expected.restarted();
        self.blocked.forget_due_times();
        self.is_unread = self.disk.mode() == DiskMode::Hangs;
        if self.is_unread {
            self.expected.forget();
        }
        self.expect_lag(secs(3));
    }

    /// `kill -9`, followed by `absence` without a process.
    pub(super) async fn kill(&mut self, absence: Duration) {
        self.note(format!(
            "killed, and away for {absence:?}, disk {:?}",
            self.disk.mode()
        ));
        let durable = self.disk.durable().unwrap_or(self.began);
        let is_frozen = self.process().telemetry.is_set();
        self.collector.killed(self.spool.has_everything() && !is_frozen);
        self.process = None;
        if durable.elapsed() > UNKNOWN {
            self.receivers.forgive();
            self.expected.forget();
        }
        self.receivers.killed(durable);
        sleep(absence + Duration::from_millis(1)).await;
    }

    /// SIGTERM, followed by `absence` without a process.
    pub(super) async fn terminate(&mut self, absence: Duration) {
        let process = self.process.take().unwrap();
        let metrics = process.metrics.clone();
        let (account, has_exported) = process.stop().await;
        if !has_exported {
            self.fail("telemetry has not ended in its time");
        }
        // What found no room in the spool at the end is lost, and counted.
        self.assert_exports(&metrics);
        self.collector.killed(self.spool.has_everything());
        if account.in_flight() > 0 {
            self.fail(&format!("{} runs have no end: {account:?}", account.in_flight()));
        }
        // The last commit.
        sleep(secs(1)).await;
        self.receivers.killed(self.disk.durable().unwrap_or(self.began));
        self.process = None;
        sleep(absence).await;
    }

    pub(super) fn process(&self) -> &Process {
        self.process.as_ref().expect("it was started")
    }

    pub(super) fn reload(&mut self) {
        self.expected.reloaded();
        reloads::change(&mut self.checks, self.plan, &mut self.random);
        self.blocked.forget_due_times();
        let suite = self.checks.iter();
        let suite: Vec<_> = suite
            .map(|check| format!("{} {:?}", check.name, check.cadence))
            .collect();
        self.note(format!("reload: {suite:?}"));
        let loaded = reloads::loaded(&self.checks, &self.windows);
        self.process().reload(loaded);
    }

    /// Reloads in some worlds, at this very instant.
    pub(super) fn reload_now_and_then(&mut self) {
        if self.random.u32(..3) == 0 {
            self.reload();
        }
    }

    /// Changes the behaviour of targets, and sometimes the suite.
    pub(super) fn change_something(&mut self) {
        if self.random.u32(..3) == 0 {
            self.reload();
        }
        for check in self.checks.clone() {
            let behaviour = match self.random.u32(..8) {
                0 => targets::Behaviour::Fails,
                1 => targets::Behaviour::Warns,
                2 => targets::Behaviour::Flaps(self.random.u32(2..6)),
                3 => targets::Behaviour::Breaks,
                4 => targets::Behaviour::Panics,
                _ => targets::Behaviour::Passes,
            };
            self.targets.set(&check.name, behaviour);
        }
    }

    /// Allows this health issue for so long.
    pub(super) fn allow(&mut self, word: &'static str, time: Duration) {
        let until = self.allowed.entry(word).or_insert(self.began);
        *until = (*until).max(Instant::now() + time);
    }

    /// Allows due times to be counted late for so long.
    pub(super) fn expect_lag(&mut self, time: Duration) {
        self.lag_allowed_until = self.lag_allowed_until.max(Instant::now() + time);
    }

    /// Advances time, and checks the invariants each second, or after each leap.
    pub(super) async fn run(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            match self.plan.leap {
                Some(longest) => self.leap(until.min(Instant::now() + longest)).await,
                None => sleep(secs(1)).await,
            }
            self.observe();
        }
    }

    /// Advances at once to the next due time if no run is active, and lets its consequences finish.
    async fn leap(&self, until: Instant) {
        let next = self.blocked.next_due(&self.checks);
        let time = until.min(next).saturating_duration_since(Instant::now());
        if time > REST {
            advance(time.saturating_sub(BEFORE_DUE)).await;
        }
        sleep(secs(1)).await;
        for _ in 0..LONGEST_RUN {
            let mut goes_on = false;
            self.process()
                .statuses
                .for_each(|_, check_liveness| goes_on |= check_liveness.stage != Stage::Idle);
            if !goes_on {
                break;
            }
            sleep(secs(1)).await;
        }
        sleep(REST).await;
    }

    /// Advances until health reports this issue.
    pub(super) async fn expect(&mut self, word: &'static str, within: Duration) {
        let until = Instant::now() + within;
        while !self.issue_codes().contains(&word) {
            if Instant::now() > until {
                self.fail(&format!(
                    "health does not say `{word}` within {within:?}, but {:?}",
                    self.issue_codes()
                ));
            }
            self.run(secs(1)).await;
        }
    }

    /// The end of a seed: no alert is open, nothing is queued, and every due time is accounted for.
    pub(super) async fn finish(mut self) {
        self.recover().await;
        self.run(secs(60).max(4 * self.plan.all_ran())).await;
        let believing = self.receivers.believing();
        if !believing.is_empty() {
            self.fail(&format!("{believing:?} still believe that a check is not well"));
        }
        for table in [Table::Alert, Table::Notification] {
            if self.disk.count(table) > 0 {
                self.fail(&format!("{} rows of {table:?} are left", self.disk.count(table)));
            }
        }
        self.terminate(Duration::ZERO).await;
    }

    /// The codes of all health issues.
    pub(super) fn issue_codes(&self) -> Vec<&'static str> {
        let issues = self.process().health.check().issues;
        issues.iter().map(HealthIssue::code).collect()
    }

    /// Advances until something is received, for at most `limit`; ends at that very moment.
    pub(super) async fn run_until_received(&self, limit: Duration) {
        let (until, before) = (Instant::now() + limit, self.receivers.received());
        while self.receivers.received() == before && Instant::now() < until {
            sleep(Duration::from_millis(10)).await;
        }
    }

    pub(super) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    pub(super) fn note(&mut self, what: String) {
        let at = self.began.elapsed().as_secs();
        self.happened.push(format!("{at:>6} s  {what}"));
    }

    pub(super) fn fail(&self, what: &str) -> ! {
        let skipped = self.happened.len().saturating_sub(SHOWN);
        let happened = self.happened[skipped..].join("\n");
        let at = self.began.elapsed().as_secs();
        panic!("seed {}: {what}\n{happened}\n{at:>6} s  this", self.seed);
    }
}
