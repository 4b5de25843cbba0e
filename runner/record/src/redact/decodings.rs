//! Recursive decoding of a text.

use std::collections::{HashSet, VecDeque};

use super::decode::DECODERS;
use super::decoded_text::DecodedText;

/// Maximum total size of all decoded texts, per byte of the original. Shallow levels come first.
pub(super) const MAX_DECODED_RATIO: usize = 16;

/// Calls `emit` with a text as it is, and with each distinct result of applying decoders recursively, breadth-first,
/// within the bound on the work.
pub(super) fn visit(text: DecodedText, mut emit: impl FnMut(&DecodedText)) {
    let mut left = text.units().len().saturating_mul(MAX_DECODED_RATIO);
    let mut seen = HashSet::new();
    emit(&text);
    let mut waiting = VecDeque::from([text]);
    while let Some(current) = waiting.pop_front() {
        for decoded in DECODERS.iter().filter_map(|decoder| decoder.apply(&current)) {
            let Some(rest) = left.checked_sub(decoded.units().len()) else {
                return;
            };
            left = rest;
            if !decoded.units().is_empty() && seen.insert(decoded.fingerprint()) {
                emit(&decoded);
                waiting.push_back(decoded);
            }
        }
    }
}
