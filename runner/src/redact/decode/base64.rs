//! Texts in base64, wherever they begin in it.

use super::text::{self, MIN_TEXT, may_be_text};
use super::{Reading, Unit};

/// Digits of the shortest text.
const MIN_DIGITS: usize = (MIN_TEXT * 8).div_ceil(6);
/// Digits that stand for three bytes, and so the places at which a text may begin.
const GROUP: usize = 4;

/// What the runs of digits stand for where that is a text; nothing where none is.
pub(super) fn decode(units: &[Unit]) -> Option<Reading> {
    let runs = units.split(|unit| digit(unit.byte).is_none() && !is_line_break(unit.byte));
    text::reading_of(runs.filter(|run| is_encoded(run)).flat_map(texts))
}

/// Not where all letters are of one case, as in most words and paths.
fn is_encoded(run: &[Unit]) -> bool {
    let has = |is: fn(&u8) -> bool| run.iter().any(|unit| is(&unit.byte));
    run.len() >= MIN_DIGITS && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase)
}

fn texts(run: &[Unit]) -> impl Iterator<Item = Vec<Unit>> {
    let digits = run.iter().filter(|unit| !is_line_break(unit.byte));
    let (values, digits): (Vec<u8>, Vec<Unit>) =
        digits.filter_map(|unit| Some((digit(unit.byte)?, *unit))).unzip();
    (0..GROUP).filter_map(move |start| {
        let bytes = bytes(values.get(start..)?);
        may_be_text(&bytes).then(|| {
            let pairs = digits.get(start..).unwrap_or_default();
            let pairs = pairs.windows(2).enumerate();
            let ends_byte = pairs.filter(|(place, _)| place % GROUP != GROUP - 1);
            let units = ends_byte.zip(&bytes);
            units
                .filter_map(|((_, pair), byte)| Unit::spanning(*byte, pair))
                .collect()
        })
    })
}

/// What sixes of bits are as bytes. Each byte begins in one digit and ends in the next one.
fn bytes(values: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(values.len());
    for group in values.chunks(GROUP) {
        let shifts = [(2, 4), (4, 2), (6, 0)];
        let pairs = group.iter().zip(group.iter().skip(1)).zip(shifts);
        bytes.extend(pairs.map(|((first, second), (left, right))| first << left | second >> right));
    }
    bytes
}

/// The value of a digit of either alphabet.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// As in mail, where a line has 76 digits.
fn is_line_break(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}
