//! From the bytes of a plugin to a program: by the cache, or by compiling.

use std::borrow::Cow;
use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use super::artefact::Artefact;
use super::cache::Cache;
use super::isolated::{Isolation, IsolationError};
use super::shared::{Compiled, Shared};
use super::{Plugin, PluginError, Refusal, compile};
use crate::liveness;
use crate::sandbox::{Program, Sandbox};
use crate::suite::{ConfigAnswer, ConfigRequest, Judgement, SchemaRequest, judge};

/// Plugins that are loaded at once. Each can take the memory that loading one may take, and a thread of a processor.
const AT_ONCE: usize = 2;

/// Loads plugins. Cheap to clone.
#[derive(Clone)]
pub struct Loader {
    cache: Cache,
    /// Absent: plugins are trusted, and loaded in this process.
    isolation: Option<Arc<Isolation>>,
    turns: Arc<Semaphore>,
    shared: Shared,
    /// Given the name of each plugin that is compiled, which takes a while.
    compiling: Option<fn(&str)>,
}

/// A plugin that is to be loaded.
pub(super) struct Wasm<'a> {
    pub(super) name: &'a str,
    /// Of its bytes.
    pub(super) digest: &'a str,
    /// Borrowed: it is embedded, and trusted as this program is.
    pub(super) bytes: Cow<'static, [u8]>,
}

impl Loader {
    /// Compiles in this process: for plugins that are trusted.
    #[must_use]
    pub fn trusting(cache: Cache) -> Self {
        Self {
            cache,
            isolation: None,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            shared: Shared::default(),
            compiling: None,
        }
    }

    /// Has another process load what is not embedded.
    #[must_use]
    pub fn isolated(cache: Cache, isolation: Isolation) -> Self {
        Self {
            isolation: Some(Arc::new(isolation)),
            ..Self::trusting(cache)
        }
    }

    /// Gives `notice` the name of each plugin before it is compiled.
    #[must_use]
    pub fn noticing(self, notice: Option<fn(&str)>) -> Self {
        Self {
            compiling: notice,
            ..self
        }
    }

    /// Has a schema judge configurations. The schema of a plugin that is not embedded does so in another process.
    ///
    /// Cancellation: the other process is killed.
    ///
    /// # Errors
    /// It did not come to an end within the limits.
    pub async fn judge(&self, request: impl FnOnce() -> SchemaRequest) -> Result<Judgement, IsolationError> {
        let _turn = self.turn().await;
        // Made now: requests that wait would be schemas that wait.
        let request = request();
        match &self.isolation {
            Some(isolation) => isolation.judge(request).await,
            None => Ok(judge(&request)),
        }
    }

    /// Has a plugin judge configurations that its schema allows. One that is not embedded does so in another process.
    ///
    /// Cancellation: the other process is killed.
    ///
    /// # Errors
    /// It did not come to an end within the limits.
    pub async fn check_configs(
        &self,
        plugin: &Plugin,
        is_embedded: bool,
        request: ConfigRequest,
        sandbox: &Sandbox,
    ) -> Result<ConfigAnswer, PluginError> {
        let isolation = self.isolation.as_ref().filter(|_| !is_embedded);
        if request.is_empty() {
            return Ok(ConfigAnswer::default());
        }
        let Some(isolation) = isolation else {
            return Ok(sandbox.check_configs(plugin.program(), &request).await);
        };
        let _turn = self.turn().await;
        let program = plugin.program().clone();
        let code = blocking(move || program.serialize()).await?;
        let code = code.map_err(|error| IsolationError::Failed(error.to_string()))?;
        Ok(isolation.check_configs(code, &request, sandbox.engine()).await?)
    }

    /// Plugins that are in memory.
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Waits until it is one's turn to load a plugin, which is over when this is dropped.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.turns.acquire().await.ok()
    }

    pub(super) async fn load(&self, wasm: Wasm<'_>, sandbox: &Sandbox) -> Result<Compiled, PluginError> {
        let digest = wasm.digest.into();
        let (program, artefact) = match self.cached(&wasm, sandbox).await? {
            Some(found) => found,
            None => self.made(wasm, sandbox).await?,
        };
        let description = artefact.description.clone();
        let schema = &description.config_schema;
        let room = self
            .shared
            .room(artefact.len(), schema.len().try_into().unwrap_or(u64::MAX))?;
        let config_schema = serde_json::from_str(schema)
            .map_err(|error| Refusal::Describe(format!("its config schema is not JSON: {error}")))?;
        Ok(Compiled {
            digest,
            config_schema: Arc::new(config_schema),
            description,
            program,
            _room: room,
        })
    }

    /// Compiles it, and writes the cache.
    async fn made(&self, wasm: Wasm<'_>, sandbox: &Sandbox) -> Result<(Program, Arc<Artefact>), PluginError> {
        compile::judge_preamble(&wasm.bytes)?;
        if let Some(notice) = self.compiling {
            notice(wasm.name);
        }
        let (name, digest) = (wasm.name, wasm.digest.to_owned());
        let (program, artefact) = match (&self.isolation, wasm.bytes) {
            (Some(isolation), Cow::Owned(bytes)) => {
                let artefact = isolation.load(bytes, sandbox.engine()).await?;
                (restore(&artefact, sandbox)?, artefact)
            }
            (_, bytes) => self.here(bytes, sandbox).await?,
        };
        let (cache, engine) = (self.cache.clone(), sandbox.engine().clone());
        let artefact = Arc::new(artefact);
        let written = Arc::clone(&artefact);
        let kept = blocking(move || cache.write(&digest, &engine, &written)).await?;
        if let Err(error) = kept {
            let error = anyhow::Error::new(error);
            tracing::warn!(
                "plugin `{name}` is not cached and will be compiled again at the next start: {error:#}"
            );
        }
        Ok((program, artefact))
    }

    /// What the cache has of the plugin. What is damaged there is made again.
    async fn cached(
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
            tracing::warn!("plugin `{}` is compiled again: {reason}", wasm.name);
            None
        }))
    }

    async fn here(
        &self,
        bytes: Cow<'static, [u8]>,
        sandbox: &Sandbox,
    ) -> Result<(Program, Artefact), PluginError> {
        let engine = sandbox.engine().clone();
        let component = blocking(move || compile::component(&bytes, &engine)).await??;
        Ok(compile::describe(&component, sandbox).await?)
    }
}

/// A program of what another process, or this one before, made of the plugin. The other has done the same with it within
/// its limits, so that this comes to an end.
fn restore(artefact: &Artefact, sandbox: &Sandbox) -> Result<Program, PluginError> {
    let component = compile::restore(artefact.code(), sandbox.engine())?;
    let linked = sandbox.link(&component);
    Ok(linked.map_err(Refusal::from)?)
}

/// Does what waits for disks, processors or other processes off the runtime's workers.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, IsolationError> {
    liveness::once("plugin", work)
        .await
        .map_err(IsolationError::Thread)
}
