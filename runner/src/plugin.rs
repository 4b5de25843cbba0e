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
mod source;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

pub use cache::{Cache, CacheError};
pub use loader::Loader;
pub use refusal::Refusal;
pub use source::{EMBEDDED, embedded};

use crate::sandbox::{Description, Program, Sandbox};
use crate::suite::{PluginFacts, PluginSource};
use isolated::IsolationError;

/// A component that is ready to run.
pub struct Plugin {
    /// As suites name it.
    pub name: String,
    /// Lower-case hexadecimal SHA-256 of the wasm.
    pub digest: Arc<str>,
    /// What it says of itself.
    pub description: Description,
    /// Its `config-schema`, parsed.
    pub config_schema: serde_json::Value,
    /// What runs.
    pub program: Program,
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

impl Plugin {
    /// Reads, compiles and asks a plugin what it is; the one of that name among `known`, when it is the same.
    ///
    /// Compiling is done off the runtime's workers and can take seconds for a large component.
    ///
    /// Cancellation: a process that examines the plugin is killed.
    ///
    /// # Errors
    /// Everything that can be wrong with a file that claims to be a plugin.
    pub async fn load(
        name: &str,
        source: &PluginSource,
        known: &BTreeMap<String, Arc<Self>>,
        loader: &Loader,
        sandbox: &Sandbox,
    ) -> Result<Arc<Self>, PluginError> {
        // Before the file is read: plugins that are read and wait are bytes that wait.
        let _turn = loader.turn().await;
        let (wasm, wanted) = source::read(name, source).await?;
        let digest = hex::encode(Sha256::digest(&wasm));
        if let Some(wanted) = wanted.filter(|wanted| *wanted != digest) {
            return Err(PluginError::Digest {
                found: digest,
                wanted,
            });
        }
        if let Some(known) = known.get(name).filter(|known| *known.digest == digest) {
            return Ok(Arc::clone(known));
        }
        let wasm = loader::Wasm {
            name,
            digest: &digest,
            bytes: wasm,
        };
        let (program, description) = loader.load(wasm, sandbox).await?;
        let config_schema = serde_json::from_str(&description.config_schema)
            .map_err(|error| Refusal::Describe(format!("its config schema is not JSON: {error}")))?;
        Ok(Arc::new(Self {
            name: name.to_owned(),
            digest: digest.into(),
            description,
            config_schema,
            program,
        }))
    }

    /// What a suite is judged by.
    #[must_use]
    pub fn facts(&self) -> PluginFacts {
        PluginFacts {
            config_schema: self.config_schema.clone(),
            target_syntax: self.description.target_syntax.clone(),
        }
    }
}

impl std::fmt::Debug for Plugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.name)
            .field("digest", &self.digest)
            .finish_non_exhaustive()
    }
}
