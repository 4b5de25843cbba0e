//! Plugins: from bytes to something that can be run.
//!
//! Bytes become a digest, the digest a compiled component (from the cache on disk when this host made it before),
//! the component a description of itself.

mod compile;
mod source;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

pub use compile::Cache;
pub use source::{EMBEDDED, embedded};

use crate::sandbox::{Description, LinkError, Program, Sandbox};
use crate::suite::{PluginFacts, PluginSource};

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
    /// Core wasm, or no wasm at all.
    #[error("not a wasm component: {0}")]
    NotAComponent(String),
    /// A component of another world.
    #[error("no plugin of this host")]
    Link(#[from] LinkError),
    /// It cannot say what it is.
    #[error("it does not describe itself: {0}")]
    Describe(String),
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
    /// # Errors
    /// Everything that can be wrong with a file that claims to be a plugin.
    pub async fn load(
        name: &str,
        source: &PluginSource,
        known: &BTreeMap<String, Arc<Self>>,
        cache: &Cache,
        sandbox: &Sandbox,
    ) -> Result<Arc<Self>, PluginError> {
        let (wasm, wanted) = match source {
            PluginSource::Embedded => {
                let wasm = embedded(name).ok_or_else(|| PluginError::Unknown {
                    name: name.to_owned(),
                })?;
                (std::borrow::Cow::Borrowed(wasm), None)
            }
            PluginSource::File { path, digest } => (source::read(path)?.into(), digest.as_deref()),
        };
        let digest = hex::encode(Sha256::digest(&wasm));
        if let Some(wanted) = wanted.filter(|wanted| *wanted != digest) {
            return Err(PluginError::Digest {
                found: digest,
                wanted: wanted.to_owned(),
            });
        }
        if let Some(known) = known.get(name).filter(|known| *known.digest == digest) {
            return Ok(Arc::clone(known));
        }
        let component = cache.component(name, &digest, wasm, sandbox.engine()).await?;
        let plugin = Self::of_component(name, digest, &component, sandbox).await?;
        Ok(Arc::new(plugin))
    }

    async fn of_component(
        name: &str,
        digest: String,
        component: &wasmtime::component::Component,
        sandbox: &Sandbox,
    ) -> Result<Self, PluginError> {
        let program = sandbox.link(component)?;
        let described = sandbox.describe(&program).await;
        let description = described.map_err(|outcome| PluginError::Describe(outcome.summary()))?;
        let config_schema = serde_json::from_str(&description.config_schema)
            .map_err(|error| PluginError::Describe(format!("its config schema is not JSON: {error}")))?;
        Ok(Self {
            name: name.to_owned(),
            digest: digest.into(),
            description,
            config_schema,
            program,
        })
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
