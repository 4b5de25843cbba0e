//! Detection of text in decoded bytes.

use std::ops::Range;

use crate::redact::decoded_text::{DecodedText, GAP, Unit};

/// Minimum number of consecutive characters of a text.
pub(super) const MIN_TEXT: usize = 8;
/// One of this number of UTF-16 bytes is assumed to be zero.
const MAX_PER_ZERO: usize = 8;

/// The texts in the candidates, separated by gaps; nothing if there are none.
pub(super) fn to_decoded_text(candidates: impl Iterator<Item = Vec<Unit>>) -> Option<DecodedText> {
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
    Some(DecodedText::from_units(units))
}

/// The ranges of at least `min_chars` consecutive characters.
fn texts(bytes: &[u8], min_chars: usize) -> Vec<Range<usize>> {
    let is_end = |char: char| char.is_control() && !matches!(char, '\t' | '\n' | '\r');
    let (mut texts, mut start) = (Vec::new(), 0);
    for chunk in bytes.utf8_chunks() {
        for piece in chunk.valid().split_inclusive(is_end) {
            let text = piece.trim_end_matches(is_end);
            if text.len() >= min_chars && text.chars().count() >= min_chars {
                texts.push(start..start + text.len());
            }
            start += piece.len();
        }
        start += chunk.invalid().len();
    }
    texts
}

/// Whether there are at least `min_chars` consecutive characters.
pub(super) fn is_text(bytes: &[u8], min_chars: usize) -> bool {
    !texts(bytes, min_chars).is_empty()
}

/// Whether there may be a text in UTF-8 or UTF-16.
pub(super) fn may_be_text(bytes: &[u8]) -> bool {
    bytes.contains(&0) || is_text(bytes, MIN_TEXT)
}

pub(super) fn bytes_of(units: &[Unit]) -> Vec<u8> {
    units.iter().map(|unit| unit.byte).collect()
}

/// Converts UTF-16 to UTF-8; most texts with zeros are UTF-16.
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
        Some(if even > odd {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
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
