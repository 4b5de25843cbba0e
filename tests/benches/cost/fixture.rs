//! Peers on a separate thread, and a host with a check for each of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use tokio::time::Instant;

use canary::app::load::load;
use canary::app::{Host, Settings};
use canary::dispatch::Dispatcher;
use canary::grant::Networks;
use canary::ledger::Ledger;
use canary::outcome::Run;
use canary::plugin::Cache;
use canary::quota::Quota;
use canary::suite::{Check, Suite};
use canary_tests::certificate::Authority;
use canary_tests::peer::http::Site;
use canary_tests::peer::{Peer, tls};
use rustls::ClientConfig;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

/// A plugin that passes at once.
const EMPTY: &str = env!("CANARY_GUEST_EMPTY");

/// The addresses of the peers, and the TLS client configuration for them.
pub(crate) struct Peers {
    pub(crate) site: SocketAddr,
    pub(crate) plain: SocketAddr,
    pub(crate) tls: SocketAddr,
    pub(crate) trust: ClientConfig,
    authority: String,
}

impl Peers {
    /// Starts them; they end with the process.
    fn start() -> Self {
        let (tx, rx) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                let site = Site::start(|_| super::page());
                let plain = Peer::tcp(async |mut connection| connection.read(&mut [0; 16]).await.map(drop));
                let root = Authority::new("Root");
                let leaf = root
                    .intermediate("Intermediate")
                    .leaf(&["127.0.0.1", "localhost"])
                    .issue();
                let secure = tls::server(leaf.server_config(), async |mut stream| {
                    stream.read(&mut [0; 16]).await.map(drop)
                });
                let peers = Self {
                    site: site.address(),
                    plain: plain.address(),
                    tls: secure.address(),
                    trust: root.client_config(),
                    authority: root.pem(),
                };
                tx.send(peers).expect("the bench waits");
                std::future::pending::<()>().await;
            });
        });
        rx.recv().expect("the peers start")
    }
}

/// A host whose plugins are compiled, and a suite with a check for each peer.
pub(crate) struct Fixture {
    pub(crate) peers: Peers,
    dispatcher: Dispatcher,
    suite: Suite,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        let peers = Peers::start();
        let (dispatcher, suite) = host(&suite(&peers), 100, Cache::disabled()).await;
        Self {
            peers,
            dispatcher,
            suite,
        }
    }

    pub(crate) fn check(&self, name: &str) -> &Arc<Check> {
        let named = self.suite.checks.iter().find(|check| check.name == name);
        named.expect("the suite has a check of this name")
    }

    /// The ledger of the host.
    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        self.dispatcher.sandbox().ledger()
    }

    /// One run, from the permit to the outcome.
    pub(crate) async fn run(&self, check: &Arc<Check>) -> Run {
        let job = self.dispatcher.job(check, Instant::now());
        let permit = self.dispatcher.permit(&job).await.expect("nothing drains");
        let run = self.dispatcher.run(job, permit).await;
        assert!(run.outcome.is_good(), "{}: {}", check.name, run.outcome.summary());
        run
    }
}

/// Creates a host with this concurrency and loads a suite.
pub(crate) async fn host(suite: &str, concurrency: u32, cache: Cache) -> (Dispatcher, Suite) {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("suite.yaml");
    std::fs::write(&path, suite).expect("a file");
    let host = Host::start(Settings {
        concurrency,
        cache,
        plugin_limits: None,
        on_compile: None,
        blocked_networks: Networks::default(),
        references: Default::default(),
        variables: Default::default(),
        ceiling: Quota::ceiling(),
        resolver: None,
        notifiers: None,
        propagation: Default::default(),
        sampler: canary::trace::sampler::Sampler::AlwaysOn,
        secrets: Default::default(),
        streams: Default::default(),
        liveness: Default::default(),
    });
    let host = host.expect("a host");
    let loaded = load(&[path], &host).await;
    let loaded = loaded.expect("a good suite");
    (host.dispatcher(loaded.plugins), loaded.suite)
}

fn suite(peers: &Peers) -> String {
    let Peers { site, plain, tls, .. } = peers;
    let authority = serde_json::Value::from(peers.authority.as_str());
    format!(
        r#"
defaults: {{ interval: 1m, timeout: 10s, retries: 0 }}
plugins:
  empty: {{ path: "{EMPTY}" }}
checks:
  - {{ name: empty, plugin: empty, target: nothing }}
  - name: http
    plugin: http
    target: http://{site}/
    config: {{ expect: {{ status: [200], body: {{ contains: Welcome }} }} }}
  - {{ name: tcp, plugin: tcp, target: "{plain}" }}
  - name: tls
    plugin: tls
    target: "{tls}"
    config: {{ ca: {authority}, names: [localhost] }}
"#
    )
}
