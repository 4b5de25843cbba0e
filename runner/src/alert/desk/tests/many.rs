//! A suite of many checks that are not well.

use super::*;

#[test]
fn a_new_suite_brings_the_alerts_of_many_checks_in_line_a_part_at_a_time() {
    let names: Vec<String> = (0..LOOKS + 500).map(|number| format!("c{number}")).collect();
    let mut world = World::new(OPS, suite(names.iter().map(|name| check(name)).collect()));
    names.iter().for_each(|name| world.fail(name));
    assert_eq!(world.desk.troubles.len(), LOOKS + 500);
    world.reload(|suite| suite.checks.truncate(1));
    assert!(world.desk.troubles.len() >= 500);
    world.wait(1);
    assert_eq!(world.desk.troubles.len(), 1);
}
