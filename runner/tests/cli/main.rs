//! The command, as users and their scripts see it.
#![cfg(test)]

mod alert;
mod alive;
mod broken;
mod check;
mod disk;
mod examples;
mod formats;
mod gossip;
mod hostile_plugins;
mod inside;
mod judged;
mod kill;
mod monitor;
mod nginx;
mod outage;
mod plugins;
mod probe;
mod receivers;
mod redirects;
mod references;
mod reload;
mod running;
mod scarce;
mod secrets;
mod service;
mod sinks;
mod stalls;
mod stories;
mod storm;
mod suspended;
mod telemetry;
mod top;
mod trust;
mod validate;

use std::path::{Path, PathBuf};
use std::time::Duration;

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

/// Where all tests keep the plugins that they compile.
fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled")
}

/// A site whose every page is fine, but `/bad`.
fn site() -> Site {
    Site::start(|request| match request.path() {
        "/bad" => Reply::status(503),
        _ => Reply::json(r#"{"status":"ok"}"#),
    })
}

/// Waits until a peer has accepted so many connections; fails after a minute, when nobody comes any more.
async fn accepted(peer: &Peer, enough: usize) {
    let reached = peer.until(|counts| counts.accepted >= enough);
    let waited = tokio::time::timeout(Duration::from_secs(60), reached).await;
    assert!(waited.is_ok(), "{} of {enough} connections came", peer.accepted());
}

/// A check of one page, with more keys below its name.
fn http_check(name: &str, peer: &Peer, path: &str) -> String {
    let target = peer.url("http", path);
    format!("  - name: {name}\n    plugin: http\n    target: {target}\n")
}

/// The runs of the JSON of `canary check`.
fn runs(json: &str) -> Vec<Value> {
    let document: Value = serde_json::from_str(json).unwrap();
    document["runs"].as_array().unwrap().clone()
}

/// What a service logged, as a command that somebody waits for says it: without time and level.
fn as_a_command(log: &str) -> String {
    let (_time, text) = log.split_once(" ERROR ").unwrap_or_default();
    format!("error: {}", text.replace("\n    ", "\n"))
}
