//! A text in a run's record.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use crate::redact::Secrets;

/// A text in a run's record: bounded and without secrets. Created only by a [`super::Recorder`] or from a string
/// literal.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Cow<'static, str>);

impl Text {
    /// Creates a text from a string literal.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// Redacts a text and then truncates it to its first `length` bytes.
    pub(super) fn redacted(text: Cow<'_, str>, length: usize, secrets: &Secrets) -> Self {
        if text.is_empty() {
            return Self::default();
        }
        if length == 0 {
            return Self::from_static("…");
        }
        if !secrets.is_empty() || length < text.len() {
            return Self::owned(secrets.redact_truncated(&text, length));
        }
        Self::owned(text.into_owned())
    }

    fn owned(mut text: String) -> Self {
        // Release the memory of the untruncated text.
        text.shrink_to_fit();
        Self(Cow::Owned(text))
    }

    /// Prepends a string literal.
    #[must_use]
    pub fn with_prefix(self, prefix: &'static str) -> Self {
        Self::owned(format!("{prefix}{self}"))
    }

    /// The text as a string slice.
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

#[cfg(any(test, feature = "test-util"))]
impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Cow::Owned(text.to_owned()))
    }
}

#[cfg(any(test, feature = "test-util"))]
impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}
