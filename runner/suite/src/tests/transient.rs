//! Which problems may be temporary, so that the same suite is read again.

use rustix::io::Errno;

use super::*;

const SUITE: &str = "checks: [{ name: a, plugin: tcp, target: '${file:secret}:1' }]";

/// Every file fails in the same way.
struct Failing(Errno);

impl Environment for Failing {
    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::Error::from_raw_os_error(self.0.raw_os_error()))
    }
}

fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("suite.yaml");
    fs::write(&path, text).unwrap();
    (folder, path)
}

fn problems_of(draft: Draft) -> Problems {
    let catalog = catalog(&draft);
    draft.finish(&catalog, &host_limits()).unwrap_err()
}

#[test]
fn a_secret_that_cannot_be_read_for_now_may_pass_and_a_missing_one_may_not() {
    let (_folder, path) = written(SUITE);
    let is_transient = |errno| {
        let draft = read(std::slice::from_ref(&path), &EMBEDDED, &Failing(errno));
        problems_of(draft).is_transient()
    };
    for errno in [
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOMEM,
        Errno::INTR,
        Errno::STALE,
        Errno::IO,
    ] {
        assert!(is_transient(errno), "{errno}");
    }
    for errno in [Errno::NOENT, Errno::NOTDIR, Errno::LOOP] {
        assert!(!is_transient(errno), "{errno}");
    }
}

#[test]
fn a_secret_in_a_configuration_counts_as_well() {
    let text = SUITE.replace(
        "target:",
        "config: { send: '${file:secret}' }, target: 'x:1', x-old:",
    );
    let (_folder, path) = written(&text);
    let draft = read(&[path], &EMBEDDED, &Failing(Errno::MFILE));
    assert!(problems_of(draft).is_transient());
}

#[test]
fn a_suite_of_a_disk_that_is_too_slow_may_pass_and_one_that_is_not_there_may_not() {
    let (_folder, path) = written(SUITE);
    let session = Session::new(Owner::Suites);
    drop(session.cancel_on_drop());
    let draft = super::super::read(
        &[path],
        &EMBEDDED,
        &Fixed,
        &VariableOverrides::default(),
        &session,
    );
    assert!(problems_of(draft).is_transient());
    let draft = read(&["/nonexistent/suite.yaml".into()], &EMBEDDED, &Fixed);
    assert!(!problems_of(draft).is_transient());
}

#[test]
fn a_plugin_reports_itself_whether_a_problem_may_pass() {
    for is_transient in [true, false] {
        let (_folder, path) = written("checks: [{ name: a, plugin: tcp, target: 'x:1' }]");
        let draft = read(&[path], &EMBEDDED, &Fixed);
        let mut catalog = Catalog::default();
        let reason = "cannot read `tcp.wasm`".to_owned();
        catalog.insert("tcp", Err(Unusable { reason, is_transient }));
        let problems = draft.finish(&catalog, &host_limits()).unwrap_err();
        assert_eq!(problems.is_transient(), is_transient);
    }
}

#[test]
fn what_may_pass_counts_although_more_is_wrong_than_is_listed() {
    let many = "  - { name: x, plugin: tcp, target: 'x:1', wrong: 1 }\n".repeat(1_500);
    let text = format!("checks:\n{many}  - {{ name: a, plugin: tcp, target: '${{file:secret}}:1' }}\n");
    let (_folder, path) = written(&text);
    let draft = read(&[path], &EMBEDDED, &Failing(Errno::IO));
    assert!(problems_of(draft).is_transient());
}
