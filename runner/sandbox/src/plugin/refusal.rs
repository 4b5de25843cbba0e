//! What can be wrong with a plugin itself.

use serde::{Deserialize, Serialize};

use crate::LinkError;

/// Maximum characters of a text about a plugin, which may contain text of the plugin.
const MAX_TEXT: usize = 2_000;

/// Why bytes are not a plugin of this host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Refusal {
    /// Core wasm, or not wasm at all.
    #[error("not a wasm component: {0}")]
    NotAComponent(String),
    /// It cannot be linked to this host.
    #[error("not a plugin for this host")]
    Link(#[source] LinkError),
    /// The plugin may be sound: the host lacks a resource to link it.
    #[error(transparent)]
    NoRoom(LinkError),
    /// The plugin may be sound: this process or the machine is short of memory.
    #[error("there is too little memory to load it: {0}")]
    NoMemory(String),
    /// Its `describe` failed.
    #[error("it failed to describe itself: {0}")]
    Describe(String),
}

impl Refusal {
    /// Whether the refusal may disappear by itself: the host is short of a resource, and the plugin may be sound.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::NoRoom(_) | Self::NoMemory(_))
    }

    /// Cuts its texts to a length that can be shown, without control characters.
    pub(super) fn bounded(self) -> Self {
        match self {
            Self::NotAComponent(text) => Self::NotAComponent(bounded(&text)),
            Self::Link(LinkError::Imports(text)) => Self::Link(LinkError::Imports(bounded(&text))),
            Self::Link(LinkError::Version { built_for }) => Self::Link(LinkError::Version {
                built_for: bounded(&built_for),
            }),
            Self::Link(LinkError::Probe(text)) => Self::Link(LinkError::Probe(bounded(&text))),
            Self::Link(other) => Self::from(other),
            Self::NoRoom(_) => self,
            Self::NoMemory(text) => Self::NoMemory(bounded(&text)),
            Self::Describe(text) => Self::Describe(bounded(&text)),
        }
    }
}

impl From<LinkError> for Refusal {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Image(_) => Self::NoRoom(error),
            _ => Self::Link(error),
        }
    }
}

pub(super) fn bounded(text: &str) -> String {
    let printable = |character: char| {
        if character.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            character
        }
    };
    text.trim_end().chars().take(MAX_TEXT).map(printable).collect()
}
