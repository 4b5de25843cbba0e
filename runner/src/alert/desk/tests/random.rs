//! Whatever happens, in whatever order: what is told makes sense.

use super::*;
use crate::alert::notification::Event;

const NAMES: [&str; 4] = ["database", "shop", "page", "lonely"];
const BOTH: &str = "remind: 2m
notifiers:
  a: { type: slack, url: 'http://127.0.0.1/' }
  b: { type: slack, url: 'http://127.0.0.1/', on: [degraded, down, unknown] }";

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

/// What somebody who gets the notifications of one check knows.
#[derive(Default)]
struct Reader {
    /// The alert that goes on, and the number of its last notification.
    open: Option<(String, u32)>,
    closed: Vec<String>,
}

impl Reader {
    fn read(&mut self, told: &Notification) {
        match (told.event, self.open.take()) {
            (Event::Firing, None) => {
                assert_eq!(told.number, 1);
                assert!(!self.closed.contains(&told.alert), "{} begins twice", told.alert);
                assert_ne!(told.status, Status::Up);
                self.open = Some((told.alert.clone(), 1));
            }
            (Event::Changed | Event::Reminder, Some((alert, number))) => {
                assert_eq!((&told.alert, told.number), (&alert, number + 1));
                assert_ne!(told.status, Status::Up);
                self.open = Some((alert, number + 1));
            }
            (Event::Resolved, Some((alert, number))) => {
                assert_eq!((&told.alert, told.number), (&alert, number + 1));
                self.closed.push(alert);
            }
            (event, open) => panic!("{event:?} of {} while {open:?}", told.alert),
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
            let notify = match random.bool() {
                true => Notify::All,
                false => Notify::Only(["b".into()].into()),
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
            for (notifier, told) in world.delivered() {
                let reader = readers.entry((notifier, told.check.id.clone())).or_default();
                reader.read(&told);
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
        assert!(world.disk.rows(Shelf::Alert).is_empty(), "seed {seed}");
        assert!(world.disk.rows(Shelf::Notification).is_empty(), "seed {seed}");
    }
}
