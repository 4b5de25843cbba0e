//! Hides secrets that a suite writes in plain, in the problems of the suite.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::secret_keys::SecretKeys;
use super::secret_spans::{SecretSpans, without_user_info};
use super::source::{Source, printable};
use crate::problem::{Origin, Problem};

/// Minimum length in bytes of a part of a secret that is recognised in a message.
const MIN_PART: usize = 3;
/// Maximum length in bytes of a secret in which words of a message are searched.
const MAX_SEARCHED: usize = 64 << 10;

/// Where secrets are in the files of a suite.
pub(super) struct ProblemSecrets<'a> {
    sources: &'a [Arc<Source>],
    keys: &'a SecretKeys,
    /// Of the file of the last problem, by the index of the file.
    spans: Option<(usize, SecretSpans)>,
}

impl<'a> ProblemSecrets<'a> {
    pub(super) fn new(sources: &'a [Arc<Source>], keys: &'a SecretKeys) -> Self {
        Self {
            sources,
            keys,
            spans: None,
        }
    }

    /// Hides secrets in the line that a problem shows, in its words, and in the path of its key. The problems of a file
    /// should follow each other.
    pub(super) fn hide(&mut self, problem: &mut Problem) {
        self.hide_at_position(problem);
        for text in std::iter::once(&mut problem.message).chain(&mut problem.hint) {
            *text = without_user_info(text);
            hide_in_quotes(text, self.keys);
        }
        if let Origin::Key { path, .. } = &mut problem.origin
            && let Some(masked) = SecretSpans::masked(path, self.keys)
        {
            *path = masked.text;
        }
    }

    /// Hides the secret at which a problem stands, in the line that it shows and in its words.
    fn hide_at_position(&mut self, problem: &mut Problem) {
        let mut sources = self.sources.iter();
        let source = sources.find(|source| problem.is_in(&source.path, source.order()));
        let (Some(source), Some(at)) = (source, problem.at()) else {
            problem.source_line = None;
            return;
        };
        let known = self.spans.take().filter(|(order, _)| *order == source.order());
        let new = || (source.order(), SecretSpans::of(&source.text, self.keys));
        let (_, spans) = self.spans.insert(known.unwrap_or_else(new));
        if problem.source_line.is_some() {
            problem.source_line = source.excerpt(at, spans).map(Box::new);
        }
        let hidden = source
            .offset_of(at)
            .map(|offset| spans.hidden_at(&source.text, offset));
        let secret = Secret::of(source, hidden.unwrap_or_default());
        secret.hide(&mut problem.message);
        if let Some(hint) = &mut problem.hint {
            secret.hide(hint);
        }
    }
}

/// A message without user info, without queries of URLs, and without the values of secret keys in what it quotes.
#[must_use]
pub fn without_secrets(message: &str) -> String {
    let mut text = without_user_info(message);
    hide_in_quotes(&mut text, &SecretKeys::of_settings());
    text
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
        let (subject, rest) = split_subject(text);
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

    /// Whether it contains a quoted text, or any word of one, which may be cut, a key of a path, or the secret as JSON.
    fn is_part(&self, quoted: &str) -> bool {
        let words = quoted.split(|char: char| !char.is_alphanumeric());
        std::iter::once(quoted.trim_end_matches('…'))
            .chain(words)
            .filter(|word| word.len() >= MIN_PART)
            .any(|word| self.parts.iter().any(|part| part.contains(word)))
    }
}

/// The name of a check that a text begins with, and the rest.
fn split_subject(text: &str) -> (&str, &str) {
    let start = text.strip_prefix("check `").and_then(|rest| rest.find("`: "));
    text.split_at(start.map_or(0, |end| end + "check ``: ".len()))
}

/// Hides secrets within what a text quotes: whole values with keys in them, such as a URL with a query.
fn hide_in_quotes(text: &mut String, keys: &SecretKeys) {
    let (subject, rest) = split_subject(text);
    let pieces: Vec<&str> = rest.split('`').collect();
    let is_paired = pieces.len() % 2 == 1;
    let masked = if is_paired {
        masked_pieces(&pieces, keys)
    } else {
        masked_as_one(rest, keys)
    };
    if let Some(masked) = masked {
        *text = format!("{subject}{masked}");
    }
}

/// Whether a word of a text has a parameter of a URL.
fn has_parameter(text: &str) -> bool {
    let after_sign = |word: &str| {
        word.split_once(['?', '&'])
            .is_some_and(|(_, rest)| rest.contains('='))
    };
    text.split_whitespace().any(after_sign)
}

/// The pieces between backticks, with secrets masked, if there are any. A secret may have backticks in it: if one is at
/// the end of a piece, everything is masked up to the last backtick.
fn masked_pieces(pieces: &[&str], keys: &SecretKeys) -> Option<String> {
    let mut shown: Vec<Cow<'_, str>> = Vec::with_capacity(pieces.len());
    for (index, piece) in pieces.iter().enumerate() {
        // A parameter of a URL may stand after a backtick in the URL.
        let is_searched = index % 2 == 1 || has_parameter(piece);
        let masked = is_searched.then(|| SecretSpans::masked(piece, keys)).flatten();
        let Some(masked) = masked else {
            shown.push(Cow::Borrowed(piece));
            continue;
        };
        shown.push(Cow::Owned(masked.text));
        if masked.is_to_end && index + 1 < pieces.len() {
            shown.extend(pieces.last().map(|last| Cow::Borrowed(*last)));
            break;
        }
    }
    let is_masked = shown.iter().any(|piece| matches!(piece, Cow::Owned(_)));
    is_masked.then(|| shown.join("`"))
}

/// A text with secrets masked in what is between its first and its last backtick, if there are any.
fn masked_as_one(text: &str, keys: &SecretKeys) -> Option<String> {
    let (before, rest) = text.split_once('`')?;
    let (quoted, after) = rest.rsplit_once('`').unwrap_or((rest, ""));
    let masked = SecretSpans::masked(quoted, keys)?;
    Some(format!("{before}`{}`{after}", masked.text))
}

/// A text without all that it quotes, if it quotes anything.
fn without_quotes(text: &str) -> Option<String> {
    let (before, rest) = text.split_once('`')?;
    let (_, after) = rest.rsplit_once('`')?;
    Some(format!("{before}`***`{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_recognised_within_what_is_quoted() {
        let secret = Secret {
            parts: vec!["equals: abc-def, length: 3".to_owned()],
            is_respelt: false,
        };
        for quoted in ["abc-def", "\"abc-def\"", "abc-d…", "[\"def\"]", "a.equals"] {
            assert!(secret.is_part(quoted), "{quoted}");
        }
        for quoted in ["token", "a.json", ">", "ab"] {
            assert!(!secret.is_part(quoted), "{quoted}");
        }
    }

    #[test]
    fn a_message_of_the_command_line_shows_no_secret() {
        for (message, shown) in [
            ("invalid value `password:a`", "invalid value `password:***`"),
            (
                "invalid value `http://u:a@b:99999`",
                "invalid value `http://***@b:99999`",
            ),
            ("invalid value `http://b/?x=a`b`", "invalid value `http://b/?***`"),
            ("invalid value `5x`", "invalid value `5x`"),
        ] {
            assert_eq!(without_secrets(message), shown);
        }
    }

    #[test]
    fn a_secret_is_hidden_after_a_key_within_what_is_quoted() {
        for (text, shown) in [
            (
                "check `token: a`: found `x token: a` and `token=b`",
                "check `token: a`: found `x token: ***`",
            ),
            ("unknown key `token:a` in `admin`", "unknown key `token:***`"),
            ("unknown key `token:a`b`", "unknown key `token:***`"),
            ("unknown key `token:a`b`c`", "unknown key `token:***`"),
            ("unknown key `token:a` `b` c", "unknown key `token:***` c"),
            ("`x`: no URL: `a`?token=b` c", "`x`: no URL: `a`?token=***` c"),
            ("no URL: `a``?token=b` c", "no URL: `a``?token=***` c"),
            ("no URL: `a`?token=b`c` d", "no URL: `a`?token=***` d"),
            (
                "`timeout`: invalid duration `5x`",
                "`timeout`: invalid duration `5x`",
            ),
            ("unknown key `token abc`", "unknown key `token ***`"),
            ("write `{ password: .. }`", "write `{ password: .. }`"),
        ] {
            let mut text = text.to_owned();
            hide_in_quotes(&mut text, &SecretKeys::default());
            assert_eq!(text, shown);
        }
    }
}
