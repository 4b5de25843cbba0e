use std::borrow::Cow;
use std::time::UNIX_EPOCH;

use insta::assert_snapshot;

use super::*;
use crate::report::Screen;

const WIDE: Screen = Screen {
    width: 140,
    colour: false,
};
const NARROW: Screen = Screen {
    width: 60,
    colour: false,
};

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_767_323_045)
}

fn ago(seconds: u64) -> Option<ApiTime> {
    ApiTime::new(now() - Duration::from_secs(seconds))
}

fn check(id: &str, status: &'static str, last: Option<LastRun>) -> CheckState {
    CheckState {
        id: id.to_owned(),
        name: id.to_owned(),
        target: "https://example.com/".to_owned(),
        plugin: "http".to_owned(),
        group: None,
        labels: Default::default(),
        description: None,
        runbook_url: None,
        expect_failure: false,
        status: Cow::Borrowed(status),
        status_since: last.as_ref().and_then(|_| ago(7_500)),
        stage: Cow::Borrowed("idle"),
        interval_seconds: Some(30.0),
        schedule: None,
        next_due: None,
        consecutive_failures: 0,
        last_finish: last.as_ref().and_then(|_| ago(12)),
        last_success: None,
        lag_seconds: None,
        last,
        account: AccountState::default(),
        usage: None,
    }
}

fn last(outcome: &str, summary: &str) -> Option<LastRun> {
    Some(LastRun {
        outcome: outcome.to_owned(),
        cause: None,
        summary: summary.to_owned(),
        duration_seconds: 0.037,
        attempts: 1,
        trace_id: "01".repeat(16),
    })
}

fn sample_status() -> RunnerStatus {
    RunnerStatus {
        version: "1.2.3".to_owned(),
        started_at: ago(3_725),
        uptime_seconds: 3_725.0,
        suite: SuiteState {
            checks: 3,
            in_force_since: ago(600),
            reloads: ReloadCounts {
                succeeded: 1,
                failed: 2,
            },
            refused: None,
        },
        account: AccountState {
            scheduled: 30,
            started: 27,
            finished: [("pass".into(), 20), ("fail".into(), 6), ("warn".into(), 0)].into(),
            missed: [("overlap".into(), 3)].into(),
            under_way: 1,
        },
        descriptors: Descriptors {
            budget: 1_000,
            leased: 4,
            reclaimed: 12,
            unaccounted: 0,
        },
        problems: vec![HealthProblem {
            what: "checks_stale".to_owned(),
            message: "no recent outcome of 1 check (\x1b[2Jevil; longest 90 s)".to_owned(),
            checks: vec!["evil".to_owned()],
        }],
        matched: 5,
        checks: vec![
            check("website", "up", last("pass", "200 OK, 12 KiB")),
            check(
                "shop",
                "down",
                last(
                    "fail",
                    "500 Internal Server Error\nwith \x1b[31mcolours of its own",
                ),
            ),
            check("new", "unknown", None),
        ],
    }
}

#[test]
fn a_status_is_a_head_and_one_line_per_check() {
    assert_snapshot!(status(&sample_status(), now(), WIDE), @r#"
    canary 1.2.3 up 1h 2m
    suite: 3 checks, active for 10m 0s, 1 reloads, 2 refused
    runs: 30 scheduled = 26 finished (6 fail, 20 pass) + 3 missed (3 overlap) + 1 in flight
    descriptors: 4 of 1000 leased, 12 reclaimed, 0 unaccounted
    problem: checks_stale: no recent outcome of 1 check (\u{1b}[2Jevil; longest 90 s)

    CHECK    TARGET                STATUS   SINCE  STAGE  LAST  AGO  TIME  SUMMARY
    website  https://example.com/  up       2h 5m  idle   pass  12s  37ms  200 OK, 12 KiB
    shop     https://example.com/  down     2h 5m  idle   fail  12s  37ms  500 Internal Server Error\nwith \u{1b}[31mcolours of its own
    new      https://example.com/  unknown         idle   none
    ... and 2 more (use `--limit` or `--check`)
    "#);
    assert_snapshot!(status(&sample_status(), now(), NARROW), @r#"
    canary 1.2.3 up 1h 2m
    suite: 3 checks, active for 10m 0s, 1 reloads, 2 refused
    runs: 30 scheduled = 26 finished (6 fail, 20 pass) + 3
    missed (3 overlap) + 1 in flight
    descriptors: 4 of 1000 leased, 12 reclaimed, 0 unaccounted
    problem: checks_stale: no recent outcome of 1 check
    (\u{1b}[2Jevil; longest 90 s)

    CHECK    STATUS   LAST  TIME  SUMMARY
    website  up       pass  37ms  200 OK, 12 KiB
    shop     down     fail  37ms  500 Internal Server Error\nwi…
    new      unknown  none
    ... and 2 more (use `--limit` or `--check`)
    "#);
}

#[test]
fn colours_are_for_terminals() {
    let colour = Screen { colour: true, ..WIDE };
    let (with, without) = (
        status(&sample_status(), now(), colour),
        status(&sample_status(), now(), WIDE),
    );
    assert!(with.contains('\x1b') && !without.contains('\x1b'));
}

#[test]
fn the_top_view_fits_its_screen() {
    let mut crowd = sample_status();
    crowd.checks = vec![check("one", "down", last("fail", "no")); 100];
    crowd.matched = 7_000;
    for height in [12, 24, 50] {
        let picture = top(&crowd, now(), WIDE, height);
        assert_eq!(picture.lines().count(), height, "{picture}");
        assert!(picture.ends_with("more; press q to quit"), "{picture}");
    }
    assert_snapshot!(top(&sample_status(), now(), NARROW, 9), @r#"
    canary 1.2.3 up 1h 2m
    suite: 3 checks, active for 10m 0s, 1 reloads, 2 refused
    runs: 30 scheduled = 26 finished (6 fail, 20 pass) + 3 miss…
    descriptors: 4 of 1000 leased, 12 reclaimed, 0 unaccounted
    problem: checks_stale: no recent outcome of 1 check (\u{1b}…

    CHECK    STATUS  LAST  TIME  SUMMARY
    website  up      pass  37ms  200 OK, 12 KiB
    ... and 4 more; press q to quit
    "#);
    let low = top(&sample_status(), now(), WIDE, 1);
    assert!(low.starts_with("canary 1.2.3 up 1h 2m\n"), "{low}");
}

fn sample_connections() -> Connections {
    let open = OpenConnection {
        check: "the leak of the story".to_owned(),
        run: Some("07".repeat(16)),
        attempt: 1,
        plugin: Some("leak".to_owned()),
        peer: "192.0.2.7:443".to_owned(),
        phase: "idle".to_owned(),
        opened_at: ago(1),
        age_seconds: 1.25,
        bytes_in: 5 << 20,
        bytes_out: 512,
    };
    let dns = OpenConnection {
        check: "dns".to_owned(),
        run: None,
        plugin: None,
        peer: "[2001:db8::53]:53".to_owned(),
        phase: "wait".to_owned(),
        age_seconds: 0.003,
        bytes_in: 0,
        ..open.clone()
    };
    let reclaimed = ReclaimedConnection {
        check: open.check.clone(),
        run: open.run.clone(),
        attempt: 1,
        plugin: open.plugin.clone(),
        peer: open.peer.clone(),
        cause: "leak".to_owned(),
        at: ago(31),
        open_for_seconds: 5.0,
        bytes_in: 1_234_567,
        bytes_out: 80,
    };
    Connections {
        matched: 3,
        open: vec![open, dns],
        reclaimed: vec![reclaimed],
    }
}

#[test]
fn connections_are_listed_with_their_checks_and_reclaimed_ones_below() {
    assert_snapshot!(connections(&sample_connections(), now(), WIDE), @"
    STATE  CHECK                  PLUGIN  PEER               PHASE    AGE       IN    OUT  RUN
    open   the leak of the story  leak    192.0.2.7:443      idle    1.2s  5.0 MiB  512 B  07070707070707070707070707070707
    open   dns                    -       [2001:db8::53]:53  wait   3.0ms      0 B  512 B  -
    ... and 1 more (use `--limit` or `--check`)

    RECLAIMED  CHECK                  PLUGIN  PEER           WHY   OPEN       IN   OUT  RUN
    31s ago    the leak of the story  leak    192.0.2.7:443  leak  5.0s  1.2 MiB  80 B  07070707070707070707070707070707
    ");
    assert_snapshot!(connections(&sample_connections(), now(), NARROW), @"
    STATE  CHECK     PEER           PHASE    AGE       IN    OUT
    open   the lea…  192.0.2.7:443  idle    1.2s  5.0 MiB  512 B
    open   dns       [2001:db8::5…  wait   3.0ms      0 B  512 B
    ... and 1 more (use `--limit` or `--check`)

    RECLAIMED  CHECK     PEER          WHY   OPEN       IN   OUT
    31s ago    the lea…  192.0.2.7:4…  leak  5.0s  1.2 MiB  80 B
    ");
    assert_eq!(
        connections(&Connections::default(), now(), WIDE),
        "no open connections\n"
    );
}

#[test]
fn health_is_one_line() {
    assert_eq!(health(&HealthStatus::new(Vec::new())), "ok");
    assert_snapshot!(health(&HealthStatus::new(sample_status().problems)), @r#"failing: checks_stale: no recent outcome of 1 check (\u{1b}[2Jevil; longest 90 s)"#);
}

#[test]
fn serialised_responses_are_deserialised_again() {
    let text = crate::report::safe_json(&sample_status()).unwrap();
    assert!(!text.contains('\x1b'), "{text}");
    let read: RunnerStatus = serde_json::from_str(&text).unwrap();
    assert_eq!(read, sample_status());
    let text = crate::report::safe_json(&sample_connections()).unwrap();
    assert_eq!(
        serde_json::from_str::<Connections>(&text).unwrap(),
        sample_connections()
    );
}

#[test]
fn a_time_that_rfc_3339_cannot_represent_is_none() {
    let last_day = UNIX_EPOCH + Duration::from_secs(253_402_207_200);
    assert_eq!(
        ApiTime::new(UNIX_EPOCH).unwrap().to_string(),
        "1970-01-01T00:00:00.000Z"
    );
    assert!(ApiTime::new(last_day + Duration::from_secs(1 << 40)).is_none());
}

/// Replaces every string by `text`, keys included; times are left unchanged.
fn replace_texts(value: &mut serde_json::Value, text: &str) {
    match value {
        serde_json::Value::String(old) if Timestamp::from_str(old).is_err() => text.clone_into(old),
        serde_json::Value::Array(values) => values.iter_mut().for_each(|value| replace_texts(value, text)),
        serde_json::Value::Object(fields) => {
            let counts = fields.values().all(serde_json::Value::is_u64);
            fields.values_mut().for_each(|value| replace_texts(value, text));
            if counts && let Some(count) = fields.values().next().cloned() {
                fields.insert(text.to_owned(), count);
            }
        }
        _ => {}
    }
}

fn hostile<T: Serialize + serde::de::DeserializeOwned>(answer: &T, text: &str) -> T {
    let mut value = serde_json::to_value(answer).unwrap();
    replace_texts(&mut value, text);
    serde_json::from_value(value).unwrap()
}

#[test]
fn a_hostile_runner_cannot_attack_the_terminal_of_the_client() {
    let text = canary_tests::texts::NASTY;
    let status_of = hostile(&sample_status(), text);
    let connections_of = hostile(&sample_connections(), text);
    let health_of = hostile(&HealthStatus::new(sample_status().problems), text);
    for colour in [false, true] {
        let screen = Screen { colour, ..WIDE };
        for output in [
            status(&status_of, now(), screen),
            top(&status_of, now(), screen, 50),
            connections(&connections_of, now(), screen),
            health(&health_of),
        ] {
            assert_eq!(crate::report::for_terminal(&output), output);
            assert!(colour || !output.contains('\x1b'), "{output}");
        }
    }
}
