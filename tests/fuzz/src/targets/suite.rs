//! A suite, from the bytes of its file to checks or problems.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Arc, LazyLock};

use canary::fuzzing::suite::read;
use canary::quota::{Quota, QuotaKind};
use canary::suite::{Catalog, Check, HostLimits, PluginFacts, Problem, Problems, SecretRegistry, Suite};

use super::environment::{Fixed, is_leak};

const EMBEDDED: [&str; 3] = ["http", "tcp", "tls"];
/// Problems that are not about a line.
const OF_FILE: [&str; 3] = [
    "the file is empty",
    "the file is UTF-16",
    "the suite has no checks",
];
/// Bytes of a problem as it is shown, with its line and its hint.
const MAX_SHOWN: usize = 8 << 10;

/// As a plugin describes itself; `tls` takes any configuration.
static FACTS: LazyLock<[PluginFacts; 3]> = LazyLock::new(|| {
    let facts = |schema: &str, target_syntax: &str| PluginFacts {
        config_schema: Arc::new(serde_json::from_str(schema).unwrap_or_default()),
        target_syntax: target_syntax.to_owned(),
        secrets: Vec::new(),
        initial_memory: 0,
    };
    [
        facts(
            include_str!("../../../../runner/suite/src/testdata/schemas/http.json"),
            "URL",
        ),
        facts(
            include_str!("../../../../runner/suite/src/testdata/schemas/tcp.json"),
            "HOST:PORT",
        ),
        facts("{}", "HOST or HOST:PORT"),
    ]
});

pub(crate) fn run(data: &[u8]) {
    // The input may contain a secret literally.
    if is_leak(&String::from_utf8_lossy(data)) {
        return;
    }
    let draft = read(Path::new("suite.yaml"), data.to_vec(), &EMBEDDED, &Fixed);
    let mut catalog = Catalog::default();
    for (name, facts) in EMBEDDED.iter().zip(FACTS.iter()) {
        catalog.insert(*name, Ok(facts.clone()));
    }
    let operator = HostLimits {
        ceiling: Quota::ceiling(),
        notifiers: Some(vec!["ops".to_owned()]),
        secrets: SecretRegistry::default(),
    };
    match draft.finish(&catalog, &operator) {
        Ok(suite) => is_sound(&suite),
        Err(problems) => are_useful(&problems, data),
    }
}

fn is_sound(suite: &Suite) {
    let mut ids = HashSet::new();
    assert!(!suite.checks.is_empty());
    for check in &suite.checks {
        assert!(ids.insert(&check.id), "{} is there twice", check.id);
        is_right(check);
        shows_no_secret(check);
    }
    assert!(suite.groups.values().all(|limit| *limit >= 1));
}

fn is_right(check: &Check) {
    assert!(check.timeout <= check.cadence.min_interval() && !check.timeout.is_zero());
    assert!(check.failure_threshold >= 1 && check.success_threshold >= 1);
    for kind in QuotaKind::ALL {
        assert!(check.quota.limit(kind) <= Quota::ceiling().limit(kind), "{kind}");
    }
    assert!(serde_json::from_str::<serde_json::Value>(check.config.expose()).is_ok());
}

fn shows_no_secret(check: &Check) {
    let target = &check.target;
    let shown = format!(
        "{} {target} {} {check:?} {:?}",
        check.id,
        target.public(),
        check.labels
    );
    assert!(!is_leak(&shown), "{shown}");
    assert!(!is_leak(&check.secrets.redact(check.config.expose())));
}

fn are_useful(problems: &Problems, data: &[u8]) {
    assert!(problems.count() >= 1);
    // More than there are where lines end in both.
    let lines = data.split(|byte| matches!(byte, b'\r' | b'\n')).count();
    for problem in problems.iter() {
        points_at_a_line(problem, lines);
        let shown = problem.to_string();
        assert!(!is_leak(&shown), "{shown}");
        assert!(shown.len() <= MAX_SHOWN, "{} bytes", shown.len());
    }
}

fn points_at_a_line(problem: &Problem, lines: usize) {
    match problem.at() {
        Some(at) => {
            let line = usize::try_from(at.line).unwrap_or(usize::MAX);
            assert!((1..=lines).contains(&line) && at.column >= 1, "{problem}");
        }
        None => assert!(OF_FILE.contains(&problem.message.as_str()), "{problem}"),
    }
}
