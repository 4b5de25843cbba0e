//! `canary check`: its exit codes, and what it runs.

use canary_tests::harness::HOSTILE;
use canary_tests::peer::Hostile;
use insta::assert_snapshot;
use rustix::process::Signal;

use super::{canary, http_check, runs, site, suite};

#[tokio::test(flavor = "multi_thread")]
async fn it_exits_with_0_when_all_pass_or_warn() {
    let site = site();
    let slow = "    config: { expect: { latency: { warn: 1ns, fail: 1h } } }\n";
    let folder = suite(&format!(
        "checks:\n{}{}{slow}",
        http_check("fine", &site, "/"),
        http_check("slow", &site, "/")
    ));
    let ending = canary(&folder, &["check", "suite.yaml"]).run();
    assert_eq!(ending.code, 0, "{ending:?}");
    assert!(ending.out.ends_with("2 runs: 1 pass, 1 warn\n"), "{ending:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_exits_with_1_when_one_fails() {
    let site = site();
    let folder = suite(&format!(
        "defaults: {{ retries: 0 }}\nchecks:\n{}{}",
        http_check("fine", &site, "/"),
        http_check("bad", &site, "/bad")
    ));
    let ending = canary(&folder, &["check", "suite.yaml"]).run();
    assert_eq!(ending.code, 1, "{ending:?}");
    assert!(ending.out.ends_with("2 runs: 1 pass, 1 fail\n"), "{ending:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_exits_with_2_when_a_run_is_stopped_whatever_else_fails() {
    let site = site();
    let folder = suite(&format!(
        "defaults: {{ retries: 0 }}\nplugins: {{ mine: {{ path: mine.wasm }} }}\nchecks:\n{}  \
         - {{ name: eater, plugin: mine, target: 'a:1', config: {{ then: grow_memory }} }}\n",
        http_check("bad", &site, "/bad"),
    ));
    std::fs::copy(HOSTILE, folder.path().join("mine.wasm")).unwrap();
    let ending = canary(&folder, &["check", "suite.yaml"]).run();
    assert_eq!(ending.code, 2, "{ending:?}");
    assert!(ending.out.ends_with("2 runs: 1 fail, 1 stopped\n"), "{ending:?}");
}

#[test]
fn it_exits_with_3_when_the_suite_is_bad() {
    let folder = suite("checks: [{ name: a, plugin: http }]\n");
    let ending = canary(&folder, &["check", "suite.yaml"]).run();
    assert_eq!((ending.code, ending.out.as_str()), (3, ""), "{ending:?}");
}

#[test]
fn it_exits_with_64_when_the_arguments_are_wrong() {
    let wrong: [&[&str]; 7] = [
        &[],
        &["chekc"],
        &["check"],
        &["check", "suite.yaml", "--format", "xml"],
        &["check", "suite.yaml", "--concurrency", "0"],
        &["check", "suite.yaml", "--block-networks", "everything"],
        &["run", "suite.yaml", "--grace", "soon"],
    ];
    let folder = suite("checks: [{ name: a, plugin: tcp, target: \"localhost:1\" }]\n");
    for arguments in wrong {
        let ending = canary(&folder, arguments).run();
        assert_eq!(
            (ending.code, ending.out.as_str()),
            (64, ""),
            "{arguments:?}: {ending:?}"
        );
    }
}

#[test]
fn help_and_version_are_no_errors() {
    let folder = suite("");
    for argument in ["--help", "--version"] {
        let ending = canary(&folder, &[argument]).run();
        assert_eq!((ending.code, ending.err.as_str()), (0, ""), "{argument}");
    }
    let help = canary(&folder, &["--help"]).run().out;
    for part in ["\nExit codes:\n", "\nGlobal options:\n", "\nExamples:\n"] {
        assert!(help.contains(part), "{part}: {help}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_named_checks_run() {
    let site = site();
    let checks = ["one", "two", "three"].map(|name| http_check(name, &site, "/"));
    let folder = suite(&format!("checks:\n{}", checks.concat()));
    let arguments = [
        "check",
        "suite.yaml",
        "--format",
        "json",
        "--check",
        "three",
        "--check",
        "one",
    ];
    let ending = canary(&folder, &arguments).run();
    let names: Vec<_> = runs(&ending.out).iter().map(|run| run["check"].clone()).collect();
    assert_eq!(names, ["one", "three"]);
    assert_eq!(site.accepted(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_several_targets_runs_by_its_id() {
    let site = site();
    let (one, two) = (site.url("http", "/"), site.url("http", "/two"));
    let folder = suite(&format!(
        "checks: [{{ name: web, plugin: http, targets: ['{one}', '{two}'] }}]\n"
    ));
    let id = format!("web@{two}");
    let arguments = ["check", "suite.yaml", "--format", "json", "--check", &id];
    let ending = canary(&folder, &arguments).run();
    let ids: Vec<_> = runs(&ending.out).iter().map(|run| run["id"].clone()).collect();
    assert_eq!(ids, [id]);
    assert_eq!(site.accepted(), 1);
}

#[test]
fn a_name_that_no_check_has_is_a_usage_error_with_a_suggestion() {
    let folder = suite("checks: [{ name: website, plugin: tcp, target: \"localhost:1\" }]\n");
    let ending = canary(&folder, &["check", "suite.yaml", "--check", "wesbite"]).run();
    assert_eq!((ending.code, ending.out.as_str()), (64, ""));
    assert_snapshot!(ending.err, @"error: no check named `wesbite`; did you mean `website`?");
    let ending = canary(&folder, &["check", "suite.yaml", "--check", "zzzzzz"]).run();
    assert_eq!(ending.code, 64);
    assert_snapshot!(ending.err, @"error: no check named `zzzzzz`");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_stops_the_runs_and_says_so() {
    let peer = Hostile::Silent.start();
    let folder = suite(&format!(
        "defaults: {{ interval: 10m, timeout: 10m, retries: 3 }}\nchecks:\n{}",
        http_check("silent", &peer, "/")
    ));
    let running = canary(&folder, &["check", "suite.yaml", "--format", "json"]).start();
    peer.until(|counts| counts.accepted > 0).await;
    running.signal(Signal::TERM);
    let ending = running.end();
    let run = &runs(&ending.out)[0];
    assert_eq!(
        (&run["outcome"], &run["cause"]),
        (&"stopped".into(), &"shutdown".into())
    );
    assert_eq!(ending.code, 2, "{ending:?}");
}
