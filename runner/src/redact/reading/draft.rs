//! Another reading of a text, while it is put together.

use std::ops::Range;

use super::{GAP, Reading, Unit};
use crate::redact::SEED;
use crate::redact::decode::Decoded;

/// Bytes on either side of what was decoded that are read again with it: a piece of a secret that has it as its last
/// byte, each byte of that escaped to sixteen.
const CONTEXT: usize = 16 * SEED;

/// Of what is not decoded only that is kept which is near to something that is; the rest was read before.
pub(in crate::redact) struct Draft<'r> {
    source: &'r [Unit],
    units: Vec<Unit>,
    /// Of the source.
    done: usize,
}

impl<'r> Draft<'r> {
    pub(in crate::redact) fn of(source: &'r [Unit]) -> Self {
        Self {
            source,
            units: Vec::new(),
            done: 0,
        }
    }

    /// Puts what an escape stands for in its place; those before it are done.
    pub(in crate::redact) fn replace(&mut self, escape: Range<usize>, read: &Decoded) {
        let units = self.source.get(escape.clone()).unwrap_or_default();
        let place = Unit::spanning(0, units);
        self.keep(escape.start, CONTEXT);
        self.done = escape.end;
        let unit = |byte| place.map(|place| Unit { byte, ..place });
        match read {
            Decoded::Byte(byte) => self.units.extend(unit(*byte)),
            Decoded::Char(char) => {
                let mut buffer = [0; 4];
                let bytes = char.encode_utf8(&mut buffer).bytes();
                self.units.extend(bytes.filter_map(unit));
            }
            Decoded::Text(text) => self.units.extend(text.bytes().filter_map(unit)),
            Decoded::Nothing => {}
        }
    }

    /// Puts bytes in the place of a list of them.
    pub(in crate::redact) fn replace_all(&mut self, list: Range<usize>, bytes: &[Unit]) {
        self.keep(list.start, CONTEXT);
        self.units.extend_from_slice(bytes);
        self.done = list.end;
    }

    /// The reading; nothing where nothing was decoded.
    pub(in crate::redact) fn finish(mut self) -> Option<Reading> {
        if self.done == 0 {
            return None;
        }
        self.keep(self.source.len(), 0);
        Some(Reading::new(self.units))
    }

    /// Keeps what was not decoded up to `end`, of which `before` bytes are near to what comes next.
    fn keep(&mut self, end: usize, before: usize) {
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
