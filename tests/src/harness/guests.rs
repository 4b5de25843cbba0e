//! The plugins that tests run, compiled once per process.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use canary::ledger::{Budget, Ledger};
use canary::liveness::Registry;
use canary::net::NetServices;
use canary::net::resolve::{Resolver, ResolverSettings};
use canary::net::tls::TrustStore;
use canary::plugin::{Cache, EMBEDDED, Loader, Plugin, PluginError};
use canary::regular_file::{Owner, Session};
use canary::sandbox::{Engine, EngineSettings, Sandbox};
use canary::suite::PluginSource;
use futures_util::future::join_all;
use tokio::sync::OnceCell;

/// The file of the hostile guest, whose configuration selects its behaviour.
pub const HOSTILE: &str = env!("CANARY_GUEST_HOSTILE");
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/harness/table.wasm");
/// Guests that were built with the SDK of contract 0.1. They never change.
const EMPTY_0_1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/components/0.1/empty.wasm");
const HOSTILE_0_1: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/components/0.1/hostile.wasm");
/// Maximum concurrent runs in the shared engine.
const CONCURRENCY: u32 = 64;
/// The largest quota `memory` that a test may set, in bytes.
const MEMORY_CEILING: u64 = 64 << 20;

/// An engine and plugins compiled for it.
pub(super) struct Guests {
    engine: Engine,
    plugins: BTreeMap<String, Result<Arc<Plugin>, PluginError>>,
}

impl Guests {
    /// All plugins, shared by all tests of this process.
    pub(super) async fn shared() -> Arc<Self> {
        static SHARED: OnceCell<Arc<Guests>> = OnceCell::const_new();
        let settings = EngineSettings {
            concurrency: CONCURRENCY,
            memory_ceiling: MEMORY_CEILING,
        };
        let embedded = EMBEDDED
            .iter()
            .map(|name| ((*name).to_owned(), PluginSource::Embedded));
        let own = [
            ("hostile", file(HOSTILE)),
            ("table", file(TABLE)),
            ("empty-0.1", file(EMPTY_0_1)),
            ("hostile-0.1", file(HOSTILE_0_1)),
        ];
        let own = own.map(|(name, source)| (name.to_owned(), source));
        let load = async || Arc::new(Self::load(settings, embedded.chain(own).collect()).await);
        SHARED.get_or_init(load).await.clone()
    }

    /// Only the hostile guest, on a separate engine.
    pub(super) async fn hostile(settings: EngineSettings) -> Arc<Self> {
        let sources = vec![("hostile".to_owned(), file(HOSTILE))];
        Arc::new(Self::load(settings, sources).await)
    }

    async fn load(settings: EngineSettings, sources: Vec<(String, PluginSource)>) -> Self {
        let engine = Engine::new(settings, &Registry::default()).expect("an engine");
        let sandbox = offline(engine.clone());
        let folder = Path::new(env!("OUT_DIR")).join("compiled");
        let cache = Cache::open(&folder).expect("a folder for compiled plugins");
        let loader = Loader::in_process(cache);
        let loads = sources.into_iter().map(async |(name, source)| {
            let loaded = Plugin::load(&name, &source, &loader, &sandbox, &Session::new(Owner::Plugins)).await;
            (name, loaded)
        });
        let plugins = join_all(loads).await.into_iter().collect();
        Self { engine, plugins }
    }

    pub(super) const fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn plugin(&self, name: &str) -> &Plugin {
        let loaded = self.plugins.get(name).expect("a plugin of this name");
        loaded.as_ref().expect("a plugin that loads")
    }
}

/// Loads a component as a plugin.
///
/// # Errors
/// The component is not a plugin for this host.
pub async fn load(component: &[u8]) -> Result<Arc<Plugin>, PluginError> {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), component).expect("room for a component");
    let sandbox = offline(Guests::shared().await.engine().clone());
    let source = PluginSource::File {
        path: file.path().to_owned(),
        digest: None,
    };
    let loader = Loader::in_process(Cache::disabled());
    Plugin::load(
        "loaded",
        &source,
        &loader,
        &sandbox,
        &Session::new(Owner::Plugins),
    )
    .await
}

fn file(path: &str) -> PluginSource {
    PluginSource::File {
        path: path.into(),
        digest: None,
    }
}

/// A sandbox without a network, to call `describe`.
fn offline(engine: Engine) -> Sandbox {
    let ledger = Ledger::new(Budget::new(0));
    let shared = Arc::new(NetServices {
        resolver: Resolver::new(ResolverSettings::servers(Vec::new()), &ledger),
        blocked: canary::grant::Networks::default(),
        trust: TrustStore::default(),
        propagation: Default::default(),
        proxies: Default::default(),
    });
    Sandbox::new(engine, ledger, shared)
}
