//! Each route, with a state that is filled by hand.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::bench::{Bench, TOKEN, ask, at};
use canary_net::ledger::Lease;
use canary_record::trace::EndCause;
use canary_run::publish::Restored;
use canary_suite::{Check, CheckId};
use canary_watch::health::{AffectedChecks, HealthIssue};

fn ids(status: &Value) -> Vec<&str> {
    let checks = status["checks"].as_array().unwrap();
    checks.iter().map(|check| check["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_status_describes_the_runner_and_each_check() {
    let bench = Bench::busy();
    let (code, status) = bench.get("/api/v1/status").await;
    assert_eq!(
        (code, &status["version"]),
        (200, &json!(env!("CARGO_PKG_VERSION")))
    );
    assert_eq!(ids(&status), ["bad", "good", "many@http://a/b?c", "new"]);
    assert_eq!(status["matched"], 4);
    let account = status["account"].as_object().unwrap();
    assert_eq!(account["scheduled"], 4);
    assert_eq!(
        account["finished"],
        json!({ "pass": 1, "warn": 0, "fail": 2, "stopped": 1, "faulted": 0 })
    );
    insta::assert_snapshot!(status["suite"], @r#"{"checks":4,"in_force_since":"2025-12-29T09:20:00.000Z","refused":null,"reloads":{"failed":0,"succeeded":0}}"#);
    insta::assert_snapshot!(status["descriptors"], @r#"{"budget":100,"leased":0,"reclaimed":0,"unaccounted":0}"#);
    let new = &status["checks"][3];
    assert_eq!(
        (&new["status"], &new["last"], &new["usage"]),
        (&json!("unknown"), &Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn a_check_has_all_its_fields() {
    let (_, mut status) = Bench::busy().get("/api/v1/status").await;
    status["checks"][0]["account"].take();
    insta::assert_snapshot!(serde_json::to_string_pretty(&status["checks"][0]).unwrap(), @r#"
    {
      "account": null,
      "consecutive_failures": 2,
      "description": null,
      "expect_failure": false,
      "group": null,
      "id": "bad",
      "interval_seconds": 10.0,
      "labels": {},
      "lag_seconds": 0.007,
      "last": {
        "attempts": 1,
        "cause": null,
        "duration_seconds": 0.1,
        "outcome": "fail",
        "summary": "503 Service Unavailable",
        "trace_id": "01010101010101010101010101010101"
      },
      "last_finish": "2025-12-29T09:20:11.000Z",
      "last_success": null,
      "name": "bad",
      "next_due": null,
      "plugin": "tcp",
      "runbook_url": null,
      "schedule": null,
      "stage": "idle",
      "status": "down",
      "status_since": "2025-12-29T09:20:11.000Z",
      "target": "example.com:443",
      "usage": {
        "bytes_in": 2048,
        "bytes_out": 512,
        "connections": 1,
        "cpu_ms": 1.0,
        "denials": {
          "sockets": 1
        },
        "lookups": 1,
        "memory_peak": 1048576,
        "reclaimed": 1,
        "record_bytes": 0,
        "record_cut": 0,
        "record_cut_bytes": 0,
        "sockets_peak": 1
      }
    }
    "#);
}

#[tokio::test]
async fn a_status_can_be_filtered_ordered_and_limited_and_counts_all_matches() {
    let bench = Bench::busy();
    for (query, expected) in [
        ("check=good", &["good"][..]),
        ("check=many", &["many@http://a/b?c"]),
        ("check=many@http://a/b?c", &["many@http://a/b?c"]),
        ("check=none", &[]),
        ("status=down,up", &["bad", "good"]),
        ("order=worst", &["bad", "many@http://a/b?c", "new", "good"]),
    ] {
        let (code, status) = bench.get(&format!("/api/v1/status?{query}")).await;
        assert_eq!((code, &ids(&status)[..]), (200, expected), "{query}");
    }
    let (_, status) = bench.get("/api/v1/status?limit=1").await;
    assert_eq!((ids(&status), &status["matched"]), (vec!["bad"], &json!(4)));
    assert_eq!(status["suite"]["checks"], 4);
    let (code, wrong) = bench.get("/api/v1/status?name=bad").await;
    let expected = json!({ "error": "unknown parameter `name`; known: check, status, order, limit" });
    assert_eq!((code, wrong), (400, expected));
}

#[tokio::test]
async fn a_status_of_many_checks_has_each_of_them_once_however_many_chunks_it_takes() {
    let bench = Bench::new();
    let checks: Vec<_> = (0..1_000)
        .map(|number| {
            Arc::new(Check::minimal(
                &format!("check {number:04}"),
                Duration::from_secs(10),
            ))
        })
        .collect();
    bench
        .store
        .apply_suite(&checks, &mut Restored::default(), Instant::now());
    for (limit, expected) in [(1, 1), (64, 64), (65, 65), (999, 999), (100_000, 1_000)] {
        let (code, status) = bench.get(&format!("/api/v1/status?limit={limit}")).await;
        let found = ids(&status);
        assert_eq!(
            (code, found.len(), &status["matched"]),
            (200, expected, &json!(1_000))
        );
        assert!(
            found
                .iter()
                .zip(&checks)
                .all(|(id, check)| *id == check.id.as_str())
        );
    }
}

#[tokio::test]
async fn a_check_comes_with_its_last_run_in_full() {
    let bench = Bench::busy();
    let (code, check) = bench.get("/api/v1/checks/many%40http%3A%2F%2Fa%2Fb%3Fc").await;
    assert_eq!((code, &check["name"]), (200, &json!("many")));
    assert_eq!(check["run"]["cause"], "deadline");
    let (_, bad) = bench.get("/api/v1/checks/bad").await;
    let assertion = json!({ "name": "status", "status": "fail", "message": "503, expected 200" });
    assert_eq!(bad["run"]["assertions"], json!([assertion]));
    let (code, none) = bench.get("/api/v1/checks/none").await;
    assert_eq!((code, none), (404, json!({ "error": "no check with id `none`" })));
}

#[tokio::test]
async fn livez_reports_only_what_a_restart_fixes() {
    let bench = Bench::busy();
    let well = json!({ "status": "ok", "problems": [] });
    for path in ["/livez", "/readyz"] {
        assert_eq!(bench.get(path).await, (200, well.clone()));
    }
    let stale = AffectedChecks {
        count: 1,
        named: vec![CheckId::new("bad")],
        longest: Duration::from_secs(60),
    };
    bench.set_issues(vec![HealthIssue::ChecksStale(stale.clone())]);
    assert_eq!(bench.get("/livez").await, (200, well));
    let problem = json!({
        "what": "checks_stale",
        "message": "no recent outcome of 1 check (bad; longest 60 s)",
        "checks": ["bad"],
    });
    let expected = json!({ "status": "failing", "problems": [problem] });
    assert_eq!(bench.get("/readyz").await, (503, expected));
    bench.set_issues(vec![
        HealthIssue::ChecksStale(stale),
        HealthIssue::WorkersStalled {
            time: Duration::from_secs(9),
        },
    ]);
    let (code, live) = bench.get("/livez").await;
    assert_eq!(
        (code, &live["problems"][0]["what"]),
        (503, &json!("workers_stalled"))
    );
    assert_eq!(live["problems"].as_array().unwrap().len(), 1);
    let (_, status) = bench.get("/api/v1/status").await;
    assert_eq!(status["problems"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_status_has_the_number_of_unaccounted_descriptors() {
    let bench = Bench::busy();
    bench.set_issues(vec![HealthIssue::DescriptorsUnaccounted { count: 3 }]);
    let (_, status) = bench.get("/api/v1/status").await;
    assert_eq!(status["descriptors"]["unaccounted"], 3);
}

#[tokio::test]
async fn a_connection_is_listed_while_it_is_open_and_when_it_was_reclaimed() {
    let bench = Bench::busy();
    let (page, other) = (bench.page("good"), bench.page("many@http://a/b?c"));
    let nowhere = ([192, 0, 2, 1], 80).into();
    let _leaked = (
        Lease::try_acquire(&page, nowhere).unwrap(),
        Lease::try_acquire(&other, nowhere).unwrap(),
    );
    let (_, connections) = bench.get("/api/v1/connections").await;
    let open = &connections["open"][0];
    assert_eq!(
        (&open["check"], &open["plugin"], &open["peer"], &open["phase"]),
        (
            &json!("good"),
            &json!("leak"),
            &json!("192.0.2.1:80"),
            &json!("connect")
        )
    );
    assert_eq!(
        (&open["run"], &connections["matched"]),
        (&json!("07".repeat(16)), &json!(2))
    );
    assert_eq!(connections["reclaimed"], json!([]));
    for (name, matched) in [("many", 1), ("many@http://a/b?c", 1), ("good", 1), ("man", 0)] {
        let (_, connections) = bench.get(&format!("/api/v1/connections?check={name}")).await;
        assert_eq!(connections["matched"], matched, "{name}");
    }
    page.end(EndCause::Returned);
    let (_, connections) = bench.get("/api/v1/connections?check=good").await;
    let reclaimed = &connections["reclaimed"][0];
    assert_eq!(
        (&connections["open"], &reclaimed["cause"], &reclaimed["peer"]),
        (&json!([]), &json!("leak"), &json!("192.0.2.1:80"))
    );
}

#[tokio::test]
async fn a_reload_requires_the_token_and_returns_the_result() {
    let bench = Bench::busy();
    let mut state = bench.state(|_| String::new());
    let path = "/api/v1/reload";
    let (code, refused) = ask(&state, Method::POST, path, "").await;
    assert_eq!(code, 401, "{refused}");
    let done = ask(&state, Method::POST, path, TOKEN).await;
    assert_eq!(done, (200, json!({ "checks": 4 })));
    state.reload = Box::new(|| Box::pin(async { Err("web.yaml:1:1: bad".to_owned()) }));
    let bad = ask(&state, Method::POST, path, TOKEN).await;
    assert_eq!(bad, (422, json!({ "problems": "web.yaml:1:1: bad" })));
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_takes_long_is_not_waited_for() {
    let mut state = Bench::busy().state(|_| String::new());
    state.reload = Box::new(|| Box::pin(std::future::pending()));
    let (code, answer) = ask(&state, Method::POST, "/api/v1/reload", TOKEN).await;
    assert_eq!(code, 504, "{answer}");
}

#[tokio::test]
async fn a_refused_suite_is_reported() {
    let bench = Bench::busy();
    bench.reloads.failed("web.yaml:1:1: bad".to_owned(), at(60), None);
    let (_, status) = bench.get("/api/v1/status").await;
    insta::assert_snapshot!(status["suite"], @r#"{"checks":4,"in_force_since":"2025-12-29T09:20:00.000Z","refused":{"at":"2025-12-29T09:21:00.000Z","problems":"web.yaml:1:1: bad"},"reloads":{"failed":1,"succeeded":0}}"#);
}

#[tokio::test]
async fn each_route_has_its_methods() {
    let state = Bench::busy().state(|_| String::new());
    let only = |methods: &str| {
        (
            405,
            json!({ "error": format!("method not allowed; use {methods}") }),
        )
    };
    assert_eq!(
        ask(&state, Method::GET, "/api/v1/reload", TOKEN).await,
        only("POST")
    );
    for path in ["/", "/livez", "/metrics", "/api/v1/status", "/openapi.json"] {
        assert_eq!(
            ask(&state, Method::POST, path, TOKEN).await,
            only("GET, HEAD"),
            "{path}"
        );
        assert_eq!(ask(&state, Method::HEAD, path, "").await.0, 200, "{path}");
    }
    let nothing = (
        404,
        json!({ "error": "not found; see / for available endpoints" }),
    );
    for path in ["/api", "/api/v1/checks/", "/api/v1/status/", "/livez/x"] {
        assert_eq!(ask(&state, Method::GET, path, TOKEN).await, nothing, "{path}");
    }
}
