//! Plugins: from bytes to something that can be run.
//!
//! Bytes become a digest, the digest an `artefact::Artefact`: machine code and what the plugin says of itself, from
//! the cache on disk or made now. A plugin that is not embedded is made into one by a process of its own.

mod artefact;
mod cache;
mod compile;
pub mod isolated;
mod loader;
mod refusal;
mod shared;
mod source;

use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

pub use cache::{Cache, CacheError};
pub use loader::Loader;
pub use refusal::Refusal;
pub use source::{EMBEDDED, embedded};

use crate::io_class;
use crate::regular_file::Session;
use crate::sandbox::{Description, Program, Sandbox};
use crate::suite::{PluginFacts, PluginSource};
use isolated::IsolationError;
use shared::Compiled;

/// A component that is ready to run.
pub struct Plugin {
    /// As suites name it.
    pub name: String,
    /// Shared by all plugins of the same bytes.
    compiled: Arc<Compiled>,
}

/// Why a plugin cannot be used. The caller says which plugin it is.
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
    #[error("`{}` is larger than {} MiB", .path.display(), source::LARGEST >> 20)]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// The bytes are not those that the suite names.
    #[error("the file has digest sha256:{found}, the suite says sha256:{wanted}")]
    Digest {
        /// Of the file.
        found: String,
        /// Of the suite.
        wanted: String,
    },
    /// All plugins together would take more memory than they may.
    #[error(
        "it takes {wanted} MiB of memory, and the plugins that are in it have {taken} of {most} MiB; use fewer or \
         smaller plugins"
    )]
    NoRoom {
        /// MiB that others have.
        taken: u64,
        /// MiB that it would take.
        wanted: u64,
        /// MiB that all may have.
        most: u64,
    },
    /// It was examined, and is no plugin of this host.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nobody knows whether it is one: examining it did not come to an end.
    #[error(transparent)]
    Isolation(#[from] IsolationError),
    /// No plugin of this name is compiled in.
    #[error("there is no embedded plugin `{name}`; there are {}", EMBEDDED.map(|(name, _)| name).join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
    },
}

impl PluginError {
    /// Whether it may pass by itself: the disk or the host is short of something, and the plugin may be sound.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Read { source, .. } => io_class::is_transient(source),
            Self::Refused(refusal) => refusal.is_transient(),
            Self::Isolation(error) => error.is_transient(),
            Self::TooLarge { .. } | Self::Digest { .. } | Self::NoRoom { .. } | Self::Unknown { .. } => false,
        }
    }
}

impl Plugin {
    /// Reads, compiles and asks a plugin what it is. One whose bytes are in memory is not compiled again.
    ///
    /// Compiling is done off the runtime's workers and can take seconds for a large component. The file is read within
    /// the time that `session` has left.
    ///
    /// Cancellation: a process that examines the plugin is killed.
    ///
    /// # Errors
    /// Everything that can be wrong with a file that claims to be a plugin.
    pub async fn load(
        name: &str,
        source: &PluginSource,
        loader: &Loader,
        sandbox: &Sandbox,
        session: &Session,
    ) -> Result<Arc<Self>, PluginError> {
        // Before the file is read: plugins that are read and wait are bytes that wait.
        let _turn = loader.turn().await;
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
        if let Some(compiled) = loader.shared().find(&digest) {
            return Ok(named(compiled));
        }
        let wasm = loader::Wasm {
            name,
            digest: &digest,
            bytes: wasm,
        };
        let compiled = loader.load(wasm, sandbox).await?;
        Ok(named(loader.shared().keep(compiled)))
    }

    /// Lower-case hexadecimal SHA-256 of the wasm.
    #[must_use]
    pub fn digest(&self) -> &Arc<str> {
        &self.compiled.digest
    }

    /// What it says of itself.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.compiled.description
    }

    /// Its `config-schema`, parsed.
    #[must_use]
    pub fn config_schema(&self) -> &serde_json::Value {
        &self.compiled.config_schema
    }

    /// Whether it judges configurations that its schema allows.
    #[must_use]
    pub fn judges_configs(&self) -> bool {
        self.program().judges_configs()
    }

    /// What runs.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.compiled.program
    }

    /// What a suite is judged by.
    #[must_use]
    pub fn facts(&self) -> PluginFacts {
        PluginFacts {
            config_schema: Arc::clone(&self.compiled.config_schema),
            target_syntax: self.description().target_syntax.clone(),
            secrets: self.description().secrets.clone(),
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
