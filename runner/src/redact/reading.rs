//! A text as it reads at some level of decoding.

use std::iter::successors;

use icu_normalizer::properties::{CanonicalDecompositionBorrowed, Decomposed};
use icu_properties::props::DefaultIgnorableCodePoint;
use icu_properties::{CodePointSetData, CodePointSetDataBorrowed};

use super::LEVELS;
use super::decode::{self, Decoded, Decoder, dialects, lists};

/// Characters that show nothing, such as a zero-width space.
const INVISIBLE: CodePointSetDataBorrowed<'static> = CodePointSetData::new::<DefaultIgnorableCodePoint>();
const DECOMPOSITION: CanonicalDecompositionBorrowed<'static> = CanonicalDecompositionBorrowed::new();

/// One byte as it reads, and the bytes of the text that it stands for.
#[derive(Clone, Copy)]
pub(super) struct Unit {
    pub(super) byte: u8,
    start: u32,
    end: u32,
}

impl Unit {
    /// What these read as together.
    pub(super) fn spanning(byte: u8, units: &[Self]) -> Option<Self> {
        let (start, end) = (units.first()?.start, units.last()?.end);
        Some(Self { byte, start, end })
    }
}

/// A text, or what is left of it when some levels of escapes are decoded.
pub(super) struct Reading(Vec<Unit>);

impl Reading {
    pub(super) fn of(text: &str) -> Self {
        let unit = |(byte, start): (u8, u32)| Unit {
            byte,
            start,
            end: start.saturating_add(1),
        };
        Self(text.bytes().zip(0..).map(unit).collect())
    }

    /// Passes on a text as it is, and with its escapes decoded, up to [`LEVELS`] deep. Where there is a `+`, then once more
    /// with each of them read as a blank.
    pub(super) fn levels(text: &str, mut pass_on: impl FnMut(&Self)) {
        let whole = Self::of(text);
        let mut has_plus = false;
        let mut note = |reading: &Self| {
            has_plus |= reading.0.iter().any(|unit| unit.byte == b'+');
            pass_on(reading);
        };
        note(&whole);
        whole.deeper(decode::decode).for_each(|level| note(&level));
        if has_plus {
            whole.deeper(decode::of_form).for_each(|level| pass_on(&level));
        }
    }

    fn deeper(&self, decode: Decoder) -> impl Iterator<Item = Self> {
        let deeper = move |reading: &Self| reading.decode_as(decode);
        successors(deeper(self), deeper).take(LEVELS)
    }

    /// The text as it reads where other signs are escapes, or where bytes are written as numbers.
    pub(super) fn variants(&self) -> impl Iterator<Item = Self> {
        let dialects = dialects::of(self.0.iter().map(|unit| unit.byte));
        let decoded = dialects.filter_map(|dialect| self.decode_as(dialect));
        decoded.chain(self.lists())
    }

    /// The text with the bytes in place of numbers, which are decimal, hexadecimal or octal.
    fn lists(&self) -> impl Iterator<Item = Self> {
        let radices = [10, 16, 8].into_iter();
        radices.filter_map(|radix| lists::decode(&self.0, radix).map(Self))
    }

    fn decode_as(&self, decode: Decoder) -> Option<Self> {
        let mut decoded = Vec::with_capacity(self.0.len());
        let mut rest = self.0.as_slice();
        let mut is_changed = false;
        while let Some((first, behind)) = rest.split_first() {
            let Some((read, length)) = decode(rest) else {
                decoded.push(*first);
                rest = behind;
                continue;
            };
            is_changed = true;
            let (escape, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            let end = escape.last().map_or(first.end, |last| last.end);
            push(&mut decoded, read, first.start, end);
            rest = behind;
        }
        is_changed.then_some(Self(decoded))
    }

    /// Lower-case, without accents, blanks, control and invisible characters, quotes and backslashes; and where in the text each byte is. There
    /// are many ways to write a quote within quotes, of shells, SQL, YAML, CSV and JSON, and in each other they cannot be
    /// told apart.
    pub(super) fn canonical(&self) -> (Vec<u8>, Vec<(usize, usize)>) {
        let mut bytes = Vec::with_capacity(self.0.len());
        let mut spans = Vec::with_capacity(self.0.len());
        let mut rest = self.0.as_slice();
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
                Some(char) if char.is_whitespace() || char.is_control() || INVISIBLE.contains(char) => {}
                Some(char) => {
                    // Upper case in between: `ß`, `ẞ` and `SS` are one.
                    let upper = char.to_lowercase().flat_map(char::to_uppercase);
                    upper.for_each(|upper| letters(upper, &mut bytes));
                }
                None => bytes.push(first.byte),
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

/// The lower-case letters of a character without their accents, which may stand apart from them.
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

fn push(units: &mut Vec<Unit>, read: Decoded, start: u32, end: u32) {
    let unit = |byte| Unit { byte, start, end };
    match read {
        Decoded::Byte(byte) => units.push(unit(byte)),
        Decoded::Char(char) => units.extend(char.encode_utf8(&mut [0; 4]).bytes().map(unit)),
        Decoded::Text(text) => units.extend(text.bytes().map(unit)),
        Decoded::Nothing => {}
    }
}

fn span(start: u32, end: u32) -> (usize, usize) {
    let place = |place| usize::try_from(place).unwrap_or(usize::MAX);
    (place(start), place(end))
}

/// The character that these begin with, and its length; no character where they are not UTF-8.
fn character(units: &[Unit]) -> (Option<char>, usize) {
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
