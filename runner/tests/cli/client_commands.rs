//! Client commands of a running service, over its admin address.

mod access_control;

use canary_tests::peer::{Hostile, Peer};
use canary_tests::ports;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::service_process::Service;
use super::{canary, folder, http_check, site};

/// A suite with one check, every two seconds.
fn page(peer: &Peer) -> String {
    let check = http_check("page", peer, "/");
    format!("defaults: {{ interval: 2s, timeout: 2s, retries: 0, failure_threshold: 1 }}\nchecks:\n{check}")
}

/// A suite with a plugin that never closes its connections and waits for a response that does not come.
fn leaking(peer: &Peer) -> String {
    format!(
        "defaults: {{ interval: 2s, timeout: 2s, retries: 0 }}\nchecks:\n  - name: leaking plugin\n    \
         plugin: leak\n    target: {}\n    quota: {{ sockets: 4 }}\n    config: {{ connections: 1 }}\n",
        peer.url("http", "/")
    )
}

fn all_ran(status: &Value) -> bool {
    let checks = status["checks"].as_array().unwrap();
    checks.iter().all(|check| check["last"].is_object())
}

/// Whether the last runs of the checks `bad` and `page` had the verdicts of their pages.
fn are_judged(status: &Value) -> bool {
    let checks = &status["checks"];
    checks[0]["status"] == "down" && checks[1]["status"] == "up"
}

/// Normalizes whitespace and the port, which differs in each run.
fn steady(table: &str, port: u16) -> String {
    let table = table.replace(&format!(":{port}"), ":PORT");
    let lines = table
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_shows_the_leak_while_it_holds_its_sockets_and_that_they_are_reclaimed_a_moment_later() {
    let peer = Hostile::Silent.start();
    let service = Service::start(&leaking(&peer), "", |program| program);
    peer.until(|counts| counts.open >= 1).await;
    let arguments = ["connections", "--format", "json", "--check", "leaking plugin"];
    // It may be seen while it connects and sends.
    let seen = service.until(&arguments, |seen| seen["open"][0]["phase"] == "wait");
    assert!(seen["matched"].as_u64() > Some(0), "{seen:#}");
    let open = &seen["open"][0];
    assert_eq!(open["check"], "leaking plugin");
    assert_eq!(open["plugin"], "leak");
    assert_eq!(open["peer"], peer.address().to_string());
    assert_eq!(open["phase"], "wait");
    let run = open["run"].as_str().unwrap().to_owned();
    assert_eq!(run.len(), 32);

    let taken = |seen: &Value| {
        let reclaimed = seen["reclaimed"].as_array().unwrap();
        reclaimed.iter().any(|one| one["run"] == run.as_str())
    };
    let seen = service.until(&arguments, taken);
    let reclaimed = seen["reclaimed"].as_array().unwrap();
    let gone = reclaimed.iter().find(|one| one["run"] == run.as_str()).unwrap();
    assert!(
        ["leak", "deadline"].contains(&gone["cause"].as_str().unwrap()),
        "{gone}"
    );
    let still_open = seen["open"].as_array().unwrap();
    assert!(
        still_open.iter().all(|one| one["run"] != run.as_str()),
        "{seen:#}"
    );
    let status = service.json(&["status", "--format", "json"]);
    assert!(status["descriptors"]["reclaimed"].as_u64() > Some(0));

    let text = service.client_command(&["connections"]).run().out;
    let table = steady(&text, peer.address().port());
    assert!(
        table.contains("\nRECLAIMED CHECK PLUGIN PEER WHY OPEN IN OUT RUN\n"),
        "{table}"
    );
    assert!(
        table.contains(" ago leaking plugin leak 127.0.0.1:PORT "),
        "{table}"
    );
    assert!(!text.contains('\x1b'));
    service.end();
}

#[test]
fn the_leak_of_the_demo_is_seen_with_all_its_sockets_and_all_of_them_are_reclaimed_a_moment_later() {
    let demo = Service::demo();
    let reclaimed = || demo.json(&["status", "--format", "json"])["descriptors"]["reclaimed"].as_u64();
    let before = reclaimed().unwrap();
    let arguments = ["connections", "--format", "json", "--check", "leaking plugin"];
    // The leak plugin tries to open eight connections.
    let seen = demo.until(&arguments, |seen| {
        // The other ends are in the same process, and accounted for.
        let status: Value = serde_json::from_slice(&demo.get("/api/v1/status").body).unwrap();
        assert_eq!(status["descriptors"]["unaccounted"], 0, "{status:#}");
        assert!(seen["matched"].as_u64() <= Some(4), "{seen:#}");
        seen["matched"] == 4
    });
    let open = seen["open"].as_array().unwrap();
    let run = open[0]["run"].as_str().unwrap();
    for one in open {
        assert_eq!(
            (&one["run"], &one["plugin"]),
            (&json!(run), &json!("leak")),
            "{seen:#}"
        );
    }
    assert_eq!(open.len(), 4, "{seen:#}");

    let own = |list: &Value| -> Vec<Value> {
        let all = list.as_array().unwrap();
        all.iter().filter(|one| one["run"] == run).cloned().collect()
    };
    let seen = demo.until(&arguments, |seen| own(&seen["reclaimed"]).len() == 4);
    assert_eq!(own(&seen["open"]), [Value::Null; 0], "{seen:#}");
    for gone in own(&seen["reclaimed"]) {
        assert_eq!(gone["cause"], "leak", "{seen:#}");
    }
    assert!(reclaimed() >= Some(before + 4));
    assert_eq!(demo.problems("/livez"), [""; 0]);

    demo.process.signal(Signal::TERM);
    let ending = demo.process.end();
    assert!(ending.out.contains(" 0 unaccounted\n"), "{ending:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn status_tells_how_each_check_is() {
    let site = site();
    let bad = http_check("bad", &site, "/bad");
    let suite = format!("{}{bad}    labels: {{ team: web }}\n", page(&site));
    let service = Service::start(&suite, "", |program| program);
    let status = service.until(&["status", "--format", "json"], are_judged);
    assert_eq!(status["suite"]["checks"], 2);
    let [bad, page] = &status["checks"].as_array().unwrap()[..] else {
        panic!("{status:#}");
    };
    assert_eq!(
        (&bad["status"], &bad["labels"]["team"]),
        (&json!("down"), &json!("web"))
    );
    assert_eq!(
        (&page["status"], &page["last"]["outcome"]),
        (&json!("up"), &json!("pass"))
    );
    let account = &status["account"];
    let sum = |counts: &Value| -> u64 {
        counts
            .as_object()
            .unwrap()
            .values()
            .filter_map(Value::as_u64)
            .sum()
    };
    let parts = sum(&account["finished"]) + sum(&account["missed"]) + account["under_way"].as_u64().unwrap();
    assert_eq!(account["scheduled"].as_u64(), Some(parts), "{account}");

    service.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_have_the_runner_above_and_a_line_a_check() {
    let site = site();
    let suite = format!("{}{}", page(&site), http_check("bad", &site, "/bad"));
    let service = Service::start(&suite, "", |program| program);
    service.until(&["status", "--format", "json"], are_judged);
    for arguments in [&["status"][..], &["top"]] {
        let ending = service.client_command(arguments).run();
        assert_eq!(ending.code, 0, "{ending:?}");
        for line in [
            "canary ",
            "suite: 2 checks,",
            "runs: ",
            "descriptors: ",
            "CHECK  ",
        ] {
            assert!(
                ending.out.lines().any(|own| own.starts_with(line)),
                "{}",
                ending.out
            );
        }
        assert!(ending.out.contains("status: 503"), "{}", ending.out);
    }
    let one = service.client_command(&["status", "--check", "page"]).run();
    assert!(
        one.out.contains("200 OK") && !one.out.contains("503"),
        "{}",
        one.out
    );
    let none = service.client_command(&["status", "--check", "pgae"]).run();
    assert_eq!(none.code, 1);
    assert_eq!(none.err, "error: the runner has no check named `pgae`\n");
    service.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_is_one_line_and_an_exit_code() {
    let site = site();
    let service = Service::start(&page(&site), "", |program| program);
    service.until(&["status", "--format", "json"], |seen| {
        seen["problems"] == json!([])
    });
    for (what, line) in [("live", "live: ok\n"), ("ready", "ready: ok\n")] {
        let ending = service.client_command(&["status", "--probe", what]).run();
        assert_eq!((ending.code, ending.out.as_str()), (0, line), "{ending:?}");
    }
    std::fs::write(service.folder.path().join("suite.yaml"), "checks: none").unwrap();
    service.process.signal(Signal::HUP);
    service.until(&["status", "--format", "json"], |seen| {
        seen["suite"]["refused"].is_object()
    });
    let ending = service.client_command(&["status", "--probe", "ready"]).run();
    assert_eq!(ending.code, 1);
    assert!(
        ending
            .out
            .starts_with("ready: failing: suite_refused: reload failed, keeping the current suite"),
        "{ending:?}"
    );
    assert_eq!(ending.out.lines().count(), 1);
    let json = service
        .client_command(&["status", "--probe", "live", "--format", "json"])
        .run();
    assert_eq!(json.out, "{\"status\":\"ok\",\"problems\":[]}\n");
    service.end();
}

#[test]
fn where_no_runner_is_the_error_says_so() {
    let address = ports::unused().to_string();
    let folder = folder(&[]);
    for arguments in [
        &["status"][..],
        &["status", "--probe", "live"],
        &["connections"],
        &["top"],
        &["reload"],
    ] {
        let ending = canary(&folder, arguments).env("CANARY_ADMIN", &address).run();
        assert_eq!((ending.code, ending.out.as_str()), (1, ""), "{ending:?}");
        let said = format!("error: cannot reach canary at http://{address}: ");
        assert!(ending.err.starts_with(&said), "{ending:?}");
        assert!(
            ending.err.ends_with("; is it running, and is `--admin` right?\n"),
            "{ending:?}"
        );
        assert_eq!(ending.err.matches("connection refused").count(), 1, "{ending:?}");
    }
    let ending = canary(&folder, &["status"]).run();
    assert_eq!(ending.code, 64, "{ending:?}");
    assert_eq!(
        ending.err,
        "error: the admin server is disabled; set the address of a running instance with `--admin`\n"
    );
}

#[test]
fn asking_starts_no_engine() {
    let folder = folder(&[]);
    // The engine would need a cache, and could not start without address space for its pool.
    let ending = canary(&folder, &["status", "--admin", "127.0.0.1:1"])
        .env("CANARY_CACHE_DIR", "/proc/none")
        .after("ulimit -v 400000")
        .run();
    assert_eq!(ending.code, 1, "{ending:?}");
    assert!(
        ending.err.starts_with("error: cannot reach canary at"),
        "{ending:?}"
    );
}
