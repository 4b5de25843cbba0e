//! A running service, observed over its admin address and from outside.

use std::net::SocketAddr;
use std::time::Duration;

use canary_tests::client::{self, Answer};
use canary_tests::command::{Program, Running};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use super::{canary, folder};

/// Time limit for anything on a busy machine.
pub(super) const LIMIT: Duration = Duration::from_secs(120);

/// A running `canary run` with its admin address.
pub(super) struct Service {
    pub(super) process: Running,
    /// The folder with `suite.yaml` and `canary.yaml`.
    pub(super) folder: TempDir,
    /// The URL of the admin address, such as `http://127.0.0.1:4711`.
    pub(super) origin: String,
}

impl Service {
    pub(super) fn start(suite: &str, settings: &str, with: impl FnOnce(Program) -> Program) -> Self {
        let folder = folder(&[("suite.yaml", suite), ("canary.yaml", settings)]);
        Self::within(folder, with)
    }

    pub(super) fn within(folder: TempDir, with: impl FnOnce(Program) -> Program) -> Self {
        let arguments = ["run", "suite.yaml", "--config", "canary.yaml", "--grace", "0s"];
        Self::launch(folder, &arguments, with)
    }

    /// Starts `canary demo` in an empty folder.
    pub(crate) fn demo() -> Self {
        Self::launch(folder(&[]), &["demo"], |program| program)
    }

    fn launch(folder: TempDir, arguments: &[&str], with: impl FnOnce(Program) -> Program) -> Self {
        let program = canary(&folder, arguments).env("CANARY_ADMIN", "127.0.0.1:0");
        let mut process = with(program).start();
        let mut log = String::new();
        let origin = loop {
            let line = process.log_line();
            let line = line.unwrap_or_else(|| panic!("it does not say where its metrics are:\n{log}"));
            let line = message(line);
            if let Some(url) = line.strip_prefix("metrics on ") {
                break url.strip_suffix("/metrics").unwrap().to_owned();
            }
            log += &(line + "\n");
        };
        Self {
            process,
            folder,
            origin,
        }
    }

    /// The admin address.
    pub(super) fn address(&self) -> SocketAddr {
        let authority = self.origin.split_once("://").unwrap().1;
        authority.parse().unwrap()
    }

    /// Sends GET `path` to the admin address.
    pub(super) fn get(&self, path: &str) -> Answer {
        get(self.address(), path)
    }

    /// The codes of the problems that `/livez` or `/readyz` reports.
    pub(super) fn problems(&self, path: &str) -> Vec<String> {
        let answer = self.get(path);
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        let problems = body["problems"].as_array().unwrap();
        assert_eq!(answer.status == 200, problems.is_empty(), "{body}");
        let word = |problem: &Value| problem["what"].as_str().unwrap().to_owned();
        problems.iter().map(word).collect()
    }

    /// `canary ARGUMENTS` as a client of this service.
    pub(super) fn client_command(&self, arguments: &[&str]) -> Program {
        canary(&self.folder, arguments).env("CANARY_ADMIN", &self.origin)
    }

    /// Runs a client command and parses its output as JSON.
    pub(super) fn json(&self, arguments: &[&str]) -> Value {
        let ending = self.client_command(arguments).run();
        assert_eq!(ending.code, 0, "{ending:?}");
        serde_json::from_str(&ending.out).unwrap()
    }

    /// Repeats a client command until its output satisfies `is_so`.
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

    /// `kill -9`, at whatever point it is. Returns its folder.
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

/// Sends GET `path` to an admin address. When it is out of descriptors, the service closes connections that have not
/// sent a request yet, so this retries, as `canary status` does.
pub(super) fn get(address: SocketAddr, path: &str) -> Answer {
    let mut answers = (0..3).map(|_| client::get(address, path));
    let answered = answers.find(Result::is_ok);
    answered.expect("it answers one of three times").unwrap()
}

/// The message of a line, whether or not the log is JSON.
fn message(line: String) -> String {
    let record = serde_json::from_str::<Value>(&line).ok();
    let message = record.and_then(|record| Some(record["message"].as_str()?.to_owned()));
    message.unwrap_or(line)
}
