//! A runner that goes on, and what is seen of it: from within over its admin address, and from outside.

use std::net::SocketAddr;
use std::time::Duration;

use canary_tests::client::{self, Answer};
use canary_tests::command::{Program, Running};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use super::{canary, folder};

/// How long anything here may take on a busy machine.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// `canary run` of one suite, and where it shows itself.
pub(super) struct Service {
    pub(super) process: Running,
    /// With `suite.yaml` and `canary.yaml`.
    pub(super) folder: TempDir,
    /// Such as `http://127.0.0.1:4711`.
    pub(super) origin: String,
}

impl Service {
    pub(super) fn start(suite: &str, settings: &str, with: impl FnOnce(Program) -> Program) -> Self {
        let folder = folder(&[("suite.yaml", suite), ("canary.yaml", settings)]);
        Self::within(folder, with)
    }

    pub(super) fn within(folder: TempDir, with: impl FnOnce(Program) -> Program) -> Self {
        let arguments = ["run", "suite.yaml", "--config", "canary.yaml", "--grace", "0s"];
        Self::of(folder, &arguments, with)
    }

    /// `canary demo`, with nothing in its folder.
    pub(crate) fn demo() -> Self {
        Self::of(folder(&[]), &["demo"], |program| program)
    }

    fn of(folder: TempDir, arguments: &[&str], with: impl FnOnce(Program) -> Program) -> Self {
        let program = canary(&folder, arguments).env("CANARY_ADMIN", "127.0.0.1:0");
        let mut process = with(program).start();
        let mut notes = String::new();
        let origin = loop {
            let note = process.note();
            let note = note.unwrap_or_else(|| panic!("it does not say where its metrics are:\n{notes}"));
            let note = message(note);
            if let Some(url) = note.strip_prefix("metrics on ") {
                break url.strip_suffix("/metrics").unwrap().to_owned();
            }
            notes += &(note + "\n");
        };
        Self {
            process,
            folder,
            origin,
        }
    }

    /// Where it shows itself.
    pub(super) fn address(&self) -> SocketAddr {
        let authority = self.origin.split_once("://").unwrap().1;
        authority.parse().unwrap()
    }

    /// What the admin address answers to GET `path`. One that has no descriptor for another connection closes those that
    /// have asked nothing yet, so that a client asks again, as `canary status` does.
    pub(super) fn get(&self, path: &str) -> Answer {
        let mut answers = (0..3).map(|_| client::get(self.address(), path));
        let answered = answers.find(Result::is_ok);
        answered.expect("it answers one of three times").unwrap()
    }

    /// The words of what `/livez` or `/readyz` complains of; empty when it says that all is well.
    pub(super) fn problems(&self, path: &str) -> Vec<String> {
        let answer = self.get(path);
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        let problems = body["problems"].as_array().unwrap();
        assert_eq!(answer.status == 200, problems.is_empty(), "{body}");
        let word = |problem: &Value| problem["what"].as_str().unwrap().to_owned();
        problems.iter().map(word).collect()
    }

    /// `canary ARGUMENTS`, which asks this runner.
    pub(super) fn asking(&self, arguments: &[&str]) -> Program {
        canary(&self.folder, arguments).env("CANARY_ADMIN", &self.origin)
    }

    /// What the command prints, as JSON.
    pub(super) fn json(&self, arguments: &[&str]) -> Value {
        let ending = self.asking(arguments).run();
        assert_eq!(ending.code, 0, "{ending:?}");
        serde_json::from_str(&ending.out).unwrap()
    }

    /// Asks again until it is so.
    pub(super) fn until(&self, arguments: &[&str], is_so: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let seen = self.json(arguments);
            if is_so(&seen) {
                return seen;
            }
            assert!(began.elapsed() < LIMIT, "{seen:#}");
        }
    }

    /// `kill -9`, wherever it is; its folder is left.
    pub(super) fn kill(self) -> TempDir {
        drop(self.process);
        self.folder
    }

    pub(super) fn end(self) {
        self.process.signal(Signal::TERM);
        let ending = self.process.end();
        assert_eq!(ending.code, 0, "{ending:?}");
    }
}

/// The message of a line, whether or not the log is JSON.
fn message(line: String) -> String {
    let record = serde_json::from_str::<Value>(&line).ok();
    let message = record.and_then(|record| Some(record["message"].as_str()?.to_owned()));
    message.unwrap_or(line)
}
