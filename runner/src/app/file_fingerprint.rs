//! Detects changed files by their metadata.
//!
//! Files are polled: a folder that is swapped by a symbolic link, as Kubernetes does, a remote mount and an editor
//! that renames all look alike, and polling needs no open descriptor.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use canary_system::regular_file::{FileVersion, Owner, Session};

/// Maximum number of entries read per folder, of any kind; a suite cannot have more.
const MAX_ENTRIES: usize = 100_000;

/// Metadata of files at one moment, by path; `None` stands for a missing file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct FileFingerprint(BTreeMap<PathBuf, Option<FileVersion>>);

/// How a file changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileChange {
    /// Another file took its place, or appeared where there was none.
    Replaced,
    /// The same file grew.
    Grown,
    /// The same file has other content, or is gone.
    Rewritten,
}

impl FileChange {
    fn between(now: Option<FileVersion>, before: Option<FileVersion>) -> Self {
        match (now, before) {
            (Some(now), Some(before)) if now.identity() == before.identity() => {
                if now.size() > before.size() {
                    Self::Grown
                } else {
                    Self::Rewritten
                }
            }
            (Some(_), _) => Self::Replaced,
            (None, _) => Self::Rewritten,
        }
    }
}

impl FileFingerprint {
    /// Fingerprint of files, and of the YAML files in folders; empty when the disk does not answer.
    pub(super) fn new(sources: &BTreeSet<PathBuf>) -> Self {
        Self::within(&Session::new(Owner::ChangeDetection), sources)
    }

    /// The same within the time that is left of a session.
    pub(super) fn within(session: &Session, sources: &BTreeSet<PathBuf>) -> Self {
        let Some(first) = sources.first() else {
            return Self::default();
        };
        let all = sources.clone();
        let session = session.on_behalf_of(Owner::ChangeDetection);
        session
            .with_timeout(first, move || Self::now(&all))
            .unwrap_or_default()
    }

    /// Whether the metadata could be read.
    pub(super) fn is_known(&self) -> bool {
        !self.0.is_empty()
    }

    /// Adds files that were fingerprinted at another time.
    pub(super) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Files that differ from `before`.
    pub(super) fn changed(&self, before: &Self) -> BTreeMap<PathBuf, FileChange> {
        let mut changed = BTreeMap::new();
        for (path, stamp) in &self.0 {
            let known = before.0.get(path).copied().flatten();
            if *stamp != known {
                changed.insert(path.clone(), FileChange::between(*stamp, known));
            }
        }
        let gone = before.0.keys().filter(|path| !self.0.contains_key(*path));
        changed.extend(gone.map(|path| (path.clone(), FileChange::Rewritten)));
        changed
    }

    fn now(sources: &BTreeSet<PathBuf>) -> Self {
        let mut stamps = BTreeMap::new();
        for source in sources {
            stamps.insert(source.clone(), stamp(source));
            for path in yaml_files(source) {
                let stamp = stamp(&path);
                stamps.insert(path, stamp);
            }
        }
        Self(stamps)
    }
}

fn stamp(path: &Path) -> Option<FileVersion> {
    let found = fs::metadata(path).ok().filter(|found| !found.is_dir());
    found.as_ref().map(FileVersion::from_metadata)
}

fn yaml_files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let is_yaml = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("yaml" | "yml"))
    };
    let entries = fs::read_dir(folder).into_iter().flatten().take(MAX_ENTRIES);
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.filter(is_yaml)
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};

    use tempfile::TempDir;

    use super::*;

    fn of(path: &Path) -> FileFingerprint {
        FileFingerprint::new(&BTreeSet::from([path.to_owned()]))
    }

    #[test]
    fn files_that_nobody_touched_look_alike() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("a.yaml"), "a").unwrap();
        assert_eq!(of(folder.path()), of(folder.path()));
    }

    #[test]
    fn a_file_that_was_written_renamed_added_or_removed_shows() {
        let folder = TempDir::new().unwrap();
        let (a, b) = (folder.path().join("a.yaml"), folder.path().join("b.yaml"));
        let mut before = of(folder.path());
        let mut changed = |what: &str| {
            let now = of(folder.path());
            assert_ne!(before, now, "{what}");
            before = now;
        };
        fs::write(&a, "a").unwrap();
        changed("added");
        fs::write(&a, "longer").unwrap();
        changed("rewritten");
        fs::rename(&a, &b).unwrap();
        changed("renamed");
        fs::remove_file(&b).unwrap();
        changed("removed");
    }

    /// Gives a file older times, as `touch -r`, `cp -p` and `rsync -t` do.
    fn set_back(path: &Path, times: FileTimes) {
        let file = File::options().write(true).open(path).unwrap();
        file.set_times(times).unwrap();
    }

    /// Waits until the clock of the file system has gone on: its resolution may be some milliseconds.
    fn tick(folder: &Path) {
        let probe = folder.join("probe");
        let stamp = || {
            fs::write(&probe, "a").unwrap();
            fs::metadata(&probe).unwrap().modified().unwrap()
        };
        let before = stamp();
        while stamp() == before {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_file_of_the_same_size_and_time_shows_however_it_came_there() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("suite.yaml");
        fs::write(&path, "one").unwrap();
        let found = fs::metadata(&path).unwrap();
        let times = FileTimes::new()
            .set_modified(found.modified().unwrap())
            .set_accessed(found.accessed().unwrap());
        let before = of(&path);
        tick(folder.path());
        fs::write(&path, "two").unwrap();
        set_back(&path, times);
        let rewritten = of(&path);
        assert_ne!(before, rewritten);
        let other = folder.path().join("other");
        fs::write(&other, "six").unwrap();
        set_back(&other, times);
        fs::rename(&other, &path).unwrap();
        assert_ne!(of(&path), rewritten);
    }

    #[test]
    fn a_link_that_points_elsewhere_shows() {
        let folder = TempDir::new().unwrap();
        let link = folder.path().join("suite.yaml");
        for name in ["one", "two"] {
            fs::write(folder.path().join(name), "the same").unwrap();
        }
        std::os::unix::fs::symlink("one", &link).unwrap();
        let before = of(&link);
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("two", &link).unwrap();
        assert_ne!(before, of(&link));
    }

    #[test]
    fn other_files_of_a_folder_do_not_count() {
        let folder = TempDir::new().unwrap();
        let before = of(folder.path());
        fs::write(folder.path().join("notes.txt"), "a").unwrap();
        assert_eq!(before, of(folder.path()));
    }
}
