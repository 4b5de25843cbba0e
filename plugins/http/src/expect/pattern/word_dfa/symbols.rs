//! The input symbols of the automaton: a byte, with what it implies for the positions on both sides of it.

use regex_automata::nfa::thompson::NFA;
use regex_automata::util::look::Look;

/// Characters beyond ASCII whose class is cached.
const CACHED_CHARACTERS: usize = 1_024;
/// Maximum bytes of a character.
const MAX_CHARACTER_BYTES: usize = 4;

/// What stands on one side of a position, as far as a pattern can distinguish it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Side {
    /// The start or the end of the text.
    Edge,
    LineFeed,
    CarriageReturn,
    /// A letter, a digit or `_` of ASCII.
    Word,
    /// Any other ASCII character.
    Other,
    /// A word character beyond ASCII.
    WideWord,
    WideOther,
    /// A part of a character, or an invalid byte.
    Part,
}

impl Side {
    fn of_ascii(byte: u8) -> Self {
        match byte {
            b'\n' => Self::LineFeed,
            b'\r' => Self::CarriageReturn,
            b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => Self::Word,
            _ => Self::Other,
        }
    }

    fn of_wide(is_word: bool) -> Self {
        if is_word { Self::WideWord } else { Self::WideOther }
    }

    /// A sample text of this kind.
    fn sample(self) -> &'static [u8] {
        match self {
            Self::Edge => b"",
            Self::LineFeed => b"\n",
            Self::CarriageReturn => b"\r",
            Self::Word => b"a",
            Self::Other => b" ",
            Self::WideWord => "é".as_bytes(),
            Self::WideOther => "€".as_bytes(),
            Self::Part => b"\xff",
        }
    }
}

/// Whether an assertion of a pattern holds at a position, in the direction of reading.
pub(super) fn holds(nfa: &NFA, look: Look, before: Side, ahead: Side) -> bool {
    // The library evaluates it on a sample text with the same sides.
    let (before, ahead) = (before.sample(), ahead.sample());
    let mut text = [0; 2 * MAX_CHARACTER_BYTES];
    let (at, end) = (before.len(), before.len() + ahead.len());
    for (place, byte) in text.iter_mut().zip(before.iter().chain(ahead)) {
        *place = *byte;
    }
    let text = text.get(..end).unwrap_or_default();
    nfa.look_matcher().matches(look, text, at)
}

/// A byte with its implications.
#[derive(Debug, Clone, Copy)]
pub(super) struct Symbol {
    /// Index among the symbols that the pattern distinguishes.
    pub(super) index: usize,
    pub(super) byte: u8,
    /// What stands after the position before it.
    pub(super) ahead: Side,
    /// What stands before the position after it.
    pub(super) after: Side,
}

/// The role of a byte in a character beyond ASCII.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// Read first, of a word character or of another one.
    First(bool),
    Last(bool),
    Between,
}

impl Part {
    const COUNT: usize = 5;

    fn number(self) -> usize {
        match self {
            Self::First(is_word) => usize::from(is_word),
            Self::Last(is_word) => 2 + usize::from(is_word),
            Self::Between => 4,
        }
    }
}

/// The symbols of a pattern.
#[derive(Debug)]
pub(super) struct Symbols {
    /// For each byte: its symbol if it is ASCII, or else its first one.
    first: Vec<usize>,
    count: usize,
    /// Cached characters, marked if they are word characters.
    words: Vec<u32>,
}

impl Symbols {
    pub(super) fn of(nfa: &NFA) -> Self {
        let classes = nfa.byte_classes();
        let mut first = Vec::with_capacity(256);
        let mut count = 0;
        let mut before = None;
        for byte in 0..=u8::MAX {
            // Bytes of one class are contiguous, and ASCII bytes are separate classes here.
            let class = (classes.get(byte), byte.is_ascii());
            if before.replace(class) == Some(class) {
                first.push(first.last().copied().unwrap_or_default());
                continue;
            }
            first.push(count);
            count += if byte.is_ascii() { 1 } else { Part::COUNT };
        }
        Self {
            first,
            count,
            words: Vec::new(),
        }
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Bytes of memory that they take.
    pub(super) fn memory(&self) -> usize {
        self.first.len() * size_of::<usize>() + self.words.len() * size_of::<u32>()
    }

    fn ascii(&self, byte: u8) -> Symbol {
        let side = Side::of_ascii(byte);
        Symbol {
            index: self.first.get(usize::from(byte)).copied().unwrap_or_default(),
            byte,
            ahead: side,
            after: side,
        }
    }

    fn wide(&self, byte: u8, part: Part) -> Symbol {
        let first = self.first.get(usize::from(byte)).copied().unwrap_or_default();
        let (ahead, after) = match part {
            Part::First(is_word) => (Side::of_wide(is_word), Side::Part),
            Part::Last(is_word) => (Side::Part, Side::of_wide(is_word)),
            Part::Between => (Side::Part, Side::Part),
        };
        Symbol {
            index: first + part.number(),
            byte,
            ahead,
            after,
        }
    }

    fn is_word(&mut self, character: char) -> bool {
        self.words.resize(CACHED_CHARACTERS, 0);
        let code = u32::from(character);
        let place = usize::try_from(code).unwrap_or_default() % CACHED_CHARACTERS;
        let Some(known) = self.words.get_mut(place) else {
            return false;
        };
        if *known >> 1 != code {
            let is_word = regex_syntax::try_is_word_character(character).unwrap_or(false);
            *known = code << 1 | u32::from(is_word);
        }
        *known & 1 == 1
    }
}

/// The direction in which bytes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::expect::pattern) enum Direction {
    Forward,
    Backward,
}

/// A reader of a text.
pub(in crate::expect::pattern) struct Reader<'t> {
    text: &'t [u8],
    direction: Direction,
    /// Where reading began.
    start: usize,
    /// Bytes that were read.
    read: usize,
    /// The current character: its remaining bytes, and whether it is a word character.
    left: usize,
    is_word: bool,
    characters: usize,
}

impl<'t> Reader<'t> {
    /// Reads forward from a position, or backward from it.
    pub(in crate::expect::pattern) fn new(text: &'t [u8], direction: Direction, start: usize) -> Self {
        Self {
            text,
            direction,
            start,
            read: 0,
            left: 0,
            is_word: false,
            characters: 0,
        }
    }

    /// What stands behind the first position, in the direction of reading.
    pub(super) fn behind(&self, symbols: &mut Symbols) -> Side {
        let (byte, reversed) = match self.direction {
            Direction::Forward => {
                let before = self.start.checked_sub(1);
                (before.and_then(|place| self.text.get(place)), Direction::Backward)
            }
            Direction::Backward => (self.text.get(self.start), Direction::Forward),
        };
        match byte {
            None => Side::Edge,
            Some(byte) if byte.is_ascii() => Side::of_ascii(*byte),
            Some(_) => {
                let other = Self::new(self.text, reversed, self.start);
                let character = other.character(self.start);
                character.map_or(Side::Part, |character| Side::of_wide(symbols.is_word(character)))
            }
        }
    }

    pub(super) fn read(&self) -> usize {
        self.read
    }

    /// The last position.
    pub(super) fn end(&self) -> usize {
        match self.direction {
            Direction::Forward => self.text.len(),
            Direction::Backward => 0,
        }
    }

    /// Characters beyond ASCII since the last call.
    pub(super) fn take_characters(&mut self) -> usize {
        std::mem::take(&mut self.characters)
    }

    /// The position before the next symbol, and the symbol.
    #[inline]
    pub(super) fn next(&mut self, symbols: &mut Symbols) -> Option<(usize, Symbol)> {
        let (position, place) = match self.direction {
            Direction::Forward => (self.start + self.read, self.start + self.read),
            Direction::Backward => {
                let position = self.start.checked_sub(self.read)?;
                (position, position.checked_sub(1)?)
            }
        };
        let byte = *self.text.get(place)?;
        self.read += 1;
        if byte.is_ascii() {
            return Some((position, symbols.ascii(byte)));
        }
        let part = self.part(position, symbols);
        Some((position, symbols.wide(byte, part)))
    }

    fn part(&mut self, position: usize, symbols: &mut Symbols) -> Part {
        match self.left {
            0 => {
                self.characters += 1;
                let Some(character) = self.character(position) else {
                    return Part::Between;
                };
                self.left = character.len_utf8() - 1;
                self.is_word = symbols.is_word(character);
                Part::First(self.is_word)
            }
            1 => {
                self.left = 0;
                Part::Last(self.is_word)
            }
            _ => {
                self.left -= 1;
                Part::Between
            }
        }
    }

    /// The character that begins or ends at a position.
    fn character(&self, position: usize) -> Option<char> {
        let range = match self.direction {
            Direction::Forward => {
                let length = match self.text.get(position)? {
                    0xc2..=0xdf => 2,
                    0xe0..=0xef => 3,
                    0xf0..=0xf4 => 4,
                    _ => return None,
                };
                position..position.checked_add(length)?
            }
            Direction::Backward => {
                let is_first = |length: &usize| {
                    let first = position
                        .checked_sub(*length)
                        .and_then(|place| self.text.get(place));
                    first.is_some_and(|byte| byte & 0xc0 != 0x80)
                };
                let length = (1..=MAX_CHARACTER_BYTES).find(is_first)?;
                position - length..position
            }
        };
        let mut characters = str::from_utf8(self.text.get(range)?).ok()?.chars();
        characters.next().filter(|_| characters.next().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides(text: &[u8], direction: Direction) -> Vec<(usize, Side, Side)> {
        let nfa = NFA::new(r"\b").unwrap();
        let mut symbols = Symbols::of(&nfa);
        let start = match direction {
            Direction::Forward => 0,
            Direction::Backward => text.len(),
        };
        let mut reader = Reader::new(text, direction, start);
        std::iter::from_fn(|| reader.next(&mut symbols))
            .map(|(place, symbol)| (place, symbol.ahead, symbol.after))
            .collect()
    }

    #[test]
    fn a_position_has_the_same_sides_in_both_directions() {
        for text in [
            "a é€ \r\n_東\u{10000}".as_bytes(),
            b"a\xffb\xe2\x82 \xc3\xa9\xa9\xf0\x90\x80",
            b"",
        ] {
            let forward = sides(text, Direction::Forward);
            let mut backward = sides(text, Direction::Backward);
            backward.reverse();
            assert_eq!(forward.len(), text.len());
            for ((place, ahead, after), (end, before, start)) in forward.into_iter().zip(backward) {
                assert_eq!((place + 1, ahead, after), (end, start, before), "{text:x?}");
            }
        }
    }

    #[test]
    fn what_holds_of_sides_holds_of_texts_that_have_them() {
        let texts = ["", "\n", "\r", "0", "-", "ß", "東", "–", "\u{10000}"];
        let looks = [
            Look::Start,
            Look::EndLF,
            Look::StartCRLF,
            Look::EndCRLF,
            Look::WordUnicode,
            Look::WordUnicodeNegate,
            Look::WordStartHalfUnicode,
            Look::WordAscii,
            Look::WordEndAscii,
        ];
        let nfa = NFA::new(r"\b").unwrap();
        for before in texts {
            for ahead in texts {
                let text = format!("{before}{ahead}");
                let read = |text: &str, direction| sides(text.as_bytes(), direction);
                let left = read(before, Direction::Forward)
                    .last()
                    .map_or(Side::Edge, |last| last.2);
                let right = read(ahead, Direction::Forward)
                    .first()
                    .map_or(Side::Edge, |first| first.1);
                for look in looks {
                    assert_eq!(
                        holds(&nfa, look, left, right),
                        nfa.look_matcher().matches(look, text.as_bytes(), before.len()),
                        "{text:?} {look:?}"
                    );
                }
            }
        }
    }
}
