//! Rows of an earlier process that come when this one is at work already.

use super::*;

/// What an earlier process left, and a world after it that does not have it yet: nothing of its own is on disk.
fn unread(mut earlier: World) -> (Disk, World) {
    let disk = std::mem::take(&mut earlier.disk);
    (earlier.desk, earlier.outbox) = desk(&earlier.settings, &Disk::default());
    earlier.desk.await_rows(earlier.wall);
    // Nobody knows the statuses either; the board's own tests show how they are merged.
    earlier.reload(|_| {});
    (disk, earlier)
}

impl World {
    /// The rows are there; each check's last run is observed again, as it stands by them.
    fn read(&mut self, disk: &Disk, standings: &[(&str, Status, Status)]) {
        let (alerts, notifications) = (disk.rows(Shelf::Alert), disk.rows(Shelf::Notification));
        let now = self.now();
        self.desk.adopt(&alerts, &notifications, &now);
        self.release(standings);
    }

    fn release(&mut self, standings: &[(&str, Status, Status)]) {
        let now = self.now();
        self.desk.release(&now);
        for (name, from, to) in standings {
            let check = self
                .suite
                .checks
                .iter()
                .find(|check| check.name == *name)
                .unwrap();
            let status = match to {
                Status::Up => VerdictStatus::Pass,
                _ => VerdictStatus::Fail,
            };
            let run = Run::plain(Arc::clone(check), verdict(status), self.wall);
            let transition = (from != to).then(|| crate::status::Transition {
                from: *from,
                to: *to,
                at: self.wall,
                summary: run.outcome.summary(),
                consecutive: 1,
            });
            let standing = Standing {
                status: *to,
                transition,
                consecutive_failures: 1,
                last_success: None,
            };
            let now = self.now();
            self.desk.observe(&run, &standing, &now);
        }
        let written = self.desk.put_all(Vec::new(), |all| {
            self.disk = Disk::default();
            self.disk.keep(all);
            kept()
        });
        self.desk.post(&written);
    }
}

#[test]
fn what_was_told_before_is_not_told_again_and_its_end_is() {
    let mut earlier = World::simple();
    earlier.fail("web");
    assert_eq!(earlier.told(), ["ops: web is down"]);
    let (disk, mut world) = unread(earlier);
    world.fail("web");
    world.wait(30);
    assert_eq!(world.told(), [""; 0]);
    world.read(&disk, &[("web", Status::Down, Status::Down)]);
    assert_eq!(world.told(), [""; 0]);
    world.pass("web");
    assert_eq!(world.told(), ["ops: web is up again"]);
    world.restart();
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn what_changed_while_nobody_knew_is_told_once() {
    let mut earlier = World::simple();
    earlier.fail("web");
    earlier.told();
    let (disk, mut world) = unread(earlier);
    world.pass("web");
    world.read(&disk, &[("web", Status::Down, Status::Up)]);
    assert_eq!(world.told(), ["ops: web is up again"]);

    let (disk, mut world) = unread(World::simple());
    world.fail("web");
    assert_eq!(world.told(), [""; 0]);
    world.read(&disk, &[("web", Status::Up, Status::Down)]);
    assert_eq!(world.told(), ["ops: web is down"]);
    world.restart();
    world.fail("web");
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn an_alert_that_nobody_asks_for_any_more_by_then_is_over() {
    let gone: fn(&mut Suite) = |suite| suite.checks.clear();
    let quiet: fn(&mut Suite) = |suite| {
        let mut check = check("web");
        check.alert.notify = Notify::None;
        suite.checks = vec![Arc::new(check)];
    };
    for change in [gone, quiet] {
        let mut earlier = World::simple();
        earlier.fail("web");
        earlier.told();
        change(&mut earlier.suite);
        let (disk, mut world) = unread(earlier);
        world.wait(30);
        world.read(&disk, &[]);
        world.wait(1);
        assert_eq!(world.told(), ["ops: web: the alert is over"]);
        assert_eq!(world.desk.standing("ops"), []);
        world.restart();
        world.wait(30);
        assert_eq!(world.told(), [""; 0]);
    }
}

#[test]
fn what_fires_is_handed_to_those_who_hear_of_it_again_and_to_no_others() {
    for (kind, count) in [("slack", 0), ("alertmanager", 1)] {
        let alerts = format!("notifiers: {{ ops: {{ type: {kind}, url: 'http://127.0.0.1/' }} }}");
        let mut earlier = World::new(&alerts, suite(vec![check("web")]));
        earlier.fail("web");
        earlier.told();
        let (disk, mut world) = unread(earlier);
        world.read(&disk, &[]);
        assert_eq!(world.outbox.take_standing("ops").len(), count, "{kind}");
    }
}

#[test]
fn what_waited_in_the_queue_goes_first_and_once() {
    let mut earlier = World::simple();
    earlier.fail("web");
    earlier.pass("web");
    let (disk, mut world) = unread(earlier);
    world.fail("web");
    world.read(&disk, &[("web", Status::Up, Status::Down)]);
    assert_eq!(
        world.told(),
        ["ops: web is down", "ops: web is up again", "ops: web is down"]
    );
    world.restart();
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn rows_that_come_after_the_limit_close_the_alert_that_was_told_twice() {
    let mut earlier = World::simple();
    earlier.fail("web");
    let first = earlier.delivered()[0].1.alert.clone();
    let (disk, mut world) = unread(earlier);
    world.skip(secs(60));
    world.fail("web");
    world.release(&[("web", Status::Unknown, Status::Down)]);
    assert_eq!(world.told(), ["ops: web is down"]);
    world.read(&disk, &[("web", Status::Down, Status::Down)]);
    let closed = world.delivered();
    assert_eq!((closed.len(), &closed[0].1.alert), (1, &first));
    assert_eq!(closed[0].1.event, Event::Resolved);
    world.pass("web");
    let closed = world.delivered();
    assert!(closed.len() == 1 && closed[0].1.alert != first);
}

#[test]
fn numbers_of_an_earlier_process_with_a_clock_ahead_are_no_ones_else() {
    let mut earlier = World::simple();
    let ahead = earlier.wall + secs(1_000);
    earlier.desk.await_rows(ahead);
    let now = earlier.now();
    earlier.desk.release(&now);
    earlier.fail("web");
    let (disk, mut world) = unread(earlier);
    world.desk.await_rows(world.wall + secs(1_000));
    let now = world.now();
    world.desk.release(&now);
    world.trackers.clear();
    world.fail("web");
    world.read(&disk, &[]);
    // Of two alerts that are both told, the earlier one is over at once.
    let events: Vec<Event> = world.delivered().iter().map(|(_, told)| told.event).collect();
    assert_eq!(events, [Event::Firing, Event::Firing, Event::Resolved]);
    assert_eq!(world.disk.rows(Shelf::Notification), []);
}
