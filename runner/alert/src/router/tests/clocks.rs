//! A clock that is set, or was wrong.

use super::*;

const DAY: u64 = 86_400;

fn reminded() -> World {
    let alerts = format!("repeat_interval: 1m\n{OPS}");
    World::new(&alerts, suite(vec![check("web")]))
}

/// Sets the clock by so many seconds.
fn set(world: &mut World, by: i64) {
    world.wall = if by < 0 {
        world.wall - secs(by.unsigned_abs())
    } else {
        world.wall + secs(by.unsigned_abs())
    };
}

const STEPS: [i64; 5] = [-400 * 86_400, -86_400, -10, 10, 3 * 86_400];

#[test]
fn a_clock_that_is_set_moves_no_reminder_and_changes_no_duration() {
    for step in STEPS {
        for restarts in [false, true] {
            let mut world = reminded();
            world.fail("web");
            world.wait(30);
            set(&mut world, step);
            if restarts {
                world.restart();
            }
            assert_eq!(world.sent().len(), 1, "{step}");
            world.wait(29);
            assert_eq!(world.sent(), [""; 0], "{step}");
            world.wait(1);
            // After a restart it waits for a run, which confirms it.
            world.fail("web");
            let reminder = world.delivered();
            assert_eq!(reminder.len(), 1, "{step}");
            assert_eq!(reminder[0].1.lasted(), secs(60), "{step}");
            set(&mut world, -step);
            world.wait(10);
            world.pass("web");
            let over = world.delivered();
            assert_eq!(over[0].1.lasted(), secs(70), "{step}");
        }
    }
}

#[test]
fn after_a_boot_a_reminder_waits_until_the_clock_has_been_steady() {
    let mut world = reminded();
    world.fail("web");
    assert_eq!(world.sent().len(), 1);
    world.reboot();
    set(&mut world, i64::try_from(3 * DAY).unwrap());
    world.wait(590);
    assert_eq!(world.sent(), [""; 0]);
    world.wait(20);
    // After a restart it waits for a run, which confirms it.
    world.fail("web");
    assert_eq!(world.sent(), ["ops: web is down, still"]);
    world.wait(59);
    assert_eq!(world.sent(), [""; 0]);
    world.wait(1);
    assert_eq!(world.sent(), ["ops: web is down, still"]);
}

#[test]
fn after_a_boot_a_duration_is_that_of_the_clock() {
    let mut world = reminded();
    world.fail("web");
    world.skip(secs(100));
    world.reboot();
    world.pass("web");
    let sent = world.delivered();
    assert_eq!(sent[1].1.event, Event::Resolved);
    assert_eq!(sent[1].1.lasted(), secs(100));
}

#[test]
fn a_dependency_that_is_well_again_is_followed_whatever_the_clock_is_set_to() {
    for step in STEPS {
        let follows = Check {
            depends_on: ["base".into()].into(),
            ..check("web")
        };
        let mut world = World::new(OPS, suite(vec![check("base"), follows]));
        world.fail("base");
        world.fail("web");
        world.pass("base");
        assert_eq!(world.sent(), ["ops: base is down", "ops: base is up again"]);
        world.wait(5);
        set(&mut world, step);
        world.wait(25);
        assert_eq!(world.sent(), [""; 0], "{step}");
        // Its interval, its time-out, and the time until a suppressed check is evaluated again.
        world.wait(15);
        assert_eq!(world.sent(), ["ops: web is down"], "{step}");
    }
}

#[test]
fn an_alert_that_an_older_version_stored_goes_on() {
    let mut world = reminded();
    world.fail("web");
    assert_eq!(world.sent().len(), 1);
    world.skip(secs(20));
    let (key, text) = world.disk.rows(Table::Alert).remove(0);
    let mut row: serde_json::Value = serde_json::from_str(&text).unwrap();
    let millis = serde_json::json!(1_800_014_400_000_u64);
    row["since"] = millis.clone();
    row["alerts"]["ops"]["since"] = millis.clone();
    row["alerts"]["ops"]["told"]["at"] = millis;
    world
        .disk
        .apply(vec![Change::put(Table::Alert, &key, row.to_string())]);
    world.restart();
    world.pass("web");
    let over = world.delivered();
    assert_eq!((over[0].1.event, over[0].1.lasted()), (Event::Resolved, secs(20)));
}
