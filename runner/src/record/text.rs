//! A text of a run's record.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use crate::redact::Secrets;

/// A text of a run's record: bounded, without secrets. Made by a [`super::Recorder`] only, or of a text that is part
/// of the program.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Cow<'static, str>);

impl Text {
    /// A text that is part of the program.
    #[must_use]
    pub const fn fixed(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// The first `kept` bytes of a text, redacted before they are cut.
    pub(super) fn recorded(text: Cow<'_, str>, kept: usize, secrets: &Secrets) -> Self {
        if text.is_empty() {
            return Self::default();
        }
        if kept == 0 {
            return Self::fixed("…");
        }
        if !secrets.is_empty() || kept < text.len() {
            return Self::owned(secrets.redact_within(&text, kept));
        }
        Self::owned(text.into_owned())
    }

    fn owned(mut text: String) -> Self {
        // A text that had been longer must not keep its memory.
        text.shrink_to_fit();
        Self(Cow::Owned(text))
    }

    /// The same behind a text that is part of the program.
    #[must_use]
    pub fn behind(self, prefix: &'static str) -> Self {
        Self::owned(format!("{prefix}{self}"))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0.into_owned()
    }
}

impl From<&Text> for String {
    fn from(text: &Text) -> Self {
        text.as_str().to_owned()
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<String> for Text {
    fn eq(&self, other: &String) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

#[cfg(test)]
impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Cow::Owned(text.to_owned()))
    }
}

#[cfg(test)]
impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}
