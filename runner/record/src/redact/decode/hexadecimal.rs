//! Texts in hexadecimal without separators.

use super::text::{self, MIN_TEXT};
use super::{DecodedText, Unit, hex};

/// The decoded texts of all runs of digits; nothing if there are none.
pub(super) fn decode(units: &[Unit]) -> Option<DecodedText> {
    let runs = units.split(|unit| !unit.byte.is_ascii_hexdigit());
    let runs = runs.filter(|run| run.len() >= 2 * MIN_TEXT);
    text::to_decoded_text(
        runs.flat_map(|run| (0..2).map(|start| bytes(run.get(start..).unwrap_or_default()))),
    )
}

fn bytes(digits: &[Unit]) -> Vec<Unit> {
    let pairs = digits.chunks_exact(2);
    pairs
        .filter_map(|pair| Unit::spanning(hex(pair, 0, 2)?, pair))
        .collect()
}
