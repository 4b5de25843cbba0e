//! The command, as users and their scripts see it.
#![cfg(test)]

mod alert;
mod alert_storm;
mod authentication;
mod blocked_output;
mod check;
mod client_commands;
mod clock_changes;
mod collector_outage;
mod common_errors;
mod config_validation;
mod disk;
mod documentation;
mod echoed_secrets;
mod examples;
mod formats;
mod heartbeat;
mod hostile_plugins;
mod invalid_suites;
mod kill;
mod low_descriptors;
mod monitor;
mod nginx;
mod plugins;
mod probe;
mod proxies;
mod receivers;
mod redirects;
mod references;
mod reload;
mod run;
mod secrets;
mod service_process;
mod stalls;
mod stories;
mod telemetry;
mod top;
mod trust_roots;
mod validate;

use std::path::{Path, PathBuf};

use canary_tests::command::Program;
use canary_tests::peer::Peer;
use canary_tests::peer::http::{Reply, Site};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with files in it.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

/// A folder with one suite.
fn suite(text: &str) -> TempDir {
    folder(&[("suite.yaml", text)])
}

/// `canary ARGUMENTS`, started in `folder`.
fn canary(folder: &TempDir, arguments: &[&str]) -> Program {
    Program::at(env!("CARGO_BIN_EXE_canary"))
        .env("CANARY_CACHE_DIR", cache())
        .env("CANARY_ADMIN", "none")
        .within(folder.path())
        .args(arguments)
}

/// The cache of compiled plugins that all tests share.
fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled")
}

/// A site on which every page succeeds except `/bad`.
fn site() -> Site {
    Site::start(|request| match request.path() {
        "/bad" => Reply::status(503),
        _ => Reply::json(r#"{"status":"ok"}"#),
    })
}

/// Waits until a peer has accepted this many connections; fails after two minutes.
async fn accepted(peer: &Peer, enough: usize) {
    let reached = peer.until(|counts| counts.accepted >= enough);
    let waited = tokio::time::timeout(service_process::LIMIT, reached).await;
    assert!(waited.is_ok(), "{} of {enough} connections came", peer.accepted());
}

/// A check of one page, to which more keys can be appended.
fn http_check(name: &str, peer: &Peer, path: &str) -> String {
    let target = peer.url("http", path);
    format!("  - name: {name}\n    plugin: http\n    target: {target}\n")
}

/// The runs of the JSON of `canary check`.
fn runs(json: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(json).unwrap();
    document["runs"].as_array().unwrap().clone()
}

/// The log of a service without time and level, as an interactive command prints it.
fn as_a_command(log: &str) -> String {
    let (_time, text) = log.split_once(" ERROR ").unwrap_or_default();
    format!("error: {}", text.replace("\n    ", "\n"))
}
