//! The files of a suite: their text, and excerpts of it for problems. `load` finds and reads them.

pub(super) mod load;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use super::secret_spans::SecretSpans;
use crate::problem::{Location, Origin, Position, Problem, SourceLine};

/// Maximum length of a source line in a problem, in characters.
const MAX_LINE_CHARS: usize = 120;
/// Characters of a long line before the underlined part.
const LEAD_CHARS: usize = 40;

/// Distance of checkpoints in characters: an upper bound on what is counted to find a position in a long line.
const CHECKPOINT_CHARS: usize = 1_024;

/// A file of the suite, as text.
pub(super) struct Source {
    pub(super) path: Arc<Path>,
    pub(super) text: String,
    order: usize,
    line_starts: OnceLock<Vec<usize>>,
    checkpoints: OnceLock<Vec<usize>>,
}

impl Source {
    pub(super) fn new(path: &Path, text: String, order: usize) -> Self {
        Self {
            path: path.into(),
            text,
            order,
            line_starts: OnceLock::new(),
            checkpoints: OnceLock::new(),
        }
    }

    /// Its index among the files of the suite.
    pub(super) fn order(&self) -> usize {
        self.order
    }

    /// The directory that relative paths in the file are relative to.
    pub(super) fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    pub(super) fn location(&self, at: Position) -> Location {
        Location {
            file: Arc::clone(&self.path),
            at: Some(at),
        }
    }

    pub(super) fn problem(&self, at: Position, message: impl Into<String>) -> Problem {
        let mut problem = Problem::new(Origin::File(self.location(at)), message).in_file(self.order);
        // The report hides secrets in it, once all are known.
        problem.source_line = self.excerpt(at, &SecretSpans::default()).map(Box::new);
        problem
    }

    pub(super) fn file_problem(&self, message: impl Into<String>) -> Problem {
        Problem::of_file(&self.path, message).in_file(self.order)
    }

    /// The line at `at`, or the part of a long line around it, and what to underline in it. Secrets are hidden by where
    /// they stand in the file, so that it does not matter where the line is cut, or how a secret is written.
    pub(super) fn excerpt(&self, at: Position, secrets: &SecretSpans) -> Option<SourceLine> {
        let column = column(at);
        let start = self.line_start(at.line)?;
        let is_long = self.line_from(start).nth(MAX_LINE_CHARS).is_some();
        let skipped = if is_long {
            column.saturating_sub(LEAD_CHARS)
        } else {
            0
        };
        let mut offset = self.offset(start, skipped);
        let shown = self.line_from(offset).take(MAX_LINE_CHARS).map(|character| {
            let is_hidden = secrets.is_hidden(offset);
            offset += character.len_utf8();
            if is_hidden { '*' } else { printable(character) }
        });
        let text: String = shown.collect();
        let indent = (column - skipped).min(text.chars().count());
        let rest: String = text.chars().skip(indent).collect();
        Some(SourceLine {
            width: token(&rest).chars().count().max(1),
            text,
            indent,
        })
    }

    /// The byte offset of a position.
    pub(super) fn offset_of(&self, at: Position) -> Option<usize> {
        Some(self.offset(self.line_start(at.line)?, column(at)))
    }

    /// The characters of a line, counted from 1.
    pub(super) fn line(&self, number: u32) -> Option<impl Iterator<Item = char>> {
        Some(self.line_from(self.line_start(number)?))
    }

    fn line_start(&self, number: u32) -> Option<usize> {
        let starts = self.line_starts.get_or_init(|| line_starts(&self.text));
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        starts.get(index).copied()
    }

    /// The characters from an offset to the end of its line.
    fn line_from(&self, start: usize) -> impl Iterator<Item = char> {
        let rest = self.text.get(start..).unwrap_or_default();
        rest.chars().take_while(|char| !matches!(char, '\r' | '\n'))
    }

    /// The byte offset that is `characters` characters after `start`. Uses checkpoints, since a file may be a single
    /// line.
    fn offset(&self, start: usize, characters: usize) -> usize {
        let checkpoints = self.checkpoints.get_or_init(|| checkpoints(&self.text));
        let known = checkpoints
            .partition_point(|checkpoint| *checkpoint <= start)
            .saturating_sub(1);
        let before = checkpoints
            .get(known)
            .and_then(|checkpoint| self.text.get(*checkpoint..start));
        let before = before.map_or(0, |text| text.chars().count());
        let index = known * CHECKPOINT_CHARS + before + characters;
        let Some(checkpoint) = checkpoints.get(index / CHECKPOINT_CHARS) else {
            return self.text.len();
        };
        let mut rest = self.text.get(*checkpoint..).unwrap_or_default().char_indices();
        rest.nth(index % CHECKPOINT_CHARS)
            .map_or(self.text.len(), |(offset, _)| checkpoint + offset)
    }
}

/// The characters before a position in its line.
fn column(at: Position) -> usize {
    usize::try_from(at.column).unwrap_or(usize::MAX).saturating_sub(1)
}

/// The byte offset of every [`CHECKPOINT_CHARS`]th character.
fn checkpoints(text: &str) -> Vec<usize> {
    text.char_indices()
        .step_by(CHECKPOINT_CHARS)
        .map(|(offset, _)| offset)
        .collect()
}

/// The byte offset of each line. As in YAML, a line ends with a line feed, a carriage return, or both.
fn line_starts(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let is_end = |(index, byte): &(usize, &u8)| match byte {
        b'\n' => true,
        b'\r' => bytes.get(index + 1) != Some(&b'\n'),
        _ => false,
    };
    let ends = bytes.iter().enumerate().filter(is_end);
    std::iter::once(0)
        .chain(ends.map(|(index, _)| index + 1))
        .collect()
}

/// Replaces control characters, which would break the alignment or the terminal.
pub(super) fn printable(character: char) -> char {
    match character {
        '\t' => ' ',
        other if other.is_control() => char::REPLACEMENT_CHARACTER,
        other => other,
    }
}

/// The YAML token at the start of `rest`, approximately.
fn token(rest: &str) -> &str {
    let first = rest.chars().next();
    if matches!(first, Some('[' | '{')) {
        return rest.get(..1).unwrap_or_default();
    }
    if let Some(quote @ ('"' | '\'')) = first {
        let inner = rest.get(1..).unwrap_or_default();
        return inner
            .find(quote)
            .and_then(|end| rest.get(..end + 2))
            .unwrap_or(rest);
    }
    let stops = [": ", ", ", " #", "]"].iter().filter_map(|stop| rest.find(stop));
    let token = stops.min().and_then(|end| rest.get(..end)).unwrap_or(rest);
    let token = token.trim_end_matches([':', ' ', ',']);
    if token.matches('}').count() > token.matches('{').count() {
        token.trim_end_matches(['}', ' '])
    } else {
        token
    }
}

/// Decodes UTF-8; other content is a problem at its position.
pub(super) fn decode(path: &Path, bytes: Vec<u8>) -> Result<String, Problem> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Problem::of_file(path, "the file is UTF-16").hint("save it as UTF-8"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(error.as_bytes().get(..valid).unwrap_or_default());
        at_end(path, &before, "invalid UTF-8").hint("save the file as UTF-8")
    })?;
    match text.find('\0') {
        Some(nul) => Err(at_end(
            path,
            text.get(..nul).unwrap_or_default(),
            "the file contains a NUL byte",
        )),
        None => Ok(text),
    }
}

/// A problem at the end of `before`. The line is not shown: where its secrets are is unclear in a file that is not text.
fn at_end(path: &Path, before: &str, message: &str) -> Problem {
    let starts = line_starts(before);
    let last = starts.last().and_then(|start| before.get(*start..));
    let column = last.unwrap_or_default().chars().count() + 1;
    let location = Location {
        file: path.into(),
        at: Some(Position::new(starts.len(), column)),
    };
    Problem::new(Origin::File(location), message)
}
