//! `description` and `runbook_url` of a check or of `defaults:`: static annotations of alerts.

use std::sync::Arc;

use serde_json::{Value, json};
use url::Url;

use super::fields::{Located, Reader};
use super::tree::{Entry, quoted};

/// Maximum length of a description, in characters.
pub(super) const MAX_DESCRIPTION: usize = 2_000;
/// Maximum length of a URL, in characters.
const MAX_RUNBOOK_URL: usize = 2_048;

/// Static annotations of a check's alerts. They are not secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Annotations {
    /// Free text of one or more lines; at most 2,000 characters.
    pub description: Option<Arc<str>>,
    /// The runbook: an absolute `http` or `https` URL without credentials, of at most 2,048 characters.
    pub runbook_url: Option<Arc<str>>,
}

/// Reads a description. The line break at the end of a YAML block is not part of it.
pub(super) fn description(reader: &mut Reader<'_>, entry: &Entry) -> Option<Located<Arc<str>>> {
    let text = reader.multiline_text(entry, MAX_DESCRIPTION)?;
    Some(Located::new(entry, text.trim().into()))
}

/// The schema of `runbook_url:`.
pub(super) fn runbook_url_schema() -> Value {
    json!({ "type": "string", "maxLength": MAX_RUNBOOK_URL, "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://" })
}

/// Reads a URL that recipients can follow from any message.
pub(super) fn runbook_url(reader: &mut Reader<'_>, entry: &Entry) -> Option<Located<Arc<str>>> {
    let text = reader.text(entry, MAX_RUNBOOK_URL)?;
    let reason = match Url::parse(text) {
        Err(error) => error.to_string(),
        Ok(url) if !matches!(url.scheme(), "http" | "https") => {
            format!("its scheme is {}", quoted(url.scheme()))
        }
        Ok(url) if !url.username().is_empty() || url.password().is_some() => {
            let hint = "every recipient of an alert can read it".to_owned();
            reader.problem_with(entry.value.at, "`runbook_url` holds credentials", Some(hint));
            return None;
        }
        Ok(url) => return Some(Located::new(entry, url.as_str().into())),
    };
    let message = format!("`runbook_url`: invalid URL {}: {reason}", quoted(text));
    let hint = "write a URL such as `https://wiki.example.com/runbooks/website`".to_owned();
    reader.problem_with(entry.value.at, message, Some(hint));
    None
}
