//! `description` and `runbook_url` of a check or of `defaults:`: what somebody who is alerted should know and read.

use std::sync::Arc;

use url::Url;

use super::fields::{Located, Reader};
use super::tree::{Entry, quoted};

/// Characters of a description.
pub(super) const MAX_DESCRIPTION: usize = 2_000;
/// Characters of an address.
pub(super) const MAX_RUNBOOK_URL: usize = 2_048;

/// What an alert says of its check, besides what the check found. Nothing of it is a secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Annotations {
    /// A text for people, of one line or several; at most 2,000 characters.
    pub description: Option<Arc<str>>,
    /// Where to read what to do: an absolute `http` or `https` URL without credentials, of at most 2,048 characters.
    pub runbook_url: Option<Arc<str>>,
}

/// Reads a description. A block of YAML ends with a line break, which is not part of it.
pub(super) fn description(reader: &mut Reader<'_>, entry: &Entry) -> Option<Located<Arc<str>>> {
    let text = reader.prose(entry, MAX_DESCRIPTION)?;
    Some(Located::of(entry, text.trim().into()))
}

/// Reads an address that people can follow from any message.
pub(super) fn runbook_url(reader: &mut Reader<'_>, entry: &Entry) -> Option<Located<Arc<str>>> {
    let text = reader.text(entry, MAX_RUNBOOK_URL)?;
    let reason = match Url::parse(text) {
        Err(error) => error.to_string(),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            format!("its scheme is {}", quoted(url.scheme()))
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            let hint = "whoever gets an alert reads it".to_owned();
            reader.problem_with(entry.value.at, "`runbook_url` holds credentials", Some(hint));
            return None;
        }
        Ok(url) => return Some(Located::of(entry, url.as_str().into())),
    };
    let message = format!(
        "`runbook_url`: {} is not the address of a page: {reason}",
        quoted(text)
    );
    let hint = "write such as `https://wiki.example.com/runbooks/website`".to_owned();
    reader.problem_with(entry.value.at, message, Some(hint));
    None
}
