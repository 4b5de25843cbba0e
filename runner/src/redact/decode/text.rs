//! Bytes that were written as digits, and may be a text.

use std::ops::Range;

use crate::redact::reading::{GAP, Reading, Unit};

/// Characters that follow each other; fewer are no text.
pub(super) const MIN_TEXT: usize = 8;
/// Of so many bytes of UTF-16 one is a zero at least.
const MAX_PER_ZERO: usize = 8;

/// The texts in them, apart from each other; nothing where there are none.
pub(super) fn reading_of(candidates: impl Iterator<Item = Vec<Unit>>) -> Option<Reading> {
    let mut units = Vec::new();
    for candidate in candidates.map(narrow) {
        for place in texts(&bytes_of(&candidate), MIN_TEXT) {
            let text = candidate.get(place).unwrap_or_default();
            units.extend(Unit::spanning(GAP, text));
            units.extend_from_slice(text);
        }
    }
    let end = units.len().checked_sub(1)?;
    units.extend(units.get(end..).and_then(|last| Unit::spanning(GAP, last)));
    Some(Reading::new(units))
}

/// Where at least so many characters follow each other.
fn texts(bytes: &[u8], least: usize) -> Vec<Range<usize>> {
    let is_end = |char: char| char.is_control() && !matches!(char, '\t' | '\n' | '\r');
    let (mut texts, mut start) = (Vec::new(), 0);
    for chunk in bytes.utf8_chunks() {
        for piece in chunk.valid().split_inclusive(is_end) {
            let text = piece.trim_end_matches(is_end);
            if text.len() >= least && text.chars().count() >= least {
                texts.push(start..start + text.len());
            }
            start += piece.len();
        }
        start += chunk.invalid().len();
    }
    texts
}

/// Whether at least so many characters follow each other.
pub(super) fn is_text(bytes: &[u8], least: usize) -> bool {
    !texts(bytes, least).is_empty()
}

/// Whether there may be a text, in UTF-8 or UTF-16.
pub(super) fn may_be_text(bytes: &[u8]) -> bool {
    bytes.contains(&0) || is_text(bytes, MIN_TEXT)
}

pub(super) fn bytes_of(units: &[Unit]) -> Vec<u8> {
    units.iter().map(|unit| unit.byte).collect()
}

/// As UTF-8 where it is UTF-16, as most of what has zeros is.
fn narrow(units: Vec<Unit>) -> Vec<Unit> {
    let zeros = |place: usize| {
        let bytes = units.iter().skip(place).step_by(2);
        bytes.filter(|unit| unit.byte == 0).count()
    };
    let (even, odd) = (zeros(0), zeros(1));
    if even == odd || even.max(odd) * MAX_PER_ZERO < units.len() {
        return units;
    }
    let unit = |pair: &[Unit]| {
        let mut bytes = pair.iter().map(|unit| unit.byte);
        let bytes = [bytes.next()?, bytes.next()?];
        Some(match even > odd {
            true => u16::from_be_bytes(bytes),
            false => u16::from_le_bytes(bytes),
        })
    };
    let mut pairs = units.chunks_exact(2);
    let mut narrow = Vec::with_capacity(units.len());
    for char in char::decode_utf16(units.chunks_exact(2).filter_map(unit)) {
        let char = char.unwrap_or(char::REPLACEMENT_CHARACTER);
        let pair = pairs.next().unwrap_or_default();
        if char.len_utf16() == 2 {
            pairs.next();
        }
        let mut buffer = [0; 4];
        let bytes = char.encode_utf8(&mut buffer).bytes();
        narrow.extend(bytes.filter_map(|byte| Unit::spanning(byte, pair)));
    }
    narrow
}
