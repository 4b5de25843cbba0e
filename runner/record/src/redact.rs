//! Redaction of secrets in texts, in any encoding or escape sequence.
//!
//! A text is searched as it is, and as each decoder decodes it, recursively, within a bound on the work; whitespace,
//! quotes and case are ignored. In each decoded text, every short window is looked up among the fingerprints of the
//! secrets; matches that touch are masked together. So an excerpt of a secret is masked as well as the whole, and the
//! work is linear in the text, whatever the secrets are.

mod decode;
mod decoded_text;
mod decodings;
mod exposed;
mod fingerprints;
mod learned;
mod registry;
mod secret_forms;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use exposed::ExposedSecrets;
pub use learned::{LearnedSecrets, MaskError};
pub use registry::SecretRegistry;
pub use registry::SuiteSecrets;

use decoded_text::DecodedText;
use fingerprints::{FingerprintBuilder, Fingerprints, PrefixHashes, WINDOW};
use registry::SecretSet;

/// The replacement for a secret.
pub const REDACTED: &str = "***";
/// Bytes of a text that are searched beyond a cut, to find a secret that the cut divides: a window with each byte
/// escaped to thirty-two.
pub(crate) const OVERLAP: usize = 32 * WINDOW;

/// Size of the chunks in which a long text is searched, which bounds the memory for its decoded forms.
const CHUNK: usize = 16 << 10;
/// Maximum number of positions in a text that are treated as possible truncation points.
const MAX_TRUNCATIONS: usize = 8;

/// The secrets that are masked in the texts of one check or receiver: its own, and every other registered one that is
/// long enough not to be an ordinary word. `Debug` shows only their number.
#[derive(Clone, Default)]
pub struct Secrets {
    registry: SecretRegistry,
    own: Option<Arc<OwnSecrets>>,
}

/// The own secrets of one check or receiver.
struct OwnSecrets {
    /// Masked in the owner's texts only. Owners may share groups.
    groups: Vec<Arc<SecretGroup>>,
    /// Keeps the secrets registered as long as the owner may produce texts.
    set: Arc<SecretSet>,
}

/// A group of secrets, with the fingerprints that are matched in texts of their owners only.
pub struct SecretGroup {
    fingerprints: Fingerprints,
    count: usize,
}

/// A secret value.
pub struct Secret {
    value: Arc<str>,
    /// Fingerprints that are matched in texts of its owners only.
    own: FingerprintBuilder,
}

impl Secret {
    /// A secret with its fingerprints.
    pub fn new(value: &str) -> Self {
        let mut own = FingerprintBuilder::default();
        own.absorb(secret_forms::own(value));
        Self {
            value: value.into(),
            own,
        }
    }

    /// The value in the clear: for the guest only.
    pub fn expose(&self) -> &str {
        &self.value
    }
}

impl SecretGroup {
    fn new(secrets: &[Arc<Secret>]) -> Self {
        let mut secrets: Vec<&Arc<Secret>> = secrets.iter().collect();
        secrets.sort_by(|a, b| a.value.cmp(&b.value));
        secrets.dedup_by(|a, b| a.value == b.value);
        let mut fingerprints = FingerprintBuilder::default();
        for secret in &secrets {
            fingerprints.absorb(secret.own.clone());
        }
        Self {
            fingerprints: fingerprints.into(),
            count: secrets.len(),
        }
    }
}

impl Secrets {
    /// Masks these values, and no others.
    #[must_use]
    pub fn new<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        SecretRegistry::default().register(values)
    }

    /// These secrets, also registered in `registry`, whose secrets are masked as well.
    #[must_use]
    pub fn registered_in(&self, registry: &SecretRegistry) -> Self {
        if let Some(own) = &self.own {
            registry.add(&own.set);
        }
        Self {
            registry: registry.clone(),
            own: self.own.clone(),
        }
    }

    /// `text` with `***` in place of every secret, and of every excerpt of one that is long enough to be recognised.
    /// Values of fewer than 4 bytes stay.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.redact_truncated(text, text.len())
    }

    /// The first `max` bytes of `text`, cut at a character boundary, with `***` in place of every secret, including one
    /// that the cut divides. Truncation is shown as `…`. Only the part that is returned, and a little more, is
    /// searched.
    #[must_use]
    pub fn redact_truncated(&self, text: &str, max: usize) -> String {
        let end = text.floor_char_boundary(max);
        let window = text.ceil_char_boundary(end.saturating_add(OVERLAP));
        let window = text.get(..window).unwrap_or_default();
        let mut redacted = String::with_capacity(end.saturating_add('…'.len_utf8()));
        let mut done = 0;
        for masked in self.find(window) {
            if masked.start >= end {
                break;
            }
            redacted.push_str(text.get(done..masked.start).unwrap_or_default());
            redacted.push_str(REDACTED);
            done = masked.end;
        }
        redacted.push_str(text.get(done..end).unwrap_or_default());
        if end < text.len() {
            redacted.push('…');
        }
        redacted
    }

    /// Whether `text` contains a secret.
    #[must_use]
    pub fn contains_secret(&self, text: &str) -> bool {
        !self.find(text).is_empty()
    }

    /// Whether there is nothing to redact.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups().all(|group| group.fingerprints.is_empty()) && self.registry.is_empty()
    }

    /// The ranges of `text` that contain secrets: sorted, disjoint, at character boundaries.
    pub(crate) fn find(&self, text: &str) -> Vec<Range<usize>> {
        let known = self.registry.fingerprints();
        let own = self.groups().map(|group| &group.fingerprints);
        let all = own.chain([&*known]);
        let all: Vec<&Fingerprints> = all.filter(|fingerprints| !fingerprints.is_empty()).collect();
        if all.is_empty() {
            return Vec::new();
        }
        let mut found = Vec::new();
        for chunk in chunks(text) {
            decodings::visit(chunk, |decoded| search(&all, decoded, &mut found));
        }
        for range in &mut found {
            *range = text.floor_char_boundary(range.start)..text.ceil_char_boundary(range.end);
        }
        found.sort_unstable_by_key(|range| range.start);
        found.dedup_by(|next, known| {
            let joins = next.start <= known.end;
            if joins {
                known.end = known.end.max(next.end);
            }
            joins
        });
        found
    }

    fn groups(&self) -> impl Iterator<Item = &SecretGroup> {
        let own = self.own.iter().flat_map(|own| &own.groups);
        own.map(|group| &**group)
    }
}

/// Splits a text into overlapping chunks.
fn chunks(text: &str) -> impl Iterator<Item = DecodedText> {
    let starts = (0..text.len()).step_by(CHUNK);
    starts.map(|start| {
        let end = start.saturating_add(CHUNK + OVERLAP);
        DecodedText::slice(
            text,
            text.floor_char_boundary(start)..text.ceil_char_boundary(end),
        )
    })
}

fn search(all: &[&Fingerprints], decoded: &DecodedText, found: &mut Vec<Range<usize>>) {
    let (bytes, spans) = decoded.canonical();
    let mut add = |range: Range<usize>| {
        let first = spans.get(range.start).map(|span| span.0);
        let last = spans.get(range.end.saturating_sub(1)).map(|span| span.1);
        found.extend(first.zip(last).map(|(start, end)| start..end));
    };
    let text = PrefixHashes::new(&bytes);
    let truncation_points: Vec<usize> = truncation_points(&bytes).collect();
    for fingerprints in all {
        for truncated_prefix in truncation_points
            .iter()
            .filter_map(|end| fingerprints.truncated_prefix(&text, *end))
        {
            add(truncated_prefix);
        }
        fingerprints.find(&text, &mut add);
    }
}

/// Positions where a text may have been truncated by others: at its end, and before `…`.
fn truncation_points(text: &[u8]) -> impl Iterator<Item = usize> {
    const ELLIPSIS: &[u8] = "…".as_bytes();
    let marked = text.windows(ELLIPSIS.len()).enumerate();
    let marked = marked.filter_map(|(place, window)| (window == ELLIPSIS).then_some(place));
    let closing = |byte: &&u8| matches!(byte, b'"' | b'\'' | b'`' | b')' | b']' | b'.');
    let end = text.len() - text.iter().rev().take_while(closing).count();
    marked.take(MAX_TRUNCATIONS).chain([end])
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count: usize = self.groups().map(|group| group.count).sum();
        write!(f, "Secrets({count}, redacted)")
    }
}
