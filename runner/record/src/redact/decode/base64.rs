//! Texts in base64, at any offset.

use super::text::{self, MIN_TEXT, may_be_text};
use super::{DecodedText, Unit};

/// Digits of the shortest text.
const MIN_DIGITS: usize = (MIN_TEXT * 8).div_ceil(6);
/// Digits per three bytes, and so the number of possible alignments.
const GROUP: usize = 4;

/// The decoded texts of all runs of digits; nothing if there are none.
pub(super) fn decode(units: &[Unit]) -> Option<DecodedText> {
    let runs = units.split(|unit| digit(unit.byte).is_none() && !is_line_break(unit.byte));
    text::to_decoded_text(runs.filter(|run| is_encoded(run)).flat_map(texts))
}

/// A run of letters of a single case is rather a word or a path.
fn is_encoded(run: &[Unit]) -> bool {
    let has = |is: fn(&u8) -> bool| run.iter().any(|unit| is(&unit.byte));
    run.len() >= MIN_DIGITS && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase)
}

fn texts(run: &[Unit]) -> impl Iterator<Item = Vec<Unit>> {
    // Without line breaks.
    let digits = run.iter().filter_map(|unit| Some((digit(unit.byte)?, *unit)));
    let (values, digits): (Vec<u8>, Vec<Unit>) = digits.unzip();
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

/// Decodes 6-bit values into bytes. Each byte begins in one digit and ends in the next one.
fn bytes(values: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(values.len());
    for group in values.chunks(GROUP) {
        let shifts = [(2, 4), (4, 2), (6, 0)];
        let pairs = group.iter().zip(group.iter().skip(1)).zip(shifts);
        bytes.extend(pairs.map(|((first, second), (left, right))| first << left | second >> right));
    }
    bytes
}

/// The value of a digit in either alphabet.
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

/// As in mail, which breaks lines after 76 digits.
fn is_line_break(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}
