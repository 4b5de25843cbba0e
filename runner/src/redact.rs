//! Values that must not leave: found in a text whichever way they are written there, and masked.
//!
//! A text is read as it is, and as each decoder reads it, and what that gives is decoded again, within a bound on the work;
//! blanks, quotes and case never count. In each reading each short window is looked up among the pieces of the secrets;
//! pieces that touch are masked together. So an excerpt of a secret is masked as well as the whole, and the work is linear
//! in the text, whatever the secrets are.

mod decode;
mod exposed;
mod known;
mod needle;
mod pieces;
mod reading;
mod readings;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub(crate) use exposed::ExposedSecrets;
pub use known::KnownSecrets;
pub(crate) use known::SuiteSecrets;

use known::SecretSet;
use pieces::{Collected, Hashes, Pieces, SEED};
use reading::Reading;

/// What stands in place of a secret.
pub(crate) const REDACTED: &str = "***";
/// Bytes of a text that are read beyond its cut, so that a secret that the cut would divide is seen: a seed, each
/// byte of it escaped to thirty-two.
pub(crate) const OVERLAP: usize = 32 * SEED;

/// Bytes of a long text that are read at once, so that its readings take little memory.
const PIECE: usize = 16 << 10;
/// Places in a text where a cut of somebody else is looked for.
const MAX_CUTS: usize = 8;

/// What is masked in the texts of one check or of one receiver: its own secrets, and every other one that the process
/// knows and that is long enough not to be an ordinary word. `Debug` shows only how many there are.
#[derive(Clone, Default)]
pub struct Secrets {
    known: KnownSecrets,
    own: Option<Arc<Own>>,
}

/// Secrets of one holder.
struct Own {
    /// What is masked for the holder only. Others may have a part of it as well.
    parts: Vec<Arc<SecretPart>>,
    /// Keeps the others known as long as there may be texts of the holder.
    set: Arc<SecretSet>,
}

/// Secrets that are masked for their holders only.
pub(crate) struct SecretPart {
    pieces: Pieces,
    count: usize,
}

/// One value.
pub(crate) struct Secret {
    value: Arc<str>,
    /// By which it is known in texts of its holders only.
    own: Collected,
}

impl Secret {
    pub(crate) fn new(value: &str) -> Self {
        let mut own = Collected::default();
        own.absorb(needle::own(value));
        Self {
            value: value.into(),
            own,
        }
    }

    /// In the clear: for the guest only.
    pub(crate) fn expose(&self) -> &str {
        &self.value
    }
}

impl SecretPart {
    fn new(secrets: &[Arc<Secret>]) -> Self {
        let mut secrets: Vec<&Arc<Secret>> = secrets.iter().collect();
        secrets.sort_by(|a, b| a.value.cmp(&b.value));
        secrets.dedup_by(|a, b| a.value == b.value);
        let mut pieces = Collected::default();
        for secret in &secrets {
            pieces.absorb(secret.own.clone());
        }
        Self {
            pieces: pieces.into(),
            count: secrets.len(),
        }
    }
}

impl Secrets {
    /// These values, whatever brought them in, and no others.
    #[must_use]
    pub fn of<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        KnownSecrets::default().hold(values)
    }

    /// The same, known from now on to all that look into `known`, whose secrets are masked here as well.
    #[must_use]
    pub fn shared(&self, known: &KnownSecrets) -> Self {
        if let Some(own) = &self.own {
            known.add(&own.set);
        }
        Self {
            known: known.clone(),
            own: self.own.clone(),
        }
    }

    /// `text` with `***` in place of every secret, and of every excerpt of one that is long enough to be known.
    /// Values of fewer than 4 bytes stay.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.redact_within(text, text.len())
    }

    /// The first `most` bytes of `text`, cut at a character, with `***` in place of every secret, also of one that the
    /// cut divides. What was cut off is shown as `…`. Only what is kept, and a little more, is looked at.
    #[must_use]
    pub fn redact_within(&self, text: &str, most: usize) -> String {
        let end = text.floor_char_boundary(most);
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

    /// Whether a secret is in `text`.
    #[must_use]
    pub fn holds(&self, text: &str) -> bool {
        !self.find(text).is_empty()
    }

    /// Whether there is nothing to redact.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parts().all(|part| part.pieces.is_empty()) && self.known.pieces().is_empty()
    }

    /// Where secrets are in `text`: in order, apart, at characters. All of it is looked at.
    pub(crate) fn find(&self, text: &str) -> Vec<Range<usize>> {
        let known = self.known.pieces();
        let own = self.parts().map(|part| &part.pieces);
        let all = own.chain([&*known]);
        let all: Vec<&Pieces> = all.filter(|pieces| !pieces.is_empty()).collect();
        if all.is_empty() {
            return Vec::new();
        }
        let mut found = Vec::new();
        for piece in pieces_of(text) {
            readings::visit(piece, |reading| mark(&all, reading, &mut found));
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

    fn parts(&self) -> impl Iterator<Item = &SecretPart> {
        let own = self.own.iter().flat_map(|own| &own.parts);
        own.map(|part| &**part)
    }
}

/// A text in pieces that are read one after the other, each a little into the next.
fn pieces_of(text: &str) -> impl Iterator<Item = Reading> {
    let starts = (0..text.len()).step_by(PIECE);
    starts.map(|start| {
        let end = start.saturating_add(PIECE + OVERLAP);
        Reading::part_of(
            text,
            text.floor_char_boundary(start)..text.ceil_char_boundary(end),
        )
    })
}

fn mark(all: &[&Pieces], reading: &Reading, found: &mut Vec<Range<usize>>) {
    let (bytes, spans) = reading.canonical();
    let mut add = |range: Range<usize>| {
        let first = spans.get(range.start).map(|span| span.0);
        let last = spans.get(range.end.saturating_sub(1)).map(|span| span.1);
        found.extend(first.zip(last).map(|(start, end)| start..end));
    };
    let text = Hashes::of(&bytes);
    let cuts: Vec<usize> = cuts(&bytes).collect();
    for pieces in all {
        for begun in cuts.iter().filter_map(|end| pieces.begun(&text, *end)) {
            add(begun);
        }
        pieces.find(&text, &mut add);
    }
}

/// Where somebody else may have cut a text: at its end, and before `…`.
fn cuts(text: &[u8]) -> impl Iterator<Item = usize> {
    const ELLIPSIS: &[u8] = "…".as_bytes();
    let marked = text.windows(ELLIPSIS.len()).enumerate();
    let marked = marked.filter_map(|(place, window)| (window == ELLIPSIS).then_some(place));
    let closing = |byte: &&u8| matches!(byte, b'"' | b'\'' | b'`' | b')' | b']' | b'.');
    let end = text.len() - text.iter().rev().take_while(closing).count();
    marked.take(MAX_CUTS).chain([end])
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count: usize = self.parts().map(|part| part.count).sum();
        write!(f, "Secrets({count}, redacted)")
    }
}
