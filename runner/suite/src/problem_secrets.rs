//! Hides secrets that a suite writes in plain, in the problems of the suite.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::secret_keys::SecretKeys;
use super::secret_spans::{SecretSpans, without_user_info};
use super::source::{Source, printable};
use crate::problem::Problem;

/// Minimum length in bytes of a part of a secret that is recognised in a message.
const MIN_PART: usize = 3;
/// Maximum length in bytes of a secret in which words of a message are searched.
const MAX_SEARCHED: usize = 64 << 10;

/// Where secrets are in the files of a suite.
pub(super) struct ProblemSecrets<'a> {
    sources: &'a [Arc<Source>],
    keys: &'a SecretKeys,
    /// By index of the file.
    spans: HashMap<usize, SecretSpans>,
}

impl<'a> ProblemSecrets<'a> {
    pub(super) fn new(sources: &'a [Arc<Source>], keys: &'a SecretKeys) -> Self {
        Self {
            sources,
            keys,
            spans: HashMap::new(),
        }
    }

    /// Hides secrets in the line that a problem shows, and in its words.
    pub(super) fn hide(&mut self, problem: &mut Problem) {
        self.hide_at_position(problem);
        problem.message = without_user_info(&problem.message);
        problem.hint = problem.hint.as_deref().map(without_user_info);
    }

    fn hide_at_position(&mut self, problem: &mut Problem) {
        let mut sources = self.sources.iter();
        let source = sources.find(|source| problem.is_in(&source.path, source.order()));
        let (Some(source), Some(at)) = (source, problem.at()) else {
            problem.source_line = None;
            return;
        };
        let spans = self
            .spans
            .entry(source.order())
            .or_insert_with(|| SecretSpans::of(&source.text, self.keys));
        if problem.source_line.is_some() {
            problem.source_line = source.excerpt(at, spans).map(Box::new);
        }
        let hidden = source.offset_of(at).map(|offset| spans.hidden_at(offset));
        let secret = Secret::of(source, hidden.unwrap_or_default());
        secret.hide(&mut problem.message);
        if let Some(hint) = &mut problem.hint {
            secret.hide(hint);
        }
    }
}

/// The secret that a problem is about.
struct Secret {
    /// As a message shows them.
    parts: Vec<String>,
    /// Whether a message may spell it in another way.
    is_respelt: bool,
}

impl Secret {
    fn of(source: &Source, hidden: &[Range<usize>]) -> Self {
        let length: usize = hidden.iter().map(Range::len).sum();
        if length > MAX_SEARCHED {
            return Self {
                parts: Vec::new(),
                is_respelt: true,
            };
        }
        let parts = hidden.iter().filter_map(|part| source.text.get(part.clone()));
        let is_respelt = |part: &str| part.contains(['\\', '`', '\n', '\r']) || part.contains("''");
        Self {
            is_respelt: parts.clone().any(is_respelt),
            parts: parts.map(|part| part.chars().map(printable).collect()).collect(),
        }
    }

    /// Hides it where a text quotes it.
    fn hide(&self, text: &mut String) {
        // The name of a check stands first.
        let start = text.strip_prefix("check `").and_then(|rest| rest.find("`: "));
        let (subject, rest) = text.split_at(start.map_or(0, |end| end + "check ``: ".len()));
        let hidden = if self.is_respelt {
            without_quotes(rest)
        } else {
            let pieces = rest.split('`').enumerate();
            let pieces = pieces.map(|(index, piece)| {
                let is_secret = index % 2 == 1 && self.is_part(piece);
                if is_secret { "***" } else { piece }
            });
            Some(pieces.collect::<Vec<_>>().join("`"))
        };
        if let Some(hidden) = hidden {
            *text = format!("{subject}{hidden}");
        }
    }

    /// Whether it contains a quoted text, or a key of a quoted path, which may be cut.
    fn is_part(&self, quoted: &str) -> bool {
        let words = std::iter::once(quoted).chain(quoted.split('.'));
        words
            .map(|word| word.trim_end_matches('…'))
            .filter(|word| word.len() >= MIN_PART)
            .any(|word| self.parts.iter().any(|part| part.contains(word)))
    }
}

/// A text without all that it quotes, if it quotes anything.
fn without_quotes(text: &str) -> Option<String> {
    let (before, rest) = text.split_once('`')?;
    let (_, after) = rest.rsplit_once('`')?;
    Some(format!("{before}`***`{after}"))
}
