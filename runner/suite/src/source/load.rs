//! Finds and reads the files of a suite, within limits.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Source, decode};
use crate::problem::Problem;
use crate::report::Report;
use canary_system::io_class;
use canary_system::regular_file::Session;

/// Maximum size of one file.
const MAX_FILE_BYTES: u64 = 16 << 20;
/// Maximum size of all files of a suite together.
const MAX_SUITE_BYTES: u64 = 32 << 20;
/// Maximum number of files of a suite.
const MAX_FILES: usize = 10_000;
/// Maximum number of entries of a directory that are examined: this happens every few seconds.
const MAX_ENTRIES: usize = 100_000;

/// Reads every file of `paths`; unreadable ones are reported.
pub(crate) fn load(paths: &[PathBuf], session: &Session, report: &mut Report) -> Vec<Arc<Source>> {
    let mut sources = Vec::new();
    let mut budget = MAX_SUITE_BYTES;
    for path in files(paths, session, report) {
        let order = sources.len();
        match read_text(&path, budget, session) {
            Ok(text) => {
                budget = budget.saturating_sub(u64::try_from(text.len()).unwrap_or(u64::MAX));
                sources.push(Arc::new(Source::new(&path, text, order)));
            }
            Err(problem) => report.add(problem.in_file(order)),
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
            .hint("share what checks have in common in `profiles`, or run several services with a suite each")
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
