//! Whether files are what they were, by what the operating system says of them.
//!
//! They are looked at now and then: a folder that is swapped by a symbolic link, as Kubernetes does it, a mount from
//! elsewhere and an editor that renames all look alike, and nothing stays open for it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::regular_file::{self, Owner};

/// Files of one folder that are looked at.
const FILES: usize = 10_000;

/// What files looked like at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::app) struct Footprint(Vec<Mark>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    path: PathBuf,
    /// Nothing when it is not there.
    stat: Option<Stat>,
}

/// Device, inode, bytes, and nanoseconds of the last change.
type Stat = (u64, u64, u64, i64, i64);

impl Footprint {
    /// Of files, and of the YAML files in folders; of none when the disk does not answer, which looks like a change,
    /// so that a reload says what is wrong.
    pub(in crate::app) fn of(sources: &BTreeSet<PathBuf>) -> Self {
        let Some(first) = sources.first() else {
            return Self::default();
        };
        let all = sources.clone();
        regular_file::within(Owner::Changes, first, move || Self::now(&all)).unwrap_or_default()
    }

    /// Files that are not what they were, and whether each is another file in the place of one.
    pub(super) fn changed(&self, before: &Self) -> BTreeMap<PathBuf, bool> {
        let by_path = |all: &Self| -> BTreeMap<PathBuf, Option<Stat>> {
            all.0.iter().map(|mark| (mark.path.clone(), mark.stat)).collect()
        };
        let (mut then, now) = (by_path(before), by_path(self));
        let mut changed = BTreeMap::new();
        for (path, stat) in now {
            let known = then.remove(&path).flatten();
            if stat != known {
                let inode = |stat: Stat| (stat.0, stat.1);
                let is_replaced = stat.is_some() && stat.map(inode) != known.map(inode);
                changed.insert(path, is_replaced);
            }
        }
        changed.extend(then.into_keys().map(|path| (path, false)));
        changed
    }

    fn now(sources: &BTreeSet<PathBuf>) -> Self {
        let mut marks = Vec::new();
        for source in sources {
            marks.push(mark(source));
            marks.extend(inside(source).iter().map(|path| mark(path)));
        }
        Self(marks)
    }
}

fn mark(path: &Path) -> Mark {
    let stat = fs::metadata(path).ok().filter(|found| !found.is_dir());
    Mark {
        path: path.to_owned(),
        stat: stat.map(|found| {
            (
                found.dev(),
                found.ino(),
                found.size(),
                found.mtime(),
                found.mtime_nsec(),
            )
        }),
    }
}

fn inside(folder: &Path) -> Vec<PathBuf> {
    let is_yaml = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("yaml" | "yml"))
    };
    let entries = fs::read_dir(folder).into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> = paths.filter(is_yaml).take(FILES).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    fn of(path: &Path) -> Footprint {
        Footprint::of(&BTreeSet::from([path.to_owned()]))
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
        changed("written");
        fs::rename(&a, &b).unwrap();
        changed("renamed");
        fs::remove_file(&b).unwrap();
        changed("removed");
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
