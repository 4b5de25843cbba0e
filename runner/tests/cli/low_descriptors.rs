//! A low limit of open descriptors.

use canary_tests::collector::{Collector, LIMIT, Protocol};
use canary_tests::command::Running;
use canary_tests::peer::Hostile;
use canary_tests::peer::http::{Reply, Site};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::service_process::get;
use super::{accepted, canary, folder};

/// Starts the service with a limit of 64 descriptors.
fn with_64_descriptors(folder: &TempDir, collector: &Collector) -> Running {
    canary(folder, &["run", "suite.yaml", "--config", "canary.yaml"])
        .env("CANARY_ADMIN", "127.0.0.1:0")
        .env("CANARY_STATE_DIR", folder.path().join("state"))
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url("http"))
        .env("OTEL_METRIC_EXPORT_INTERVAL", "300")
        .descriptors(64)
        .start()
}

#[tokio::test(flavor = "multi_thread")]
async fn with_64_descriptors_it_says_so_goes_on_to_speak_and_records_every_run() {
    let (silent, heartbeat) = (Hostile::Silent.start(), Site::start(|_| Reply::status(200)));
    let collector = Collector::start(Protocol::Http);
    let checks: String = (0..40)
        .map(|number| {
            format!(
                "  - {{ name: c{number}, plugin: tls, target: \"{}\" }}\n",
                silent.address()
            )
        })
        .collect();
    let suite = format!("defaults: {{ interval: 1s, timeout: 900ms, retries: 0 }}\nchecks:\n{checks}");
    let settings =
        json!({ "heartbeat": { "url": heartbeat.url("http", "/ping"), "interval": "2s", "start": false } });
    let folder = folder(&[("suite.yaml", &suite), ("canary.yaml", &settings.to_string())]);
    let mut running = with_64_descriptors(&folder, &collector);
    let mut notes = Vec::new();
    while !notes
        .iter()
        .any(|note: &String| note.contains("concurrent runs may need"))
    {
        notes.push(running.log_line().expect("it warns"));
    }
    let warning = notes.last().unwrap();
    assert!(warning.contains("sockets, but only"), "{warning}");
    let place = notes
        .iter()
        .find_map(|note| note.strip_prefix("metrics on http://"));
    let address = place.unwrap().trim_end_matches("/metrics").parse().unwrap();

    // The heartbeat pings only if exports succeed and checks make progress.
    accepted(&heartbeat, 2).await;
    let exported = collector.wait_for(LIMIT, |arrivals| arrivals.spans().roots().len() >= 80);
    let text = format!("{:?}", exported.spans());
    assert!(text.contains("descriptors") && text.contains("timeout"), "{text}");
    assert_eq!(get(address, "/livez").status, 200);
    let status = get(address, "/api/v1/status");
    let status: Value = serde_json::from_slice(&status.body).unwrap();
    let causes = |cause: &str| {
        let checks = status["checks"].as_array().unwrap().iter();
        checks.filter(|check| check["last"]["cause"] == cause).count()
    };
    assert!(causes("descriptors") > 0, "{status}");
    assert_eq!(status["descriptors"]["unaccounted"], 0);

    running.signal(Signal::TERM);
    let ending = running.end();
    assert_eq!(ending.code, 0, "{ending:?}");
    let last = ending.log_lines().last().unwrap();
    let numbers: Vec<u64> = last.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert_eq!(numbers[0], numbers[1] + numbers[2], "{last}");
}

#[test]
fn a_limit_that_is_too_low_is_refused_at_the_start_with_what_is_needed_and_the_way_out() {
    let suite = "checks: [{ name: a, plugin: tcp, target: \"127.0.0.1:9\" }]";
    let folder = folder(&[("suite.yaml", suite)]);
    for (limit, name, option) in [
        ("ulimit -n 16", "RLIMIT_NOFILE", "`ulimit -n`"),
        ("ulimit -n 24", "RLIMIT_NOFILE", "`ulimit -n`"),
        ("ulimit -n 32", "RLIMIT_NOFILE", "`ulimit -n`"),
        ("ulimit -n 48", "RLIMIT_NOFILE", "`ulimit -n`"),
        ("ulimit -v 150000", "RLIMIT_AS", "`ulimit -v`"),
        ("ulimit -v 400000", "RLIMIT_AS", "`ulimit -v`"),
        ("ulimit -v 1000000", "RLIMIT_AS", "`ulimit -v`"),
        ("ulimit -d 50000", "RLIMIT_DATA", "`ulimit -d`"),
        ("ulimit -d 10000", "RLIMIT_DATA", "`ulimit -d`"),
        ("ulimit -d 5000", "RLIMIT_DATA", "`ulimit -d`"),
    ] {
        let arguments = ["run", "suite.yaml", "--admin", "127.0.0.1:0"];
        let ending = canary(&folder, &arguments).after(limit).run();
        assert_eq!(ending.code, 2, "{limit}: {ending:?}");
        let said: Vec<&str> = ending.log_lines().collect();
        let [said] = said[..] else {
            panic!("{limit}: {said:?}")
        };
        assert!(
            said.contains(name) && said.contains(option) && said.contains("needs"),
            "{said}"
        );
    }
}

#[test]
fn a_command_that_ends_by_itself_works_with_32_descriptors() {
    let suite = "checks: [{ name: a, plugin: tcp, target: \"127.0.0.1:9\", retries: 0 }]";
    let folder = folder(&[("suite.yaml", suite)]);
    let ending = canary(&folder, &["check", "suite.yaml"]).descriptors(32).run();
    assert_eq!(ending.code, 1, "{ending:?}");
    assert!(ending.out.contains("refused"), "{ending:?}");
}
