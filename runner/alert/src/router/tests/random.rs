//! For random events in any order, the notifications are consistent.

use super::*;
use crate::notification::Event;

const NAMES: [&str; 4] = ["database", "shop", "page", "lonely"];
const BOTH: &str = "repeat_interval: 2m
notifiers:
  a: { type: slack, url: 'http://127.0.0.1/' }
  b: { type: slack, url: 'http://127.0.0.1/', statuses: [degraded, down, unknown] }";

fn checks() -> Suite {
    let check = |name: &str, depends_on: &[&str]| Check {
        depends_on: depends_on.iter().map(|name| Arc::from(*name)).collect(),
        failure_threshold: 2,
        ..check(name)
    };
    suite(vec![
        check("database", &[]),
        check("shop", &["database"]),
        check("page", &["shop"]),
        check("lonely", &[]),
    ])
}

/// The view of a reader of the notifications of one check.
#[derive(Default)]
struct Reader {
    /// The open alert, and the number of its last notification.
    open: Option<(String, u32)>,
    closed: Vec<String>,
}

impl Reader {
    fn read(&mut self, sent: &Notification) {
        match (sent.event, self.open.take()) {
            (Event::Firing, None) => {
                assert_eq!(sent.number, 1);
                assert!(!self.closed.contains(&sent.alert), "{} begins twice", sent.alert);
                assert_ne!(sent.status, Status::Up);
                self.open = Some((sent.alert.clone(), 1));
            }
            (Event::Changed | Event::Reminder, Some((alert, number))) => {
                assert_eq!((&sent.alert, sent.number), (&alert, number + 1));
                assert_ne!(sent.status, Status::Up);
                self.open = Some((alert, number + 1));
            }
            (Event::Resolved, Some((alert, number))) => {
                assert_eq!((&sent.alert, sent.number), (&alert, number + 1));
                self.closed.push(alert);
            }
            (event, open) => panic!("{event:?} of {} while {open:?}", sent.alert),
        }
    }
}

fn step(world: &mut World, random: &mut fastrand::Rng) {
    let name = NAMES[random.usize(..NAMES.len())];
    match random.u32(..100) {
        0..30 => world.fail(name),
        30..55 => world.pass(name),
        55..65 => world.warn(name),
        65..75 => world.break_down(name),
        75..93 => world.wait(random.u64(1..40)),
        93..95 => {
            let from = world.wall.duration_since(noon()).unwrap_or_default().as_secs();
            let until = from + random.u64(1..200);
            world.reload(|suite| suite.maintenance = vec![window(from, until)]);
        }
        95..97 => {
            let notify = if random.bool() {
                Notify::All
            } else {
                Notify::Only(["b".into()].into())
            };
            world.reload(|suite| {
                let place = suite.checks.iter().position(|check| check.name == name).unwrap();
                let mut check = Check::clone(&suite.checks[place]);
                check.alert.notify = notify;
                suite.checks[place] = Arc::new(check);
            });
        }
        97 => world.trackers.clear(),
        98 => match random.u32(..3) {
            0 => world.wall -= Duration::from_millis(random.u64(..30_000)),
            1 => world.wall += Duration::from_millis(random.u64(..300_000)),
            _ => world.reboot(),
        },
        _ => world.restart(),
    }
}

#[test]
fn every_alert_begins_once_goes_on_in_order_and_ends() {
    for seed in 0..150 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut world = World::new(BOTH, checks());
        let mut readers: BTreeMap<(Arc<str>, String), Reader> = BTreeMap::new();
        let mut read = |world: &mut World| {
            for (notifier, sent) in world.delivered() {
                let reader = readers.entry((notifier, sent.check.id.clone())).or_default();
                reader.read(&sent);
            }
        };
        for _ in 0..400 {
            world.skip(secs(1));
            step(&mut world, &mut random);
            // Sometimes a receiver is away for a while.
            if random.u32(..4) == 0 {
                read(&mut world);
            }
        }
        for name in NAMES {
            world.skip(secs(1));
            world.pass(name);
            world.pass(name);
        }
        read(&mut world);
        for ((notifier, check), reader) in &readers {
            assert_eq!(
                reader.open, None,
                "seed {seed}: `{notifier}` still thinks `{check}` is bad"
            );
        }
        assert!(world.disk.rows(Table::Alert).is_empty(), "seed {seed}");
        assert!(world.disk.rows(Table::Notification).is_empty(), "seed {seed}");
    }
}
