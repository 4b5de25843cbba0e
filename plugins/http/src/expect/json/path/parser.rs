//! The parser of paths, which reads each character once.

use super::{Segment, Selector};

/// Maximum nesting of filters, parentheses and functions: parsing and evaluation are recursive.
pub(super) const MAX_NESTING: usize = 32;
/// Maximum segments of a path, including those of its filters: evaluation is recursive.
pub(super) const MAX_SEGMENTS: usize = 256;
/// Indices are between this and its negative.
const MAX_INTEGER: i64 = (1 << 53) - 1;

/// A syntax error, with its position in bytes from 0.
pub(super) enum Mistake {
    DecompressError {
        at: usize,
    },
    TooDeep {
        at: usize,
    },
    TooLong {
        at: usize,
    },
    /// A path that may select several values where only one is allowed.
    NotSingular {
        at: usize,
    },
    /// An unknown function.
    NoFunction {
        at: usize,
    },
    /// A literal or a function result that is not compared.
    NotCompared {
        at: usize,
    },
}

pub(super) type Parsed<T> = Result<T, Mistake>;

pub(super) struct Parser<'p> {
    text: &'p str,
    at: usize,
    nesting: usize,
    segments: usize,
}

impl<'p> Parser<'p> {
    pub(super) fn new(text: &'p str) -> Self {
        Self {
            text,
            at: 0,
            nesting: 0,
            segments: 0,
        }
    }

    /// Parses the whole text as a path.
    pub(super) fn path(mut self) -> Parsed<Vec<Segment>> {
        self.expect("$")?;
        let segments = self.segments()?;
        match self.rest() {
            "" => Ok(segments),
            _ => self.unreadable(),
        }
    }

    pub(super) fn segments(&mut self) -> Parsed<Vec<Segment>> {
        let mut segments = Vec::new();
        loop {
            let before = self.at;
            self.blanks();
            let Some(segment) = self.segment()? else {
                self.at = before;
                return Ok(segments);
            };
            self.segments += 1;
            if self.segments > MAX_SEGMENTS {
                return Err(Mistake::TooLong { at: before });
            }
            segments.push(segment);
        }
    }

    fn segment(&mut self) -> Parsed<Option<Segment>> {
        let is_descendant = self.eat("..");
        let selectors = match self.peek() {
            Some('[') => self.bracketed()?,
            _ if is_descendant || self.eat(".") => {
                if self.eat("*") {
                    vec![Selector::Wildcard]
                } else {
                    vec![Selector::Name(self.name()?)]
                }
            }
            _ => return Ok(None),
        };
        Ok(Some(Segment {
            is_descendant,
            selectors,
        }))
    }

    /// A name after a dot.
    fn name(&mut self) -> Parsed<String> {
        let is_first = |first: char| first.is_ascii_alphabetic() || first == '_' || !first.is_ascii();
        if !self.peek().is_some_and(is_first) {
            return self.unreadable();
        }
        let is_part = |part: char| is_first(part) || part.is_ascii_digit();
        Ok(self.take_while(is_part).to_owned())
    }

    fn bracketed(&mut self) -> Parsed<Vec<Selector>> {
        self.expect("[")?;
        let mut selectors = Vec::new();
        loop {
            self.blanks();
            selectors.push(self.selector()?);
            self.blanks();
            if !self.eat(",") {
                self.expect("]")?;
                return Ok(selectors);
            }
        }
    }

    fn selector(&mut self) -> Parsed<Selector> {
        match self.peek() {
            Some('\'' | '"') => Ok(Selector::Name(self.string()?)),
            Some('*') => {
                self.at += 1;
                Ok(Selector::Wildcard)
            }
            Some('?') => self.nested(|parser| {
                parser.at += 1;
                parser.blanks();
                Ok(Selector::Filter(parser.any()?))
            }),
            _ => self.index_or_slice(),
        }
    }

    fn index_or_slice(&mut self) -> Parsed<Selector> {
        let start = self.integer()?;
        let after_start = self.at;
        self.blanks();
        if !self.eat(":") {
            self.at = after_start;
            return start.map_or_else(|| self.unreadable(), |index| Ok(Selector::Index(index)));
        }
        self.blanks();
        let end = self.integer()?;
        self.blanks();
        let mut step = None;
        if self.eat(":") {
            self.blanks();
            step = self.integer()?;
        }
        let step = step.unwrap_or(1);
        Ok(Selector::Slice { start, end, step })
    }

    fn integer(&mut self) -> Parsed<Option<i64>> {
        let start = self.at;
        let is_negative = self.eat("-");
        let digits = self.take_while(|digit| digit.is_ascii_digit());
        let is_written_so = digits == "0" && !is_negative || !digits.starts_with('0') && !digits.is_empty();
        if digits.is_empty() && !is_negative {
            return Ok(None);
        }
        let written = self.text.get(start..self.at).unwrap_or_default();
        let number = written.parse().ok().filter(|_| is_written_so);
        let number = number.filter(|number| (-MAX_INTEGER..=MAX_INTEGER).contains(number));
        if number.is_none() {
            self.at = start;
            return self.unreadable();
        }
        Ok(number)
    }

    /// Parses one nesting level deeper.
    pub(super) fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting == MAX_NESTING {
            return Err(Mistake::TooDeep { at: self.at });
        }
        self.nesting += 1;
        let inner = read(self)?;
        self.nesting -= 1;
        Ok(inner)
    }

    pub(super) fn blanks(&mut self) {
        self.take_while(|character| matches!(character, ' ' | '\t' | '\n' | '\r'));
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    pub(super) fn eat(&mut self, word: &str) -> bool {
        let is_there = self.rest().starts_with(word);
        if is_there {
            self.at += word.len();
        }
        is_there
    }

    pub(super) fn expect(&mut self, word: &str) -> Parsed<()> {
        if self.eat(word) { Ok(()) } else { self.unreadable() }
    }

    pub(super) fn take_while(&mut self, is_part: impl Fn(char) -> bool) -> &'p str {
        let rest = self.rest();
        let end = rest.find(|character| !is_part(character)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    /// Bytes that were read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Goes back to a position of [`Parser::at`].
    pub(super) fn back_to(&mut self, at: usize) {
        self.at = at;
    }

    pub(super) fn since(&self, start: usize) -> &'p str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    pub(super) fn unreadable<T>(&self) -> Parsed<T> {
        Err(Mistake::DecompressError { at: self.at })
    }

    fn rest(&self) -> &'p str {
        self.text.get(self.at..).unwrap_or_default()
    }
}
