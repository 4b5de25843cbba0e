//! The memory that files may take once they are parsed, estimated while that happens: a value of two bytes takes a
//! hundred in memory.

use super::source::Source;
use crate::problem::{Position, Problem};

/// Bytes for all files of a suite. When it was chosen, files at the limit took 48 to 105 MiB while they were read, and
/// 10,000 checks with 40 values each 70 MiB; a service with one check that reloaded such a file peaked at 144 MiB.
const SUITE_BYTES: usize = 96 << 20;
/// Bytes for the runner's settings.
const SETTINGS_BYTES: usize = 32 << 20;

/// What is left of the memory for files, and how to report that it is used up.
pub(super) struct Budget {
    limit: usize,
    /// The beginning of a problem.
    subject: &'static str,
    hint: &'static str,
    /// Bytes in use until everything is read.
    kept: usize,
    /// Bytes in use until the current file is parsed.
    of_file: usize,
    /// The most bytes of the current file that were in use for a moment only.
    peak: usize,
}

impl Budget {
    pub(super) fn of_suite() -> Self {
        let hint =
            "share what checks have in common in `profiles`, or run several services with a suite each";
        Self::new(SUITE_BYTES, "the suite", hint)
    }

    pub(super) fn of_settings() -> Self {
        Self::new(SETTINGS_BYTES, "the file", "remove what is not a setting")
    }

    fn new(limit: usize, subject: &'static str, hint: &'static str) -> Self {
        Self {
            limit,
            subject,
            hint,
            kept: 0,
            of_file: 0,
            peak: 0,
        }
    }

    /// Spends bytes that stay in use.
    pub(super) fn keep(&mut self, bytes: usize) {
        self.kept = self.kept.saturating_add(bytes);
    }

    /// Spends bytes that are free again after [`Self::end_file`].
    pub(super) fn keep_for_file(&mut self, bytes: usize) {
        self.of_file = self.of_file.saturating_add(bytes);
    }

    /// Spends bytes that are in use for a moment: as many as the largest such moment of the file takes.
    pub(super) fn need(&mut self, bytes: usize) {
        self.peak = self.peak.max(bytes);
    }

    pub(super) fn end_file(&mut self) {
        (self.of_file, self.peak) = (0, 0);
    }

    pub(super) fn is_exceeded(&self) -> bool {
        let used = self.kept.saturating_add(self.of_file);
        used.saturating_add(self.peak) > self.limit
    }

    /// That the budget is exceeded, at a position or by the file as a whole.
    pub(super) fn problem(&self, source: &Source, at: Option<Position>) -> Problem {
        let limit = self.limit >> 20;
        let message = format!("{} takes more than {limit} MiB of memory to read", self.subject);
        let problem = match at {
            Some(at) => source.problem(at, message),
            None => source.file_problem(message),
        };
        problem.hint(self.hint)
    }
}
