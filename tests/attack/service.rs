//! A service with all features enabled, and its peers.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use canary::publish::CheckRecord;
use canary_tests::certificate::Authority;
use canary_tests::collector::{Collector, Protocol};
use canary_tests::command::{Program, Running};
use canary_tests::peer::http::{Reply, Site};
use canary_tests::receiver::Receiver;
use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::clients::AdminEndpoint;
use crate::observation;

/// Time limit for anything on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);
/// Grace period of running checks after SIGTERM.
pub(crate) const GRACE: Duration = Duration::from_secs(5);
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The peers of a service, except the targets of hostile checks.
pub(crate) struct World {
    pub(crate) collector: Collector,
    pub(crate) healthy: Receiver,
    pub(crate) hanging: Receiver,
    /// `/` succeeds, `/flap` every other time, `/page` unless [`Self::is_bad`].
    pub(crate) site: Site,
    pub(crate) is_bad: Arc<AtomicBool>,
    pings: Arc<AtomicUsize>,
    heartbeat: Site,
    /// The issuer of the certificate for the admin address.
    authority: Option<Authority>,
}

impl World {
    pub(crate) fn new(has_certificate: bool) -> Self {
        let (is_bad, pings) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (bad, count, flaps) = (Arc::clone(&is_bad), Arc::clone(&pings), AtomicUsize::default());
        let site = Site::start(move |request| {
            let is_fine = match request.path() {
                "/flap" => flaps.fetch_add(1, Ordering::SeqCst).is_multiple_of(2),
                "/page" => !bad.load(Ordering::SeqCst),
                _ => true,
            };
            Reply::status(if is_fine { 200 } else { 503 })
        });
        let heartbeat_site = Site::start(move |request| {
            count.fetch_add(usize::from(request.path() == "/beat"), Ordering::SeqCst);
            Reply::text("OK")
        });
        Self {
            collector: Collector::start(Protocol::Http),
            healthy: Receiver::webhook(),
            hanging: Receiver::webhook(),
            site,
            is_bad,
            pings,
            heartbeat: heartbeat_site,
            authority: has_certificate.then(|| Authority::new("Test Root")),
        }
    }

    /// Success pings so far.
    pub(crate) fn pings(&self) -> usize {
        self.pings.load(Ordering::SeqCst)
    }

    fn settings(&self, folder: &Path) -> String {
        // Only `down`: on a busy machine a run may be stopped without a verdict, which is not an alert here.
        let notifier = |receiver: &Receiver| json!({ "type": "webhook", "url": receiver.url("http", "/"), "statuses": ["down"] });
        let notifiers = json!({ "well": notifier(&self.healthy), "hanging": notifier(&self.hanging) });
        let url = self.heartbeat.url("http", "/beat");
        let heartbeat = json!({ "url": url, "interval": "1s", "grace": "500ms", "start": false });
        let mut settings = json!({ "alerts": { "notifiers": notifiers }, "heartbeat": heartbeat });
        if let Some(authority) = &self.authority {
            let (certificate, key) = (folder.join("admin.pem"), folder.join("admin.key"));
            let leaf = authority.leaf(&["localhost"]).issue();
            std::fs::write(&certificate, leaf.chain_pem()).unwrap();
            std::fs::write(&key, leaf.key_pem()).unwrap();
            settings["admin"] = json!({ "tls": { "certificate": certificate, "key": key } });
        }
        settings.to_string()
    }
}

/// A running service.
pub(crate) struct Service {
    pub(crate) process: Running,
    pub(crate) folder: TempDir,
    pub(crate) admin: Arc<AdminEndpoint>,
}

impl Service {
    /// Starts it with `suite`, after compiling the plugins of the suite `compiled`.
    pub(crate) fn start(
        world: &World,
        suite: &str,
        compiled: &str,
        with: impl FnOnce(Program) -> Program,
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("canary.yaml", &world.settings(folder.path()));
        write("suite.yaml", compiled);
        let validated = canary(folder.path(), &["validate", "suite.yaml"]).run();
        assert_eq!(validated.code, 0, "{}", validated.err);
        write("suite.yaml", suite);
        let grace = format!("{}s", GRACE.as_secs());
        let program = canary(
            folder.path(),
            &["run", "suite.yaml", "--config", "canary.yaml", "--grace", &grace],
        );
        let program = program
            .env("CANARY_STATE_DIR", folder.path().join("state"))
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", world.collector.url("http"))
            .env("OTEL_METRIC_EXPORT_INTERVAL", "1000")
            .for_up_to(observation::configured_duration().unwrap_or_default() + 10 * LIMIT);
        let mut process = with(program).start();
        let admin = AdminEndpoint {
            address: address(&mut process),
            tls: world
                .authority
                .as_ref()
                .map(|authority| Arc::new(authority.client_config())),
        };
        Self {
            process,
            folder,
            admin: Arc::new(admin),
        }
    }

    /// The JSON at `path`. Retries, since other clients may occupy the admin address.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let began = Instant::now();
        loop {
            let answer = self.admin.get(path);
            if let Some(json) = answer
                .ok()
                .and_then(|it| serde_json::from_slice::<Value>(&it.body).ok())
                && json.get("error").is_none()
            {
                return json;
            }
            assert!(began.elapsed() < LIMIT, "{path} is not answered");
            sleep(POLL_INTERVAL).await;
        }
    }

    pub(crate) async fn status(&self) -> Value {
        self.json("/api/v1/status").await
    }

    /// The problems reported by `/readyz`: code and message.
    pub(crate) async fn problems(&self) -> Vec<(String, String)> {
        let body = self.json("/readyz").await;
        let text = |problem: &Value, key: &str| problem[key].as_str().unwrap().to_owned();
        let problems = body["problems"].as_array().unwrap().iter();
        problems
            .map(|one| (text(one, "what"), text(one, "message")))
            .collect()
    }

    /// Polls the status until it satisfies `is_so`.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            let status = self.status().await;
            if is_so(&status) {
                return status;
            }
            assert!(began.elapsed() < LIMIT, "{what}: not so in {status:#}");
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Reloads another suite, and waits until it is in force.
    pub(crate) async fn reload(&self, suite: &str) {
        let reloads = |status: &Value| status["suite"]["reloads"]["succeeded"].as_u64();
        let before = reloads(&self.status().await);
        std::fs::write(self.folder.path().join("suite.yaml"), suite).unwrap();
        self.process.signal(Signal::HUP);
        self.until("a reload", |status| reloads(status) > before).await;
    }

    /// Terminates it, and returns how long that took.
    pub(crate) async fn terminate(&self) -> Duration {
        let began = Instant::now();
        self.process.signal(Signal::TERM);
        while !self.process.has_ended() {
            assert!(began.elapsed() < LIMIT, "it does not end");
            sleep(POLL_INTERVAL / 5).await;
        }
        began.elapsed()
    }
}

/// The record of each check in the state folder of an exited service.
pub(crate) fn records(state: &Path) -> Vec<(String, CheckRecord)> {
    let database = Connection::open(state.join("state.db")).unwrap();
    let mut rows = database
        .prepare("SELECT key, value FROM kept WHERE shelf = 'check'")
        .unwrap();
    let rows = rows.query_map([], |row| {
        let (key, value): (String, String) = (row.get(0)?, row.get(1)?);
        Ok((key, serde_json::from_str(&value).unwrap()))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

/// `canary ARGUMENTS`, in `folder`.
fn canary(folder: &Path, arguments: &[&str]) -> Program {
    let own = || env!("CARGO_BIN_EXE_canary").into();
    let compiled: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
    Program::at(std::env::var_os("CANARY_ATTACK_BINARY").unwrap_or_else(own))
        .env("CANARY_CACHE_DIR", compiled)
        .env("CANARY_ADMIN", "127.0.0.1:0")
        .within(folder)
        .args(arguments)
}

/// The admin address from its log.
fn address(process: &mut Running) -> SocketAddr {
    let mut log = String::new();
    loop {
        let note = process.log_line();
        let note = note.unwrap_or_else(|| panic!("it does not say where its metrics are:\n{log}"));
        if let Some((_, url)) = note
            .split_once("metrics on ")
            .and_then(|(_, url)| url.split_once("://"))
        {
            return url.strip_suffix("/metrics").unwrap().parse().unwrap();
        }
        log += &(note + "\n");
    }
}
