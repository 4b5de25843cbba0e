//! Loads the program of a plugin from the cache, or compiles it.

use std::borrow::Cow;
use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::artefact::Artefact;
use super::cache::Cache;
use super::isolated::{Isolation, IsolationError, blocking};
use super::registry::{Compiled, PluginRegistry};
use super::{Plugin, PluginError, Refusal, compile};
use crate::{Engine, Program, Sandbox};
use canary_suite::{ConfigRequest, ConfigResponse, SchemaRequest, SchemaResponse, validate_configs};

/// Maximum number of plugins that are loaded at once. Each may take the memory limit of loading and a processor.
const MAX_CONCURRENT_LOADS: usize = 2;

/// Loads plugins. Cheap to clone.
#[derive(Clone)]
pub struct Loader {
    cache: Cache,
    /// `None` if plugins are trusted and loaded in this process.
    isolation: Option<Arc<Isolation>>,
    slots: Arc<Semaphore>,
    registry: PluginRegistry,
    /// Called with the name of each plugin before it is compiled, which takes a while.
    on_compile: Option<fn(&str)>,
}

/// A plugin to load.
pub(super) struct Wasm<'a> {
    pub(super) name: &'a str,
    /// SHA-256 of the bytes.
    pub(super) digest: &'a str,
    /// Borrowed if the plugin is embedded, and then trusted like this program.
    pub(super) bytes: Cow<'static, [u8]>,
}

impl Loader {
    /// Compiles all plugins in this process: for trusted plugins.
    #[must_use]
    pub fn in_process(cache: Cache) -> Self {
        Self {
            cache,
            isolation: None,
            slots: Arc::new(Semaphore::new(MAX_CONCURRENT_LOADS)),
            registry: PluginRegistry::default(),
            on_compile: None,
        }
    }

    /// Compiles plugins that are not embedded in a separate process.
    #[must_use]
    pub fn isolated(cache: Cache, isolation: Isolation) -> Self {
        Self {
            isolation: Some(Arc::new(isolation)),
            ..Self::in_process(cache)
        }
    }

    /// Calls `notice` with the name of each plugin before it is compiled.
    #[must_use]
    pub fn on_compile(self, notice: Option<fn(&str)>) -> Self {
        Self {
            on_compile: notice,
            ..self
        }
    }

    /// Validates configurations against a schema, in a separate process if plugins are isolated.
    ///
    /// Cancellation: the process is killed.
    ///
    /// # Errors
    /// It did not finish within the limits.
    pub async fn validate(
        &self,
        request: impl FnOnce() -> SchemaRequest,
    ) -> Result<SchemaResponse, IsolationError> {
        let _slot = self.acquire_slot().await;
        // Built only now: requests that wait must not hold their schemas.
        let request = request();
        match &self.isolation {
            Some(isolation) => isolation.validate(request).await,
            None => Ok(validate_configs(&request)),
        }
    }

    /// Has a plugin validate configurations that fit its schema, in a separate process if it is not embedded and
    /// plugins are isolated.
    ///
    /// Cancellation: the process is killed.
    ///
    /// # Errors
    /// It did not finish within the limits.
    pub async fn check_configs(
        &self,
        plugin: &Plugin,
        is_embedded: bool,
        request: ConfigRequest,
        sandbox: &Sandbox,
    ) -> Result<ConfigResponse, PluginError> {
        let isolation = self.isolation.as_ref().filter(|_| !is_embedded);
        if request.is_empty() {
            return Ok(ConfigResponse::default());
        }
        let Some(isolation) = isolation else {
            return Ok(sandbox.check_configs(plugin.program(), &request).await);
        };
        let _slot = self.acquire_slot().await;
        let program = plugin.program().clone();
        let code = blocking(move || program.serialize()).await?;
        let code = code.map_err(|error| IsolationError::Failed(error.to_string()))?;
        Ok(isolation.check_configs(code, &request, sandbox.engine()).await?)
    }

    /// The plugins in memory.
    pub(super) fn registry(&self) -> &PluginRegistry {
        &self.registry
    }

    /// Waits for a slot to load a plugin, which is released on drop.
    pub(super) async fn acquire_slot(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.slots.acquire().await.ok()
    }

    pub(super) async fn load(&self, wasm: Wasm<'_>, sandbox: &Sandbox) -> Result<Compiled, PluginError> {
        let digest = wasm.digest.into();
        let (program, artefact) = match self.load_cached(&wasm, sandbox).await? {
            Some(found) => found,
            None => self.compile_and_cache(wasm, sandbox).await?,
        };
        let description = artefact.description.clone();
        let schema = &description.config_schema;
        let reservation = self
            .registry
            .reserve_memory(artefact.len(), schema.len().try_into().unwrap_or(u64::MAX))?;
        let config_schema = serde_json::from_str(schema)
            .map_err(|error| Refusal::Describe(format!("its config schema is not JSON: {error}")))?;
        Ok(Compiled {
            digest,
            config_schema: Arc::new(config_schema),
            description,
            program,
            _memory: reservation,
        })
    }

    /// Compiles the plugin and writes it to the cache.
    async fn compile_and_cache(
        &self,
        wasm: Wasm<'_>,
        sandbox: &Sandbox,
    ) -> Result<(Program, Arc<Artefact>), PluginError> {
        compile::validate_preamble(&wasm.bytes)?;
        if let Some(notice) = self.on_compile {
            notice(wasm.name);
        }
        let (name, digest) = (wasm.name, wasm.digest.to_owned());
        let (program, artefact) = match (&self.isolation, wasm.bytes) {
            (Some(isolation), Cow::Owned(bytes)) => {
                let artefact = isolation.load(bytes, sandbox.engine()).await?;
                (restore(&artefact, sandbox)?, artefact)
            }
            (_, bytes) => self.compile_in_process(bytes, sandbox).await?,
        };
        let (cache, engine) = (self.cache.clone(), sandbox.engine().clone());
        let artefact = Arc::new(artefact);
        let written = Arc::clone(&artefact);
        let cache_written = blocking(move || cache.write(&digest, &engine, &written)).await?;
        if let Err(error) = cache_written {
            let error = anyhow::Error::new(error);
            tracing::warn!(
                "cannot cache plugin `{name}`, it will be recompiled at the next start: {error:#}"
            );
        }
        Ok((program, artefact))
    }

    /// Loads the plugin from the cache. A damaged file is compiled again.
    async fn load_cached(
        &self,
        wasm: &Wasm<'_>,
        sandbox: &Sandbox,
    ) -> Result<Option<(Program, Arc<Artefact>)>, PluginError> {
        let (cache, engine, digest) = (
            self.cache.clone(),
            sandbox.engine().clone(),
            wasm.digest.to_owned(),
        );
        let found = blocking(move || cache.read(&digest, &engine)).await?;
        let found = found.map_err(|error| format!("{:#}", anyhow::Error::new(error)));
        let restored = found.and_then(|found| {
            let Some(artefact) = found else { return Ok(None) };
            let program = restore(&artefact, sandbox).map_err(|error| error.to_string())?;
            Ok(Some((program, Arc::new(artefact))))
        });
        Ok(restored.unwrap_or_else(|reason| {
            tracing::warn!("recompiling plugin `{}`: {reason}", wasm.name);
            None
        }))
    }

    /// Compiles the plugin, and describes it with an engine of its own: the pages that a description takes would stay
    /// with the memories of the pool, and be cleared after each run.
    async fn compile_in_process(
        &self,
        bytes: Cow<'static, [u8]>,
        sandbox: &Sandbox,
    ) -> Result<(Program, Artefact), PluginError> {
        let engine = sandbox.engine().clone();
        let component = blocking(move || compile::component(&bytes, &engine)).await??;
        let program = sandbox.link(&component).map_err(Refusal::from)?;
        let engine = Engine::compiler(sandbox.engine().is_pooling());
        let engine = engine.map_err(|error| IsolationError::Failed(error.to_string()))?;
        let offline = Sandbox::without_network(engine);
        let copy = compile::restore(&compile::serialize(&component)?, offline.engine())?;
        Ok((program, compile::describe(&copy, &offline).await?))
    }
}

/// Restores the program of an artefact from the cache or from the worker process. Its creator has restored it
/// within its limits, so this finishes too.
fn restore(artefact: &Artefact, sandbox: &Sandbox) -> Result<Program, PluginError> {
    let component = compile::restore(artefact.code(), sandbox.engine())?;
    let linked = sandbox.link(&component);
    Ok(linked.map_err(Refusal::from)?)
}
