//! The pieces by which secrets are known: every short window of their forms, kept as a hash.
//!
//! To look a window of a text up takes the same time whatever the number and the shape of the secrets, so the work is
//! linear in the text: a few look-ups a byte. A hash that two windows share masks too much, never too little.

mod keys;
#[cfg(test)]
pub(super) mod steps;

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;
use std::sync::LazyLock;

use keys::Keys;

/// Bytes of a piece. A shorter excerpt of a secret may be anything.
pub(super) const SEED: usize = 12;
/// Bytes of the begin of a form by which it is known where a text was cut.
const MIN_BEGIN: usize = 8;

/// By what windows are hashed: another one in each process, so that nobody writes secrets whose hashes collide.
static BASE: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(SEED) | 1);

/// Pieces while they are collected.
#[derive(Clone, Default)]
pub(super) struct Collected {
    distinctive: Vec<u64>,
    uniform: Vec<u64>,
    begins: Vec<u64>,
    short: BTreeMap<usize, Vec<u64>>,
}

/// Pieces of some secrets: 9 bytes of memory each.
#[derive(Default)]
pub(super) struct Pieces {
    distinctive: Keys,
    /// Made of one or two characters, such as a row of dashes: they count where they touch others.
    uniform: Keys,
    begins: Keys,
    /// Forms of fewer bytes than a piece has, by their length.
    short: Vec<(usize, Keys)>,
}

impl Collected {
    /// Adds the pieces of a form at every `step` bytes of it, its begin and its end. A short form is its only piece.
    pub(super) fn add(&mut self, form: &[u8], step: usize) {
        let hashes = Hashes::of(form);
        for begin in MIN_BEGIN..form.len().min(SEED) {
            self.begins.extend(hashes.key(0, begin));
        }
        let Some(last) = form.len().checked_sub(SEED) else {
            let short = self.short.entry(form.len()).or_default();
            return short.extend(hashes.key(0, form.len()));
        };
        for offset in (0..=last).step_by(step.max(1)).chain([last]) {
            let is_distinctive = offset == 0 || is_distinctive(form, offset);
            let keys = match is_distinctive {
                true => &mut self.distinctive,
                false => &mut self.uniform,
            };
            keys.extend(hashes.key(offset, SEED));
        }
    }

    /// Takes in those of another secret, each once.
    pub(super) fn absorb(&mut self, mut other: Self) {
        for keys in other.lists() {
            keys.sort_unstable();
            keys.dedup();
        }
        self.distinctive.append(&mut other.distinctive);
        self.uniform.append(&mut other.uniform);
        self.begins.append(&mut other.begins);
        for (length, mut keys) in other.short {
            self.short.entry(length).or_default().append(&mut keys);
        }
    }

    /// How many there are; those of several secrets count for each of them.
    pub(super) fn len(&mut self) -> usize {
        self.lists().map(|keys| keys.len()).sum()
    }

    fn lists(&mut self) -> impl Iterator<Item = &mut Vec<u64>> {
        let long = [&mut self.distinctive, &mut self.uniform, &mut self.begins];
        long.into_iter().chain(self.short.values_mut())
    }
}

impl From<Collected> for Pieces {
    fn from(collected: Collected) -> Self {
        let short = collected.short.into_iter();
        Self {
            distinctive: Keys::new(collected.distinctive),
            uniform: Keys::new(collected.uniform),
            begins: Keys::new(collected.begins),
            short: short.map(|(length, keys)| (length, Keys::new(keys))).collect(),
        }
    }
}

impl Pieces {
    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let short: usize = self.short.iter().map(|(_, keys)| keys.len()).sum();
        self.distinctive.len() + self.uniform.len() + self.begins.len() + short
    }

    pub(super) fn is_empty(&self) -> bool {
        self.distinctive.is_empty() && self.short.is_empty()
    }

    /// Passes on where secrets are in a text.
    pub(super) fn find(&self, text: &Hashes, mut add: impl FnMut(Range<usize>)) {
        if !self.distinctive.is_empty() {
            self.find_runs(text, &mut add);
        }
        for (length, keys) in &self.short {
            for (start, _) in text.keys(*length).filter(|(_, key)| keys.contains(*key)) {
                add(start..start + length);
            }
        }
    }

    fn find_runs(&self, text: &Hashes, add: &mut impl FnMut(Range<usize>)) {
        let mut run = Run::default();
        for (start, key) in text.keys(SEED) {
            let is_distinctive = self.distinctive.contains(key);
            if !(is_distinctive || !self.uniform.is_empty() && self.uniform.contains(key)) {
                continue;
            }
            if start > run.range.end {
                run.pass_on(add);
                run = Run::at(start);
            }
            run.range.end = start + SEED;
            run.is_distinctive |= is_distinctive;
        }
        run.pass_on(add);
    }

    /// The begin of a secret that stands before the place `end` in a text, where that is less than a piece.
    pub(super) fn begun(&self, text: &Hashes, end: usize) -> Option<Range<usize>> {
        let ends_with_begin = |length: &usize| {
            let key = end
                .checked_sub(*length)
                .and_then(|start| text.key(start, *length));
            key.is_some_and(|key| self.begins.contains(key))
        };
        let length = (MIN_BEGIN..SEED).rev().find(ends_with_begin)?;
        Some(end - length..end)
    }
}

/// Pieces of a text that follow or overlap each other.
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

    fn pass_on(&self, add: &mut impl FnMut(Range<usize>)) {
        if self.is_distinctive {
            add(self.range.clone());
        }
    }
}

/// The hashes of everything that a text begins with, from which that of any window follows.
pub(super) struct Hashes(Vec<u64>);

impl Hashes {
    pub(super) fn of(text: &[u8]) -> Self {
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

    /// The key of the window of so many bytes from `start` on; nothing beyond the text.
    fn key(&self, start: usize, length: usize) -> Option<u64> {
        #[cfg(test)]
        steps::count();
        let (before, whole) = (self.0.get(start)?, self.0.get(start + length)?);
        Some(key(*before, *whole, factor(length), length))
    }

    /// Each window of so many bytes: where it begins, and its key.
    fn keys(&self, length: usize) -> impl Iterator<Item = (usize, u64)> {
        let factor = factor(length);
        let ends = self.0.get(length..).unwrap_or_default();
        let windows = self.0.iter().zip(ends).enumerate();
        windows.map(move |(start, (before, whole))| {
            #[cfg(test)]
            steps::count();
            (start, key(*before, *whole, factor, length))
        })
    }
}

/// One number for a row of them.
pub(super) fn keyed(row: impl Iterator<Item = u64>) -> u64 {
    let base = *BASE;
    row.fold(0, |hash, next| mixed(hash.wrapping_mul(base).wrapping_add(next)))
}

/// By what the hash before a window counts in the hash at its end.
fn factor(length: usize) -> u64 {
    (0..length).fold(1_u64, |factor, _| factor.wrapping_mul(*BASE))
}

fn key(before: u64, whole: u64, factor: u64, length: usize) -> u64 {
    let hash = whole.wrapping_sub(before.wrapping_mul(factor));
    let hash = hash.wrapping_add(u64::try_from(length).unwrap_or_default());
    mixed(hash)
}

fn mixed(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 29)
}

/// Whether the piece at `offset` is made of more than two characters.
fn is_distinctive(form: &[u8], offset: usize) -> bool {
    form.get(offset..offset + SEED).is_some_and(is_varied)
}

/// Whether a form is made of more than two characters. Others turn up by themselves, such as a row of zeros.
pub(super) fn is_varied(form: &[u8]) -> bool {
    let mut others = form.iter().filter(|byte| Some(*byte) != form.first());
    let second = others.next();
    others.any(|byte| Some(byte) != second)
}
