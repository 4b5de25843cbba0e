//! Suites that a reload refuses.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_suite_leaves_the_old_one_running_and_says_every_problem() {
    let site = site();
    let good = format!("checks:\n{}    interval: 100ms\n", http_check("page", &site, "/"));
    let folder = folder(&[("suite.yaml", &good)]);
    let mut running = canary(&folder, &["run", "suite.yaml"]).start();
    next(&mut running, "running");
    put(
        folder.path(),
        "suite.yaml",
        good.replace("plugin: http", "plugin: htpp"),
    );
    running.signal(Signal::HUP);
    next(&mut running, "reload failed");
    let problem = next(&mut running, "suite.yaml:");
    assert!(problem.contains("unknown plugin `htpp`"), "{problem}");
    let before = site.accepted();
    let more_runs = site.until(|counts| counts.accepted >= before + 10);
    tokio::time::timeout(service_process::LIMIT, more_runs)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_only_its_plugin_refuses_leaves_the_old_suite_at_work() {
    let site = site();
    let good = format!("checks:\n{}    interval: 100ms\n", http_check("page", &site, "/"));
    let folder = suite(&good);
    let mut running = canary(&folder, &["run", "suite.yaml"]).start();
    next(&mut running, "running");
    let config = "    config: { expect: { body: { length: { '>=': 10, '<': 2 } } } }\n";
    put(folder.path(), "suite.yaml", format!("{good}{config}"));
    running.signal(Signal::HUP);
    next(&mut running, "reload failed");
    let line = good.lines().count() + 1;
    let problem = next(&mut running, &format!("suite.yaml:{line}:"));
    assert!(
        problem.contains("check `page`: `config.expect.body.length.>=`: no number is >= 10 and < 2"),
        "{problem}"
    );
    accepted(&site, site.accepted() + 10).await;
    put(folder.path(), "suite.yaml", &good);
    running.signal(Signal::HUP);
    next(&mut running, "reloaded: 1 checks");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suite_that_was_refused_is_read_again_once_the_file_that_it_lacked_is_there() {
    let site = site();
    let good = format!("checks:\n{}    interval: 100ms\n", http_check("page", &site, "/"));
    let folder = suite(&good);
    let mut running = canary(&folder, &["run", "suite.yaml"]).start();
    next(&mut running, "running");
    let lacking = good.replace("/\n", "/${file:late}\n");
    assert_ne!(lacking, good);
    put(folder.path(), "suite.yaml", lacking);
    running.signal(Signal::HUP);
    next(&mut running, "reload failed");
    put(folder.path(), "late", "page-of-late");
    next(&mut running, "reloaded: 1 checks");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suite_that_was_refused_for_want_of_descriptors_is_read_again_although_no_file_changes() {
    let site = site();
    let good = format!("checks:\n{}    interval: 100ms\n", http_check("page", &site, "/"));
    let folder = suite(&good);
    let mut running = canary(&folder, &["run", "suite.yaml"]).start();
    next(&mut running, "running");
    accepted(&site, 5).await;
    running.limit_descriptors(3);
    running.signal(Signal::HUP);
    next(&mut running, "reload failed");
    next(&mut running, "retrying in");
    running.limit_descriptors(256);
    next(&mut running, "reloaded: 1 checks");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suite_that_was_refused_shows_in_readiness_and_the_service_lives() {
    let site = site();
    let good = format!("checks:\n{}    interval: 100ms\n", http_check("page", &site, "/"));
    let folder = suite(&good);
    let program = canary(&folder, &["run", "suite.yaml"]).env("CANARY_ADMIN", "127.0.0.1:0");
    let mut running = program.start();
    let address = admin_address(&mut running);
    accepted(&site, 5).await;
    let condition = |path: &str| {
        let answer = get(address, path).unwrap();
        (
            answer.status.as_u16(),
            String::from_utf8(answer.body.to_vec()).unwrap(),
        )
    };
    let well = "{\"status\":\"ok\",\"problems\":[]}\n".to_owned();
    let until_ready = || {
        let began = Instant::now();
        // A busy machine may have had a slow poll, which is reported for a minute.
        while condition("/readyz") != (200, well.clone()) {
            assert!(
                began.elapsed() < service_process::LIMIT,
                "{:?}",
                condition("/readyz")
            );
            std::thread::park_timeout(Duration::from_millis(50));
        }
    };
    until_ready();
    put(folder.path(), "suite.yaml", "checks: no");
    running.signal(Signal::HUP);
    next(&mut running, "reload failed");
    let (status, body) = condition("/readyz");
    assert!(
        status == 503 && body.contains("\"what\":\"suite_refused\""),
        "{body}"
    );
    assert_eq!(condition("/livez"), (200, well.clone()));
    put(folder.path(), "suite.yaml", &good);
    running.signal(Signal::HUP);
    next(&mut running, "reloaded");
    until_ready();
}

/// A service in a container of 256 MiB is killed at its limit; the values would take as much by themselves.
#[tokio::test(flavor = "multi_thread")]
async fn a_suite_of_millions_of_values_is_refused_within_the_memory_of_a_small_service() {
    let site = site();
    let good = format!("checks:\n{}    interval: 100ms\n", http_check("page", &site, "/"));
    let folder = suite(&good);
    let mut running = canary(&folder, &["run", "suite.yaml"]).start();
    next(&mut running, "running");
    let values = "1,".repeat(3_900_000);
    put(
        folder.path(),
        "suite.yaml",
        format!("{good}x-values: [{values}]\n"),
    );
    for _ in 0..3 {
        running.signal(Signal::HUP);
        next(&mut running, "reload failed");
        let problem = next(&mut running, "suite.yaml:");
        assert!(
            problem.contains("the suite takes more than 96 MiB of memory to read"),
            "{problem}"
        );
    }
    let peak = running.peak_resident();
    assert!(peak < 256 << 20, "{} MiB", peak >> 20);
    accepted(&site, site.accepted() + 10).await;
}
