//! Restarts and reloads.

use super::*;

#[test]
fn a_restart_neither_repeats_nor_forgets() {
    let mut world = World::simple();
    world.fail("web");
    assert_eq!(world.sent(), ["ops: web is down"]);
    world.restart();
    world.wait(100);
    world.fail("web");
    assert_eq!(world.sent(), [""; 0]);
    world.restart();
    world.pass("web");
    assert_eq!(world.sent(), ["ops: web is up again"]);
}

#[test]
fn a_restart_knows_which_reminders_were_sent() {
    let alerts = format!("repeat_interval: 1h\n{OPS}");
    let mut world = World::new(&alerts, suite(vec![check("web")]));
    world.fail("web");
    world.wait(3_600);
    assert_eq!(world.sent(), ["ops: web is down", "ops: web is down, still"]);
    world.restart();
    world.wait(60);
    assert_eq!(world.sent(), [""; 0]);
}

#[test]
fn a_reminder_is_due_an_interval_after_the_one_before_whatever_runs_between() {
    let alerts = format!("repeat_interval: 1h\n{OPS}");
    let mut world = World::new(&alerts, suite(vec![check("web")]));
    world.fail("web");
    world.sent();
    world.wait(1_800);
    world.fail("web");
    world.wait(1_799);
    assert_eq!(world.sent(), [""; 0]);
    world.wait(2);
    assert_eq!(world.sent(), ["ops: web is down, still"]);
}

#[test]
fn the_alerts_of_each_of_several_notifiers_survive_a_restart() {
    let of = |name| format!("{name}: {{ type: slack, url: 'http://127.0.0.1/' }}");
    let alerts = format!("notifiers: {{ {}, {} }}", of("dev"), of("ops"));
    let mut world = World::new(&alerts, suite(vec![check("web")]));
    world.fail("web");
    assert_eq!(world.sent(), ["dev: web is down", "ops: web is down"]);
    world.restart();
    world.pass("web");
    assert_eq!(world.sent(), ["dev: web is up again", "ops: web is up again"]);
}

#[test]
fn an_alert_that_cannot_be_read_is_reported_and_deleted() {
    let mut world = World::simple();
    world.fail("web");
    world.sent();
    let id = world.suite.checks[0].id.clone();
    world.write(vec![Change::put(Table::Alert, id.as_str(), "{".to_owned())]);
    world.restart();
    let notices = world.outbox.queue().take_notices();
    assert!(notices[0].to_string().starts_with("cannot read 1 stored alerts"));
    assert!(world.disk.rows(Table::Alert).is_empty());
}

#[test]
fn nothing_is_written_for_a_run_that_changes_nothing() {
    let mut world = World::simple();
    world.fail("web");
    world.break_down("web");
    let writes = world.writes;
    world.break_down("web");
    world.restart();
    world.trackers.clear();
    world.break_down("web");
    assert_eq!(world.writes, writes);
}

#[test]
fn each_unhealthy_check_has_one_timer_however_often_the_suite_is_reloaded() {
    let mut world = World::simple();
    world.reload(|suite| suite.maintenance = vec![window(0, 3_600)]);
    world.fail("web");
    for _ in 0..3 {
        world.reload(|_| {});
        assert_eq!((world.router.timers.len(), world.router.timer_of.len()), (1, 1));
    }
}

#[test]
fn what_was_not_delivered_is_delivered_after_a_restart_in_its_order() {
    let mut world = World::simple();
    world.fail("web");
    world.pass("web");
    world.fail("web");
    world.restart();
    assert_eq!(
        world.sent(),
        ["ops: web is down", "ops: web is up again", "ops: web is down"]
    );
    world.restart();
    assert_eq!(world.sent(), [""; 0]);
}

#[test]
fn an_alert_suppressed_before_a_restart_is_sent_when_a_run_confirms_it() {
    let mut world = World::simple();
    world.reload(|suite| suite.maintenance = vec![window(0, 60)]);
    world.fail("web");
    world.skip(secs(3_600));
    world.restart();
    assert_eq!(world.sent(), [""; 0]);
    world.fail("web");
    assert_eq!(world.sent(), ["ops: web is down"]);
}

#[test]
fn an_alert_goes_on_over_a_restart_that_forgot_the_status() {
    let mut check = check("web");
    check.failure_threshold = 2;
    let mut world = World::new(OPS, suite(vec![check]));
    world.fail("web");
    world.fail("web");
    assert_eq!(world.sent(), ["ops: web is down"]);
    world.restart();
    world.trackers.clear();
    world.fail("web");
    world.fail("web");
    assert_eq!(world.sent(), [""; 0]);
    world.pass("web");
    assert_eq!(world.sent(), ["ops: web is up again"]);
}

#[test]
fn the_alert_of_a_check_that_is_gone_is_over() {
    let mut world = World::simple();
    world.fail("web");
    world.sent();
    world.reload(|suite| suite.checks.clear());
    assert_eq!(world.sent(), ["ops: web: alert resolved"]);
    assert!(world.disk.rows(Table::Alert).is_empty());
    world.wait(10);
    assert_eq!(world.sent(), [""; 0]);
}

#[test]
fn a_check_that_stops_notifying_a_notifier_ends_its_alert_there() {
    let mut world = World::simple();
    world.fail("web");
    world.sent();
    world.reload(|suite| {
        let mut quiet = check("web");
        quiet.alert.notify = Notify::None;
        suite.checks = vec![Arc::new(quiet)];
    });
    assert_eq!(world.sent(), ["ops: web: alert resolved"]);
}

#[test]
fn an_alert_that_is_over_says_how_its_check_is_or_that_nobody_watches_it() {
    let last = |world: &mut World| world.delivered().pop().unwrap().1.summary.clone();
    let mut world = World::simple();
    world.fail("web");
    world.warn("web");
    assert_eq!(last(&mut world), "it is a warn");
    world.fail("web");
    world.reload(|suite| suite.checks.clear());
    assert_eq!(
        last(&mut world),
        "the check is no longer watched for this notifier"
    );
}

#[test]
fn a_run_of_a_check_that_is_gone_begins_nothing() {
    let mut world = World::simple();
    let suite = world.suite.clone();
    world.reload(|suite| suite.checks.clear());
    world.suite = suite;
    world.fail("web");
    assert_eq!(world.sent(), [""; 0]);
    assert!(world.disk.rows(Table::Alert).is_empty());
}

#[test]
fn rows_that_make_no_sense_are_forgotten_and_those_of_a_notifier_that_is_gone() {
    let mut world = World::simple();
    world.fail("web");
    world.disk.apply(vec![
        Change::put(Table::Alert, "other", "{".to_owned()),
        Change::put(Table::Notification, "not a number", "{}".to_owned()),
    ]);
    world.settings = settings("notifiers: { new: { type: slack, url: 'http://127.0.0.1/' } }").unwrap();
    world.restart();
    world.wait(2);
    assert!(world.disk.rows(Table::Notification).is_empty());
    assert_eq!(world.disk.rows(Table::Alert).len(), 1);
    world.fail("web");
    assert_eq!(world.sent(), ["new: web is down"]);
}

#[test]
fn a_notifier_that_was_taken_out_for_a_while_is_notified_anew() {
    let mut world = World::simple();
    world.fail("web");
    assert_eq!(world.sent(), ["ops: web is down"]);
    let ops = std::mem::replace(
        &mut world.settings,
        settings("notifiers: { new: { type: slack, url: 'http://127.0.0.1/' } }").unwrap(),
    );
    world.restart();
    world.fail("web");
    assert_eq!(world.sent(), ["new: web is down"]);
    world.settings = ops;
    world.restart();
    world.fail("web");
    assert_eq!(world.sent(), ["ops: web is down"]);
}

#[test]
fn a_check_that_notifies_nobody_inhibits_others_over_a_restart_too() {
    let mut database = check("database");
    database.alert.notify = Notify::None;
    let mut shop = check("shop");
    shop.depends_on = ["database".into()].into();
    let mut world = World::new(OPS, suite(vec![database, shop]));
    world.fail("database");
    world.restart();
    world.fail("shop");
    world.wait(300);
    assert_eq!(world.sent(), [""; 0]);
    world.pass("database");
    world.fail("shop");
    assert_eq!(world.sent(), ["ops: shop is down"]);
}

#[test]
fn nothing_is_written_but_what_changed() {
    let mut world = World::simple();
    let written = |world: &mut World, act: fn(&mut World)| {
        act(world);
        std::mem::take(&mut world.writes)
    };
    assert_eq!(written(&mut world, |world| world.pass("web")), 0);
    assert_eq!(
        written(&mut world, |world| world.fail("web")),
        2,
        "the alert and its notification"
    );
    assert_eq!(written(&mut world, |world| world.fail("web")), 0);
    assert_eq!(written(&mut world, |world| world.reload(|_| {})), 0);
    assert_eq!(written(&mut world, |world| world.wait(60)), 0);
    assert_eq!(written(&mut world, |world| world.pass("web")), 2);
    world.reload(|suite| suite.maintenance = vec![window(0, 600)]);
    assert_eq!(
        written(&mut world, |world| world.fail("web")),
        1,
        "what is held back"
    );
    assert_eq!(written(&mut world, |world| world.wait(60)), 0);
    let mut alone = World::new("repeat_interval: 1m", suite(vec![check("web")]));
    assert_eq!(written(&mut alone, |world| world.fail("web")), 0);
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
    world.restart();
    assert_eq!(firing(&world), 2);
    world.pass("a");
    assert_eq!(firing(&world), 1);
    world.restart();
    assert_eq!(firing(&world), 1);
    world.reload(|suite| suite.checks.clear());
    assert_eq!(firing(&world), 0);
}

#[test]
fn nothing_is_delivered_before_its_cause_is_persisted() {
    let mut world = World::simple();
    let check = Arc::clone(world.suite.checks.first().unwrap());
    let check_status = CheckStatus {
        status: Status::Down,
        transition: Some(canary_run::status::Transition {
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
    let changes = world.router.observe(&run, &check_status, &Now::at_wall(noon()));
    let tables: Vec<Table> = changes.iter().map(|change| change.table).collect();
    assert_eq!(tables, [Table::Alert, Table::Notification]);
    assert_eq!(world.sent(), [""; 0]);
    world.router.dispatch(&committed());
    assert_eq!(world.sent(), ["ops: web is down"]);
}

/// The same with every time of day beyond what a calendar can show.
fn beyond_the_calendar(row: &mut serde_json::Value) {
    match row {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "wall" => *value = u64::MAX.into(),
                    "begun" => *value = 253_402_300_800_000_000_u64.into(),
                    _ => beyond_the_calendar(value),
                }
            }
        }
        serde_json::Value::Array(values) => values.iter_mut().for_each(beyond_the_calendar),
        _ => {}
    }
}

#[test]
fn an_alert_that_began_beyond_the_calendar_can_be_put_into_words() {
    let mut world = World::simple();
    world.fail("web");
    world.sent();
    let rows = world.disk.rows(Table::Alert);
    for (key, text) in &rows {
        let mut row = serde_json::from_str(text).unwrap();
        beyond_the_calendar(&mut row);
        world
            .disk
            .apply(vec![Change::put(Table::Alert, key, row.to_string())]);
    }
    assert_ne!(world.disk.rows(Table::Alert), rows);
    world.restart();
    world.pass("web");
    let sent = world.delivered();
    let (_, sent) = sent.first().unwrap();
    assert_eq!(sent.span(), "since 9999-12-31T23:59:59Z");
    let at = humantime::format_rfc3339_millis(sent.at).to_string();
    assert!(at.starts_with("2027"), "{at}");
}
