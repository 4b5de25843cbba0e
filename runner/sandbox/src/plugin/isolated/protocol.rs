//! The messages on the pipes: the length of the header in four little-endian bytes, the header in JSON, and a payload
//! up to the end of the stream.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::IsolationError;
use crate::plugin::refusal::Refusal;

/// Bytes of the length prefix of the header.
const PREFIX: usize = size_of::<u32>();

/// A task for a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Task {
    /// Compile and describe the wasm in the payload.
    Load {
        /// Which engine the code is for: one with an instance pool, or one for a small address space.
        pooling: bool,
    },
    /// Validate the [`canary_suite::SchemaRequest`] in the payload, in JSON.
    #[serde(rename = "Judge")]
    Validate,
    /// Have a plugin validate the [`canary_suite::ConfigRequest`] in the payload, a frame of its own that is followed
    /// by the plugin's machine code.
    CheckConfigs {
        /// Which engine the code is for, as for `Load`.
        pooling: bool,
    },
}

/// The result of a task.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    /// The payload is an artefact.
    Artefact,
    /// The payload is a [`canary_suite::SchemaResponse`] in JSON.
    #[serde(rename = "Judgement")]
    Validation,
    /// The payload is a [`canary_suite::ConfigResponse`] in JSON.
    Configs,
    /// The plugin was refused.
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
