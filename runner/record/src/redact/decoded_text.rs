//! A text after some levels of decoding.

mod builder;

use std::ops::Range;

use icu_normalizer::properties::{CanonicalDecompositionBorrowed, Decomposed};
use icu_properties::props::DefaultIgnorableCodePoint;
use icu_properties::{CodePointSetData, CodePointSetDataBorrowed};

use super::fingerprints::hash_sequence;

pub(super) use builder::{DecodedTextBuilder, Replacement};

/// Invisible characters, such as a zero-width space.
const INVISIBLE: CodePointSetDataBorrowed<'static> = CodePointSetData::new::<DefaultIgnorableCodePoint>();
const DECOMPOSITION: CanonicalDecompositionBorrowed<'static> = CanonicalDecompositionBorrowed::new();
/// Replaces an omitted part of a text: it occurs in no secret, and in no UTF-8.
pub(super) const GAP: u8 = 0xff;

/// A decoded byte, and the range of the original text that it comes from.
#[derive(Clone, Copy)]
pub(super) struct Unit {
    pub(super) byte: u8,
    start: u32,
    end: u32,
}

impl Unit {
    /// A byte that is decoded from these units together.
    pub(super) fn spanning(byte: u8, units: &[Self]) -> Option<Self> {
        let (start, end) = (units.first()?.start, units.last()?.end);
        Some(Self { byte, start, end })
    }
}

/// A text after some levels of decoding, with the origin of each byte.
pub(super) struct DecodedText {
    units: Vec<Unit>,
    /// The set of byte values that occur.
    byte_set: [bool; 256],
}

impl DecodedText {
    pub(super) fn new(text: &str) -> Self {
        Self::slice(text, 0..text.len())
    }

    /// A part of a text, followed by a gap if the text continues.
    pub(super) fn slice(text: &str, part: Range<usize>) -> Self {
        let goes_on = part.end < text.len();
        let first = u32::try_from(part.start).unwrap_or(u32::MAX);
        let bytes = text.as_bytes().get(part).unwrap_or_default();
        let unit = |(byte, start): (u8, u32)| Unit {
            byte,
            start,
            end: start.saturating_add(1),
        };
        let bytes = bytes.iter().copied().chain(goes_on.then_some(GAP));
        Self::from_units(bytes.zip(first..).map(unit).collect())
    }

    pub(super) fn from_units(units: Vec<Unit>) -> Self {
        let mut byte_set = [false; 256];
        for unit in &units {
            if let Some(sequence) = byte_set.get_mut(usize::from(unit.byte)) {
                *sequence = true;
            }
        }
        Self { units, byte_set }
    }

    pub(super) fn units(&self) -> &[Unit] {
        &self.units
    }

    pub(super) fn is_ascii(&self) -> bool {
        self.byte_set.iter().skip(128).all(|is_in| !is_in)
    }

    /// Whether a sequence of one or two bytes occurs.
    pub(super) fn has(&self, sequence: &[u8]) -> bool {
        let is_in = |byte: &u8| self.byte_set.get(usize::from(*byte)).copied().unwrap_or_default();
        let mut pairs = self.units.iter().zip(self.units.iter().skip(1));
        sequence.iter().all(is_in)
            && (sequence.len() == 1 || pairs.any(|(first, second)| [first.byte, second.byte] == *sequence))
    }

    /// A hash of the bytes and their origins.
    pub(super) fn fingerprint(&self) -> u64 {
        let unit =
            |unit: &Unit| u64::from(unit.byte) << 48 ^ u64::from(unit.end) << 24 ^ u64::from(unit.start);
        hash_sequence(self.units.iter().map(unit))
    }

    /// The canonical form: lower case, without accents, whitespace, control and invisible characters, quotes and
    /// backslashes; and the origin of each byte. Quotes are ignored because the many ways to nest them, in shells, SQL,
    /// YAML, CSV and JSON, are ambiguous. Invalid UTF-8 is read as Latin-1.
    pub(super) fn canonical(&self) -> (Vec<u8>, Vec<(usize, usize)>) {
        let mut bytes = Vec::with_capacity(self.units.len());
        let mut spans = Vec::with_capacity(self.units.len());
        let mut rest = self.units.as_slice();
        while let Some((first, behind)) = rest.split_first() {
            if first.byte.is_ascii() {
                if !is_ignored(first.byte) {
                    bytes.push(first.byte.to_ascii_lowercase());
                    spans.push(span(first.start, first.end));
                }
                rest = behind;
                continue;
            }
            let (char, length) = character(rest);
            let (these, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            let place = span(first.start, these.last().map_or(first.end, |last| last.end));
            match char {
                None if first.byte == GAP => bytes.push(GAP),
                char => canonical_char(char.unwrap_or(char::from(first.byte)), &mut bytes),
            }
            spans.resize(bytes.len(), place);
            rest = behind;
        }
        (bytes, spans)
    }
}

fn is_ignored(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte.is_ascii_control() || matches!(byte, b'\'' | b'"' | b'\\')
}

pub(super) fn is_invisible(char: char) -> bool {
    INVISIBLE.contains(char)
}

fn canonical_char(char: char, bytes: &mut Vec<u8>) {
    if char.is_whitespace() || char.is_control() || is_invisible(char) {
        return;
    }
    // Via upper case, so that `ß`, `ẞ` and `SS` are equal.
    let upper = char.to_lowercase().flat_map(char::to_uppercase);
    upper.for_each(|upper| letters(upper, bytes));
}

/// The lower-case letters of a character without accents, whether these are combined with it or separate.
fn letters(char: char, bytes: &mut Vec<u8>) {
    match DECOMPOSITION.decompose(char) {
        Decomposed::Default if matches!(char, '\u{300}'..='\u{36f}') => {}
        Decomposed::Default => {
            for lower in char.to_lowercase() {
                bytes.extend(lower.encode_utf8(&mut [0; 4]).bytes());
            }
        }
        Decomposed::Singleton(char) => letters(char, bytes),
        Decomposed::Expansion(first, second) => {
            letters(first, bytes);
            letters(second, bytes);
        }
    }
}

fn span(start: u32, end: u32) -> (usize, usize) {
    let place = |place| usize::try_from(place).unwrap_or(usize::MAX);
    (place(start), place(end))
}

/// The character at the start of the units, and its length; none if they are not UTF-8.
pub(super) fn character(units: &[Unit]) -> (Option<char>, usize) {
    let mut bytes = [0; 4];
    let length = match units.first().map_or(0, |first| first.byte.leading_ones()) {
        2 => 2,
        3 => 3,
        4 => 4,
        _ => return (None, 1),
    };
    for (byte, unit) in bytes.iter_mut().zip(units).take(length) {
        *byte = unit.byte;
    }
    let text = bytes.get(..length).and_then(|bytes| str::from_utf8(bytes).ok());
    match text.and_then(|text| text.chars().next()) {
        Some(char) => (Some(char), length),
        None => (None, 1),
    }
}
