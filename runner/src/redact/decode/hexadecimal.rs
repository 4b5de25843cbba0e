//! Texts in hexadecimal without signs in between.

use super::text::{self, MIN_TEXT};
use super::{Reading, Unit, hex};

/// What the runs of digits stand for where that is a text; nothing where none is.
pub(super) fn decode(units: &[Unit]) -> Option<Reading> {
    let runs = units.split(|unit| !unit.byte.is_ascii_hexdigit());
    let runs = runs.filter(|run| run.len() >= 2 * MIN_TEXT);
    text::reading_of(runs.flat_map(|run| (0..2).map(|start| bytes(run.get(start..).unwrap_or_default()))))
}

fn bytes(digits: &[Unit]) -> Vec<Unit> {
    let pairs = digits.chunks_exact(2);
    pairs
        .filter_map(|pair| Unit::spanning(hex(pair, 0, 2)?, pair))
        .collect()
}
