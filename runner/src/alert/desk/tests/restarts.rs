//! Restarts and reloads.

use super::*;

#[test]
fn a_restart_neither_repeats_nor_forgets() {
    let mut world = World::simple();
    world.fail("web");
    assert_eq!(world.told(), ["ops: web is down"]);
    world.restart();
    world.wait(100);
    world.fail("web");
    assert_eq!(world.told(), [""; 0]);
    world.restart();
    world.pass("web");
    assert_eq!(world.told(), ["ops: web is up again"]);
}

#[test]
fn what_was_not_delivered_is_delivered_after_a_restart_in_its_order() {
    let mut world = World::simple();
    world.fail("web");
    world.pass("web");
    world.fail("web");
    world.restart();
    assert_eq!(
        world.told(),
        ["ops: web is down", "ops: web is up again", "ops: web is down"]
    );
    world.restart();
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn an_alert_held_back_before_a_restart_is_told_when_a_run_confirms_it() {
    let mut world = World::simple();
    world.reload(|suite| suite.maintenance = vec![window(0, 60)]);
    world.fail("web");
    world.now += secs(3_600);
    world.restart();
    assert_eq!(world.told(), [""; 0]);
    world.fail("web");
    assert_eq!(world.told(), ["ops: web is down"]);
}

#[test]
fn an_alert_goes_on_over_a_restart_that_forgot_the_status() {
    let mut check = check("web");
    check.failure_threshold = 2;
    let mut world = World::new(OPS, suite(vec![check]));
    world.fail("web");
    world.fail("web");
    assert_eq!(world.told(), ["ops: web is down"]);
    world.restart();
    world.trackers.clear();
    world.fail("web");
    world.fail("web");
    assert_eq!(world.told(), [""; 0]);
    world.pass("web");
    assert_eq!(world.told(), ["ops: web is up again"]);
}

#[test]
fn the_alert_of_a_check_that_is_gone_is_over() {
    let mut world = World::simple();
    world.fail("web");
    world.told();
    world.reload(|suite| suite.checks.clear());
    assert_eq!(world.told(), ["ops: web: the alert is over"]);
    assert!(world.disk.rows(Shelf::Alert).is_empty());
    world.wait(10);
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn a_check_that_stops_telling_a_notifier_ends_its_alert_there() {
    let mut world = World::simple();
    world.fail("web");
    world.told();
    world.reload(|suite| {
        let mut quiet = check("web");
        quiet.alert.notify = Notify::None;
        suite.checks = vec![Arc::new(quiet)];
    });
    assert_eq!(world.told(), ["ops: web: the alert is over"]);
}

#[test]
fn a_run_of_a_check_that_is_gone_begins_nothing() {
    let mut world = World::simple();
    let suite = world.suite.clone();
    world.reload(|suite| suite.checks.clear());
    world.suite = suite;
    world.fail("web");
    assert_eq!(world.told(), [""; 0]);
    assert!(world.disk.rows(Shelf::Alert).is_empty());
}

#[test]
fn rows_that_make_no_sense_are_forgotten_and_those_of_a_notifier_that_is_gone() {
    let mut world = World::simple();
    world.fail("web");
    world.disk.keep(vec![
        Change::keep(Shelf::Alert, "other", "{".to_owned()),
        Change::keep(Shelf::Notification, "not a number", "{}".to_owned()),
    ]);
    world.settings = settings("notifiers: { new: { type: slack, url: 'http://127.0.0.1/' } }").unwrap();
    world.restart();
    world.wait(2);
    assert!(world.disk.rows(Shelf::Notification).is_empty());
    assert_eq!(world.disk.rows(Shelf::Alert).len(), 1);
    world.fail("web");
    assert_eq!(world.told(), ["new: web is down"]);
}

#[test]
fn what_fires_is_counted_for_each_notifier() {
    let mut world = World::new(OPS, suite(vec![check("a"), check("b")]));
    let firing = |world: &World| {
        let report = world.outbox.queue().report();
        report["ops"].firing
    };
    world.fail("a");
    world.fail("b");
    assert_eq!(firing(&world), 2);
    world.pass("a");
    assert_eq!(firing(&world), 1);
    world.restart();
    assert_eq!(firing(&world), 1);
    world.reload(|suite| suite.checks.clear());
    assert_eq!(firing(&world), 0);
}

#[test]
fn nothing_is_delivered_before_what_brought_it_about_is_kept() {
    let mut world = World::simple();
    let check = Arc::clone(world.suite.checks.first().unwrap());
    let standing = Standing {
        status: Status::Down,
        transition: Some(crate::status::Transition {
            from: Status::Up,
            to: Status::Down,
            at: noon(),
            summary: String::new(),
            consecutive: 1,
        }),
        consecutive_failures: 1,
        last_success: None,
    };
    let run = Run::plain(check, verdict(VerdictStatus::Fail), noon());
    let changes = world.desk.observe(&run, &standing, noon());
    let shelves: Vec<Shelf> = changes.iter().map(|change| change.shelf).collect();
    assert_eq!(shelves, [Shelf::Alert, Shelf::Notification]);
    assert_eq!(world.told(), [""; 0]);
    world.desk.post(&kept());
    assert_eq!(world.told(), ["ops: web is down"]);
}
