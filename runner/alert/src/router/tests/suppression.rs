//! Maintenance and dependencies.

use super::*;

/// A database, a shop that depends on it, and a page that depends on the shop.
fn chain() -> Suite {
    let mut shop = check("shop");
    shop.depends_on = ["database".into()].into();
    let mut page = check("page");
    page.depends_on = ["shop".into()].into();
    suite(vec![check("database"), shop, page])
}

#[test]
fn what_is_still_bad_when_maintenance_ends_is_notified_then() {
    let mut world = World::simple();
    world.reload(|suite| suite.maintenance = vec![window(0, 60)]);
    world.fail("web");
    world.wait(59);
    assert_eq!(world.sent(), [""; 0]);
    world.wait(10);
    assert_eq!(world.sent(), ["ops: web is down"]);
}

#[test]
fn what_is_suppressed_is_not_resent() {
    let mut world = World::simple();
    world.reload(|suite| suite.maintenance = vec![window(0, 60)]);
    world.fail("web");
    assert_eq!(world.router.firing_alerts("ops"), []);
    assert_eq!(world.outbox.queue().report()["ops"].firing, 0);
    world.wait(70);
    let check_status = world.router.firing_alerts("ops");
    assert_eq!(
        (check_status.len(), check_status[0].event, check_status[0].number),
        (1, Event::Firing, 1)
    );
    assert_eq!(world.router.firing_alerts("nobody"), []);
}

#[test]
fn a_check_has_an_interval_and_its_time_out_to_follow_the_one_it_depends_on() {
    let mut world = World::new(OPS, chain());
    world.fail("database");
    world.fail("shop");
    assert_eq!(world.sent(), ["ops: database is down"]);
    world.wait(2);
    world.pass("database");
    assert_eq!(world.sent(), ["ops: database is up again"]);
    // It is evaluated every 5 s, and has 35 s from the first evaluation on.
    world.wait(37);
    assert_eq!(world.sent(), [""; 0]);
    world.wait(2);
    assert_eq!(world.sent(), ["ops: shop is down"]);
}

#[test]
fn a_run_that_began_before_the_dependency_was_well_says_nothing() {
    let mut world = World::new(OPS, chain());
    world.fail("database");
    world.fail("shop");
    let before = world.wall;
    world.wait(2);
    world.pass("database");
    world.wait(5);
    world.sent();
    world.run_from(before, "shop", verdict(VerdictStatus::Fail));
    assert_eq!(world.sent(), [""; 0]);
    world.fail("shop");
    assert_eq!(world.sent(), ["ops: shop is down"]);
}

#[test]
fn what_recovers_within_maintenance_is_never_notified() {
    let mut world = World::simple();
    world.reload(|suite| suite.maintenance = vec![window(0, 60)]);
    world.fail("web");
    world.wait(30);
    world.pass("web");
    world.wait(100);
    assert_eq!(world.sent(), [""; 0]);
    assert!(world.disk.rows(Table::Alert).is_empty());
}

#[test]
fn an_alert_sent_before_maintenance_is_not_repeated_in_it_but_its_end_is_sent() {
    let alerts = format!("repeat_interval: 1m\n{OPS}");
    let mut world = World::new(&alerts, suite(vec![check("web")]));
    world.fail("web");
    assert_eq!(world.sent(), ["ops: web is down"]);
    world.reload(|suite| suite.maintenance = vec![window(0, 600)]);
    world.wait(300);
    world.break_down("web");
    assert_eq!(world.sent(), [""; 0]);
    world.pass("web");
    assert_eq!(world.sent(), ["ops: web is up again"]);
}

#[test]
fn a_check_whose_dependency_is_down_is_not_notified() {
    let mut world = World::new(OPS, chain());
    world.fail("database");
    world.fail("shop");
    world.fail("page");
    world.wait(300);
    assert_eq!(world.sent(), ["ops: database is down"]);
    world.pass("database");
    world.pass("shop");
    world.pass("page");
    world.wait(300);
    assert_eq!(world.sent(), ["ops: database is up again"]);
}

#[test]
fn a_dependency_counts_through_a_check_that_is_well() {
    let mut world = World::new(OPS, chain());
    world.fail("database");
    world.pass("shop");
    world.fail("page");
    world.wait(300);
    assert_eq!(world.sent(), ["ops: database is down"]);
}

#[test]
fn a_dependency_that_notifies_nobody_counts_all_the_same() {
    let mut world = World::new(OPS, chain());
    world.reload(|suite| {
        let mut quiet = check("database");
        quiet.alert.notify = Notify::None;
        suite.checks[0] = Arc::new(quiet);
    });
    world.fail("database");
    world.fail("shop");
    assert_eq!(world.sent(), [""; 0]);
}

#[test]
fn a_degraded_dependency_explains_nothing() {
    let mut world = World::new(OPS, chain());
    world.pass("database");
    world.warn("database");
    world.fail("shop");
    assert_eq!(world.sent(), ["ops: shop is down"]);
}

#[test]
fn a_check_has_one_run_to_follow_its_dependency() {
    let mut world = World::new(OPS, chain());
    world.fail("database");
    world.fail("shop");
    world.pass("database");
    world.wait(20);
    assert_eq!(
        world.sent(),
        ["ops: database is down", "ops: database is up again"]
    );
    world.fail("shop");
    assert_eq!(world.sent(), ["ops: shop is down"]);
}

#[test]
fn a_check_that_does_not_run_again_is_notified_after_an_interval() {
    let mut world = World::new(OPS, chain());
    world.fail("database");
    world.fail("shop");
    world.pass("database");
    world.sent();
    world.wait(30);
    assert_eq!(world.sent(), [""; 0]);
    world.wait(15);
    assert_eq!(world.sent(), ["ops: shop is down"]);
}

#[test]
fn targets_of_one_name_do_not_suppress_each_other() {
    let target = |id: &str| Check {
        id: CheckId::new(id),
        depends_on: ["web".into()].into(),
        ..check("web")
    };
    let suite = suite(vec![target("web@a"), target("web@b")]);
    let mut world = World::new(OPS, suite);
    world.fail("web");
    assert_eq!(world.sent(), ["ops: web@a is down"]);
}

#[test]
fn an_alert_counts_from_when_the_check_got_the_status_that_it_is_about() {
    let alerts = "notifiers: { ops: { type: slack, url: 'http://127.0.0.1/', statuses: [down] } }";
    let mut world = World::new(alerts, suite(vec![check("web")]));
    world.warn("web");
    world.skip(secs(100));
    world.fail("web");
    let sent = world.delivered();
    assert_eq!(sent[0].1.since, noon() + secs(100));

    let mut world = World::simple();
    world.reload(|suite| suite.maintenance = vec![window(0, 60)]);
    world.fail("web");
    for _ in 0..2 {
        world.skip(secs(50));
        world.fail("web");
    }
    let sent = world.delivered();
    assert_eq!((sent.len(), sent[0].1.since), (1, noon()));
}
