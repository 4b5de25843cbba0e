//! A JSON parser (RFC 8259).

use std::hash::{BuildHasher, Hasher, RandomState};

use super::records::Records;
use super::{Characters, Kind, Record, Role, Span};
use crate::effort::{Effort, TooCostly};
use crate::memory::{MemoryBudget, OutOfMemory};

/// Maximum nesting depth.
const MAX_DEPTH: usize = 1_000;
/// Effort units per byte of the text.
const PER_BYTE: usize = 12;
/// Effort units to check whether a key is repeated in an object.
const PER_KEY: usize = 150;

/// The limits of the parser.
pub(super) struct Limits<'e> {
    pub(super) memory: MemoryBudget,
    pub(super) effort: &'e Effort,
}

/// Why a text was not parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::expect::json) enum ReadError {
    #[error("the body is not JSON: expected {expected} at line {line} column {column}")]
    Unexpected {
        /// What is expected at this position.
        expected: &'static str,
        line: usize,
        column: usize,
    },
    #[error("the body is not JSON: it ends too early")]
    EndsEarly,
    #[error("the body's JSON is nested deeper than {MAX_DEPTH}")]
    TooDeep,
    #[error("the body's JSON has more values than a run has memory for (raise the quota `memory`)")]
    TooLarge(#[from] OutOfMemory),
    #[error("reading the body's JSON {0}")]
    TooCostly(#[from] TooCostly),
}

impl ReadError {
    /// Whether it is unknown whether the text is JSON.
    pub(in crate::expect::json) fn is_beyond_quotas(&self) -> bool {
        matches!(self, Self::TooLarge(_) | Self::TooCostly(_))
    }
}

pub(super) struct Reader<'t, 'e> {
    text: &'t str,
    /// Bytes of the text that are read.
    at: usize,
    records: Records,
    /// Record indices of the containers that are not closed yet.
    open: Vec<usize>,
    limits: Limits<'e>,
    keys: RandomState,
}

impl<'t, 'e> Reader<'t, 'e> {
    pub(super) fn new(text: &'t str, limits: Limits<'e>) -> Self {
        Self {
            text,
            at: 0,
            records: Records::default(),
            open: Vec::new(),
            limits,
            keys: RandomState::new(),
        }
    }

    /// Parses the text into its values, in order.
    ///
    /// # Errors
    /// It is not JSON, or exceeds the limits.
    pub(super) fn read(mut self) -> Result<Records, ReadError> {
        self.limits.effort.charge(self.text.len() * PER_BYTE)?;
        let mut role = Some(Role::Element);
        while let Some(here) = role {
            self.value(here)?;
            role = self.next_role()?;
        }
        match self.after_blanks() {
            None => Ok(self.records),
            Some(_) => Err(self.unexpected("nothing more")),
        }
    }

    /// Reads a value; of a list or an object only its beginning.
    fn value(&mut self, role: Role) -> Result<(), ReadError> {
        let kind = match self.after_blanks() {
            Some(b'{') => self.open(Kind::Object { count: 0 })?,
            Some(b'[') => self.open(Kind::List { count: 0 })?,
            Some(b'"') => Kind::Text(self.text()?),
            Some(b'-' | b'0'..=b'9') => Kind::Number(self.number()?),
            Some(b't') => self.word("true", Kind::Bool(true))?,
            Some(b'f') => self.word("false", Kind::Bool(false))?,
            Some(b'n') => self.word("null", Kind::Null)?,
            _ => return Err(self.unexpected("a value")),
        };
        let next = self.records.len() + 1;
        self.records
            .push(Record { kind, role, next }, self.limits.memory)?;
        Ok(())
    }

    /// The role of the next value, after closing all containers that end before it; `None` at the end of the text.
    fn next_role(&mut self) -> Result<Option<Role>, ReadError> {
        while let Some(&container) = self.open.last() {
            let next = self.after_blanks();
            let Some(Record { kind, .. }) = self.records.get_mut(container) else {
                break;
            };
            let is_object = matches!(kind, Kind::Object { .. });
            let (Kind::Object { count } | Kind::List { count }) = kind else {
                break;
            };
            let is_new = *count == 0;
            match next {
                Some(b'}') if is_object => self.close(container)?,
                Some(b']') if !is_object => self.close(container)?,
                Some(b',') if !is_new => {
                    *count += 1;
                    self.at += 1;
                    return self.role(is_object).map(Some);
                }
                _ if is_new => {
                    *count += 1;
                    return self.role(is_object).map(Some);
                }
                _ if is_object => return Err(self.unexpected("`,` or `}`")),
                _ => return Err(self.unexpected("`,` or `]`")),
            }
        }
        Ok(None)
    }

    fn role(&mut self, is_object: bool) -> Result<Role, ReadError> {
        if !is_object {
            return Ok(Role::Element);
        }
        if self.after_blanks() != Some(b'"') {
            return Err(self.unexpected("a key in double quotes"));
        }
        let key = self.text()?;
        if self.after_blanks() != Some(b':') {
            return Err(self.unexpected("`:`"));
        }
        self.at += 1;
        Ok(Role::Member(key))
    }

    fn open(&mut self, kind: Kind) -> Result<Kind, ReadError> {
        if self.open.len() == MAX_DEPTH {
            return Err(ReadError::TooDeep);
        }
        self.open.push(self.records.len());
        self.at += 1;
        Ok(kind)
    }

    fn close(&mut self, container: usize) -> Result<(), ReadError> {
        self.at += 1;
        self.open.pop();
        let end = self.records.len();
        if let Some(record) = self.records.get_mut(container) {
            record.next = end;
        }
        self.replace_repeated(container)
    }

    /// Of members with the same key the last one counts, as in nearly all parsers.
    fn replace_repeated(&mut self, container: usize) -> Result<(), ReadError> {
        let Some(Kind::Object { count: count @ 2.. }) = self.kind(container) else {
            return Ok(());
        };
        self.limits.effort.charge(count * PER_KEY)?;
        let memory = self.limits.memory.without(self.records.memory());
        let mut keys = memory.list(count)?;
        let mut member = container + 1;
        while let Some(record) = self.records.get(member) {
            if let Some(key) = self.key(member) {
                let mut hasher = self.keys.build_hasher();
                key.hash(&mut hasher);
                keys.push((hasher.finish(), member));
            }
            member = record.next;
        }
        keys.sort_unstable();
        for pair in keys.windows(2) {
            let [(one, earlier), (other, later)] = *pair else {
                continue;
            };
            if one == other
                && let Some((key, later)) = self.key(earlier).zip(self.key(later))
                && key.same(later, self.limits.effort)?
            {
                self.replace(container, earlier);
            }
        }
        Ok(())
    }

    fn replace(&mut self, container: usize, member: usize) {
        if let Some(record) = self.records.get_mut(member) {
            record.role = Role::Replaced;
        }
        if let Some(Kind::Object { count }) = self.records.get_mut(container).map(|record| &mut record.kind) {
            *count -= 1;
        }
    }

    fn kind(&self, index: usize) -> Option<Kind> {
        self.records.get(index).map(|record| record.kind)
    }

    fn key(&self, index: usize) -> Option<Characters<'t>> {
        match self.records.get(index)?.role {
            Role::Member(span) => {
                let written = self.text.get(span.start..span.end)?;
                Some(Characters::new(written, span.is_escaped))
            }
            Role::Element | Role::Replaced => None,
        }
    }

    fn text(&mut self) -> Result<Span, ReadError> {
        self.at += 1;
        let start = self.at;
        let mut is_escaped = false;
        loop {
            match self.byte() {
                Some(b'"') => break,
                Some(b'\\') => {
                    is_escaped = true;
                    self.escape()?;
                }
                Some(0x20..) => self.at += 1,
                _ => return Err(self.unexpected("no control character in a string")),
            }
        }
        let end = self.at;
        self.at += 1;
        Ok(Span {
            start,
            end,
            is_escaped,
        })
    }

    fn escape(&mut self) -> Result<(), ReadError> {
        self.at += 1;
        let digits = match self.byte() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 0,
            Some(b'u') => 4,
            _ => return Err(self.unexpected("one of `\"\\/bfnrtu` after a backslash")),
        };
        self.at += 1;
        for _ in 0..digits {
            match self.byte() {
                Some(byte) if byte.is_ascii_hexdigit() => self.at += 1,
                _ => return Err(self.unexpected("four hexadecimal digits")),
            }
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Span, ReadError> {
        let start = self.at;
        self.at += usize::from(self.byte() == Some(b'-'));
        match self.byte() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.byte(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(Span {
            start,
            end: self.at,
            is_escaped: false,
        })
    }

    fn digits(&mut self) -> Result<(), ReadError> {
        let start = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start {
            return Err(self.unexpected("a digit"));
        }
        Ok(())
    }

    fn word(&mut self, word: &str, kind: Kind) -> Result<Kind, ReadError> {
        match self.text.as_bytes().get(self.at..) {
            Some(rest) if rest.starts_with(word.as_bytes()) => {
                self.at += word.len();
                Ok(kind)
            }
            _ => Err(self.unexpected("a value")),
        }
    }

    fn after_blanks(&mut self) -> Option<u8> {
        while matches!(self.byte(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
        self.byte()
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn unexpected(&self, expected: &'static str) -> ReadError {
        if self.at >= self.text.len() {
            return ReadError::EndsEarly;
        }
        let before = self.text.get(..self.at).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        ReadError::Unexpected {
            expected,
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
        }
    }
}
