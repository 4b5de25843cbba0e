use std::time::SystemTime;

use super::*;
use crate::age::Clock;
use crate::alert::queue::Queue;
use crate::alert::queue::Turn;
use crate::alert::tests::{Disk, kept, settings};
use crate::outcome::{Fault, Outcome, Verdict, VerdictStatus};
use crate::status::{Thresholds, Tracker};
use crate::suite::{Notify, Remind, Scope, Suite, Target, Times, Window};

mod clocks;
mod holding;
mod late;
mod many;
mod random;
mod restarts;
mod silent;
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
        ..Check::plain(name, secs(30))
    }
}

fn suite(checks: Vec<Check>) -> Suite {
    Suite {
        checks: checks.into_iter().map(Arc::new).collect(),
        groups: BTreeMap::new(),
        maintenance: Vec::new(),
        variables: Vec::new(),
    }
}

/// A window over all checks, in seconds from noon.
fn window(from: u64, to: u64) -> Window {
    let times = Times::Once {
        from: noon() + secs(from),
        lasts: secs(to - from),
    };
    Window::new("upgrade", Scope::default(), times)
}

/// A desk with everything around it but a courier.
struct World {
    settings: Settings,
    suite: Suite,
    desk: Desk,
    outbox: Arc<Outbox>,
    disk: Disk,
    trackers: HashMap<CheckId, (Tracker, u64)>,
    clock: Clock,
    boots: u64,
    /// The time of day.
    wall: SystemTime,
    boot: Duration,
    /// Changes that the disk was given.
    writes: usize,
}

impl World {
    fn new(alerts: &str, suite: Suite) -> Self {
        let settings = settings(alerts).unwrap();
        let (desk, outbox) = desk(&settings, &Disk::default());
        let mut world = Self {
            settings,
            suite,
            desk,
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

    /// A world of one check called `web`, which tells `ops`.
    fn simple() -> Self {
        Self::new(OPS, suite(vec![check("web")]))
    }

    fn now(&mut self) -> Now {
        self.clock.observe(self.wall, self.boot)
    }

    /// Time goes by, and nobody looks.
    fn skip(&mut self, time: Duration) {
        self.wall += time;
        self.boot += time;
    }

    /// The machine is booted, which takes no time.
    fn reboot(&mut self) {
        self.boots += 1;
        (self.clock, self.boot) = (Clock::of_boot(self.boots), secs(60));
        self.restart();
    }

    fn reload(&mut self, change: impl FnOnce(&mut Suite)) {
        change(&mut self.suite);
        let now = self.now();
        let changes = self.desk.keep(&mut Roster::of(&self.suite), &now);
        self.write(changes);
        self.desk.post(&kept());
    }

    /// The process is killed and started again.
    fn restart(&mut self) {
        (self.desk, self.outbox) = desk(&self.settings, &self.disk);
        self.reload(|_| {});
    }

    fn write(&mut self, changes: Vec<Change>) {
        self.writes += changes.len();
        self.disk.keep(changes);
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
        let standing = Standing {
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
        let changes = self.desk.observe(&run, &standing, &now);
        self.write(changes);
        self.desk.post(&kept());
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

    /// So many seconds go by, with a tick in each.
    fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.skip(secs(1));
            let now = self.now();
            let changes = self.desk.tick(&now);
            self.write(changes);
            self.desk.post(&kept());
        }
    }

    /// Delivers all that waits: `notifier: title`.
    fn told(&mut self) -> Vec<String> {
        self.delivered()
            .iter()
            .map(|(name, told)| format!("{name}: {}", told.title()))
            .collect()
    }

    fn delivered(&mut self) -> Vec<(Arc<str>, Arc<Notification>)> {
        let mut told = Vec::new();
        let mut queue = self.outbox.queue();
        for notifier in &self.settings.notifiers {
            while let Some(entry) = Queue::next(&mut queue, &notifier.name, Turn::Fair) {
                let changes = queue.conclude(&notifier.name, None);
                self.disk.keep(changes);
                told.push((Arc::clone(&notifier.name), entry.notification));
            }
        }
        told
    }
}

fn desk(settings: &Settings, disk: &Disk) -> (Desk, Arc<Outbox>) {
    let notifiers = settings.notifiers.iter();
    let kinds = notifiers.map(|notifier| (Arc::clone(&notifier.name), notifier.kind()));
    let outbox = Arc::new(Outbox::new(kinds.collect()));
    let useless = outbox.queue().restore(&disk.rows(Shelf::Notification));
    let desk = Desk::restore(settings, &disk.rows(Shelf::Alert), Arc::clone(&outbox), useless);
    (desk, outbox)
}

fn verdict(status: VerdictStatus) -> Outcome {
    Outcome::Completed(Verdict {
        status,
        summary: format!("it is a {}", status.word()).into(),
        assertions: Vec::new(),
        measurements: Vec::new(),
        attributes: Vec::new(),
    })
}

#[test]
fn a_check_that_goes_down_is_told_once_and_once_more_when_it_is_up_again() {
    let mut world = World::simple();
    world.pass("web");
    assert_eq!(world.told(), [""; 0]);
    world.fail("web");
    world.fail("web");
    world.wait(60);
    assert_eq!(world.told(), ["ops: web is down"]);
    world.pass("web");
    world.pass("web");
    assert_eq!(world.told(), ["ops: web is up again"]);
    world.wait(60);
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn all_notifications_of_an_alert_have_one_key_and_another_alert_has_another() {
    let mut world = World::simple();
    world.fail("web");
    world.wait(10);
    world.pass("web");
    world.wait(10);
    world.fail("web");
    let keys: Vec<String> = world.delivered().iter().map(|(_, told)| told.id()).collect();
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
    assert_eq!(world.told(), [""; 0]);
    assert!(world.disk.rows(Shelf::Alert).is_empty());
}

#[test]
fn a_change_between_bad_states_is_told_and_so_is_what_it_was_before() {
    let mut world = World::simple();
    world.fail("web");
    world.break_down("web");
    assert_eq!(
        world.told(),
        ["ops: web is down", "ops: web cannot be judged, was down"]
    );
}

#[test]
fn each_notifier_hears_of_the_statuses_that_it_asks_for() {
    let alerts = "notifiers:
  all: { type: slack, url: 'http://127.0.0.1/', on: [down, degraded, unknown] }
  down: { type: slack, url: 'http://127.0.0.1/', on: [down] }";
    let mut world = World::new(alerts, suite(vec![check("web")]));
    world.pass("web");
    world.warn("web");
    assert_eq!(world.told(), ["all: web is degraded"]);
    world.fail("web");
    assert_eq!(
        world.told(),
        ["all: web is down, was degraded", "down: web is down"]
    );
    world.warn("web");
    assert_eq!(
        world.told(),
        ["all: web is degraded, was down", "down: web: the alert is over"]
    );
    world.pass("web");
    assert_eq!(world.told(), ["all: web is up again"]);
}

#[test]
fn a_check_tells_the_notifiers_that_it_names() {
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
    assert_eq!(world.told(), ["b: one is down"]);
}

#[test]
fn an_alert_that_lasts_is_told_again_at_its_interval() {
    let mut hourly = check("hourly");
    hourly.alert.remind = Remind::Every(secs(60));
    let mut never = check("never");
    never.alert.remind = Remind::Never;
    let alerts = format!("remind: 2m\n{OPS}");
    let mut world = World::new(&alerts, suite(vec![hourly, never, check("usual")]));
    for name in ["hourly", "never", "usual"] {
        world.fail(name);
    }
    assert_eq!(world.told().len(), 3);
    world.wait(59);
    assert_eq!(world.told(), [""; 0]);
    world.wait(1);
    assert_eq!(world.told(), ["ops: hourly is down, still"]);
    world.wait(60);
    assert_eq!(
        world.told(),
        ["ops: hourly is down, still", "ops: usual is down, still"]
    );
    for name in ["hourly", "never", "usual"] {
        world.pass(name);
    }
    assert_eq!(world.told().len(), 3);
    world.wait(600);
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn a_reminder_says_how_the_last_run_ended() {
    let alerts = format!("remind: 1m\n{OPS}");
    let mut world = World::new(&alerts, suite(vec![check("web")]));
    world.fail("web");
    world.told();
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
fn what_is_told_has_no_secret_of_the_target_and_one_line_of_the_summary() {
    let mut world = World::simple();
    let outcome = Outcome::Completed(Verdict {
        status: VerdictStatus::Fail,
        summary: format!("line\n{}", "x".repeat(5_000)).into(),
        assertions: Vec::new(),
        measurements: Vec::new(),
        attributes: Vec::new(),
    });
    world.run("web", outcome);
    let told = world.delivered();
    let (_, told) = told.first().unwrap();
    assert_eq!(told.check.target, "https://example.com/");
    assert!(told.summary.starts_with("line x"));
    assert_eq!(told.summary.chars().count(), 1_000);
}
