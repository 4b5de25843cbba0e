//! What can be wrong with a plugin itself.

use serde::{Deserialize, Serialize};

use crate::sandbox::LinkError;

/// Characters of a text that is about a plugin, and partly its own.
const MAX_TEXT: usize = 2_000;

/// Why bytes are no plugin of this host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Refusal {
    /// Core wasm, or no wasm at all.
    #[error("not a wasm component: {0}")]
    NotAComponent(String),
    /// A component of another world.
    #[error("no plugin of this host")]
    Link(#[source] LinkError),
    /// It may be sound: the host has no room for it.
    #[error(transparent)]
    NoRoom(LinkError),
    /// It may be sound: this process, or the machine, is short of memory.
    #[error("there is too little memory to load it: {0}")]
    NoMemory(String),
    /// It cannot say what it is.
    #[error("it does not describe itself: {0}")]
    Describe(String),
}

impl Refusal {
    /// Whether it may pass by itself: the host is short of something, and the plugin may be sound.
    pub(super) fn is_transient(&self) -> bool {
        matches!(self, Self::NoRoom(_) | Self::NoMemory(_))
    }

    /// With texts of a length that can be shown, and no control characters in them.
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
    let printable = |character: char| match character.is_control() {
        true => char::REPLACEMENT_CHARACTER,
        false => character,
    };
    text.trim_end().chars().take(MAX_TEXT).map(printable).collect()
}
