//! The plugins that tests run, compiled once for the whole process.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use canary::ledger::{Budget, Ledger};
use canary::net::Shared;
use canary::net::resolve::{Resolver, ResolverSettings};
use canary::net::tls::TrustStore;
use canary::plugin::{Cache, EMBEDDED, Plugin, PluginError};
use canary::sandbox::{Engine, EngineSettings, Sandbox};
use canary::suite::PluginSource;
use futures_util::future::join_all;
use tokio::sync::OnceCell;

const HOSTILE: &str = env!("CANARY_GUEST_HOSTILE");
const TABLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/harness/table.wasm");
/// Runs at once, in the engine that tests share.
const CONCURRENCY: u32 = 64;
/// The largest `memory` that a test may set, in bytes.
const MEMORY_CEILING: u64 = 64 << 20;

/// An engine and every plugin compiled for it.
pub(super) struct Guests {
    engine: Engine,
    plugins: BTreeMap<String, Result<Plugin, PluginError>>,
}

impl Guests {
    /// Those that all tests of this process share.
    pub(super) async fn shared() -> Arc<Self> {
        static SHARED: OnceCell<Arc<Guests>> = OnceCell::const_new();
        let settings = EngineSettings {
            concurrency: CONCURRENCY,
            memory_ceiling: MEMORY_CEILING,
        };
        let load = async || Arc::new(Self::load(settings).await);
        SHARED.get_or_init(load).await.clone()
    }

    pub(super) async fn load(settings: EngineSettings) -> Self {
        let engine = Engine::new(settings).expect("an engine");
        let sandbox = offline(engine.clone());
        let mut sources: Vec<_> = EMBEDDED
            .iter()
            .map(|(name, _)| (*name, PluginSource::Embedded))
            .collect();
        sources.push(("hostile", file(HOSTILE.into())));
        sources.push(("table", file(TABLE.into())));
        let loads = sources.iter().map(async |(name, source)| {
            let loaded = Plugin::load(name, source, &Cache::none(), &sandbox).await;
            ((*name).to_owned(), loaded)
        });
        // One after the other where the pool has room for one.
        let plugins = match settings.concurrency {
            1 => {
                let mut plugins = BTreeMap::new();
                for load in loads {
                    plugins.extend([load.await]);
                }
                plugins
            }
            _ => join_all(loads).await.into_iter().collect(),
        };
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

const fn file(path: PathBuf) -> PluginSource {
    PluginSource::File { path, digest: None }
}

/// Enough of a sandbox to ask plugins what they are.
fn offline(engine: Engine) -> Sandbox {
    let ledger = Ledger::new(Budget::new(0));
    let shared = Arc::new(Shared {
        resolver: Resolver::new(ResolverSettings::servers(Vec::new()), &ledger),
        blocked: canary::grant::Networks::default(),
        trust: TrustStore::default(),
    });
    Sandbox::new(engine, ledger, shared)
}
