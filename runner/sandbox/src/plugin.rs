//! Plugins: from bytes to a program that can be run.
//!
//! The digest of the bytes identifies an `artefact::Artefact`: machine code and the plugin's description, read from
//! the cache on disk or compiled now. A plugin that is not embedded is compiled in a separate process.

mod artefact;
mod cache;
mod compile;
pub mod isolated;
mod loader;
mod refusal;
mod registry;
mod source;

use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

pub use cache::{Cache, CacheError};
pub use loader::Loader;
pub use refusal::Refusal;
pub use source::{EMBEDDED, embedded};

use crate::{Description, Program, Sandbox};
use canary_suite::{PluginFacts, PluginSource};
use canary_system::io_class;
use canary_system::regular_file::Session;
use isolated::IsolationError;
use registry::Compiled;

/// A plugin that is ready to run.
pub struct Plugin {
    /// Its name in suites.
    pub name: String,
    /// Shared by all plugins with the same bytes.
    compiled: Arc<Compiled>,
}

/// Why a plugin cannot be used. The caller adds which plugin it is.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// The file cannot be read.
    #[error("cannot read `{}`", .path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is larger than any plugin should be.
    #[error("`{}` is larger than {} MiB", .path.display(), source::MAX_BYTES >> 20)]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// The digest of the file is not the one in the suite.
    #[error("the file has digest sha256:{found}, the suite requires sha256:{wanted}")]
    Digest {
        /// Digest of the file.
        found: String,
        /// Digest in the suite.
        wanted: String,
    },
    /// All loaded plugins together would exceed their memory limit.
    #[error(
        "it needs {wanted} MiB of memory, and the loaded plugins use {taken} of {most} MiB; use fewer or \
         smaller plugins"
    )]
    OverMemoryLimit {
        /// MiB that the other plugins take.
        taken: u64,
        /// MiB that this plugin would take.
        wanted: u64,
        /// MiB that all plugins may take.
        most: u64,
    },
    /// It was examined and refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Examining it did not finish, so it is unknown whether it is a plugin.
    #[error(transparent)]
    Isolation(#[from] IsolationError),
    /// No plugin of this name is compiled in.
    #[error("unknown embedded plugin `{name}`; available: {}", EMBEDDED.join(", "))]
    Unknown {
        /// The name in the suite.
        name: String,
    },
}

impl PluginError {
    /// Whether the error may disappear by itself: the disk or the host is short of a resource, and the plugin may be
    /// sound.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Read { source, .. } => io_class::is_transient(source),
            Self::Refused(refusal) => refusal.is_transient(),
            Self::Isolation(error) => error.is_transient(),
            Self::TooLarge { .. }
            | Self::Digest { .. }
            | Self::OverMemoryLimit { .. }
            | Self::Unknown { .. } => false,
        }
    }
}

impl Plugin {
    /// Reads, compiles and describes a plugin. One whose bytes are already loaded is not compiled again.
    ///
    /// Compiling runs off the runtime's worker threads and can take seconds for a large component. The file is read
    /// within the time that `session` has left.
    ///
    /// Cancellation: a process that examines the plugin is killed.
    ///
    /// # Errors
    /// Everything that can be wrong with a plugin file.
    pub async fn load(
        name: &str,
        source: &PluginSource,
        loader: &Loader,
        sandbox: &Sandbox,
        session: &Session,
    ) -> Result<Arc<Self>, PluginError> {
        // Before the file is read: loads that wait must not hold the bytes of their plugins.
        let _slot = loader.acquire_slot().await;
        let (wasm, wanted) = source::read(name, source, session).await?;
        let digest = hex::encode(Sha256::digest(&wasm));
        if let Some(wanted) = wanted.filter(|wanted| *wanted != digest) {
            return Err(PluginError::Digest {
                found: digest,
                wanted,
            });
        }
        let named = |compiled| {
            let name = name.to_owned();
            Arc::new(Self { name, compiled })
        };
        if let Some(compiled) = loader.registry().find(&digest) {
            return Ok(named(compiled));
        }
        let wasm = loader::Wasm {
            name,
            digest: &digest,
            bytes: wasm.into(),
        };
        let compiled = loader.load(wasm, sandbox).await?;
        Ok(named(loader.registry().insert(compiled)))
    }

    /// Lower-case hexadecimal SHA-256 of the wasm.
    #[must_use]
    pub fn digest(&self) -> &Arc<str> {
        &self.compiled.digest
    }

    /// The plugin's description of itself.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.compiled.description
    }

    /// Its parsed `config-schema`.
    #[must_use]
    pub fn config_schema(&self) -> &serde_json::Value {
        &self.compiled.config_schema
    }

    /// Whether it exports `check-config`.
    #[must_use]
    pub fn exports_check_config(&self) -> bool {
        self.program().exports_check_config()
    }

    /// The linked program.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.compiled.program
    }

    /// What a suite is validated against.
    #[must_use]
    pub fn facts(&self) -> PluginFacts {
        PluginFacts {
            config_schema: Arc::clone(&self.compiled.config_schema),
            target_syntax: self.description().target_syntax.clone(),
            secrets: self.description().secrets.clone(),
            initial_memory: self.program().initial_memory(),
        }
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.name)
            .field("digest", self.digest())
            .finish_non_exhaustive()
    }
}
