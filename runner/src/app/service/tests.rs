//! The whole service, with a publisher that blocks on purpose.

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
use crate::outcome::Run;
use crate::settings::{Access, File, Listen};
use crate::state::Change;
use crate::status::Standing;
use crate::suite::ProcessEnvironment;

/// How long anything here may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);
/// Names the folder of the service that blocks.
const FOLDER: &str = "CANARY_TEST_FOLDER";
/// A file: the publisher blocks as long as it is there.
const BLOCK: &str = "block";

/// Publishes what `publisher` does, but not while it is told to block.
struct Blocking {
    publisher: Publisher,
    folder: PathBuf,
}

impl Watcher for Blocking {
    #[expect(clippy::disallowed_methods, reason = "to block the thread is what it is for")]
    fn finished(&mut self, run: &Arc<Run>, standing: &Standing, board: &Board) -> Vec<Change> {
        while self.folder.join(BLOCK).exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.publisher.finished(run, standing, board)
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "blocks its process, so it needs one of its own"]
#[expect(clippy::print_stderr, reason = "the test that started this process reads it")]
async fn a_service_whose_publisher_blocks() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let host = Arc::new(Host::start(host::tests::settings()).unwrap());
    let paths = vec![folder.join("suite.yaml")];
    let first = load(&paths, &host).await;
    let mut file = File::read(&folder.join("canary.yaml"), &ProcessEnvironment);
    let heartbeat = heartbeat::read(file.heartbeat, &mut file.report);
    file.report.finish(()).unwrap();
    let listen = Listen::flag("a test", "127.0.0.1:0".parse().unwrap());
    let door = Door::open(&listen, &Access::default()).unwrap();
    eprintln!("admin at {}", door.origin().unwrap());
    let settings = Settings {
        grace: Duration::ZERO,
        state: None,
        alert: alert::Settings::default(),
        telemetry: crate::telemetry::sample::settings(),
        heartbeat,
        door: Some(door),
        hangup: Hangup::listen().unwrap(),
        screen: Screen {
            width: 80,
            colour: false,
        },
    };
    let screen = settings.screen;
    let stdout = host.settings().streams.stdout.clone();
    let blocking = |telemetry, desk| {
        let publisher = Publisher::new(stdout, screen, telemetry, desk);
        Ok(Blocking { publisher, folder })
    };
    let stop = std::future::pending();
    let ended = watched(host, paths, first.unwrap(), settings, blocking, stop).await;
    ended.unwrap();
}

/// A check every 200 ms, and a heartbeat every second.
fn files(target: &str, heart: &Site) -> TempDir {
    let folder = TempDir::new().unwrap();
    let check = json!({ "name": "port", "plugin": "tcp", "target": target, "interval": "200ms" });
    let beat =
        json!({ "url": heart.url("http", "/beat"), "interval": "1s", "grace": "500ms", "start": false });
    let write = |name: &str, text: Value| std::fs::write(folder.path().join(name), text.to_string()).unwrap();
    write("suite.yaml", json!({ "checks": [check] }));
    write("canary.yaml", json!({ "heartbeat": beat }));
    folder
}

/// Waits until `path` was pinged so often; the last such ping.
async fn pinged(heart: &Site, path: &str, times: usize) -> String {
    let pings = || {
        let all = heart.requests();
        let meant: Vec<_> = all.into_iter().filter(|ping| ping.path() == path).collect();
        meant
    };
    let waited = timeout(LIMIT, heart.until(|_| pings().len() >= times)).await;
    assert!(waited.is_ok(), "{path} was pinged {} times", pings().len());
    String::from_utf8_lossy(&pings().pop().unwrap().body).into_owned()
}

fn start(folder: &Path) -> (canary_tests::command::Running, std::net::SocketAddr) {
    let program = Program::test("app::service::tests::a_service_whose_publisher_blocks");
    let mut process = program.env(FOLDER, folder).start();
    let address = loop {
        let note = process.note().expect("it says where it is");
        if let Some(origin) = note.strip_prefix("admin at http://") {
            break origin.parse().unwrap();
        }
    };
    (process, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_that_blocks_is_told_while_the_admin_address_answers() {
    let (target, heart) = (plain::echo(), Site::start(|_| Reply::text("OK")));
    let folder = files(&target.address().to_string(), &heart);
    let (process, address) = start(folder.path());
    let live = || {
        let answer = client::get(address, "/livez").unwrap();
        serde_json::from_slice::<Value>(&answer.body).unwrap()
    };
    pinged(&heart, "/beat", 2).await;
    assert_eq!(live()["status"], "ok");

    let block = folder.path().join(BLOCK);
    std::fs::write(&block, "").unwrap();
    let beats = heart.accepted();
    let began = Instant::now();
    let told = loop {
        let told = live();
        if told["problems"][0]["what"] == "publisher_stalled" {
            break told["problems"][0]["message"].to_string();
        }
        assert!(began.elapsed() < LIMIT, "{told}");
    };
    assert!(told.contains("a run has been being published for"), "{told}");
    pinged(&heart, "/beat/fail", 1).await;
    // Three intervals at most, and the ping that tells of it.
    assert!(heart.accepted() - beats <= 3 + 1);
    assert_eq!(client::get(address, "/api/v1/status").unwrap().status, 200);

    std::fs::remove_file(&block).unwrap();
    let beaten = heart
        .requests()
        .iter()
        .filter(|ping| ping.path() == "/beat")
        .count();
    pinged(&heart, "/beat", beaten + 2).await;
    assert_eq!(live()["status"], "ok");
    drop(process);
}
