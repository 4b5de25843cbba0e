//! Output formats of `canary check`: for people, for programs, for CI systems.

use std::collections::BTreeSet;
use std::process::Command;

use canary_tests::command::{Ending, Program, find};
use serde_json::Value;
use tempfile::TempDir;

use super::{cache, canary, http_check, runs, site, suite};

const ESCAPE: char = '\x1b';

/// One check that passes, one that fails, and one that leaks and is refused.
fn checked(format: &str) -> (TempDir, Ending) {
    let site = site();
    let leak = format!(
        "  - name: leak\n    plugin: leak\n    target: {}\n    quota: {{ sockets: 2 }}\n    config: {{ connections: 3 }}\n",
        site.address()
    );
    let folder = suite(&format!(
        "defaults: {{ retries: 0 }}\nchecks:\n{}{}{leak}",
        http_check("fine", &site, "/"),
        http_check("bad", &site, "/bad")
    ));
    let ending = canary(&folder, &["check", "suite.yaml", "--format", format]).run();
    assert_eq!(ending.code, 1, "{ending:?}");
    (folder, ending)
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn json_has_the_promised_fields_and_no_others() {
    let (_folder, ending) = checked("json");
    let document: Value = serde_json::from_str(&ending.out).unwrap();
    assert_eq!(keys(&document), ["runs", "totals"].into());
    for run in document["runs"].as_array().unwrap() {
        let promised = [
            "check",
            "id",
            "target",
            "plugin",
            "description",
            "runbook_url",
            "expect_failure",
            "outcome",
            "verdict",
            "cause",
            "summary",
            "duration_ms",
            "attempts",
            "assertions",
            "measurements",
            "attributes",
            "log",
            "usage",
        ];
        assert_eq!(keys(run), promised.into());
        let promised = [
            "sockets_peak",
            "connections",
            "lookups",
            "bytes_in",
            "bytes_out",
            "memory_peak",
            "cpu_ms",
            "denials",
            "reclaimed",
            "record_bytes",
            "record_cut",
            "record_cut_bytes",
        ];
        assert_eq!(keys(&run["usage"]), promised.into());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_tells_what_each_run_found_and_used() {
    let (_folder, ending) = checked("json");
    let runs = runs(&ending.out);
    let reported = |run: &Value| {
        (
            run["check"].clone(),
            run["outcome"].clone(),
            run["verdict"].clone(),
            run["cause"].clone(),
        )
    };
    let completed =
        |name: &str, verdict: &str| (name.into(), "completed".into(), verdict.into(), Value::Null);
    assert_eq!(reported(&runs[0]), completed("fine", "pass"));
    assert_eq!(reported(&runs[1]), completed("bad", "fail"));
    assert_eq!(reported(&runs[2]), completed("leak", "warn"));
    let usage = &runs[2]["usage"];
    assert_eq!(usage["denials"], serde_json::json!({ "sockets": 1 }));
    assert_eq!(
        (&usage["sockets_peak"], &usage["reclaimed"]),
        (&2.into(), &2.into())
    );
    assert!(runs[0]["duration_ms"].as_f64().unwrap() > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn junit_is_xml_with_a_case_a_run() {
    let (folder, ending) = checked("junit");
    let file = folder.path().join("report.xml");
    std::fs::write(&file, &ending.out).unwrap();
    let report = ending.out.as_str();
    assert!(
        report.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"),
        "{report}"
    );
    assert!(
        report.contains("tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"0\""),
        "{report}"
    );
    assert_eq!(report.matches("<testcase ").count(), 3);
    if let Some(python) = find("python3") {
        let parse = "import sys, xml.etree.ElementTree as t; print(len(t.parse(sys.argv[1]).findall('testsuite/testcase')))";
        let parsed = Command::new(python)
            .args(["-c", parse])
            .arg(file)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(parsed.stdout).unwrap(), "3\n");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_what_a_passing_run_found_when_asked_for() {
    let site = site();
    let folder = suite(&format!("checks:\n{}", http_check("fine", &site, "/")));
    let check = |more: &[&str]| canary(&folder, &[&["check", "suite.yaml"], more].concat()).run();
    let (short, long) = (check(&[]), check(&["--verbose"]));
    assert_eq!((short.code, long.code), (0, 0), "{long:?}");
    assert!(!short.out.contains("pass  status"), "{}", short.out);
    assert!(long.out.contains("pass  status"), "{}", long.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_coloured_where_nobody_looks() {
    for format in ["human", "json", "junit"] {
        let (_folder, ending) = checked(format);
        assert!(
            !ending.out.contains(ESCAPE) && !ending.err.contains(ESCAPE),
            "{ending:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_has_colours_unless_no_color_is_set() {
    let Some(script) = find("script") else { return };
    let site = site();
    let folder = suite(&format!("checks:\n{}", http_check("fine", &site, "/")));
    let command = format!("{} check suite.yaml", env!("CARGO_BIN_EXE_canary"));
    let terminal = || {
        let program = Program::at(&script)
            .within(folder.path())
            .env("CANARY_CACHE_DIR", cache());
        program.args(["--quiet", "--return", "--command", &command, "/dev/null"])
    };
    for (ending, is_coloured) in [
        (terminal().run(), true),
        (terminal().env("NO_COLOR", "").run(), true),
        (terminal().env("NO_COLOR", "1").run(), false),
    ] {
        assert_eq!(
            (ending.code, ending.out.contains(ESCAPE)),
            (0, is_coloured),
            "{ending:?}"
        );
    }
}
