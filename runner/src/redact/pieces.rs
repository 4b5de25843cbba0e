//! The pieces by which secrets are known: every short window of their forms, kept as a hash.
//!
//! To look a window of a text up takes the same time whatever the number and the shape of the secrets, so the work is
//! linear in the text: a few look-ups a byte. A hash that two windows share masks too much, never too little.

#[cfg(test)]
pub(super) mod steps;

use std::collections::HashSet;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hasher, RandomState};
use std::ops::Range;
use std::sync::LazyLock;

/// Bytes of a piece. A shorter excerpt of a secret may be anything.
pub(super) const SEED: usize = 12;
/// Bytes of the begin of a form by which it is known where a text was cut.
const MIN_BEGIN: usize = 8;

/// By what windows are hashed: another one in each process, so that nobody writes secrets whose hashes collide.
static BASE: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(SEED) | 1);

type Keys = HashSet<u64, BuildHasherDefault<Mixed>>;

/// Pieces of some secrets: 20 bytes of memory each at most.
#[derive(Default)]
pub(super) struct Pieces {
    distinctive: Keys,
    /// Made of one or two characters, such as a row of dashes: they count where they touch others.
    uniform: Keys,
    begins: Keys,
    /// Of the distinctive ones, in order.
    lengths: Vec<usize>,
}

impl Pieces {
    /// Adds the pieces of a form at every `step` bytes of it, its begin and its end. A short form is its only piece.
    pub(super) fn add(&mut self, form: &[u8], step: usize) {
        let hashes = Hashes::of(form);
        let length = form.len().min(SEED);
        for begin in MIN_BEGIN..length {
            self.begins.extend(hashes.key(0, begin));
        }
        let last = form.len() - length;
        for offset in (0..=last).step_by(step.max(1)).chain([last]) {
            let is_distinctive = offset == 0 || is_distinctive(form, offset);
            let keys = match is_distinctive {
                true => &mut self.distinctive,
                false => &mut self.uniform,
            };
            keys.extend(hashes.key(offset, length));
        }
        if let Err(place) = self.lengths.binary_search(&length) {
            self.lengths.insert(place, length);
        }
    }

    /// Those of all of `pieces`.
    pub(super) fn merged<'a>(pieces: impl Iterator<Item = &'a Self>) -> Self {
        let mut merged = Self::default();
        for piece in pieces {
            merged.distinctive.extend(&piece.distinctive);
            merged.uniform.extend(&piece.uniform);
            merged.begins.extend(&piece.begins);
            merged.lengths.extend(&piece.lengths);
        }
        merged.lengths.sort_unstable();
        merged.lengths.dedup();
        merged
    }

    pub(super) fn len(&self) -> usize {
        self.distinctive.len() + self.uniform.len() + self.begins.len()
    }

    /// Passes on where secrets are in a text.
    pub(super) fn find(&self, text: &Hashes, mut add: impl FnMut(Range<usize>)) {
        for length in &self.lengths {
            let mut run = Run::default();
            for (start, key) in text.keys(*length) {
                let is_distinctive = self.distinctive.contains(&key);
                if !(is_distinctive || *length == SEED && self.uniform.contains(&key)) {
                    continue;
                }
                if start > run.range.end {
                    run.pass_on(&mut add);
                    run = Run::at(start);
                }
                run.range.end = start + length;
                run.is_distinctive |= is_distinctive;
            }
            run.pass_on(&mut add);
        }
    }

    /// The begin of a secret that stands before the place `end` in a text, where that is less than a piece.
    pub(super) fn begun(&self, text: &Hashes, end: usize) -> Option<Range<usize>> {
        let ends_with_begin = |length: &usize| {
            let key = end
                .checked_sub(*length)
                .and_then(|start| text.key(start, *length));
            key.is_some_and(|key| self.begins.contains(&key))
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

/// By what the hash before a window counts in the hash at its end.
fn factor(length: usize) -> u64 {
    (0..length).fold(1_u64, |factor, _| factor.wrapping_mul(*BASE))
}

fn key(before: u64, whole: u64, factor: u64, length: usize) -> u64 {
    let hash = whole.wrapping_sub(before.wrapping_mul(factor));
    let hash = hash.wrapping_add(u64::try_from(length).unwrap_or_default());
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^ (hash >> 29)
}

/// Whether the piece at `offset` is made of more than two characters.
fn is_distinctive(form: &[u8], offset: usize) -> bool {
    let piece = form.get(offset..).unwrap_or_default().iter().take(SEED);
    let mut others = piece.clone().filter(|byte| Some(*byte) != form.get(offset));
    let second = others.next();
    others.any(|byte| Some(byte) != second)
}

/// Keys are hashes already.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(*BASE).wrapping_add(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }
}
