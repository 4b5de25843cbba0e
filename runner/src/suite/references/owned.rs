//! The files that are the runner's own, by every name under which they can be found.
//!
//! A file is judged when it is open: by its own identity, and by that of each folder above it. So what is below the
//! runner's folders is known by whatever link or mount, however much it is and whenever it came there. Only a file with
//! several names, or on a mount of its own, may be in one of them without being below it; then these are looked through.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, Metadata};
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Duration;

use super::{FilePattern, Found};
use crate::regular_file::{self, Owner};

/// Files and folders that are looked at to find the other names of a file.
const MAX_FILES: usize = 1_000_000;
/// How long a look at the next of the runner's files and folders may take.
const LOOK: Duration = Duration::from_secs(3);
/// The same of those that were not there before, or did not answer: the disk of the file that is read does.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// The reason why a file is withheld.
const OWN: &str = "it is the runner's own";

/// What a file is judged by before it is read.
#[derive(Debug)]
pub(in crate::suite) struct FileRule {
    /// Absent: all files.
    pub(super) listed: Option<Vec<FilePattern>>,
    pub(super) owned: Owned,
}

impl FileRule {
    /// Whether a suite may refer to a file. The reason why not ends a sentence.
    ///
    /// # Errors
    /// It is the runner's own, or not among those that are listed.
    pub(super) fn judge(&self, file: &Found) -> Result<(), &'static str> {
        let listed = self.listed.as_deref();
        let is_named =
            |pattern: &FilePattern| matches!(pattern, FilePattern::File(path) if *path == file.path);
        if listed.is_some_and(|listed| listed.iter().any(is_named)) {
            return Ok(());
        }
        self.owned.judge(file)?;
        match listed {
            Some(listed) if !listed.iter().any(|pattern| pattern.covers(&file.path)) => {
                Err("it is not among those that this runner lets suites refer to")
            }
            _ => Ok(()),
        }
    }
}

/// A file or folder wherever it is: hard links and bind mounts have the same.
type Identity = (u64, u64);

/// Files and folders of the runner, as they are at the moment.
#[derive(Debug, Default)]
pub(super) struct Owned {
    /// With all below, where they are folders.
    paths: Vec<PathBuf>,
    known: Known,
    /// What was not there, or did not answer.
    unknown: BTreeSet<PathBuf>,
}

/// What was found out.
#[derive(Debug, Default)]
struct Known {
    /// Where they really are.
    paths: Vec<PathBuf>,
    identities: HashSet<Identity>,
    folders: Vec<Folder>,
}

/// A folder of the runner.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    device: u64,
    mount: Option<u64>,
}

impl Folder {
    /// Whether a file that is not below it by its path may be in it.
    fn may_hold(&self, file: &Found) -> bool {
        let is_on_same_mount = self.mount.is_some() && self.mount == file.mount;
        self.device == file.device && (file.names > 1 || !is_on_same_mount)
    }
}

impl Owned {
    pub(super) fn of(paths: &BTreeSet<PathBuf>) -> Self {
        let (known, unknown) = look(paths, LOOK);
        Self {
            // By its name, whatever is found out about it: what hangs now, or is missing, may be read later.
            paths: paths
                .iter()
                .filter_map(|path| std::path::absolute(path).ok())
                .collect(),
            known,
            unknown,
        }
    }

    fn judge(&self, file: &Found) -> Result<(), &'static str> {
        if self.paths.iter().any(|path| file.path.starts_with(path)) {
            return Err(OWN);
        }
        let above = above(&file.path);
        self.known.judge(file, &above)?;
        match self.unknown.is_empty() {
            true => Ok(()),
            false => look(&self.unknown, LOOK_AGAIN).0.judge(file, &above),
        }
    }
}

impl Known {
    fn judge(&self, file: &Found, above: &HashSet<Identity>) -> Result<(), &'static str> {
        let is_below = !self.identities.is_disjoint(above);
        let is_own = self.identities.contains(&(file.device, file.inode));
        if is_own || is_below || self.paths.iter().any(|path| file.path.starts_with(path)) {
            return Err(OWN);
        }
        self.look_for(file)
    }

    /// Looks for another name of a file in the folders that may hold it.
    fn look_for(&self, file: &Found) -> Result<(), &'static str> {
        let folders = self.folders.iter().filter(|folder| folder.may_hold(file));
        let mut waiting: Vec<PathBuf> = folders.map(|folder| folder.path.clone()).collect();
        let mut left = MAX_FILES;
        while let Some(folder) = waiting.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.ino() == file.inode {
                    return Err(OWN);
                }
                left = left.checked_sub(1).ok_or(
                    "the runner's folders hold too many files to see whether it is one of them by another name",
                )?;
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    waiting.push(entry.path());
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, path: PathBuf, metadata: &Metadata, mount: Option<u64>) {
        self.identities.insert((metadata.dev(), metadata.ino()));
        if metadata.is_dir() {
            self.folders.push(Folder {
                path: path.clone(),
                device: metadata.dev(),
                mount,
            });
        }
        self.paths.push(path);
    }
}

/// The folders above a file.
fn above(file: &Path) -> HashSet<Identity> {
    let folders = file.ancestors().skip(1);
    let folders = folders.filter_map(|folder| fs::metadata(folder).ok());
    folders.map(|folder| (folder.dev(), folder.ino())).collect()
}

/// Looks at each path in a thread of its own: those of a disk that hangs hold up no others. Also which could not be looked
/// at.
fn look(paths: &BTreeSet<PathBuf>, limit: Duration) -> (Known, BTreeSet<PathBuf>) {
    let (mut known, mut unknown) = (Known::default(), paths.clone());
    let (tx, rx) = channel();
    let mut looks = Vec::new();
    for path in paths {
        let (own, tx) = (path.clone(), tx.clone());
        // Nobody waits any more when it is late.
        let deliver = move |found| drop(tx.send(found));
        looks.extend(regular_file::start(
            Owner::OwnFiles,
            path,
            move || (own.clone(), examine(&own)),
            deliver,
        ));
    }
    drop(tx);
    while let Ok((path, examined)) = rx.recv_timeout(limit) {
        if let Some((real, metadata, mount)) = examined {
            unknown.remove(&path);
            known.add(real, &metadata, mount);
        }
    }
    (known, unknown)
}

/// Where a file or folder really is, and what it is.
fn examine(path: &Path) -> Option<(PathBuf, Metadata, Option<u64>)> {
    let real = fs::canonicalize(path).ok()?;
    let metadata = fs::metadata(&real).ok()?;
    let mount = regular_file::mount(&real);
    Some((real, metadata, mount))
}
