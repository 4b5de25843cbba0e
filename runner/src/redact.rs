//! Values that must not leave: found in a text whichever way they are written there, and masked.
//!
//! A text is read as it is and with its escapes decoded, a few levels deep; blanks, quotes and case never count. In each
//! reading one automaton looks for short pieces of the secrets (seeds); what is found is extended as far as text and
//! secret agree. So an excerpt of a secret is masked as well as the whole, and the work is linear in the text.

mod decode;
mod needle;
mod reading;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::HashMap;
use std::fmt;
use std::iter;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use needle::{MIN_PART_BYTES, SEED, seeds};
use reading::Reading;

/// What stands in place of a secret.
pub(crate) const REDACTED: &str = "***";
/// How deep a text may be escaped: a URL in JSON in a quoted string is three.
const LEVELS: usize = 3;
/// Bytes of a text that are read beyond its cut, so that a secret that the cut would divide is seen: a seed, each
/// byte of it escaped twice at worst.
const OVERLAP: usize = 16 * SEED;

/// Bytes of a long text that are read at once.
const PIECE: usize = 64 << 10;
/// Places in a text where a cut of somebody else is looked for.
const MAX_CUTS: usize = 8;

/// The secrets of one check, or of one receiver. `Debug` shows only how many there are.
#[derive(Clone, Default)]
pub struct Secrets(Option<Arc<Redactor>>);

/// One value, and the forms in which it may turn up.
pub(crate) struct Secret {
    value: Arc<str>,
    forms: Vec<Arc<[u8]>>,
}

/// One automaton for the secrets of a check.
struct Redactor {
    count: usize,
    forms: Vec<Arc<[u8]>>,
    /// Absent where it could not be built: then everything is masked.
    automaton: Option<AhoCorasick>,
    /// By pattern of the automaton.
    seeds: Vec<Vec<Seed>>,
}

/// A piece of a form.
#[derive(Clone, Copy)]
struct Seed {
    form: usize,
    offset: usize,
}

/// Secrets by what they are made of: checks with the same ones share an automaton.
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
            forms: needle::forms(value),
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
        let forms = values.iter().flat_map(|secret| secret.forms.iter().cloned());
        match values.is_empty() {
            true => Self::default(),
            false => Self(Some(Arc::new(Redactor::new(values.len(), forms.collect())))),
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
    fn new(count: usize, mut forms: Vec<Arc<[u8]>>) -> Self {
        forms.sort_unstable();
        forms.dedup();
        let mut places: HashMap<&[u8], Vec<Seed>> = HashMap::new();
        for (form, bytes) in forms.iter().enumerate() {
            for (offset, seed) in seeds(bytes) {
                places.entry(seed).or_default().push(Seed { form, offset });
            }
        }
        let (patterns, seeds): (Vec<_>, Vec<_>) = places.into_iter().unzip();
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .prefilter(false)
            .dense_depth(1)
            .build(patterns);
        Self {
            count,
            automaton: automaton.ok(),
            seeds,
            forms,
        }
    }

    fn find(&self, text: &str) -> Vec<Range<usize>> {
        let Some(automaton) = &self.automaton else {
            return iter::once(0..text.len()).collect();
        };
        let mut found = Vec::new();
        let mut reading = Reading::of(text);
        for _ in 0..=LEVELS {
            self.mark(automaton, &reading, &mut found);
            match reading.decode() {
                Some(decoded) => reading = decoded,
                None => break,
            }
        }
        found
    }

    /// Each byte of the reading is extended over once: what is masked already is not looked at again.
    fn mark(&self, automaton: &AhoCorasick, reading: &Reading, found: &mut Vec<Range<usize>>) {
        let (bytes, spans) = reading.canonical();
        let mut add = |range: Range<usize>| {
            let first = spans.get(range.start).map(|span| span.0);
            let last = spans.get(range.end.saturating_sub(1)).map(|span| span.1);
            found.extend(first.zip(last).map(|(start, end)| start..end));
        };
        for end in cuts(&bytes) {
            if let Some(length) = bytes.get(..end).and_then(|text| self.begun(text)) {
                add(end - length..end);
            }
        }
        let mut done = 0;
        for hit in automaton.find_overlapping_iter(&bytes) {
            if hit.end() <= done {
                continue;
            }
            let known = self.seeds.get(hit.pattern().as_usize());
            let fresh = done.min(hit.start());
            for seed in known.into_iter().flatten() {
                let range = self.extend(*seed, hit.range(), &bytes, fresh);
                done = done.max(range.end);
                add(range);
            }
        }
    }

    /// How much of a secret `text` ends with, where that is less than a seed.
    fn begun(&self, text: &[u8]) -> Option<usize> {
        let ends_with_begin = |length: &usize| {
            let mut begins = self.forms.iter().filter_map(|form| form.get(..*length));
            begins.any(|begin| text.ends_with(begin))
        };
        (MIN_PART_BYTES..SEED).rev().find(ends_with_begin)
    }

    /// As far as text and form agree on both sides of a seed; not to the left of `fresh`.
    fn extend(&self, seed: Seed, hit: Range<usize>, text: &[u8], fresh: usize) -> Range<usize> {
        let form = self.forms.get(seed.form).map_or(&[][..], |form| form);
        let before = (text.get(fresh..hit.start), form.get(..seed.offset));
        let after = (text.get(hit.end..), form.get(seed.offset + hit.len()..));
        let same = |(a, b): &(&u8, &u8)| a == b;
        let left = match before {
            (Some(text), Some(form)) => text.iter().rev().zip(form.iter().rev()).take_while(same).count(),
            _ => 0,
        };
        let right = match after {
            (Some(text), Some(form)) => text.iter().zip(form).take_while(same).count(),
            _ => 0,
        };
        hit.start - left..hit.end + right
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
