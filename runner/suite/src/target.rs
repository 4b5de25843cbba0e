//! The target of a check.

use std::fmt;
use std::sync::Arc;

/// What is checked. `Display` and `Debug` show the public form: `***` in place of interpolated values, and of a URL
/// neither credentials nor query nor fragment.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    pub(super) exposed: Arc<str>,
    pub(super) masked: Arc<str>,
}

impl Target {
    /// A target without secrets.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let exposed: Arc<str> = text.into();
        Self {
            masked: Arc::clone(&exposed),
            exposed,
        }
    }

    pub(super) fn redacted(exposed: &str, masked: &str) -> Self {
        Self {
            exposed: exposed.into(),
            masked: masked.into(),
        }
    }

    /// The text with every secret in the clear: for the guest only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.exposed
    }

    /// The public form, as text.
    #[must_use]
    pub fn public(&self) -> String {
        public_url(&self.masked)
    }

    /// The target as written, with `***` in place of interpolated values. Only for use inside the runner.
    pub(super) fn written(&self) -> &str {
        &self.masked
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.public())
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.public(), f)
    }
}

/// The public part of a URL, or of a text that was meant as one: no credentials, no query, no fragment.
pub fn public_url(text: &str) -> String {
    let public = text.split(['?', '#']).next().unwrap_or_default();
    match public.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            format!("{scheme}://{host}{path}")
        }
        None => public.to_owned(),
    }
}
