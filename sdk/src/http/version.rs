//! Versions of HTTP.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A version of HTTP. Orders from old to new; `1.0`, `1.1` and `2` in a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub enum Version {
    /// HTTP/1.0.
    #[serde(rename = "1.0")]
    Http10,
    /// HTTP/1.1.
    #[serde(rename = "1.1")]
    Http11,
    /// HTTP/2.
    #[serde(rename = "2")]
    Http2,
    /// One that is newer than this crate. It cannot be asked for.
    #[serde(skip)]
    Newer,
}

impl Version {
    /// The code in the contract; `None` for a version that is newer than this crate.
    pub const fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Http10 => Some("1.0"),
            Self::Http11 => Some("1.1"),
            Self::Http2 => Some("2"),
            Self::Newer => None,
        }
    }

    /// The version with this code of the contract.
    #[must_use]
    pub fn of(word: &str) -> Self {
        let known = [Self::Http10, Self::Http11, Self::Http2].into_iter();
        let mut known = known.filter(|version| version.as_str() == Some(word));
        known.next().unwrap_or(Self::Newer)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str().unwrap_or("newer"))
    }
}
