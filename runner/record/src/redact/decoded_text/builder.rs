//! Builds a decoded text.

use std::ops::Range;

use super::{DecodedText, GAP, Unit};
use crate::redact::WINDOW;

/// Bytes of context on either side of decoded bytes: a window that ends in them, each of its bytes escaped to sixteen.
const CONTEXT: usize = 16 * WINDOW;

/// The decoded form of an escape sequence.
pub(in crate::redact) enum Replacement {
    Byte(u8),
    Char(char),
    Text(&'static str),
    /// A line continuation, or only the escape character.
    Empty,
}

/// Copies decoded bytes with their context only; the rest was searched before.
pub(in crate::redact) struct DecodedTextBuilder<'r> {
    source: &'r [Unit],
    units: Vec<Unit>,
    /// Number of processed bytes of the source.
    done: usize,
}

impl<'r> DecodedTextBuilder<'r> {
    pub(in crate::redact) fn new(source: &'r [Unit]) -> Self {
        Self {
            source,
            units: Vec::new(),
            done: 0,
        }
    }

    /// Replaces an escape sequence; must be called in order.
    pub(in crate::redact) fn replace(&mut self, escape: Range<usize>, read: &Replacement) {
        let units = self.source.get(escape.clone()).unwrap_or_default();
        let place = Unit::spanning(0, units);
        self.copy_undecoded(escape.start, CONTEXT);
        self.done = escape.end;
        let unit = |byte| place.map(|place| Unit { byte, ..place });
        match read {
            Replacement::Byte(byte) => self.units.extend(unit(*byte)),
            Replacement::Char(char) => {
                let mut buffer = [0; 4];
                let bytes = char.encode_utf8(&mut buffer).bytes();
                self.units.extend(bytes.filter_map(unit));
            }
            Replacement::Text(text) => self.units.extend(text.bytes().filter_map(unit)),
            Replacement::Empty => {}
        }
    }

    /// Replaces a list of numbers by its bytes.
    pub(in crate::redact) fn replace_all(&mut self, list: Range<usize>, bytes: &[Unit]) {
        self.copy_undecoded(list.start, CONTEXT);
        self.units.extend_from_slice(bytes);
        self.done = list.end;
    }

    /// The decoded text; nothing if nothing was decoded.
    pub(in crate::redact) fn finish(mut self) -> Option<DecodedText> {
        if self.done == 0 {
            return None;
        }
        self.copy_undecoded(self.source.len(), 0);
        Some(DecodedText::from_units(self.units))
    }

    /// Copies undecoded bytes up to `end`, of which the last `before` bytes are context of what follows.
    fn copy_undecoded(&mut self, end: usize, before: usize) {
        let rest = self.source.get(self.done..end).unwrap_or_default();
        let behind = if self.done == 0 { 0 } else { CONTEXT };
        if rest.len() <= behind + before {
            return self.units.extend_from_slice(rest);
        }
        let (near, rest) = rest.split_at_checked(behind).unwrap_or_default();
        let (far, next) = rest
            .split_at_checked(rest.len().saturating_sub(before))
            .unwrap_or_default();
        self.units.extend_from_slice(near);
        self.units.extend(Unit::spanning(GAP, far));
        self.units.extend_from_slice(next);
    }
}
