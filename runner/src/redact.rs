//! Values that must not leave: found in a text whichever way they are written there, and masked.
//!
//! A text is read as it is and with its escapes decoded, a few levels deep; blanks, quotes and case never count. In each
//! reading each short window is looked up among the pieces of the secrets; pieces that touch are masked together. So an
//! excerpt of a secret is masked as well as the whole, and the work is linear in the text, whatever the secrets are.

mod decode;
mod needle;
mod pieces;
mod reading;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use pieces::{Hashes, Pieces, SEED};
use reading::Reading;

/// What stands in place of a secret.
pub(crate) const REDACTED: &str = "***";
/// How deep a text may be escaped: a URL in JSON in a quoted string is three.
const LEVELS: usize = 3;
/// Bytes of a text that are read beyond its cut, so that a secret that the cut would divide is seen: a seed, each
/// byte of it escaped twice at worst.
pub(crate) const OVERLAP: usize = 16 * SEED;
/// Pieces of a secret that is large: its pieces are not copied for each check that has it among others.
const LARGE: usize = 16 << 10;
/// Large secrets of one check that are looked for on their own.
const MAX_LARGE: usize = 3;

/// Bytes of a long text that are read at once.
const PIECE: usize = 64 << 10;
/// Places in a text where a cut of somebody else is looked for.
const MAX_CUTS: usize = 8;

/// The secrets of one check, or of one receiver. `Debug` shows only how many there are.
#[derive(Clone, Default)]
pub struct Secrets(Option<Arc<Redactor>>);

/// One value, and the pieces by which it is known.
pub(crate) struct Secret {
    value: Arc<str>,
    pieces: Arc<Pieces>,
}

/// What finds the secrets of a check.
struct Redactor {
    count: usize,
    /// At most [`MAX_LARGE`], and one for all others.
    layers: Vec<Arc<Pieces>>,
}

/// Secrets by what they are made of: checks with the same ones share what finds them.
#[derive(Default)]
pub(crate) struct SharedSecrets(HashMap<Vec<usize>, Secrets>);

impl SharedSecrets {
    /// The secrets of a check.
    pub(crate) fn of(&mut self, secrets: &[Arc<Secret>]) -> Secrets {
        let mut key: Vec<usize> = secrets.iter().map(|secret| Arc::as_ptr(secret).addr()).collect();
        key.sort_unstable();
        key.dedup();
        self.0.entry(key).or_insert_with(|| Secrets::new(secrets)).clone()
    }
}

impl Secret {
    pub(crate) fn new(value: &str) -> Self {
        Self {
            value: value.into(),
            pieces: Arc::new(needle::pieces(value)),
        }
    }

    /// In the clear: for the guest only.
    pub(crate) fn expose(&self) -> &str {
        &self.value
    }
}

impl Secrets {
    fn new(secrets: &[Arc<Secret>]) -> Self {
        let mut values: Vec<&Arc<Secret>> = secrets.iter().collect();
        values.sort_by(|a, b| a.value.cmp(&b.value));
        values.dedup_by(|a, b| a.value == b.value);
        match values.is_empty() {
            true => Self::default(),
            false => Self(Some(Arc::new(Redactor::new(&values)))),
        }
    }

    /// These values, whatever brought them in.
    #[must_use]
    pub fn of<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        let secrets = values.into_iter().map(|value| Arc::new(Secret::new(value)));
        Self::new(&secrets.collect::<Vec<_>>())
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

    /// Whether a secret is in `text`, which is read piece by piece: it may be long.
    #[must_use]
    pub fn holds(&self, text: &str) -> bool {
        let mut rest = text;
        while !self.is_empty() && !rest.is_empty() {
            let end = rest.ceil_char_boundary(PIECE);
            if !self.find(rest.get(..end).unwrap_or_default()).is_empty() {
                return true;
            }
            let next = match end < rest.len() {
                true => rest.floor_char_boundary(end - OVERLAP),
                false => end,
            };
            rest = rest.get(next..).unwrap_or_default();
        }
        false
    }

    /// Whether there is nothing to redact.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Where secrets are in `text`: in order, apart, at characters.
    fn find(&self, text: &str) -> Vec<Range<usize>> {
        let Some(redactor) = &self.0 else {
            return Vec::new();
        };
        let mut found = redactor.find(text);
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
}

impl Redactor {
    fn new(secrets: &[&Arc<Secret>]) -> Self {
        let mut rest: Vec<&Arc<Pieces>> = secrets.iter().map(|secret| &secret.pieces).collect();
        rest.sort_by_key(|pieces| pieces.len());
        let mut layers = Vec::new();
        while layers.len() < MAX_LARGE
            && let Some(large) = rest.pop_if(|pieces| pieces.len() > LARGE)
        {
            layers.push(Arc::clone(large));
        }
        match rest.as_slice() {
            [] => {}
            [only] => layers.push(Arc::clone(only)),
            several => layers.push(Arc::new(Pieces::merged(several.iter().map(|pieces| &***pieces)))),
        }
        Self {
            count: secrets.len(),
            layers,
        }
    }

    fn find(&self, text: &str) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut reading = Reading::of(text);
        for variant in reading.variants() {
            self.mark(&variant, &mut found);
        }
        for _ in 0..=LEVELS {
            self.mark(&reading, &mut found);
            match reading.decode() {
                Some(decoded) => reading = decoded,
                None => break,
            }
        }
        found
    }

    fn mark(&self, reading: &Reading, found: &mut Vec<Range<usize>>) {
        let (bytes, spans) = reading.canonical();
        let mut add = |range: Range<usize>| {
            let first = spans.get(range.start).map(|span| span.0);
            let last = spans.get(range.end.saturating_sub(1)).map(|span| span.1);
            found.extend(first.zip(last).map(|(start, end)| start..end));
        };
        let text = Hashes::of(&bytes);
        let cuts: Vec<usize> = cuts(&bytes).collect();
        for pieces in &self.layers {
            for begun in cuts.iter().filter_map(|end| pieces.begun(&text, *end)) {
                add(begun);
            }
            pieces.find(&text, &mut add);
        }
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
        let count = self.0.as_ref().map_or(0, |redactor| redactor.count);
        write!(f, "Secrets({count}, redacted)")
    }
}
