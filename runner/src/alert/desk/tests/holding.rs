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
fn what_is_still_bad_when_maintenance_ends_is_told_then() {
    let mut world = World::simple();
    world.reload(|suite| suite.maintenance = vec![window(0, 60)]);
    world.fail("web");
    world.wait(59);
    assert_eq!(world.told(), [""; 0]);
    world.wait(10);
    assert_eq!(world.told(), ["ops: web is down"]);
}

#[test]
fn what_is_held_back_is_not_among_what_is_sent_again_and_again() {
    let mut world = World::simple();
    world.reload(|suite| suite.maintenance = vec![window(0, 60)]);
    world.fail("web");
    assert_eq!(world.desk.standing("ops"), []);
    assert_eq!(world.outbox.queue().report()["ops"].firing, 0);
    world.wait(70);
    let standing = world.desk.standing("ops");
    assert_eq!(
        (standing.len(), standing[0].event, standing[0].number),
        (1, Event::Firing, 1)
    );
    assert_eq!(world.desk.standing("nobody"), []);
}

#[test]
fn a_check_has_an_interval_and_its_time_out_to_follow_the_one_it_depends_on() {
    let mut world = World::new(OPS, chain());
    world.fail("database");
    world.fail("shop");
    assert_eq!(world.told(), ["ops: database is down"]);
    world.wait(2);
    world.pass("database");
    assert_eq!(world.told(), ["ops: database is up again"]);
    // It is looked at every 5 s, and has 35 s from the first look on.
    world.wait(37);
    assert_eq!(world.told(), [""; 0]);
    world.wait(2);
    assert_eq!(world.told(), ["ops: shop is down"]);
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
    world.told();
    world.run_from(before, "shop", verdict(VerdictStatus::Fail));
    assert_eq!(world.told(), [""; 0]);
    world.fail("shop");
    assert_eq!(world.told(), ["ops: shop is down"]);
}

#[test]
fn what_recovers_within_maintenance_is_never_told() {
    let mut world = World::simple();
    world.reload(|suite| suite.maintenance = vec![window(0, 60)]);
    world.fail("web");
    world.wait(30);
    world.pass("web");
    world.wait(100);
    assert_eq!(world.told(), [""; 0]);
    assert!(world.disk.rows(Shelf::Alert).is_empty());
}

#[test]
fn an_alert_told_before_maintenance_is_not_repeated_in_it_but_its_end_is_told() {
    let alerts = format!("remind: 1m\n{OPS}");
    let mut world = World::new(&alerts, suite(vec![check("web")]));
    world.fail("web");
    assert_eq!(world.told(), ["ops: web is down"]);
    world.reload(|suite| suite.maintenance = vec![window(0, 600)]);
    world.wait(300);
    world.break_down("web");
    assert_eq!(world.told(), [""; 0]);
    world.pass("web");
    assert_eq!(world.told(), ["ops: web is up again"]);
}

#[test]
fn a_check_whose_dependency_is_down_is_not_told_of() {
    let mut world = World::new(OPS, chain());
    world.fail("database");
    world.fail("shop");
    world.fail("page");
    world.wait(300);
    assert_eq!(world.told(), ["ops: database is down"]);
    world.pass("database");
    world.pass("shop");
    world.pass("page");
    world.wait(300);
    assert_eq!(world.told(), ["ops: database is up again"]);
}

#[test]
fn a_dependency_counts_through_a_check_that_is_well() {
    let mut world = World::new(OPS, chain());
    world.fail("database");
    world.pass("shop");
    world.fail("page");
    world.wait(300);
    assert_eq!(world.told(), ["ops: database is down"]);
}

#[test]
fn a_dependency_that_nobody_is_told_of_counts_all_the_same() {
    let mut world = World::new(OPS, chain());
    world.reload(|suite| {
        let mut quiet = check("database");
        quiet.alert.notify = Notify::None;
        suite.checks[0] = Arc::new(quiet);
    });
    world.fail("database");
    world.fail("shop");
    assert_eq!(world.told(), [""; 0]);
}

#[test]
fn a_degraded_dependency_explains_nothing() {
    let mut world = World::new(OPS, chain());
    world.pass("database");
    world.warn("database");
    world.fail("shop");
    assert_eq!(world.told(), ["ops: shop is down"]);
}

#[test]
fn a_check_has_one_run_to_follow_its_dependency() {
    let mut world = World::new(OPS, chain());
    world.fail("database");
    world.fail("shop");
    world.pass("database");
    world.wait(20);
    assert_eq!(
        world.told(),
        ["ops: database is down", "ops: database is up again"]
    );
    world.fail("shop");
    assert_eq!(world.told(), ["ops: shop is down"]);
}

#[test]
fn a_check_that_does_not_run_again_is_told_of_after_an_interval() {
    let mut world = World::new(OPS, chain());
    world.fail("database");
    world.fail("shop");
    world.pass("database");
    world.told();
    world.wait(30);
    assert_eq!(world.told(), [""; 0]);
    world.wait(15);
    assert_eq!(world.told(), ["ops: shop is down"]);
}

#[test]
fn targets_of_one_name_do_not_hold_each_other_back() {
    let target = |id: &str| Check {
        id: CheckId::new(id),
        depends_on: ["web".into()].into(),
        ..check("web")
    };
    let suite = suite(vec![target("web@a"), target("web@b")]);
    let mut world = World::new(OPS, suite);
    world.fail("web");
    assert_eq!(world.told(), ["ops: web@a is down"]);
}

#[test]
fn an_alert_counts_from_when_the_check_got_the_status_that_it_is_about() {
    let alerts = "notifiers: { ops: { type: slack, url: 'http://127.0.0.1/', on: [down] } }";
    let mut world = World::new(alerts, suite(vec![check("web")]));
    world.warn("web");
    world.skip(secs(100));
    world.fail("web");
    let told = world.delivered();
    assert_eq!(told[0].1.since, noon() + secs(100));

    let mut world = World::simple();
    world.reload(|suite| suite.maintenance = vec![window(0, 60)]);
    world.fail("web");
    for _ in 0..2 {
        world.skip(secs(50));
        world.fail("web");
    }
    let told = world.delivered();
    assert_eq!((told.len(), told[0].1.since), (1, noon()));
}
