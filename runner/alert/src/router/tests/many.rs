//! A suite with many unhealthy checks.

use super::*;
use crate::router::timers::{MAX_CHECKS_PER_TICK, MAX_STEPS_PER_TICK};

#[test]
fn a_new_suite_brings_the_alerts_of_many_checks_in_line_a_part_at_a_time() {
    let names: Vec<String> = (0..MAX_CHECKS_PER_TICK + 500)
        .map(|number| format!("c{number}"))
        .collect();
    let mut world = World::new(OPS, suite(names.iter().map(|name| check(name)).collect()));
    names.iter().for_each(|name| world.fail(name));
    assert_eq!(world.router.unhealthy.len(), MAX_CHECKS_PER_TICK + 500);
    world.reload(|suite| suite.checks.truncate(1));
    assert!(world.router.unhealthy.len() >= 500);
    world.wait(1);
    assert_eq!(world.router.unhealthy.len(), 1);
}

#[test]
fn what_costs_much_to_evaluate_is_evaluated_a_part_at_a_time() {
    let names: Vec<String> = (0..300).map(|number| format!("c{number:03}")).collect();
    let mut world = World::new(OPS, suite(names.iter().map(|name| check(name)).collect()));
    let until = secs(60);
    let window = |number: usize| {
        let others = Some(["another".into()].into());
        let checks = others.filter(|_: &BTreeSet<Arc<str>>| number < 999);
        let times = Times::Once {
            from: noon(),
            duration: until,
        };
        let scope = Scope {
            checks,
            ..Scope::default()
        };
        Window::new(&number.to_string(), scope, times)
    };
    world.reload(|suite| suite.maintenance = (0..1_000).map(window).collect());
    names.iter().for_each(|name| world.fail(name));
    for _ in 1..until.as_secs() {
        let before = world.router.index.steps();
        world.wait(1);
        let steps = world.router.index.steps() - before;
        // The windows of this second, and one check more.
        assert!(steps <= MAX_STEPS_PER_TICK + 2 * 1_000, "{steps} steps");
    }
    assert_eq!(world.sent(), [""; 0]);
    world.wait(15);
    assert_eq!(world.sent().len(), 300);
}
