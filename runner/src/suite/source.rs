//! The files of a suite: discovery, bounded reads, and excerpts for problems.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use super::error::{Location, Position, Problem, Report, SourceLine};
use crate::io_class;
use crate::regular_file::Session;

/// Maximum size of one file.
const MAX_FILE_BYTES: u64 = 16 << 20;
/// Maximum size of all files of a suite together.
const MAX_SUITE_BYTES: u64 = 256 << 20;
/// Maximum number of files of a suite.
const MAX_FILES: usize = 10_000;
/// Maximum number of entries of a directory that are examined: this happens every few seconds.
pub(super) const MAX_ENTRIES: usize = 100_000;
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
        Problem {
            location: self.location(at),
            message: message.into(),
            hint: None,
            source_line: self.excerpt(at).map(Box::new),
            is_transient: false,
            file_order: self.order,
        }
    }

    pub(super) fn file_problem(&self, message: impl Into<String>) -> Problem {
        Problem {
            file_order: self.order,
            ..Problem::of_file(&self.path, message)
        }
    }

    /// The line at `at`, or the part of a long line around it, and what to underline in it.
    fn excerpt(&self, at: Position) -> Option<SourceLine> {
        let column = usize::try_from(at.column).unwrap_or(usize::MAX).saturating_sub(1);
        let start = self.line_start(at.line)?;
        let is_long = self.line_from(start).nth(MAX_LINE_CHARS).is_some();
        let skipped = if is_long {
            column.saturating_sub(LEAD_CHARS)
        } else {
            0
        };
        let shown = self.line_from(self.offset(start, skipped));
        let text: String = shown.take(MAX_LINE_CHARS).map(printable).collect();
        let indent = (column - skipped).min(text.chars().count());
        let rest: String = text.chars().skip(indent).collect();
        Some(SourceLine {
            width: token(&rest).chars().count().max(1),
            text,
            indent,
        })
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

/// Reads every file of `paths`; unreadable ones are reported.
pub(super) fn load(paths: &[PathBuf], session: &Session, report: &mut Report) -> Vec<Arc<Source>> {
    let mut sources = Vec::new();
    let mut budget = MAX_SUITE_BYTES;
    for path in files(paths, session, report) {
        let order = sources.len();
        match read_text(&path, budget, session) {
            Ok(text) => {
                budget = budget.saturating_sub(u64::try_from(text.len()).unwrap_or(u64::MAX));
                sources.push(Arc::new(Source::new(&path, text, order)));
            }
            Err(problem) => report.add(Problem {
                file_order: order,
                ..problem
            }),
        }
    }
    sources
}

/// The files of `paths`, each once, with directories expanded.
fn files(paths: &[PathBuf], session: &Session, report: &mut Report) -> Vec<PathBuf> {
    let mut seen = HashSet::new();
    let mut files = Vec::new();
    for path in paths {
        match expand(path, session) {
            Ok(found) => files.extend(found),
            Err(problem) => report.add(problem),
        }
    }
    files.retain(|(_, real)| seen.insert(real.clone()));
    let mut files: Vec<PathBuf> = files.into_iter().map(|(path, _)| path).collect();
    if let Some(path) = files.get(MAX_FILES) {
        report.add(Problem::of_file(
            path,
            format!("a suite holds at most {MAX_FILES} files"),
        ));
        files.truncate(MAX_FILES);
    }
    files
}

/// The files of a path: each as it is named, and its canonical path.
fn expand(path: &Path, session: &Session) -> Result<Vec<(PathBuf, PathBuf)>, Problem> {
    let own = path.to_owned();
    let expanded = session.with_timeout(path, move || -> Result<Vec<(PathBuf, PathBuf)>, Problem> {
        let found = if own.is_dir() { list(&own)? } else { vec![own] };
        let real = |path: &PathBuf| fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        Ok(found
            .into_iter()
            .map(|path| (path.clone(), real(&path)))
            .collect())
    });
    expanded.unwrap_or_else(|error| Err(unreadable(path, "cannot be read", &error)))
}

/// A problem of the disk, which may be temporary.
fn unreadable(path: &Path, what: &str, error: &io::Error) -> Problem {
    Problem::of_file(path, format!("{what}: {error}")).transient(io_class::is_transient(error))
}

/// The YAML files of a directory, sorted by name. Hidden ones are skipped: they are usually from an editor.
fn list(directory: &Path) -> Result<Vec<PathBuf>, Problem> {
    let failed = |error: io::Error| unreadable(directory, "cannot be listed", &error);
    let mut found = Vec::new();
    for (number, entry) in fs::read_dir(directory).map_err(failed)?.enumerate() {
        if number >= MAX_ENTRIES {
            let message = format!("the directory contains more than {MAX_ENTRIES} entries");
            return Err(
                Problem::of_file(directory, message).hint("put the suite into a directory of its own")
            );
        }
        let path = entry.map_err(failed)?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let yaml = path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml");
        if yaml && !hidden && !path.is_dir() {
            found.push(path);
        }
        // One more than the maximum is enough to report it.
        if found.len() > MAX_FILES {
            break;
        }
    }
    if found.is_empty() {
        let hint = "a suite is one or more files that end in `.yaml` or `.yml`; subfolders are not searched";
        return Err(Problem::of_file(directory, "the directory contains no suite").hint(hint));
    }
    found.sort();
    Ok(found)
}

fn read_text(path: &Path, budget: u64, session: &Session) -> Result<String, Problem> {
    let limit = MAX_FILE_BYTES.min(budget);
    let bytes = session.read(path, limit).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Problem::of_file(path, "no such file"),
        io::ErrorKind::FileTooLarge if budget < MAX_FILE_BYTES => {
            let limit = MAX_SUITE_BYTES >> 20;
            Problem::of_file(
                path,
                format!("the files of the suite are larger than {limit} MiB together"),
            )
        }
        io::ErrorKind::FileTooLarge => {
            let limit = MAX_FILE_BYTES >> 20;
            let problem = Problem::of_file(path, format!("the file is larger than {limit} MiB"));
            problem.hint("split the suite into several files")
        }
        _ => unreadable(path, "cannot be read", &error),
    })?;
    decode(path, bytes)
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

/// A problem at the end of `before`.
fn at_end(path: &Path, before: &str, message: &str) -> Problem {
    let starts = line_starts(before);
    let last = starts.last().and_then(|start| before.get(*start..));
    let column = last.unwrap_or_default().chars().count() + 1;
    Source::new(path, before.to_owned(), 0).problem(Position::new(starts.len(), column), message)
}
