use std::time::SystemTime;

use super::*;
use crate::queue::{Queue, Selection};
use crate::tests::{Disk, committed, settings};
use canary_run::outcome::{Fault, Outcome, Verdict, VerdictStatus};
use canary_run::status::{Thresholds, Tracker};
use canary_suite::{Notify, RepeatInterval, Scope, Suite, Target, Times, Window};
use canary_system::age::Clock;

mod clocks;
mod late;
mod many;
mod random;
mod restarts;
mod silent;
mod suppression;
mod unknown;

const OPS: &str = "notifiers: { ops: { type: slack, url: 'http://127.0.0.1/' } }";

fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_014_400)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A check that changes its status with every verdict.
fn check(name: &str) -> Check {
    Check {
        plugin: "http".to_owned(),
        target: Target::new("https://user:pass@example.com/?q"),
        timeout: secs(5),
        failure_threshold: 1,
        ..Check::minimal(name, secs(30))
    }
}

fn suite(checks: Vec<Check>) -> Suite {
    Suite {
        checks: checks.into_iter().map(Arc::new).collect(),
        disabled: Vec::new(),
        groups: BTreeMap::new(),
        maintenance: Vec::new(),
        variables: Vec::new(),
    }
}

/// A window over all checks, in seconds from noon.
fn window(from: u64, to: u64) -> Window {
    let times = Times::Once {
        from: noon() + secs(from),
        duration: secs(to - from),
    };
    Window::new("upgrade", Scope::default(), times)
}

/// A router with everything it needs but a dispatcher.
struct World {
    settings: Settings,
    suite: Suite,
    router: AlertRouter,
    outbox: Arc<Outbox>,
    disk: Disk,
    trackers: HashMap<CheckId, (Tracker, u64)>,
    clock: Clock,
    boots: u64,
    /// The time of day.
    wall: SystemTime,
    boot: Duration,
    /// Number of changes written to disk.
    writes: usize,
}

impl World {
    fn new(alerts: &str, suite: Suite) -> Self {
        let settings = settings(alerts).unwrap();
        let (router, outbox) = router(&settings, &Disk::default());
        let mut world = Self {
            settings,
            suite,
            router,
            outbox,
            disk: Disk::default(),
            trackers: HashMap::new(),
            clock: Clock::of_boot(1),
            boots: 1,
            wall: noon(),
            boot: secs(3_600),
            writes: 0,
        };
        world.reload(|_| {});
        world
    }

    /// A world with one check `web`, which notifies `ops`.
    fn simple() -> Self {
        Self::new(OPS, suite(vec![check("web")]))
    }

    fn now(&mut self) -> Now {
        self.clock.observe(self.wall, self.boot)
    }

    /// Time passes without a tick.
    fn skip(&mut self, time: Duration) {
        self.wall += time;
        self.boot += time;
    }

    /// The machine reboots instantly.
    fn reboot(&mut self) {
        self.boots += 1;
        (self.clock, self.boot) = (Clock::of_boot(self.boots), secs(60));
        self.restart();
    }

    fn reload(&mut self, change: impl FnOnce(&mut Suite)) {
        change(&mut self.suite);
        let now = self.now();
        let changes = self.router.apply_suite(&mut SuiteIndex::new(&self.suite), &now);
        self.write(changes);
        self.router.dispatch(&committed());
    }

    /// The process is killed and started again.
    fn restart(&mut self) {
        (self.router, self.outbox) = router(&self.settings, &self.disk);
        self.reload(|_| {});
    }

    fn write(&mut self, changes: Vec<Change>) {
        self.writes += changes.len();
        self.disk.apply(changes);
    }

    fn run(&mut self, name: &str, outcome: Outcome) {
        self.run_from(self.wall, name, outcome);
    }

    /// A run that began earlier, and ends now.
    fn run_from(&mut self, began: SystemTime, name: &str, outcome: Outcome) {
        let found = self.suite.checks.iter().find(|check| check.name == name);
        let check = Arc::clone(found.unwrap());
        let (tracker, failures) = self.trackers.entry(check.id.clone()).or_default();
        let transition = tracker.observe(&outcome, Thresholds::from(check.as_ref()), self.wall);
        *failures = if outcome.is_good() { 0 } else { *failures + 1 };
        let check_status = CheckStatus {
            status: tracker.status(),
            transition,
            consecutive_failures: *failures,
            last_success: None,
        };
        let run = Run {
            duration: self.wall.duration_since(began).unwrap_or_default(),
            ..Run::plain(check, outcome, began)
        };
        let now = self.now();
        let changes = self.router.observe(&run, &check_status, &now);
        self.write(changes);
        self.router.dispatch(&committed());
    }

    fn pass(&mut self, name: &str) {
        self.run(name, verdict(VerdictStatus::Pass));
    }

    fn warn(&mut self, name: &str) {
        self.run(name, verdict(VerdictStatus::Warn));
    }

    fn fail(&mut self, name: &str) {
        self.run(name, verdict(VerdictStatus::Fail));
    }

    fn break_down(&mut self, name: &str) {
        self.run(name, Outcome::Faulted(Fault::Trap("unreachable".into())));
    }

    /// Lets so many seconds pass, with a tick in each.
    fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.skip(secs(1));
            let now = self.now();
            let changes = self.router.tick(&now);
            self.write(changes);
            self.router.dispatch(&committed());
        }
    }

    /// Delivers everything queued, and returns it as `notifier: title`.
    fn sent(&mut self) -> Vec<String> {
        self.delivered()
            .iter()
            .map(|(name, sent)| format!("{name}: {}", sent.title()))
            .collect()
    }

    fn delivered(&mut self) -> Vec<(Arc<str>, Arc<Notification>)> {
        let mut sent = Vec::new();
        let mut queue = self.outbox.queue();
        for notifier in &self.settings.notifiers {
            while let Some(entry) = Queue::next(&mut queue, &notifier.name, Selection::Fair) {
                let changes = queue.finish(&notifier.name, None);
                self.disk.apply(changes);
                sent.push((Arc::clone(&notifier.name), entry.notification));
            }
        }
        sent
    }
}

fn router(settings: &Settings, disk: &Disk) -> (AlertRouter, Arc<Outbox>) {
    let notifiers = settings.notifiers.iter();
    let kinds = notifiers.map(|notifier| (Arc::clone(&notifier.name), notifier.type_name()));
    let outbox = Arc::new(Outbox::new(kinds.collect()));
    let unusable = outbox.queue().restore(&disk.rows(Table::Notification));
    let router = AlertRouter::restore(settings, &disk.rows(Table::Alert), Arc::clone(&outbox), unusable);
    (router, outbox)
}

fn verdict(status: VerdictStatus) -> Outcome {
    Outcome::Completed(Verdict {
        status,
        summary: format!("it is a {}", status.as_str()).into(),
        assertions: Vec::new(),
        measurements: Vec::new(),
        attributes: Vec::new(),
    })
}

#[test]
fn a_check_that_goes_down_is_notified_once_and_once_more_when_it_is_up_again() {
    let mut world = World::simple();
    world.pass("web");
    assert_eq!(world.sent(), [""; 0]);
    world.fail("web");
    world.fail("web");
    world.wait(60);
    assert_eq!(world.sent(), ["ops: web is down"]);
    world.pass("web");
    world.pass("web");
    assert_eq!(world.sent(), ["ops: web is up again"]);
    world.wait(60);
    assert_eq!(world.sent(), [""; 0]);
}

#[test]
fn all_notifications_of_an_alert_have_one_key_and_another_alert_has_another() {
    let mut world = World::simple();
    world.fail("web");
    world.wait(10);
    world.pass("web");
    world.wait(10);
    world.fail("web");
    let keys: Vec<String> = world.delivered().iter().map(|(_, sent)| sent.id()).collect();
    assert_eq!(
        keys,
        [
            "web/1800014400000/1",
            "web/1800014400000/2",
            "web/1800014420000/1"
        ]
    );
}

#[test]
fn a_new_check_that_is_well_alerts_nobody() {
    let mut world = World::simple();
    world.pass("web");
    world.wait(100);
    assert_eq!(world.sent(), [""; 0]);
    assert!(world.disk.rows(Table::Alert).is_empty());
}

#[test]
fn a_change_between_bad_states_is_notified_with_the_previous_status() {
    let mut world = World::simple();
    world.fail("web");
    world.break_down("web");
    assert_eq!(
        world.sent(),
        ["ops: web is down", "ops: web is unknown, was down"]
    );
}

#[test]
fn each_notifier_is_notified_of_the_statuses_that_it_subscribes_to() {
    let alerts = "notifiers:
  all: { type: slack, url: 'http://127.0.0.1/', statuses: [down, degraded, unknown] }
  down: { type: slack, url: 'http://127.0.0.1/', statuses: [down] }";
    let mut world = World::new(alerts, suite(vec![check("web")]));
    world.pass("web");
    world.warn("web");
    assert_eq!(world.sent(), ["all: web is degraded"]);
    world.fail("web");
    assert_eq!(
        world.sent(),
        ["all: web is down, was degraded", "down: web is down"]
    );
    world.warn("web");
    assert_eq!(
        world.sent(),
        ["all: web is degraded, was down", "down: web: alert resolved"]
    );
    world.pass("web");
    assert_eq!(world.sent(), ["all: web is up again"]);
}

#[test]
fn a_check_notifies_the_notifiers_that_it_names() {
    let alerts = "notifiers:
  a: { type: slack, url: 'http://127.0.0.1/' }
  b: { type: slack, url: 'http://127.0.0.1/' }";
    let mut one = check("one");
    one.alert.notify = Notify::Only(["b".into()].into());
    let mut nobody = check("nobody");
    nobody.alert.notify = Notify::None;
    let mut world = World::new(alerts, suite(vec![one, nobody]));
    world.fail("one");
    world.fail("nobody");
    assert_eq!(world.sent(), ["b: one is down"]);
}

#[test]
fn an_alert_that_lasts_is_repeated_at_its_interval() {
    let mut hourly = check("hourly");
    hourly.alert.repeat_interval = RepeatInterval::Every(secs(60));
    let mut never = check("never");
    never.alert.repeat_interval = RepeatInterval::Never;
    let alerts = format!("repeat_interval: 2m\n{OPS}");
    let mut world = World::new(&alerts, suite(vec![hourly, never, check("usual")]));
    for name in ["hourly", "never", "usual"] {
        world.fail(name);
    }
    assert_eq!(world.sent().len(), 3);
    world.wait(59);
    assert_eq!(world.sent(), [""; 0]);
    world.wait(1);
    assert_eq!(world.sent(), ["ops: hourly is down, still"]);
    world.wait(60);
    assert_eq!(
        world.sent(),
        ["ops: hourly is down, still", "ops: usual is down, still"]
    );
    for name in ["hourly", "never", "usual"] {
        world.pass(name);
    }
    assert_eq!(world.sent().len(), 3);
    world.wait(600);
    assert_eq!(world.sent(), [""; 0]);
}

#[test]
fn a_reminder_says_how_the_last_run_ended() {
    let alerts = format!("repeat_interval: 1m\n{OPS}");
    let mut world = World::new(&alerts, suite(vec![check("web")]));
    world.fail("web");
    world.sent();
    let outcome = Outcome::Completed(Verdict {
        status: VerdictStatus::Fail,
        summary: "worse than before".into(),
        assertions: Vec::new(),
        measurements: Vec::new(),
        attributes: Vec::new(),
    });
    world.run("web", outcome);
    world.wait(60);
    let (_, reminder) = world.delivered().remove(0);
    assert_eq!(
        (reminder.event, reminder.consecutive_failures),
        (Event::Reminder, 2)
    );
    assert_eq!(reminder.summary, "worse than before");
}

#[test]
fn a_notification_has_no_secret_of_the_target_and_one_line_of_the_summary() {
    let mut world = World::simple();
    let outcome = Outcome::Completed(Verdict {
        status: VerdictStatus::Fail,
        summary: format!("line\n{}", "x".repeat(5_000)).into(),
        assertions: Vec::new(),
        measurements: Vec::new(),
        attributes: Vec::new(),
    });
    world.run("web", outcome);
    let sent = world.delivered();
    let (_, sent) = sent.first().unwrap();
    assert_eq!(sent.check.target, "https://example.com/");
    assert!(sent.summary.starts_with("line x"));
    assert_eq!(sent.summary.chars().count(), 1_000);
}
