//! Rows of an earlier process that arrive when this one is running already.

use super::*;

/// The rows of an earlier process, and its successor, which has not read them and has none of its own.
fn unread(mut earlier: World) -> (Disk, World) {
    let disk = std::mem::take(&mut earlier.disk);
    (earlier.router, earlier.outbox) = router(&earlier.settings, &Disk::default());
    earlier.router.await_rows(earlier.wall);
    // The statuses are unknown too; the tests of the status store show how they are merged.
    earlier.reload(|_| {});
    (disk, earlier)
}

impl World {
    /// The rows arrive; the last run of each check is observed again with the merged status.
    fn read(&mut self, disk: &Disk, statuses: &[(&str, Status, Status)]) {
        let (alerts, notifications) = (disk.rows(Table::Alert), disk.rows(Table::Notification));
        let now = self.now();
        self.router.restore_late(&alerts, &notifications, &now);
        self.release(statuses);
    }

    fn release(&mut self, statuses: &[(&str, Status, Status)]) {
        let now = self.now();
        self.router.resume(&now);
        for (name, from, to) in statuses {
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
            let transition = (from != to).then(|| canary_run::status::Transition {
                from: *from,
                to: *to,
                at: self.wall,
                summary: run.outcome.summary(),
                consecutive: 1,
            });
            let check_status = CheckStatus {
                status: *to,
                transition,
                consecutive_failures: 1,
                last_success: None,
            };
            let now = self.now();
            self.router.observe(&run, &check_status, &now);
        }
        let written = self.router.persist_all(Vec::new(), |all| {
            self.disk = Disk::default();
            self.disk.apply(all);
            committed()
        });
        self.router.dispatch(&written);
    }
}

#[test]
fn what_was_sent_before_is_not_sent_again_and_its_end_is() {
    let mut earlier = World::simple();
    earlier.fail("web");
    assert_eq!(earlier.sent(), ["ops: web is down"]);
    let (disk, mut world) = unread(earlier);
    world.fail("web");
    world.wait(30);
    assert_eq!(world.sent(), [""; 0]);
    world.read(&disk, &[("web", Status::Down, Status::Down)]);
    assert_eq!(world.sent(), [""; 0]);
    world.pass("web");
    assert_eq!(world.sent(), ["ops: web is up again"]);
    world.restart();
    assert_eq!(world.sent(), [""; 0]);
}

#[test]
fn what_was_read_late_is_on_disk_for_the_next_process() {
    let mut earlier = World::simple();
    earlier.fail("web");
    earlier.sent();
    let (disk, mut world) = unread(earlier);
    world.read(&disk, &[("web", Status::Down, Status::Down)]);
    world.restart();
    world.pass("web");
    assert_eq!(world.sent(), ["ops: web is up again"]);

    let mut earlier = World::simple();
    earlier.fail("web");
    let (disk, mut world) = unread(earlier);
    world.read(&disk, &[("web", Status::Down, Status::Down)]);
    world.restart();
    assert_eq!(world.sent(), ["ops: web is down"]);
}

#[test]
fn what_changed_before_the_rows_were_read_is_sent_once() {
    let mut earlier = World::simple();
    earlier.fail("web");
    earlier.sent();
    let (disk, mut world) = unread(earlier);
    world.pass("web");
    world.read(&disk, &[("web", Status::Down, Status::Up)]);
    assert_eq!(world.sent(), ["ops: web is up again"]);

    let (disk, mut world) = unread(World::simple());
    world.fail("web");
    assert_eq!(world.sent(), [""; 0]);
    world.read(&disk, &[("web", Status::Up, Status::Down)]);
    assert_eq!(world.sent(), ["ops: web is down"]);
    world.restart();
    world.fail("web");
    assert_eq!(world.sent(), [""; 0]);
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
        earlier.sent();
        change(&mut earlier.suite);
        let (disk, mut world) = unread(earlier);
        world.wait(30);
        world.read(&disk, &[]);
        world.wait(1);
        assert_eq!(world.sent(), ["ops: web: alert resolved"]);
        assert_eq!(world.router.firing_alerts("ops"), []);
        world.restart();
        world.wait(30);
        assert_eq!(world.sent(), [""; 0]);
    }
}

#[test]
fn firing_alerts_are_handed_to_receivers_that_expect_resends_and_to_no_others() {
    for (kind, count) in [("slack", 0), ("alertmanager", 1)] {
        let alerts = format!("notifiers: {{ ops: {{ type: {kind}, url: 'http://127.0.0.1/' }} }}");
        let mut earlier = World::new(&alerts, suite(vec![check("web")]));
        earlier.fail("web");
        earlier.sent();
        let (disk, mut world) = unread(earlier);
        world.read(&disk, &[]);
        assert_eq!(world.outbox.take_restored_firing("ops").len(), count, "{kind}");
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
        world.sent(),
        ["ops: web is down", "ops: web is up again", "ops: web is down"]
    );
    world.restart();
    assert_eq!(world.sent(), [""; 0]);
}

#[test]
fn rows_that_come_after_the_limit_close_the_alert_that_was_sent_twice() {
    let mut earlier = World::simple();
    earlier.fail("web");
    let first = earlier.delivered()[0].1.alert.clone();
    let (disk, mut world) = unread(earlier);
    world.skip(secs(60));
    world.fail("web");
    world.release(&[("web", Status::Unknown, Status::Down)]);
    assert_eq!(world.sent(), ["ops: web is down"]);
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
    earlier.router.await_rows(ahead);
    let now = earlier.now();
    earlier.router.resume(&now);
    earlier.fail("web");
    let (disk, mut world) = unread(earlier);
    world.router.await_rows(world.wall + secs(1_000));
    let now = world.now();
    world.router.resume(&now);
    world.trackers.clear();
    world.fail("web");
    world.read(&disk, &[]);
    // If both alerts were sent, the earlier one is resolved at once.
    let events: Vec<Event> = world.delivered().iter().map(|(_, sent)| sent.event).collect();
    assert_eq!(events, [Event::Firing, Event::Firing, Event::Resolved]);
    assert_eq!(world.disk.rows(Table::Notification), []);
}
