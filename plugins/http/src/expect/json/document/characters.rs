//! The characters of a JSON string.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::hash::Hasher;
use std::str::Chars;

use crate::effort::{Effort, TooCostly};
use crate::expect::order;

/// Effort units per byte of a text with escapes.
const PER_ESCAPED: usize = 12;

/// The characters of a JSON string, its escapes resolved.
#[derive(Debug, Clone, Copy)]
pub(in crate::expect::json) struct Characters<'t> {
    written: &'t str,
    is_escaped: bool,
}

impl<'t> Characters<'t> {
    /// What stands between the quotes, and whether it contains a backslash. It was already parsed, so it is well
    /// formed.
    pub(super) fn new(written: &'t str, is_escaped: bool) -> Self {
        Self { written, is_escaped }
    }

    /// A text without escapes.
    pub(in crate::expect::json) fn plain_text(text: &'t str) -> Self {
        Self::new(text, false)
    }

    /// The string as it is written.
    pub(in crate::expect::json) fn written(self) -> &'t str {
        self.written
    }

    /// The string as it is written, if it has no escapes.
    pub(in crate::expect::json) fn plain(self) -> Option<&'t str> {
        (!self.is_escaped).then_some(self.written)
    }

    /// Effort units to iterate over them once.
    pub(in crate::expect::json) fn cost(self) -> usize {
        let per_byte = if self.is_escaped { PER_ESCAPED } else { 1 };
        self.written.len() * per_byte
    }

    /// Iterates over the characters.
    pub(in crate::expect::json) fn each(self) -> impl Iterator<Item = char> {
        Unescaped {
            written: self.written.chars(),
            is_escaped: self.is_escaped,
        }
    }

    /// The decoded text, in a buffer that the caller has reserved: as many bytes as are written, if there are
    /// escapes.
    pub(in crate::expect::json) fn text(self, mut room: String) -> Cow<'t, str> {
        match self.plain() {
            Some(plain) => plain.into(),
            None => {
                room.extend(self.each());
                room.into()
            }
        }
    }

    /// Bytes that [`Characters::text`] allocates.
    pub(in crate::expect::json) fn memory(self) -> usize {
        self.plain().map_or(self.written.len(), |_| 0)
    }

    /// Adds them to a hash that does not depend on how they are written.
    pub(super) fn hash(self, hasher: &mut impl Hasher) {
        match self.plain() {
            Some(plain) => hasher.write(plain.as_bytes()),
            None => self.each().for_each(|character| {
                hasher.write(character.encode_utf8(&mut [0; 4]).as_bytes());
            }),
        }
    }

    /// The number of characters.
    pub(in crate::expect::json) fn count(self) -> usize {
        match self.plain() {
            Some(plain) => plain.chars().count(),
            None => self.each().count(),
        }
    }

    /// Whether it is the same text. Texts of different lengths cost nothing.
    ///
    /// # Errors
    /// The comparison costs too much effort.
    pub(in crate::expect::json) fn same(
        self,
        other: Characters<'_>,
        effort: &Effort,
    ) -> Result<bool, TooCostly> {
        let (least, most) = self.bytes();
        let (other_least, other_most) = other.bytes();
        Ok(least <= other_most && other_least <= most && self.order(other, effort)?.is_eq())
    }

    /// Compares it with another text.
    ///
    /// # Errors
    /// The comparison costs too much effort.
    pub(in crate::expect::json) fn order(
        self,
        other: Characters<'_>,
        effort: &Effort,
    ) -> Result<Ordering, TooCostly> {
        match (self.plain(), other.plain()) {
            (Some(one), Some(other)) => order::of_bytes(one.as_bytes(), other.as_bytes(), effort),
            _ => order::of_characters(self.each(), other.each(), effort),
        }
    }

    /// Minimum and maximum bytes of the decoded text: `\u0000` becomes one byte, `\uffff` three.
    fn bytes(self) -> (usize, usize) {
        let written = self.written.len();
        if self.is_escaped {
            (written / 6, written)
        } else {
            (written, written)
        }
    }
}

/// The characters that are meant by those that are written.
struct Unescaped<'t> {
    written: Chars<'t>,
    /// Whether a backslash begins an escape. In a text of a suite, which is decoded already, it is only itself.
    is_escaped: bool,
}

impl Iterator for Unescaped<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        match self.written.next()? {
            '\\' if self.is_escaped => match self.written.next()? {
                'b' => Some('\u{8}'),
                'f' => Some('\u{c}'),
                'n' => Some('\n'),
                'r' => Some('\r'),
                't' => Some('\t'),
                'u' => Some(self.unicode()),
                itself => Some(itself),
            },
            itself => Some(itself),
        }
    }
}

impl Unescaped<'_> {
    /// Decodes `\uXXXX`, or a pair of them. A lone surrogate is replaced: RFC 8259 allows it, but no UTF-8 text can
    /// contain it.
    fn unicode(&mut self) -> char {
        let first = hex(&mut self.written);
        let mut after = self.written.clone();
        if (after.next(), after.next()) == (Some('\\'), Some('u')) {
            let pair = [first, hex(&mut after)];
            if let Some(Ok(both)) = char::decode_utf16(pair).next()
                && both.len_utf16() == 2
            {
                self.written = after;
                return both;
            }
        }
        char::from_u32(first.into()).unwrap_or(char::REPLACEMENT_CHARACTER)
    }
}

fn hex(digits: &mut Chars<'_>) -> u16 {
    let digits = digits.take(4).filter_map(|digit| digit.to_digit(16));
    let digits = digits.filter_map(|digit| u16::try_from(digit).ok());
    digits.fold(0, |number, digit| number << 4 | digit)
}

#[cfg(test)]
mod tests;
