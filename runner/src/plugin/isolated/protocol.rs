//! What goes over the pipes: four bytes in little endian that say how long the header is, the header in JSON, and a
//! payload up to the end.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::IsolationError;
use crate::plugin::refusal::Refusal;

/// Bytes that say how long the header is.
const PREFIX: usize = size_of::<u32>();

/// What a worker is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Task {
    /// Compile the wasm that follows, and let it describe itself.
    Load {
        /// What engine the code is for: one with a pool of instances, or one for where address space is short.
        pooling: bool,
    },
    /// Judge the [`crate::suite::SchemaRequest`] that follows in JSON.
    Judge,
    /// Have a plugin answer the [`crate::suite::ConfigRequest`] that follows as another frame, and behind it the plugin's
    /// machine code.
    CheckConfigs {
        /// What engine the code is for, as for `Load`.
        pooling: bool,
    },
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// An artefact follows.
    Artefact,
    /// A [`crate::suite::Judgement`] follows in JSON.
    Judgement,
    /// A [`crate::suite::ConfigAnswer`] follows in JSON.
    Configs,
    /// The plugin is none of this host.
    Refused(Refusal),
    /// The worker could not do its work.
    Failed(String),
}

pub(super) fn frame(header: &impl Serialize) -> Result<Vec<u8>, IsolationError> {
    let failed = |reason: String| IsolationError::Failed(reason);
    let text = serde_json::to_vec(header).map_err(|error| failed(error.to_string()))?;
    let length = u32::try_from(text.len()).map_err(|error| failed(error.to_string()))?;
    Ok([&length.to_le_bytes(), text.as_slice()].concat())
}

pub(super) fn split<T: DeserializeOwned>(mut bytes: Vec<u8>) -> Option<(T, Vec<u8>)> {
    let (length, rest) = bytes.split_first_chunk::<PREFIX>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let header = serde_json::from_slice(rest.get(..length)?).ok()?;
    bytes.drain(..PREFIX + length);
    Some((header, bytes))
}
