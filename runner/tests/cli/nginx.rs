//! A suite against a real nginx, with and without TLS, and large pages whose bodies are not read.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use canary_tests::certificate::Authority;
use canary_tests::command::{Ending, Running};
use canary_tests::nginx::Nginx;
use rustix::process::Signal;
use serde_json::Value;

use super::monitor::FD_TOLERANCE;
use super::{canary, folder, runs};

/// The pages of the site.
const PAGES: &str = r#"
    location = /          { default_type text/html; return 200 "<h1>Welcome</h1> to v12"; }
    location = /health    { default_type application/json; return 200 '{"status":"ok","parts":[{"up":true},{"up":true}]}'; }
    location = /moved     { return 301 /; }
    location = /loop      { return 302 /loop; }
    location = /busy      { return 503; }
    location = /private   { auth_basic "private"; auth_basic_user_file users; try_files /page.html =404; }
    location = /large.bin { }
"#;

const LARGE_PAGE_BYTES: usize = 5_000_000;

/// An nginx with a certificate for 90 days, one for 3 days, and one that expired 5 days ago; and their issuer.
fn start() -> Option<(Nginx, Authority)> {
    let authority = Authority::new("Example Root");
    let valid_for = |days| {
        authority
            .leaf(&["localhost", "127.0.0.1"])
            .valid_until_days(days)
            .issue()
    };
    let certificates = [valid_for(90), valid_for(3), valid_for(-5)];
    let large = vec![b'x'; LARGE_PAGE_BYTES];
    let files: [(&str, &[u8]); 3] = [
        ("users", b"canary:{PLAIN}sesame\n"),
        ("page.html", b"inside"),
        ("large.bin", &large),
    ];
    let nginx = Nginx::start(PAGES, &files, &certificates.each_ref())?;
    Some((nginx, authority))
}

const PLAIN: &str = r#"
defaults: { retries: 0 }
checks:
  - { name: pass, plugin: http, target: "http://<plain>/" }
  - { name: pass range, plugin: http, target: "http://<plain>/busy", config: { expect: { status: [200, 500-599] } } }
  - { name: fail status, plugin: http, target: "http://<plain>/busy" }
  - { name: fail missing, plugin: http, target: "http://<plain>/nowhere" }
  - name: pass headers
    plugin: http
    target: "http://<plain>/"
    config: { expect: { headers: { server: nginx, content-type: { matches: ^text/html }, x-powered-by: { absent: true } } } }
  - { name: fail header, plugin: http, target: "http://<plain>/", config: { expect: { headers: { server: apache } } } }
  - name: pass body
    plugin: http
    target: "http://<plain>/"
    config: { expect: { body: { contains: Welcome, not_contains: Error, matches: "v[0-9]+", max_size: 1KiB } } }
  - { name: fail body, plugin: http, target: "http://<plain>/", config: { expect: { body: { contains: Farewell } } } }
  - name: pass json
    plugin: http
    target: "http://<plain>/health"
    config: { expect: { json: { $.status: ok, "$.parts[*].up": true, $.error: { exists: false } } } }
  - { name: fail json, plugin: http, target: "http://<plain>/health", config: { expect: { json: { $.status: down } } } }
  - name: pass redirect
    plugin: http
    target: "http://<plain>/moved"
    config: { expect: { final_url: "http://<plain>/", body: { contains: Welcome } } }
  - { name: fail redirect, plugin: http, target: "http://<plain>/moved", config: { follow_redirects: false } }
  - { name: fail loop, plugin: http, target: "http://<plain>/loop" }
  - name: pass auth
    plugin: http
    target: "http://<plain>/private"
    config: { basic_auth: { username: canary, password: "${env:PASSWORD}" }, expect: { body: { contains: inside } } }
  - { name: fail auth, plugin: http, target: "http://<plain>/private" }
  - { name: pass large, plugin: http, target: "http://<plain>/large.bin" }
  - { name: fail large, plugin: http, target: "http://<plain>/large.bin", config: { expect: { body: { max_size: 1MiB } } } }
"#;

const SECURE: &str = r#"
defaults: { retries: 0 }
checks:
  - name: pass
    plugin: http
    target: "https://<valid>/"
    config: { tls: { ca: "${file:root.pem}" }, expect: { version: "2", body: { contains: Welcome } } }
  - name: pass old version
    plugin: http
    target: "https://<valid>/"
    config: { version: "1.1", tls: { ca: "${file:root.pem}", max_version: "1.2" }, expect: { version: "1.1" } }
  - { name: fail untrusted, plugin: http, target: "https://<valid>/" }
  - { name: pass though untrusted, plugin: http, target: "https://<valid>/", config: { tls: { trusted: false } } }
  - name: warn soon
    plugin: http
    target: "https://<soon>/"
    config: { tls: { ca: "${file:root.pem}" }, expect: { certificate: { warn_within: 7d, fail_within: 1d } } }
  - { name: fail expired, plugin: http, target: "https://<expired>/", config: { tls: { ca: "${file:root.pem}" } } }
  - name: pass large
    plugin: http
    target: "https://<valid>/large.bin"
    config: { tls: { ca: "${file:root.pem}" }, expect: { version: "2", body: { contains: xxx, max_size: 8MiB } } }
  - { name: pass certificate, plugin: tls, target: "<valid>", config: { ca: "${file:root.pem}", names: [localhost] } }
  - name: warn certificate
    plugin: tls
    target: "<soon>"
    config: { ca: "${file:root.pem}", warn_within: 7d, fail_within: 1d }
  - { name: fail certificate, plugin: tls, target: "<expired>", config: { ca: "${file:root.pem}" } }
  - { name: fail authority, plugin: tls, target: "<valid>" }
"#;

/// Runs a suite once. The first word of each check's name is its expected verdict.
fn run_suite(nginx: &Nginx, authority: &Authority, suite: &str) -> (Ending, BTreeMap<String, Value>) {
    let places = [
        ("<plain>", nginx.plain()),
        ("<valid>", nginx.secure(0)),
        ("<soon>", nginx.secure(1)),
        ("<expired>", nginx.secure(2)),
    ];
    let fill_in =
        |text: String, (place, address): &(&str, SocketAddr)| text.replace(place, &address.to_string());
    let text = places.iter().fold(suite.to_owned(), fill_in);
    let folder = folder(&[("suite.yaml", &text), ("root.pem", &authority.pem())]);
    let arguments = ["check", "suite.yaml", "--format", "json"];
    let ending = canary(&folder, &arguments).env("PASSWORD", "sesame").run();
    let runs = runs(&ending.out).into_iter();
    let runs: BTreeMap<String, Value> = runs
        .map(|run| (run["check"].as_str().unwrap().to_owned(), run))
        .collect();
    for (name, run) in &runs {
        let wanted = name.split(' ').next().unwrap();
        assert_eq!(run["verdict"], wanted, "{name}: {run:#}");
    }
    assert_eq!(
        runs.len(),
        suite.matches("name: ").count() - suite.matches("username: ").count()
    );
    (ending, runs)
}

fn summary<'a>(runs: &'a BTreeMap<String, Value>, check: &str) -> &'a str {
    runs[check]["summary"].as_str().unwrap()
}

#[test]
fn pages_in_plain_text_are_judged_rightly() {
    let Some((nginx, authority)) = start() else { return };
    let (ending, runs) = run_suite(&nginx, &authority, PLAIN);
    assert_eq!(ending.code, 1);
    assert_eq!(
        summary(&runs, "fail status"),
        "status: 503 Service Unavailable is not in 200-299"
    );
    assert!(
        summary(&runs, "fail loop").contains("redirect"),
        "{}",
        summary(&runs, "fail loop")
    );
}

#[test]
fn pages_and_certificates_over_tls_are_judged_rightly() {
    let Some((nginx, authority)) = start() else { return };
    let (ending, runs) = run_suite(&nginx, &authority, SECURE);
    assert_eq!(ending.code, 1);
    assert!(runs["pass large"]["usage"]["bytes_in"].as_u64() >= Some(5_000_000));
    for check in ["fail certificate", "fail authority"] {
        let run = &runs[check];
        let days = run["measurements"]
            .as_array()
            .unwrap()
            .iter()
            .find(|one| one["name"] == "certificate.days_left");
        let wanted = if check == "fail certificate" { -5.0 } else { 90.0 };
        let days = days.unwrap()["value"].as_f64().unwrap();
        assert!((wanted - 1.0..=wanted + 1.0).contains(&days), "{run:#}");
    }
    assert!(
        summary(&runs, "fail expired").contains("expired"),
        "{}",
        summary(&runs, "fail expired")
    );
}

/// Number of open sockets of the service.
fn sockets(running: &Running) -> usize {
    running
        .descriptors()
        .values()
        .filter(|path| is_socket(path))
        .count()
}

fn is_socket(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.starts_with("socket:"))
}

/// Runs 20 such checks 5 times a second until nginx has answered 1,000 runs more than it had when the service was
/// warm, and asserts that no descriptor is left behind.
fn stays_flat(plugin: &str, connections: usize, rest: &str) {
    let Some((mut nginx, _)) = start() else { return };
    let target = format!("http://{}/large.bin", nginx.plain());
    let mut text = String::from("defaults: { interval: 200ms, timeout: 200ms, retries: 0 }\nchecks:\n");
    for number in 0..20 {
        text += &format!("  - {{ name: page {number}, plugin: {plugin}, target: \"{target}\", {rest} }}\n");
    }
    let folder = folder(&[("suite.yaml", &text)]);
    let running = canary(&folder, &["run", "suite.yaml"]).start();
    nginx.answer(100 * connections);
    let (warm, warm_sockets) = (running.descriptors().len(), sockets(&running));
    nginx.answer(1_000 * connections);
    let (now, now_sockets) = (running.descriptors().len(), sockets(&running));
    // The second count may have been taken while all checks were running and the service read a file, the first not.
    let under_way = 20 * connections + FD_TOLERANCE;
    assert!(now <= warm + under_way, "{warm} descriptors have become {now}");
    assert!(
        now_sockets <= warm_sockets + under_way,
        "{warm_sockets} sockets have become {now_sockets}"
    );
    running.signal(Signal::TERM);
    let ending = running.end();
    assert_eq!(ending.code, 0, "{ending:?}");
}

#[test]
fn a_thousand_pages_whose_body_nobody_reads_leave_no_descriptor() {
    stays_flat("http", 1, "config: { expect: { status: 200 } }");
}

#[test]
fn a_plugin_that_keeps_every_connection_leaves_no_descriptor_either() {
    stays_flat(
        "leak",
        2,
        "quota: { sockets: 2 }, config: { connections: 3, path: /large.bin }",
    );
}
