//! The world around the service, and what must hold in it at every moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::blocked::Blocked;
use super::expected::Expected;
use super::process::{Pings, Process, Start};
use super::receivers::{self, Receivers};
use super::targets::{self, Targets};
use super::{noon, reloads, secs};
use crate::alert;
use crate::clock::simulated::Simulated;
use crate::publish::{Board, Record, Stage};
use crate::state::Shelf;
use crate::state::simulated::{Disk, Mood};
use crate::status::Status;
use crate::suite::{Check, CheckId};
use crate::watch::health::{Complaint, Health};
use crate::watch::heartbeat::Ping;

/// How long anything may be unwell after a fault: it is told for a minute that descriptors were short.
const RECOVERY: Duration = Duration::from_secs(100);
/// The same after receivers took nothing: they are left alone for this long at most.
const BACKOFF: Duration = Duration::from_secs(6 * 60);
/// What the disk has not taken for longer than this may be delivered all the same, and be forgotten in a kill.
const UNKNOWN: Duration = Duration::from_millis(450);
/// Lines of what happened that a failure shows.
const SHOWN: usize = 60;
const ALERTS: &str = "remind: 3m
notifiers:
  chat: { type: slack, url: 'http://127.0.0.1/', timeout: 5s }
  pager: { type: slack, url: 'http://127.0.0.1/', timeout: 5s, on: [degraded, down, unknown] }";

pub(super) struct World {
    seed: u64,
    pub(super) random: fastrand::Rng,
    pub(super) clocks: Simulated,
    pub(super) disk: Disk,
    pub(super) targets: Targets,
    pub(super) receivers: Receivers,
    pub(super) blocked: Blocked,
    pub(super) expected: Expected,
    pub(super) checks: Vec<Arc<Check>>,
    pub(super) pings: Pings,
    settings: alert::Settings,
    process: Option<Process>,
    /// What health may say, and until when.
    allowed: BTreeMap<&'static str, Instant>,
    /// Until when the account may lag behind the clocks.
    unsettled: Instant,
    /// Whether the process began without the rows of an earlier one, and counted for itself.
    is_unread: bool,
    began: Instant,
    happened: Vec<String>,
}

impl World {
    pub(super) fn begin(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let receivers = Receivers::default();
        let mut settings = alert::tests::settings(ALERTS).unwrap();
        for notifier in &mut settings.notifiers {
            let name = receivers::NAMES.into_iter().find(|name| **name == *notifier.name);
            *notifier = notifier.clone().received_by(receivers.receiver(name.unwrap()));
        }
        let now = Instant::now();
        let mut world = Self {
            seed,
            clocks: Simulated::begin(noon()),
            disk: Disk::default(),
            targets: Targets::new(seed),
            receivers,
            blocked: Blocked::default(),
            expected: Expected::default(),
            checks: reloads::checks(&mut random),
            pings: Pings::default(),
            settings,
            process: None,
            allowed: BTreeMap::new(),
            unsettled: now,
            is_unread: false,
            began: now,
            happened: Vec::new(),
            random,
        };
        world.start();
        world
    }

    /// Starts a process where there is none.
    pub(super) fn start(&mut self) {
        self.process = Some(Process::start(Start {
            settings: &self.settings,
            disk: &self.disk,
            loaded: reloads::loaded(&self.checks),
            targets: self.targets.clone(),
            pings: Arc::clone(&self.pings),
            blocked: self.blocked.clone(),
        }));
        self.expected.restarted();
        self.is_unread = self.disk.mood() == Mood::Hangs;
        if self.is_unread {
            self.expected.forget();
        }
        self.unsettle(secs(3));
    }

    /// `kill -9`, and `absence` without a process.
    pub(super) async fn kill(&mut self, absence: Duration) {
        self.note(format!(
            "killed, and away for {absence:?}, disk {:?}",
            self.disk.mood()
        ));
        let durable = self.disk.durable().unwrap_or(self.began);
        self.process = None;
        if durable.elapsed() > UNKNOWN {
            self.receivers.forgive();
            self.expected.forget();
        }
        self.receivers.killed(durable);
        sleep(absence + Duration::from_millis(1)).await;
    }

    /// SIGTERM, and `absence` without a process.
    pub(super) async fn terminate(&mut self, absence: Duration) {
        let process = self.process.take().unwrap();
        let account = process.stop().await;
        if account.under_way() > 0 {
            self.fail(&format!("{} runs have no end: {account:?}", account.under_way()));
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
        reloads::change(&mut self.checks, &mut self.random);
        let suite = self.checks.iter();
        let suite: Vec<_> = suite
            .map(|check| format!("{} {:?}", check.name, check.interval))
            .collect();
        self.note(format!("reload: {suite:?}"));
        self.process().reload(reloads::loaded(&self.checks));
    }

    /// Other targets fare otherwise, and now and then there is another suite.
    pub(super) fn change_something(&mut self) {
        if self.random.u32(..3) == 0 {
            self.reload();
        }
        for check in self.checks.clone() {
            let mood = match self.random.u32(..8) {
                0 => targets::Mood::Fails,
                1 => targets::Mood::Warns,
                2 => targets::Mood::Flaps(self.random.u32(2..6)),
                3 => targets::Mood::Breaks,
                4 => targets::Mood::Panics,
                _ => targets::Mood::Passes,
            };
            self.targets.set(&check.name, mood);
        }
    }

    /// Health may say this for so long.
    pub(super) fn allow(&mut self, word: &'static str, time: Duration) {
        let until = self.allowed.entry(word).or_insert(self.began);
        *until = (*until).max(Instant::now() + time);
    }

    /// Due times may be counted late for so long.
    pub(super) fn unsettle(&mut self, time: Duration) {
        self.unsettled = self.unsettled.max(Instant::now() + time);
    }

    /// Time goes on, and everything is looked at each second.
    pub(super) async fn run(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            sleep(secs(1)).await;
            self.observe();
        }
    }

    /// Time goes on until health says this.
    pub(super) async fn expect(&mut self, word: &'static str, within: Duration) {
        let until = Instant::now() + within;
        while !self.words().contains(&word) {
            if Instant::now() > until {
                self.fail(&format!(
                    "health does not say `{word}` within {within:?}, but {:?}",
                    self.words()
                ));
            }
            self.run(secs(1)).await;
        }
    }

    /// Everything is well again, and after a while health says so.
    pub(super) async fn recover(&mut self) {
        self.note("all is well".to_owned());
        self.targets.heal();
        self.receivers.heal();
        self.disk.set(Mood::Well);
        if std::mem::take(&mut self.is_unread) {
            // The rows are there now, and what was counted before is added to them.
            sleep(secs(3)).await;
            self.expected.forget();
        }
        let is_refused = self.allowed.contains_key("notifier_failing");
        let until = Instant::now() + if is_refused { BACKOFF } else { RECOVERY };
        while !self.words().is_empty() || !self.is_delivered() {
            if Instant::now() > until {
                self.fail(&format!("health still says {:?}", self.words()));
            }
            self.run(secs(1)).await;
        }
        // A check may still wait for its next due time.
        self.run(3 * super::process::PINGS).await;
        self.allowed.clear();
        self.assert_heartbeat(2 * super::process::PINGS);
    }

    fn is_delivered(&self) -> bool {
        let report = self.process().alerts.now();
        report.notifiers.values().all(|notifier| notifier.waiting == 0)
    }

    /// There was a ping of success within this time.
    fn assert_heartbeat(&self, within: Duration) {
        let pings = self.pings.lock().unwrap();
        let is_well = |(at, ping): &(Instant, Ping)| *ping == Ping::Success && at.elapsed() < within;
        if !pings.iter().any(is_well) {
            let last: Vec<_> = pings.iter().rev().take(3).collect();
            self.fail(&format!("no heartbeat while all is well: {last:?}"));
        }
    }

    /// There was none since.
    pub(super) fn assert_no_heartbeat(&self, since: Instant) {
        let pings = self.pings.lock().unwrap();
        if pings
            .iter()
            .any(|(at, ping)| *ping == Ping::Success && *at > since)
        {
            self.fail("a heartbeat while the runner is not well");
        }
    }

    /// The end of a seed: nothing is open, nothing waits, and every due time has come to something.
    pub(super) async fn finish(mut self) {
        self.recover().await;
        self.run(secs(60)).await;
        let believing = self.receivers.believing();
        if !believing.is_empty() {
            self.fail(&format!("{believing:?} still believe that a check is not well"));
        }
        for shelf in [Shelf::Alert, Shelf::Notification] {
            if self.disk.count(shelf) > 0 {
                self.fail(&format!("{} rows of {shelf:?} are left", self.disk.count(shelf)));
            }
        }
        self.terminate(Duration::ZERO).await;
    }

    /// What health says.
    pub(super) fn words(&self) -> Vec<&'static str> {
        words(&self.process().health)
    }

    fn observe(&mut self) {
        if self.process().has_ended() {
            self.fail("a task of the service has ended");
        }
        let board = self.process().board.clone();
        let is_settled = Instant::now() > self.unsettled;
        if let Err(trouble) = self.expected.hold_against(&board, is_settled) {
            self.fail(&trouble);
        }
        if let Some(trouble) = self.receivers.trouble().or_else(|| self.targets.trouble()) {
            self.fail(&trouble);
        }
        let now = Instant::now();
        let is_allowed = |word: &&str| self.allowed.get(*word).is_some_and(|until| *until >= now);
        if let Some(word) = self.words().iter().find(|word| !is_allowed(word)) {
            let complaints = self.process().health.check().complaints;
            self.fail(&format!("health says `{word}`: {complaints:?}"));
        }
        self.assert_bounds(&board);
    }

    fn assert_bounds(&self, board: &Board) {
        let mut running = 0;
        board.each(|_, sign| running += usize::from(sign.stage == Stage::Running));
        let report = self.process().alerts.now();
        let waiting: u64 = report.notifiers.values().map(|notifier| notifier.waiting).sum();
        // Each alert has a reminder every three minutes.
        if running > targets::CONCURRENCY || waiting > 1_000 {
            self.fail(&format!("{running} runs go on, {waiting} notifications wait"));
        }
    }

    /// A check that is down is known to be so by each receiver that takes what it is sent, a moment later.
    pub(super) async fn assert_alerted(&mut self, name: &'static str) {
        let down = self.down();
        self.run(secs(3)).await;
        let down = down.iter().filter(|id| self.down().contains(id));
        let unknown: Vec<_> = down
            .filter(|id| !self.receivers.is_alerted(name, id.as_str()))
            .collect();
        if !unknown.is_empty() {
            self.fail(&format!("{unknown:?} are down, and `{name}` does not know"));
        }
    }

    fn down(&self) -> Vec<CheckId> {
        let is_down =
            |check: &Check, record: &Record| (record.status() == Status::Down).then(|| check.id.clone());
        self.process().board.choose(is_down)
    }

    /// Time goes on until something is received, for a while at most; ends at that very moment.
    pub(super) async fn run_until_received(&self, limit: Duration) {
        let (until, before) = (Instant::now() + limit, self.receivers.received());
        while self.receivers.received() == before && Instant::now() < until {
            sleep(Duration::from_millis(10)).await;
        }
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

pub(super) fn words(health: &Health) -> Vec<&'static str> {
    let complaints = health.check().complaints;
    complaints.iter().map(Complaint::word).collect()
}
