//! New checks whose runs have no verdict.

use super::*;

#[test]
fn a_new_check_without_a_verdict_is_notified_when_its_threshold_is_reached() {
    let mut check = check("web");
    check.failure_threshold = 3;
    let mut world = World::new(OPS, suite(vec![check]));
    world.break_down("web");
    world.break_down("web");
    assert_eq!(world.sent(), [""; 0]);
    world.break_down("web");
    assert_eq!(world.sent(), ["ops: web is unknown"]);
    world.break_down("web");
    assert_eq!(world.sent(), [""; 0]);
    world.pass("web");
    assert_eq!(world.sent(), ["ops: web is up again"]);
}

#[test]
fn a_new_check_whose_threshold_is_one_is_notified_at_its_first_run_without_a_verdict() {
    let mut world = World::simple();
    world.break_down("web");
    assert_eq!(world.sent(), ["ops: web is unknown"]);
    // The alert is not on disk, and the runs go on.
    world.disk = Disk::default();
    world.restart();
    world.break_down("web");
    assert_eq!(world.sent(), ["ops: web is unknown"]);
}

#[test]
fn a_new_check_that_has_a_verdict_is_not_notified_before_that_is_reached() {
    let mut check = check("web");
    check.failure_threshold = 3;
    let mut world = World::new(OPS, suite(vec![check]));
    world.break_down("web");
    world.break_down("web");
    world.fail("web");
    world.fail("web");
    assert_eq!(world.sent(), [""; 0]);
    world.fail("web");
    assert_eq!(world.sent(), ["ops: web is down"]);
}
