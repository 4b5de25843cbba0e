//! Decides when changed files are complete enough to be read.
//!
//! A file that is written in place is incomplete for a while, and part of a suite may be a valid suite. So it is read
//! only once it has been stable for a while, and never while it grows, however long that takes. A file that is put in
//! place by a rename is complete.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use super::writers::Writers;
use crate::app::file_fingerprint::{FileChange, FileFingerprint};

/// How long files that were written in place have to be stable: a writer may pause.
const STABLE_AFTER: Duration = Duration::from_secs(15);
/// The same while a process has one of them open for writing; it may have forgotten to close it.
const STABLE_AFTER_WHILE_OPEN: Duration = Duration::from_secs(60);
/// Files that change continuously, such as a token that is renewed, are read after this time all the same: they must
/// not block reloads for ever. A file that is open for writing or grows is incomplete, and is reported instead.
const MAX_WAIT: Duration = Duration::from_secs(120);

/// Tracks the fingerprint of the active files and a pending change.
#[derive(Debug)]
pub(super) struct ChangeDebouncer {
    fingerprint: FileFingerprint,
    change: Option<Change>,
}

/// Result of a poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ChangeStatus {
    /// Nothing changed.
    Unchanged,
    /// Files changed and may be incomplete.
    Pending,
    /// The same for so long that it is reported, with the incomplete file. Returned once per change.
    Overdue(PathBuf),
    /// Files changed and can be read.
    Stable,
}

/// A pending change.
#[derive(Debug)]
struct Change {
    /// When the first file changed.
    began: Instant,
    files: BTreeMap<PathBuf, Write>,
    is_reported: bool,
}

/// The last write to a file.
#[derive(Debug)]
struct Write {
    /// When it was detected.
    at: Instant,
    /// Whether every change so far replaced the file, or created it.
    is_replaced: bool,
    /// Whether the last change made it grow, as an incomplete file does.
    has_grown: bool,
}

impl ChangeDebouncer {
    /// Starts from the fingerprint of the files that were read.
    pub(super) fn new(fingerprint: FileFingerprint) -> Self {
        Self {
            fingerprint,
            change: None,
        }
    }

    /// Resets to the fingerprint with which the suite was read.
    pub(super) fn reset(&mut self, fingerprint: FileFingerprint) {
        *self = Self::new(fingerprint);
    }

    /// Records the current fingerprint. `writers` finds out whether a process has one of the changed files open for
    /// writing.
    pub(super) fn poll(
        &mut self,
        found: FileFingerprint,
        now: Instant,
        writers: impl FnOnce(&BTreeSet<PathBuf>) -> Writers,
    ) -> ChangeStatus {
        if found != self.fingerprint {
            let change = self.change.get_or_insert_with(|| Change::started(now));
            for (path, changed) in found.changed(&self.fingerprint) {
                change.record(path, changed, now);
            }
            self.fingerprint = found;
        }
        let Some(change) = &mut self.change else {
            return ChangeStatus::Unchanged;
        };
        let writers = writers(&change.files.keys().cloned().collect());
        let is_overdue = now - change.began >= MAX_WAIT;
        match change.incomplete(writers, is_overdue, now).cloned() {
            None => {
                self.change = None;
                ChangeStatus::Stable
            }
            Some(path) if is_overdue && !change.is_reported => {
                change.is_reported = true;
                ChangeStatus::Overdue(path)
            }
            Some(_) => ChangeStatus::Pending,
        }
    }
}

impl Change {
    fn started(now: Instant) -> Self {
        Self {
            began: now,
            files: BTreeMap::new(),
            is_reported: false,
        }
    }

    fn record(&mut self, path: PathBuf, changed: FileChange, now: Instant) {
        let before = self.files.get(&path);
        let write = Write {
            at: now,
            is_replaced: changed == FileChange::Replaced && before.is_none_or(|before| before.is_replaced),
            has_grown: changed == FileChange::Grown,
        };
        self.files.insert(path, write);
    }

    /// The first file that may be incomplete.
    fn incomplete(&self, writers: Writers, is_overdue: bool, now: Instant) -> Option<&PathBuf> {
        let is_stable = |write: &Write| {
            let unchanged_for = now - write.at;
            match writers {
                // The next poll may find other files of the same change.
                Writers::None if write.is_replaced => is_overdue || !unchanged_for.is_zero(),
                Writers::None | Writers::Unknown => {
                    unchanged_for >= STABLE_AFTER || (is_overdue && !write.has_grown)
                }
                Writers::Some => unchanged_for >= STABLE_AFTER_WHILE_OPEN,
            }
        };
        let mut files = self.files.iter();
        files.find(|(_, write)| !is_stable(write)).map(|(path, _)| path)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, OpenOptions};
    use std::io::Write as _;

    use tempfile::TempDir;

    use super::*;

    /// Polls a file every two seconds.
    struct Poller {
        debouncer: ChangeDebouncer,
        sources: BTreeSet<PathBuf>,
        start: Instant,
        seconds: u64,
    }

    impl Poller {
        fn at(path: PathBuf) -> Self {
            let sources = BTreeSet::from([path]);
            Self {
                debouncer: ChangeDebouncer::new(FileFingerprint::new(&sources)),
                sources,
                start: Instant::now(),
                seconds: 0,
            }
        }

        fn is_stable_with(&mut self, writers: Option<Writers>) -> bool {
            self.poll(writers) == ChangeStatus::Stable
        }

        fn poll(&mut self, writers: Option<Writers>) -> ChangeStatus {
            self.seconds += 2;
            let found = FileFingerprint::new(&self.sources);
            let now = self.start + Duration::from_secs(self.seconds);
            self.debouncer.poll(found, now, |files| {
                writers.unwrap_or_else(|| Writers::of_any(files))
            })
        }

        /// Seconds until a change is applied.
        fn seconds_until_stable(&mut self) -> u64 {
            let begin = self.seconds;
            while !self.is_stable_with(None) {
                assert!(self.seconds < begin + 1_000, "it is never taken");
            }
            self.seconds - begin
        }
    }

    fn suite() -> (TempDir, PathBuf) {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("suite.yaml");
        fs::write(&path, "whole").unwrap();
        (folder, path)
    }

    fn append(file: &mut File, text: &str) {
        file.write_all(text.as_bytes()).unwrap();
        file.flush().unwrap();
    }

    #[test]
    fn a_file_that_a_rename_puts_in_place_is_taken_at_the_next_look() {
        let (folder, path) = suite();
        let mut poller = Poller::at(path.clone());
        assert!(!poller.is_stable_with(None));
        fs::write(folder.path().join("new"), "another").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        assert_eq!(poller.seconds_until_stable(), 4);
        assert!(!poller.is_stable_with(None));
    }

    #[test]
    fn a_file_that_is_written_in_place_is_taken_once_it_has_been_left_alone() {
        let (_folder, path) = suite();
        let mut poller = Poller::at(path.clone());
        for text in ["half", "nearly all", "all of it"] {
            fs::write(&path, text).unwrap();
            for _ in 0..6 {
                assert!(!poller.is_stable_with(None), "{text}");
            }
        }
        assert!(!poller.is_stable_with(None));
        assert!(!poller.is_stable_with(None));
        assert!(poller.is_stable_with(None));
    }

    #[test]
    fn a_writer_that_pauses_for_longer_with_the_file_open_is_waited_for() {
        let (_folder, path) = suite();
        let mut poller = Poller::at(path.clone());
        let mut file = File::create(&path).unwrap();
        append(&mut file, "half");
        for _ in 0..20 {
            assert!(!poller.is_stable_with(None));
        }
        append(&mut file, "whole");
        drop(file);
        assert_eq!(poller.seconds_until_stable(), 18);
    }

    #[test]
    fn a_file_that_is_replaced_on_and_on_is_taken_all_the_same() {
        let (folder, path) = suite();
        let mut poller = Poller::at(path.clone());
        let (mut applied, mut text) = (Vec::new(), String::new());
        while poller.seconds < 300 {
            text.push('x');
            fs::write(folder.path().join("new"), &text).unwrap();
            fs::rename(folder.path().join("new"), &path).unwrap();
            if poller.is_stable_with(None) {
                applied.push(poller.seconds);
            }
        }
        assert_eq!(applied, [122, 244]);
    }

    #[test]
    fn a_file_that_is_written_in_place_on_and_on_is_reported_once_and_taken_when_it_is_whole() {
        for keeps_open in [true, false] {
            let (_folder, path) = suite();
            let mut poller = Poller::at(path.clone());
            let (mut file, mut reported) = (Some(File::create(&path).unwrap()), Vec::new());
            while poller.seconds < 600 {
                let mut open = file
                    .take()
                    .unwrap_or_else(|| OpenOptions::new().append(true).open(&path).unwrap());
                append(&mut open, "- name: another\n");
                file = keeps_open.then_some(open);
                match poller.poll(None) {
                    ChangeStatus::Overdue(file) => reported.push((poller.seconds, file)),
                    status => assert_eq!(status, ChangeStatus::Pending),
                }
            }
            assert_eq!(reported, [(122, path)]);
            drop(file);
            assert_eq!(poller.seconds_until_stable(), 16);
            assert_eq!(poller.poll(None), ChangeStatus::Unchanged);
        }
    }

    #[test]
    fn a_token_that_is_renewed_on_and_on_keeps_no_suite_from_being_read() {
        for renews_in_place in [false, true] {
            a_token_is_renewed_on_and_on(renews_in_place);
        }
    }

    fn a_token_is_renewed_on_and_on(renews_in_place: bool) {
        let (folder, path) = suite();
        let token = folder.path().join("token");
        fs::write(&token, "0").unwrap();
        let mut poller = Poller::at(path.clone());
        poller.sources.insert(token.clone());
        poller.debouncer = ChangeDebouncer::new(FileFingerprint::new(&poller.sources));
        fs::write(&path, "another suite").unwrap();
        let renew = |seconds: u64| {
            let new = folder.path().join("new");
            let text = format!("{seconds:09}");
            if renews_in_place {
                return fs::write(&token, text).unwrap();
            }
            fs::write(&new, text).unwrap();
            fs::rename(new, &token).unwrap();
        };
        while !poller.is_stable_with(None) {
            renew(poller.seconds);
            assert!(poller.seconds < 200, "it is never taken");
        }
        assert_eq!(poller.seconds, 122);
    }

    #[test]
    fn a_new_file_that_is_not_whole_yet_is_waited_for() {
        let (_folder, path) = suite();
        let mut poller = Poller::at(path.clone());
        fs::remove_file(&path).unwrap();
        let mut file = File::create(&path).unwrap();
        append(&mut file, "half");
        for _ in 0..10 {
            assert!(!poller.is_stable_with(None));
        }
        append(&mut file, "whole");
        drop(file);
        assert!(!poller.is_stable_with(None));
        assert!(poller.seconds_until_stable() <= 18);
    }

    #[test]
    fn a_writer_that_never_closes_the_file_is_not_waited_for_for_ever() {
        let (_folder, path) = suite();
        let mut poller = Poller::at(path.clone());
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        append(&mut file, "more");
        assert_eq!(poller.seconds_until_stable(), 62);
    }

    #[test]
    fn where_writers_cannot_be_seen_a_file_has_to_be_left_alone_however_it_came() {
        let (folder, path) = suite();
        let mut poller = Poller::at(path.clone());
        fs::write(folder.path().join("new"), "another").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        for _ in 0..8 {
            assert!(!poller.is_stable_with(Some(Writers::Unknown)));
        }
        assert!(poller.is_stable_with(Some(Writers::Unknown)));
    }

    #[test]
    fn what_changed_while_the_runner_started_is_taken_once_it_has_been_left_alone() {
        let (_folder, path) = suite();
        let mut poller = Poller::at(path.clone());
        fs::write(&path, "written after it was read").unwrap();
        assert_eq!(poller.seconds_until_stable(), 18);
        assert!(!poller.is_stable_with(None));
    }

    #[test]
    fn a_file_that_goes_is_not_taken_for_one_that_was_replaced() {
        let (_folder, path) = suite();
        let mut poller = Poller::at(path.clone());
        fs::remove_file(&path).unwrap();
        assert_eq!(poller.seconds_until_stable(), 18);
    }
}
