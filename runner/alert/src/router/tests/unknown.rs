//! Checks that no longer have a verdict.

use super::*;

#[test]
fn a_check_that_cannot_be_judged_any_more_alerts_unless_a_notifier_asks_for_less() {
    let alerts = "notifiers:
  ops: { type: slack, url: 'http://127.0.0.1/' }
  down: { type: slack, url: 'http://127.0.0.1/', statuses: [down] }";
    let mut world = World::new(alerts, suite(vec![check("web")]));
    world.pass("web");
    world.break_down("web");
    assert_eq!(world.sent(), ["ops: web is unknown"]);
    world.pass("web");
    assert_eq!(world.sent(), ["ops: web is up again"]);
}

#[test]
fn an_alert_is_not_over_while_its_check_cannot_be_judged() {
    let alerts = "notifiers: { down: { type: slack, url: 'http://127.0.0.1/', statuses: [down] } }";
    let mut world = World::new(alerts, suite(vec![check("web")]));
    world.fail("web");
    assert_eq!(world.sent(), ["down: web is down"]);
    world.break_down("web");
    assert_eq!(world.sent(), ["down: web is unknown, was down"]);
    world.pass("web");
    assert_eq!(world.sent(), ["down: web is up again"]);
}
