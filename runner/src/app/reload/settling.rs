//! When files that changed are whole enough to be read.
//!
//! A file that is written in place is half there for a while, and half a suite may be a suite. One that is put in its
//! place by a rename is whole.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::Instant;

use super::footprint::Footprint;
use super::writers::Writers;

/// How long files that were written in place have to stay as they are: a writer may pause.
const SETTLE: Duration = Duration::from_secs(15);
/// How long that is while somebody has one of them open for writing, who may have forgotten it.
const OPEN: Duration = Duration::from_secs(60);
/// How long a change is put off in all: a file that changes on and on, such as a token or a log, must not keep the suite
/// from being read for ever.
const LONGEST: Duration = Duration::from_secs(120);

/// What files looked like, and whether that is another suite.
#[derive(Debug)]
pub(super) struct Settling {
    seen: Footprint,
    change: Option<Change>,
}

/// A change that is not taken yet.
#[derive(Debug)]
struct Change {
    /// When files changed first.
    began: Instant,
    /// When files changed last.
    at: Instant,
    files: BTreeSet<PathBuf>,
    /// Whether each of them is another file in the place of one, or in a place where there was none.
    is_replaced: bool,
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

    /// Takes in how files look now; true when they changed, and can be read. `writers` finds out whether somebody has
    /// one of those that changed open for writing.
    pub(super) fn look(
        &mut self,
        found: Footprint,
        now: Instant,
        writers: impl FnOnce(&BTreeSet<PathBuf>) -> Writers,
    ) -> bool {
        if found != self.seen {
            let changed = found.changed(&self.seen);
            let before = self.change.take();
            let was_replaced = before.as_ref().is_none_or(|change| change.is_replaced);
            let began = before.as_ref().map_or(now, |change| change.began);
            let mut files = before.map(|change| change.files).unwrap_or_default();
            files.extend(changed.keys().cloned());
            self.change = Some(Change {
                began,
                at: now,
                files,
                is_replaced: was_replaced && changed.values().all(|is_replaced| *is_replaced),
            });
            self.seen = found;
        }
        let Some(change) = &self.change else {
            return false;
        };
        let unchanged_for = now - change.at;
        let is_settled = match writers(&change.files) {
            _ if now - change.began >= LONGEST => true,
            _ if unchanged_for.is_zero() => false,
            Writers::None if change.is_replaced => true,
            Writers::None | Writers::Unknown => unchanged_for >= SETTLE,
            Writers::Some => unchanged_for >= OPEN,
        };
        if is_settled {
            self.change = None;
        }
        is_settled
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
    fn a_file_that_changes_on_and_on_is_taken_all_the_same() {
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
