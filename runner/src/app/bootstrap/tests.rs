//! The whole service with an observer that blocks on purpose.

use std::path::Path;

use canary_tests::client;
use canary_tests::command::Program;
use canary_tests::peer::http::{Reply, Site};
use canary_tests::peer::plain;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

use super::*;
use crate::app::host;
use crate::app::load::load;
use canary_run::outcome::Run;
use canary_run::status::CheckStatus;
use canary_settings::{Access, File, Listen};
use canary_state::Change;
use canary_suite::ProcessEnvironment;

/// Time-out of every wait, for a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
/// Names the folder of the service that blocks.
const FOLDER: &str = "CANARY_TEST_FOLDER";
/// A file: the observer blocks as long as it exists.
const BLOCK: &str = "block";

/// Forwards to `publisher`, but blocks while the file exists.
struct Blocking {
    publisher: Publisher,
    folder: PathBuf,
}

impl RunObserver for Blocking {
    #[expect(clippy::disallowed_methods, reason = "to block the thread is what it is for")]
    fn run_finished(
        &mut self,
        run: &Arc<Run>,
        check_status: &CheckStatus,
        statuses: &StatusStore,
    ) -> Vec<Change> {
        while self.folder.join(BLOCK).exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.publisher.run_finished(run, check_status, statuses)
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "blocks its process, so it needs one of its own"]
#[expect(clippy::print_stderr, reason = "the test that started this process reads it")]
async fn a_service_whose_observer_blocks() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let host = Arc::new(Host::start(host::tests::settings()).unwrap());
    let paths = vec![folder.join("suite.yaml")];
    let first = load(&paths, &host).await;
    let mut file = File::read(&folder.join("canary.yaml"), &ProcessEnvironment);
    let heartbeat = heartbeat::read(file.heartbeat, &mut file.report);
    file.report.finish(()).unwrap();
    let listen = Listen::from_flag("a test", "127.0.0.1:0".parse().unwrap());
    let listener = AdminListener::open(&listen, &Access::default()).unwrap();
    eprintln!("admin at {}", listener.origin().unwrap());
    let settings = Settings {
        grace: Duration::ZERO,
        state: None,
        alert: canary_alert::Settings::default(),
        telemetry: canary_telemetry::sample::settings(),
        heartbeat,
        admin_listener: Some(listener),
        hangup: Hangup::listen().unwrap(),
        screen: Screen {
            width: 80,
            colour: false,
        },
    };
    let screen = settings.screen;
    let stdout = host.settings().streams.stdout.clone();
    let blocking = |telemetry, router| {
        let publisher = Publisher::new(stdout, screen, telemetry, router);
        Ok(Blocking { publisher, folder })
    };
    let stop = std::future::pending();
    let ended = run_with_observer(host, paths, first.unwrap(), settings, blocking, stop).await;
    ended.unwrap();
}

/// A check every 200 ms, and a heartbeat every second.
fn files(target: &str, site: &Site) -> TempDir {
    let folder = TempDir::new().unwrap();
    let check = json!({ "name": "port", "plugin": "tcp", "target": target, "interval": "200ms" });
    let beat =
        json!({ "url": site.url("http", "/beat"), "interval": "1s", "grace": "500ms", "start": false });
    let write = |name: &str, text: Value| std::fs::write(folder.path().join(name), text.to_string()).unwrap();
    write("suite.yaml", json!({ "checks": [check] }));
    write("canary.yaml", json!({ "heartbeat": beat }));
    folder
}

/// Waits until `path` was pinged `times` times; returns the body of the last such ping.
async fn pinged(site: &Site, path: &str, times: usize) -> String {
    let pings = || {
        let all = site.requests();
        let meant: Vec<_> = all.into_iter().filter(|ping| ping.path() == path).collect();
        meant
    };
    let waited = timeout(LIMIT, site.until(|_| pings().len() >= times)).await;
    assert!(waited.is_ok(), "{path} was pinged {} times", pings().len());
    String::from_utf8_lossy(&pings().pop().unwrap().body).into_owned()
}

fn start(folder: &Path) -> (canary_tests::command::Running, std::net::SocketAddr) {
    let program = Program::test("app::bootstrap::tests::a_service_whose_observer_blocks");
    let mut process = program.env(FOLDER, folder).start();
    let address = loop {
        let note = process.log_line().expect("it says where it is");
        if let Some(origin) = note.strip_prefix("admin at http://") {
            break origin.parse().unwrap();
        }
    };
    (process, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_observer_that_blocks_is_reported_while_the_admin_address_answers() {
    let (target, site) = (plain::echo(), Site::start(|_| Reply::text("OK")));
    let folder = files(&target.address().to_string(), &site);
    let (process, address) = start(folder.path());
    let live = || {
        let answer = client::get(address, "/livez").unwrap();
        serde_json::from_slice::<Value>(&answer.body).unwrap()
    };
    pinged(&site, "/beat", 2).await;
    assert_eq!(live()["status"], "ok");

    let block = folder.path().join(BLOCK);
    std::fs::write(&block, "").unwrap();
    let beats = site.accepted();
    let began = Instant::now();
    let found = loop {
        let found = live();
        if found["problems"][0]["what"] == "publisher_stalled" {
            break found["problems"][0]["message"].to_string();
        }
        assert!(began.elapsed() < LIMIT, "{found}");
    };
    assert!(found.contains("publishing a run has been blocked for"), "{found}");
    pinged(&site, "/beat/fail", 1).await;
    // Three intervals at most, and the failure ping.
    assert!(site.accepted() - beats <= 3 + 1);
    assert_eq!(client::get(address, "/api/v1/status").unwrap().status, 200);

    std::fs::remove_file(&block).unwrap();
    let pinged_before = site
        .requests()
        .iter()
        .filter(|ping| ping.path() == "/beat")
        .count();
    pinged(&site, "/beat", pinged_before + 2).await;
    assert_eq!(live()["status"], "ok");
    drop(process);
}
