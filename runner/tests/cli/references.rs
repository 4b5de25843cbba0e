//! What references in a suite may read, and the runner's own secrets, which they may not.

use std::fs;
use std::os::unix::fs::symlink;

use canary_tests::command::{Ending, Program};
use tempfile::TempDir;

use super::{canary, folder};

/// A suite that sends the value of `reference`.
fn suite(reference: &str) -> String {
    let config = format!("config: {{ headers: {{ x-token: \"{reference}\" }} }}");
    format!("checks: [{{ name: a, plugin: http, target: \"http://127.0.0.1:9/\", {config} }}]\n")
}

fn validate(files: &TempDir, reference: &str, with: impl FnOnce(Program) -> Program) -> Ending {
    fs::write(files.path().join("suite.yaml"), suite(reference)).unwrap();
    with(canary(files, &["validate", "suite.yaml"])).run()
}

#[track_caller]
fn refused(ending: &Ending, reason: &str, setting: &str) {
    assert_eq!(ending.code, 3, "{ending:?}");
    assert!(ending.err.contains(reason), "{ending:?}");
    assert!(ending.err.contains(setting), "{ending:?}");
}

#[test]
fn suites_cannot_read_the_runners_own_variables() {
    let files = folder(&[("canary.yaml", "x-routing: ${env:PD_KEY}\n")]);
    let set = |program: Program| {
        let program = program.env("CANARY_ADMIN_TOKEN", "correct-horse-battery");
        let program = program.env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=x");
        let program = program.env("PD_KEY", "routing-key").env("TOKEN", "of-the-suite");
        program.env("CANARY_CONFIG", "canary.yaml")
    };
    for name in ["CANARY_ADMIN_TOKEN", "OTEL_EXPORTER_OTLP_HEADERS", "PD_KEY"] {
        for reference in [format!("${{env:{name}}}"), format!("${{env:{name}:-default}}")] {
            let ending = validate(&files, &reference, set);
            let reason = format!("the environment variable `{name}` is reserved for the runner");
            refused(&ending, &reason, "`suites.env`");
        }
    }
    let ending = validate(&files, "${env:TOKEN}", set);
    assert_eq!(ending.code, 0, "{ending:?}");
}

#[test]
fn suites_cannot_read_the_runners_own_files() {
    let files = folder(&[
        ("canary.yaml", "x-routing: ${file:routing}\n"),
        ("routing", "routing-key"),
        ("token", "correct-horse-battery"),
        ("state/state.db", "a database"),
        ("other", "of-the-suite"),
    ]);
    let at = |name: &str| files.path().join(name);
    symlink(at("state"), at("link")).unwrap();
    fs::hard_link(at("state/state.db"), at("hard")).unwrap();
    let set = |program: Program| {
        let program = program
            .env("CANARY_CONFIG", "canary.yaml")
            .env("CANARY_STATE_DIR", "state");
        program.env("CANARY_ADMIN_TOKEN_FILE", "token")
    };
    for own in [
        "canary.yaml",
        "routing",
        "token",
        "state/state.db",
        "./state/../state/state.db",
        "link/state.db",
        "hard",
    ] {
        let ending = validate(&files, &format!("${{file:{own}}}"), set);
        refused(&ending, "it belongs to the runner", "`suites.files`");
    }
    assert_eq!(validate(&files, "${file:other}", set).code, 0);
    for kernels in [
        "/proc/self/environ",
        "/proc/self/root/proc/self/environ",
        "/sys/kernel/notes",
    ] {
        let ending = validate(&files, &format!("${{file:{kernels}}}"), set);
        assert_eq!(ending.code, 3, "{ending:?}");
    }
}

#[test]
fn an_operator_narrows_what_suites_may_refer_to() {
    let files = folder(&[
        ("canary.yaml", "suites: { env: [WEB_*], files: [secrets] }\n"),
        ("secrets/web", "a secret"),
        ("other", "another"),
    ]);
    let by_file = |program: Program| {
        let program = program.env("WEB_TOKEN", "a").env("DB_TOKEN", "b");
        program.env("CANARY_CONFIG", "canary.yaml")
    };
    let by_flag = |program: Program| {
        let program = program.env("WEB_TOKEN", "a").env("DB_TOKEN", "b");
        program.args(["--suite-env", "WEB_TOKEN,MORE", "--suite-files", "secrets/web"])
    };
    let cases: [&dyn Fn(Program) -> Program; 2] = [&by_file, &by_flag];
    for with in cases {
        for permitted in ["${env:WEB_TOKEN}", "${file:secrets/web}"] {
            let ending = validate(&files, permitted, with);
            assert_eq!(ending.code, 0, "{permitted}: {ending:?}");
        }
        let reason = "is not allowed in suites of this runner";
        refused(&validate(&files, "${env:DB_TOKEN}", with), reason, "`suites.env`");
        refused(&validate(&files, "${file:other}", with), reason, "`suites.files`");
    }
}

#[test]
fn a_secret_on_the_command_line_is_refused() {
    let files = folder(&[]);
    for arguments in [
        &["status", "--admin-token", "correct-horse-battery"][..],
        &["run", "--admin-token=correct-horse-battery", "suite.yaml"],
        &[
            "demo",
            "--once",
            "--otlp",
            "http://user:correct-horse@127.0.0.1:9",
        ],
    ] {
        let ending = canary(&files, arguments).run();
        assert_eq!(ending.code, 64, "{ending:?}");
        assert!(ending.err.contains("process list"), "{ending:?}");
        assert!(!ending.err.contains("horse"), "{ending:?}");
    }
}
