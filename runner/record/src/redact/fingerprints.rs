//! Fingerprints of secrets: hashes of every short window of their forms.
//!
//! Looking up a window takes the same time regardless of the number and the shape of the secrets, so the work is linear
//! in the text: a few look-ups per byte. A hash collision masks too much, never too little.

mod compact_set;
#[cfg(test)]
pub(super) mod lookup_counter;

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;
use std::sync::LazyLock;

use compact_set::CompactSet;

/// Window size in bytes. A shorter excerpt of a secret may be anything.
pub(super) const WINDOW: usize = 12;
/// Minimum length in bytes of a prefix that is recognised before a truncation point.
const MIN_PREFIX: usize = 8;

/// The base of the rolling hash, which is random in each process, so that nobody can construct collisions.
static BASE: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(WINDOW) | 1);

/// Collects fingerprints.
#[derive(Clone, Default)]
pub(super) struct FingerprintBuilder {
    distinctive: Vec<u64>,
    uniform: Vec<u64>,
    prefixes: Vec<u64>,
    short: BTreeMap<usize, Vec<u64>>,
}

/// The fingerprints of some secrets: 9 bytes of memory each.
#[derive(Default)]
pub(super) struct Fingerprints {
    distinctive: CompactSet,
    /// Windows of only one or two distinct characters, such as a row of dashes: they match only next to distinctive
    /// ones.
    uniform: CompactSet,
    prefixes: CompactSet,
    /// Forms shorter than a window, by length.
    short: Vec<(usize, CompactSet)>,
}

impl FingerprintBuilder {
    /// Adds the fingerprints of a form at every `step` bytes, and of its prefix and suffix. A short form is one
    /// fingerprint.
    pub(super) fn add(&mut self, form: &[u8], step: usize) {
        let hashes = PrefixHashes::new(form);
        for begin in MIN_PREFIX..form.len().min(WINDOW) {
            self.prefixes.extend(hashes.key(0, begin));
        }
        let Some(last) = form.len().checked_sub(WINDOW) else {
            let short = self.short.entry(form.len()).or_default();
            return short.extend(hashes.key(0, form.len()));
        };
        for offset in (0..=last).step_by(step.max(1)).chain([last]) {
            let is_distinctive = offset == 0 || is_distinctive(form, offset);
            let keys = if is_distinctive {
                &mut self.distinctive
            } else {
                &mut self.uniform
            };
            keys.extend(hashes.key(offset, WINDOW));
        }
    }

    /// Adds those of another secret, without duplicates within it.
    pub(super) fn absorb(&mut self, mut other: Self) {
        for keys in other.lists() {
            keys.sort_unstable();
            keys.dedup();
        }
        self.distinctive.append(&mut other.distinctive);
        self.uniform.append(&mut other.uniform);
        self.prefixes.append(&mut other.prefixes);
        for (length, mut keys) in other.short {
            self.short.entry(length).or_default().append(&mut keys);
        }
    }

    /// The number of fingerprints; duplicates of several secrets count each.
    pub(super) fn len(&mut self) -> usize {
        self.lists().map(|keys| keys.len()).sum()
    }

    fn lists(&mut self) -> impl Iterator<Item = &mut Vec<u64>> {
        let long = [&mut self.distinctive, &mut self.uniform, &mut self.prefixes];
        long.into_iter().chain(self.short.values_mut())
    }
}

impl From<FingerprintBuilder> for Fingerprints {
    fn from(collected: FingerprintBuilder) -> Self {
        let short = collected.short.into_iter();
        Self {
            distinctive: CompactSet::new(collected.distinctive),
            uniform: CompactSet::new(collected.uniform),
            prefixes: CompactSet::new(collected.prefixes),
            short: short
                .map(|(length, keys)| (length, CompactSet::new(keys)))
                .collect(),
        }
    }
}

impl Fingerprints {
    /// The number of fingerprints.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let short: usize = self.short.iter().map(|(_, keys)| keys.len()).sum();
        self.distinctive.len() + self.uniform.len() + self.prefixes.len() + short
    }

    pub(super) fn is_empty(&self) -> bool {
        self.distinctive.is_empty() && self.short.is_empty()
    }

    /// Calls `add` with the ranges of a text that contain secrets.
    pub(super) fn find(&self, text: &PrefixHashes, mut add: impl FnMut(Range<usize>)) {
        if !self.distinctive.is_empty() {
            self.find_runs(text, &mut add);
        }
        for (length, keys) in &self.short {
            for (start, _) in text.keys(*length).filter(|(_, key)| keys.contains(*key)) {
                add(start..start + length);
            }
        }
    }

    fn find_runs(&self, text: &PrefixHashes, add: &mut impl FnMut(Range<usize>)) {
        let mut run = Run::default();
        for (start, key) in text.keys(WINDOW) {
            let is_distinctive = self.distinctive.contains(key);
            if !(is_distinctive || !self.uniform.is_empty() && self.uniform.contains(key)) {
                continue;
            }
            if start > run.range.end {
                run.emit(add);
                run = Run::at(start);
            }
            run.range.end = start + WINDOW;
            run.is_distinctive |= is_distinctive;
        }
        run.emit(add);
    }

    /// The prefix of a secret that ends at `end` in a text, if it is shorter than a window.
    pub(super) fn truncated_prefix(&self, text: &PrefixHashes, end: usize) -> Option<Range<usize>> {
        let ends_with_begin = |length: &usize| {
            let key = end
                .checked_sub(*length)
                .and_then(|start| text.key(start, *length));
            key.is_some_and(|key| self.prefixes.contains(key))
        };
        let length = (MIN_PREFIX..WINDOW).rev().find(ends_with_begin)?;
        Some(end - length..end)
    }
}

/// Matching windows of a text that are adjacent or overlap.
#[derive(Default)]
struct Run {
    range: Range<usize>,
    is_distinctive: bool,
}

impl Run {
    fn at(start: usize) -> Self {
        Self {
            range: start..start,
            is_distinctive: false,
        }
    }

    fn emit(&self, add: &mut impl FnMut(Range<usize>)) {
        if self.is_distinctive {
            add(self.range.clone());
        }
    }
}

/// The hashes of all prefixes of a text, from which that of any window is computed.
pub(super) struct PrefixHashes(Vec<u64>);

impl PrefixHashes {
    pub(super) fn new(text: &[u8]) -> Self {
        let base = *BASE;
        let mut hashes = Vec::with_capacity(text.len() + 1);
        let mut hash = 0_u64;
        hashes.push(hash);
        hashes.extend(text.iter().map(|byte| {
            hash = hash.wrapping_mul(base).wrapping_add(u64::from(*byte) + 1);
            hash
        }));
        Self(hashes)
    }

    /// The hash of the window of `length` bytes at `start`; nothing beyond the text.
    fn key(&self, start: usize, length: usize) -> Option<u64> {
        #[cfg(test)]
        lookup_counter::increment();
        let (before, whole) = (self.0.get(start)?, self.0.get(start + length)?);
        Some(key(*before, *whole, factor(length), length))
    }

    /// All windows of `length` bytes: their offsets and hashes.
    fn keys(&self, length: usize) -> impl Iterator<Item = (usize, u64)> {
        let factor = factor(length);
        let ends = self.0.get(length..).unwrap_or_default();
        let windows = self.0.iter().zip(ends).enumerate();
        windows.map(move |(start, (before, whole))| {
            #[cfg(test)]
            lookup_counter::increment();
            (start, key(*before, *whole, factor, length))
        })
    }
}

/// The hash of a sequence of numbers.
pub(super) fn hash_sequence(row: impl Iterator<Item = u64>) -> u64 {
    let base = *BASE;
    row.fold(0, |hash, next| mix(hash.wrapping_mul(base).wrapping_add(next)))
}

/// The weight of the hash before a window in the hash at its end.
fn factor(length: usize) -> u64 {
    (0..length).fold(1_u64, |factor, _| factor.wrapping_mul(*BASE))
}

fn key(before: u64, whole: u64, factor: u64, length: usize) -> u64 {
    let hash = whole.wrapping_sub(before.wrapping_mul(factor));
    let hash = hash.wrapping_add(u64::try_from(length).unwrap_or_default());
    mix(hash)
}

fn mix(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 29)
}

/// Whether the window at `offset` has more than two distinct characters.
fn is_distinctive(form: &[u8], offset: usize) -> bool {
    form.get(offset..offset + WINDOW).is_some_and(is_varied)
}

/// Whether a form has more than two distinct characters. Others occur by chance, such as a row of zeros.
pub(super) fn is_varied(form: &[u8]) -> bool {
    let mut others = form.iter().filter(|byte| Some(*byte) != form.first());
    let second = others.next();
    others.any(|byte| Some(byte) != second)
}
