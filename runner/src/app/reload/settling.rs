//! When files that changed are whole enough to be read.
//!
//! A file that is written in place is half there for a while, and half a suite may be a suite: it is taken once it has been
//! left alone for a while, and while it grows never before, however long that takes. One that is put in its place by a
//! rename is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use super::footprint::{Changed, Footprint};
use super::writers::Writers;

/// How long files that were written in place have to stay as they are: a writer may pause.
const SETTLE: Duration = Duration::from_secs(15);
/// How long that is while somebody has one of them open for writing, who may have forgotten it.
const OPEN: Duration = Duration::from_secs(60);
/// Files that change on and on, such as a token that is renewed, are taken by then all the same: they must not keep the
/// suite from being read for ever. One that is open for writing or grows is not whole, and is reported instead.
const LONGEST: Duration = Duration::from_secs(120);

/// What files looked like, and whether that is another suite.
#[derive(Debug)]
pub(super) struct Settling {
    seen: Footprint,
    change: Option<Change>,
}

/// What is known of files after a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// There is nothing to read.
    Unchanged,
    /// Files changed, and may be half there.
    Unsettled,
    /// The same, for so long that somebody should know: the file that is not whole. Once for each change.
    Overdue(PathBuf),
    /// Files changed, and can be read.
    Settled,
}

/// A change that is not taken yet.
#[derive(Debug)]
struct Change {
    /// When files changed first.
    began: Instant,
    files: BTreeMap<PathBuf, Write>,
    is_reported: bool,
}

/// How a file changed.
#[derive(Debug)]
struct Write {
    /// The last time.
    at: Instant,
    /// Whether it was another file in the place of one, or in a place where there was none, each time.
    is_replaced: bool,
    /// Whether it grew the last time, as a file does that is not whole yet.
    has_grown: bool,
}

impl Settling {
    /// Files that were read when they looked so.
    pub(super) fn new(seen: Footprint) -> Self {
        Self { seen, change: None }
    }

    /// The suite was read when its files looked so.
    pub(super) fn taken(&mut self, seen: Footprint) {
        *self = Self::new(seen);
    }

    /// Takes in how files look now. `writers` finds out whether somebody has one of those that changed open for writing.
    pub(super) fn look(
        &mut self,
        found: Footprint,
        now: Instant,
        writers: impl FnOnce(&BTreeSet<PathBuf>) -> Writers,
    ) -> Look {
        if found != self.seen {
            let change = self.change.get_or_insert_with(|| Change::begun(now));
            for (path, changed) in found.changed(&self.seen) {
                change.note(path, changed, now);
            }
            self.seen = found;
        }
        let Some(change) = &mut self.change else {
            return Look::Unchanged;
        };
        let writers = writers(&change.files.keys().cloned().collect());
        let is_overdue = now - change.began >= LONGEST;
        match change.unsettled(writers, is_overdue, now).cloned() {
            None => {
                self.change = None;
                Look::Settled
            }
            Some(path) if is_overdue && !change.is_reported => {
                change.is_reported = true;
                Look::Overdue(path)
            }
            Some(_) => Look::Unsettled,
        }
    }
}

impl Change {
    fn begun(now: Instant) -> Self {
        Self {
            began: now,
            files: BTreeMap::new(),
            is_reported: false,
        }
    }

    fn note(&mut self, path: PathBuf, changed: Changed, now: Instant) {
        let before = self.files.get(&path);
        let write = Write {
            at: now,
            is_replaced: changed == Changed::Replaced && before.is_none_or(|before| before.is_replaced),
            has_grown: changed == Changed::Grown,
        };
        self.files.insert(path, write);
    }

    /// The first file that may be half there.
    fn unsettled(&self, writers: Writers, is_overdue: bool, now: Instant) -> Option<&PathBuf> {
        let is_settled = |write: &Write| {
            let unchanged_for = now - write.at;
            match writers {
                // The next look may find others that belong to it.
                Writers::None if write.is_replaced => is_overdue || !unchanged_for.is_zero(),
                Writers::None | Writers::Unknown => {
                    unchanged_for >= SETTLE || (is_overdue && !write.has_grown)
                }
                Writers::Some => unchanged_for >= OPEN,
            }
        };
        let mut files = self.files.iter();
        files.find(|(_, write)| !is_settled(write)).map(|(path, _)| path)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, OpenOptions};
    use std::io::Write as _;

    use tempfile::TempDir;

    use super::*;

    /// Looks at a file every two seconds.
    struct Looks {
        settling: Settling,
        sources: BTreeSet<PathBuf>,
        start: Instant,
        seconds: u64,
    }

    impl Looks {
        fn at(path: PathBuf) -> Self {
            let sources = BTreeSet::from([path]);
            Self {
                settling: Settling::new(Footprint::of(&sources)),
                sources,
                start: Instant::now(),
                seconds: 0,
            }
        }

        fn look_as(&mut self, writers: Option<Writers>) -> bool {
            self.look(writers) == Look::Settled
        }

        fn look(&mut self, writers: Option<Writers>) -> Look {
            self.seconds += 2;
            let found = Footprint::of(&self.sources);
            let now = self.start + Duration::from_secs(self.seconds);
            self.settling.look(found, now, |files| {
                writers.unwrap_or_else(|| Writers::of_any(files))
            })
        }

        /// Seconds until a change is taken.
        fn taken(&mut self) -> u64 {
            let begin = self.seconds;
            while !self.look_as(None) {
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
        let mut looks = Looks::at(path.clone());
        assert!(!looks.look_as(None));
        fs::write(folder.path().join("new"), "another").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        assert_eq!(looks.taken(), 4);
        assert!(!looks.look_as(None));
    }

    #[test]
    fn a_file_that_is_written_in_place_is_taken_once_it_has_been_left_alone() {
        let (_folder, path) = suite();
        let mut looks = Looks::at(path.clone());
        for text in ["half", "nearly all", "all of it"] {
            fs::write(&path, text).unwrap();
            for _ in 0..6 {
                assert!(!looks.look_as(None), "{text}");
            }
        }
        assert!(!looks.look_as(None));
        assert!(!looks.look_as(None));
        assert!(looks.look_as(None));
    }

    #[test]
    fn a_writer_that_pauses_for_longer_with_the_file_open_is_waited_for() {
        let (_folder, path) = suite();
        let mut looks = Looks::at(path.clone());
        let mut file = File::create(&path).unwrap();
        append(&mut file, "half");
        for _ in 0..20 {
            assert!(!looks.look_as(None));
        }
        append(&mut file, "whole");
        drop(file);
        assert_eq!(looks.taken(), 18);
    }

    #[test]
    fn a_file_that_is_replaced_on_and_on_is_taken_all_the_same() {
        let (folder, path) = suite();
        let mut looks = Looks::at(path.clone());
        let (mut taken, mut text) = (Vec::new(), String::new());
        while looks.seconds < 300 {
            text.push('x');
            fs::write(folder.path().join("new"), &text).unwrap();
            fs::rename(folder.path().join("new"), &path).unwrap();
            if looks.look_as(None) {
                taken.push(looks.seconds);
            }
        }
        assert_eq!(taken, [122, 244]);
    }

    #[test]
    fn a_file_that_is_written_in_place_on_and_on_is_reported_once_and_taken_when_it_is_whole() {
        for keeps_open in [true, false] {
            let (_folder, path) = suite();
            let mut looks = Looks::at(path.clone());
            let (mut file, mut reported) = (Some(File::create(&path).unwrap()), Vec::new());
            while looks.seconds < 600 {
                let mut open = file
                    .take()
                    .unwrap_or_else(|| OpenOptions::new().append(true).open(&path).unwrap());
                append(&mut open, "- name: another\n");
                file = keeps_open.then_some(open);
                match looks.look(None) {
                    Look::Overdue(file) => reported.push((looks.seconds, file)),
                    look => assert_eq!(look, Look::Unsettled),
                }
            }
            assert_eq!(reported, [(122, path)]);
            drop(file);
            assert_eq!(looks.taken(), 16);
            assert_eq!(looks.look(None), Look::Unchanged);
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
        let mut looks = Looks::at(path.clone());
        looks.sources.insert(token.clone());
        looks.settling = Settling::new(Footprint::of(&looks.sources));
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
        while !looks.look_as(None) {
            renew(looks.seconds);
            assert!(looks.seconds < 200, "it is never taken");
        }
        assert_eq!(looks.seconds, 122);
    }

    #[test]
    fn a_new_file_that_is_not_whole_yet_is_waited_for() {
        let (_folder, path) = suite();
        let mut looks = Looks::at(path.clone());
        fs::remove_file(&path).unwrap();
        let mut file = File::create(&path).unwrap();
        append(&mut file, "half");
        for _ in 0..10 {
            assert!(!looks.look_as(None));
        }
        append(&mut file, "whole");
        drop(file);
        assert!(!looks.look_as(None));
        assert!(looks.taken() <= 18);
    }

    #[test]
    fn a_writer_that_never_closes_the_file_is_not_waited_for_for_ever() {
        let (_folder, path) = suite();
        let mut looks = Looks::at(path.clone());
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        append(&mut file, "more");
        assert_eq!(looks.taken(), 62);
    }

    #[test]
    fn where_writers_cannot_be_seen_a_file_has_to_be_left_alone_however_it_came() {
        let (folder, path) = suite();
        let mut looks = Looks::at(path.clone());
        fs::write(folder.path().join("new"), "another").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        for _ in 0..8 {
            assert!(!looks.look_as(Some(Writers::Unknown)));
        }
        assert!(looks.look_as(Some(Writers::Unknown)));
    }

    #[test]
    fn what_changed_while_the_runner_started_is_taken_once_it_has_been_left_alone() {
        let (_folder, path) = suite();
        let mut looks = Looks::at(path.clone());
        fs::write(&path, "written after it was read").unwrap();
        assert_eq!(looks.taken(), 18);
        assert!(!looks.look_as(None));
    }

    #[test]
    fn a_file_that_goes_is_not_taken_for_one_that_was_replaced() {
        let (_folder, path) = suite();
        let mut looks = Looks::at(path.clone());
        fs::remove_file(&path).unwrap();
        assert_eq!(looks.taken(), 18);
    }
}
