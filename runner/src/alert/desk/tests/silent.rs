//! New checks whose runs say nothing of their target.

use super::*;

#[test]
fn a_new_check_without_a_verdict_is_told_when_its_threshold_is_reached() {
    let mut check = check("web");
    check.failure_threshold = 3;
    let mut world = World::new(OPS, suite(vec![check]));
    world.break_down("web");
    world.break_down("web");
    assert_eq!(world.told(), [""; 0]);
    world.break_down("web");
    assert_eq!(world.told(), ["ops: web cannot be judged"]);
    world.break_down("web");
    assert_eq!(world.told(), [""; 0]);
    world.pass("web");
    assert_eq!(world.told(), ["ops: web is up again"]);
}

#[test]
fn a_new_check_whose_threshold_is_one_is_told_of_at_its_first_run_without_a_verdict() {
    let mut world = World::simple();
    world.break_down("web");
    assert_eq!(world.told(), ["ops: web cannot be judged"]);
    // Nothing is on disk of the alert, and the runs go on.
    world.disk = Disk::default();
    world.restart();
    world.break_down("web");
    assert_eq!(world.told(), ["ops: web cannot be judged"]);
}

#[test]
fn a_new_check_that_has_a_verdict_is_not_told_of_before_that_is_reached() {
    let mut check = check("web");
    check.failure_threshold = 3;
    let mut world = World::new(OPS, suite(vec![check]));
    world.break_down("web");
    world.break_down("web");
    world.fail("web");
    world.fail("web");
    assert_eq!(world.told(), [""; 0]);
    world.fail("web");
    assert_eq!(world.told(), ["ops: web is down"]);
}
