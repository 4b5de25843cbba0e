//! The suites in `examples/`, run against local servers.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use canary_tests::certificate::Authority;
use canary_tests::nginx::Nginx;
use canary_tests::peer::Peer;
use canary_tests::peer::dns::{NameServer, Zone};
use canary_tests::peer::plain::{Dialogue, Proxy};
use serde_json::Value;
use tempfile::TempDir;

use super::{canary, folder, runs};

/// Each suite, and the number of its checks.
const SUITES: [(&str, usize); 6] = [
    ("blackbox_exporter.yaml", 14),
    ("gatus.yaml", 10),
    ("cloudprober.yaml", 9),
    ("heartbeat.yaml", 9),
    ("uptime-kuma.yaml", 7),
    ("script.yaml", 5),
];

const PAGES: &str = r#"
    gzip on; gzip_min_length 1;
    location = /          { server_tokens off; default_type text/html; return 200 "<h1>Welcome</h1> to v12"; }
    location = /health    { default_type application/json; return 200 '{"status":"ok","queue":3,"version":"v12","parts":[{"up":true},{"up":true}],"backup":{"age_hours":7.5}}'; }
    location = /search    { default_type application/json; return 200 '{"found":2}'; }
    location = /login     { add_header set-cookie "session=7; Path=/"; return 302 /account; }
    location = /account   { if ($cookie_session != "7") { return 403; } return 200 "Hello, canary"; }
    location = /queue     { default_type application/json; return 200 "42"; }
    location = /ping      { return 200 "pong"; }
    location = /beacon    { return 204; }
    location = /oauth/token { default_type application/json; return 200 '{"access_token":"4f2c0f81-example","token_type":"Bearer"}'; }
    location = /account/api { if ($http_authorization != "Bearer 4f2c0f81-example") { return 401; } return 200 "ok"; }
    location = /latin1    { default_type "text/html; charset=iso-8859-1"; try_files /latin1.html =404; }
    location = /moved     { return 301 https://$host/; }
    location = /large.bin { }
"#;

/// Local servers for the targets of the examples. `None` where nginx is not installed.
struct Servers {
    nginx: Nginx,
    authority: Authority,
    mail: Peer,
    redis: Peer,
    ssh: Peer,
    proxy: Proxy,
    secure_proxy: Proxy,
    dns: NameServer,
}

impl Servers {
    fn start() -> Option<Self> {
        let authority = Authority::new("Example Root");
        let certificate = authority
            .leaf(&["localhost", "127.0.0.1"])
            .valid_until_days(90)
            .issue();
        let large = vec![b'x'; 1_000_000];
        let files: [(&str, &[u8]); 2] = [("large.bin", &large), ("latin1.html", b"<p>Gr\xf6\xdfe: 7</p>")];
        let nginx = Nginx::start(PAGES, &files, &[&certificate])?;
        let mail = Dialogue::new("220 mail.example.com ready\r\n")
            .reply("EHLO", "250 mail.example.com\r\n")
            .farewell("QUIT", "221 bye\r\n");
        let redis = Dialogue::new("")
            .reply("PING", "+PONG\r\n")
            .farewell("CONFIG", "-NOPERM no permission\r\n");
        Some(Self {
            nginx,
            authority,
            mail: mail.start(),
            redis: redis.start(),
            ssh: Dialogue::new("SSH-2.0-OpenSSH_10.0\r\n").start(),
            proxy: Proxy::start(),
            secure_proxy: Proxy::secure(certificate.server_config(), None),
            dns: Zone::new().address("shop.test", [127, 0, 0, 1]).start(),
        })
    }

    /// Values for the variables of all suites.
    fn variables(&self) -> Vec<(&'static str, String)> {
        let (secure, plain) = (self.nginx.secure(0), self.nginx.plain());
        vec![
            ("web", format!("https://{secure}")),
            ("issuer", format!("https://{secure}")),
            ("plain", format!("http://{plain}")),
            ("tls", format!("localhost:{}", secure.port())),
            ("proxy", self.proxy.url("http", "")),
            ("secure_proxy", self.secure_proxy.url("https", "")),
            ("source", "127.0.0.1".to_owned()),
            ("tcp", plain.to_string()),
            ("address", secure.ip().to_string()),
            ("smtp", self.mail.address().to_string()),
            ("redis", self.redis.address().to_string()),
            ("ssh", self.ssh.address().to_string()),
            ("dns", self.dns.address().to_string()),
            ("named", format!("shop.test:{}", plain.port())),
            ("closed", "127.0.0.1:1".to_owned()),
        ]
    }
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples")
        .join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(example(name)).unwrap()
}

#[test]
fn every_example_is_valid_as_it_stands() {
    let folder = folder(&[]);
    for (name, checks) in SUITES {
        let path = example(name);
        let ending = canary(&folder, &["validate", path.to_str().unwrap()]).run();
        assert_eq!(ending.code, 0, "{name}: {ending:?}");
        assert!(
            ending.out.contains(&format!("{checks} checks")),
            "{name}: {ending:?}"
        );
    }
    let mut found: Vec<_> = std::fs::read_dir(example(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    found.sort();
    let mut known: Vec<_> = SUITES
        .iter()
        .map(|(name, _)| *name)
        .chain(["README.md", "notifiers.yaml"])
        .collect();
    known.sort_unstable();
    assert_eq!(found, known, "each is tried here");
}

#[test]
fn the_notifiers_of_the_examples_are_valid() {
    let suite = "checks: [{ name: a, plugin: tcp, target: \"127.0.0.1:1\", alert: { notify: [ntfy, discord, telegram] } }]";
    let folder = folder(&[("suite.yaml", suite)]);
    let settings = example("notifiers.yaml");
    let arguments = ["validate", "suite.yaml", "--config", settings.to_str().unwrap()];
    let ending = canary(&folder, &arguments)
        .env("DISCORD_URL", "https://discord.example.com/api/webhooks/1/x")
        .env("NTFY_URL", "https://ntfy.example.com/")
        .env("TELEGRAM_TOKEN", "1:x")
        .run();
    assert_eq!(ending.code, 0, "{ending:?}");
}

/// An example without what a busy machine may miss: its maximum latencies.
fn patient(name: &str) -> String {
    const LATENCIES: [&str; 2] = ["{ warn: 300ms, fail: 1s }", "{ warn: 500ms, fail: 2s }"];
    let suite = text(name);
    let patient = LATENCIES.iter().fold(suite, |suite, latency| {
        suite.replace(&format!("latency: {latency}"), "latency: { warn: 1h, fail: 2h }")
    });
    assert_eq!(
        patient.matches("latency: {").count(),
        patient.matches("latency: { warn: 1h, fail: 2h }").count(),
        "{name}: another maximum"
    );
    patient
}

/// The results of `canary check` for an example.
fn checked(servers: &Servers, folder: &TempDir, name: &str) -> Vec<Value> {
    let suite = patient(name);
    std::fs::write(folder.path().join(name), &suite).unwrap();
    let mut arguments = ["check", name, "--format", "json"].map(str::to_owned).to_vec();
    let is_declared = |variable: &str| suite.contains(&format!("  {variable}: "));
    let variables = servers.variables().into_iter();
    for (variable, value) in variables.filter(|(name, _)| is_declared(name)) {
        arguments.extend(["--var".to_owned(), format!("{variable}={value}")]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let ending = canary(folder, &arguments)
        .env("SSL_CERT_FILE", "root.pem")
        .env("https_proxy", servers.proxy.url("http", ""))
        .run();
    let runs = runs(&ending.out);
    for run in &runs {
        assert_eq!(run["verdict"], "pass", "{name}: {run:#}");
    }
    assert_eq!(ending.code, 0, "{name}: {ending:?}");
    runs
}

#[test]
fn every_check_of_the_examples_passes_against_real_servers() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let Some(servers) = Servers::start() else { return };
    let folder = folder(&[("root.pem", &servers.authority.pem())]);
    let mut found = HashMap::new();
    for (name, checks) in SUITES {
        let runs = checked(&servers, &folder, name);
        assert_eq!(runs.len(), checks, "{name}: {runs:?}");
        found.extend(runs.iter().map(|run| {
            let check = run["check"].as_str().unwrap_or_default();
            (format!("{name}: {check}"), run["attributes"].clone())
        }));
    }
    for (check, attribute, value) in [
        (
            "blackbox_exporter.yaml: ssh banner",
            "capture.software",
            "OpenSSH_10.0",
        ),
        (
            "cloudprober.yaml: mail server greets",
            "capture.host",
            "mail.example.com",
        ),
        ("heartbeat.yaml: every address", "addresses", "127.0.0.1"),
    ] {
        assert_eq!(found[check][attribute], value, "{check}: {}", found[check]);
    }
    let proxied = servers.proxy.heads().len();
    assert_eq!(proxied, 2, "by the profile, and by the environment");
    assert_eq!(servers.secure_proxy.heads().len(), 1);
}
