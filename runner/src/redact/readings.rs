//! Everything that a text may read as.

use std::collections::{HashSet, VecDeque};

use super::decode::DECODERS;
use super::reading::Reading;

/// Bytes of all readings together for each byte of a text at most. Those of fewer levels come first.
pub(super) const MAX_READINGS: usize = 16;

/// Passes on a text as it is, and as each decoder reads it, and what that gives, each once: whatever was written within
/// whatever else, as deep as the bound on the work allows.
pub(super) fn visit(text: Reading, mut pass_on: impl FnMut(&Reading)) {
    let mut left = text.units().len().saturating_mul(MAX_READINGS);
    let mut seen = HashSet::new();
    pass_on(&text);
    let mut waiting = VecDeque::from([text]);
    while let Some(reading) = waiting.pop_front() {
        for decoded in DECODERS.iter().filter_map(|decoder| decoder.apply(&reading)) {
            let Some(rest) = left.checked_sub(decoded.units().len()) else {
                return;
            };
            left = rest;
            if !decoded.units().is_empty() && seen.insert(decoded.fingerprint()) {
                pass_on(&decoded);
                waiting.push_back(decoded);
            }
        }
    }
}
