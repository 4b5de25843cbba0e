//! The files that belong to the runner, under any name.
//!
//! Access is checked after a file is opened: by its own identity, and by that of each folder above it. So everything
//! below the runner's folders is recognised, through any link or mount, and whenever it was created. Only a file with
//! several hard links, or on a mount of its own, may be in one of the folders without being below it; then these
//! folders are searched.

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, Metadata};
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Duration;

use super::{FileInfo, FilePattern};
use canary_system::regular_file::{self, Owner};

/// Maximum number of files and folders that are searched for other names of a file.
const MAX_FILES: usize = 1_000_000;
/// Timeout for examining each of the runner's files and folders.
const EXAMINE_TIMEOUT: Duration = Duration::from_secs(3);
/// Timeout for those that did not exist before, or did not respond; shorter, because the disk of the file in question
/// does respond.
const RECHECK_TIMEOUT: Duration = Duration::from_millis(500);
/// The reason for withholding a file.
const RUNNER_FILE: &str = "it belongs to the runner";

/// The policy that is applied to a file before it is read.
#[derive(Debug)]
pub(crate) struct FilePolicy {
    /// Absent: all files.
    pub(super) listed: Option<Vec<FilePattern>>,
    pub(super) owned: RunnerFiles,
}

impl FilePolicy {
    /// Checks whether a suite may refer to a file. The reason why not is the end of a sentence.
    ///
    /// # Errors
    /// It belongs to the runner, or is not listed.
    pub(super) fn check_access(&self, file: &FileInfo) -> Result<(), &'static str> {
        let listed = self.listed.as_deref();
        let is_named =
            |pattern: &FilePattern| matches!(pattern, FilePattern::File(path) if *path == file.path);
        if listed.is_some_and(|listed| listed.iter().any(is_named)) {
            return Ok(());
        }
        self.owned.check_access(file)?;
        match listed {
            Some(listed) if !listed.iter().any(|pattern| pattern.includes(&file.path)) => {
                Err("it is not allowed in suites of this runner")
            }
            _ => Ok(()),
        }
    }
}

/// Device and inode, which hard links and bind mounts share.
type Identity = (u64, u64);

/// The files and folders of the runner at a point in time.
#[derive(Debug, Default)]
pub(super) struct RunnerFiles {
    /// Files, and folders with everything below.
    paths: Vec<PathBuf>,
    resolved: ResolvedFiles,
    /// Those that did not exist, or did not respond.
    unresolved: BTreeSet<PathBuf>,
}

/// The paths that could be examined.
#[derive(Debug, Default)]
struct ResolvedFiles {
    /// Canonical paths.
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
    /// Whether a file that is not below this folder by its path may still be in it.
    fn may_contain(&self, file: &FileInfo) -> bool {
        let is_on_same_mount = self.mount.is_some() && self.mount == file.mount;
        self.device == file.device && (file.links > 1 || !is_on_same_mount)
    }
}

impl RunnerFiles {
    pub(super) fn new(paths: &BTreeSet<PathBuf>) -> Self {
        let (resolved, unresolved) = examine_all(paths, EXAMINE_TIMEOUT);
        Self {
            // Included by name even if it cannot be examined now: a missing file or a hanging disk may become readable
            // later.
            paths: paths
                .iter()
                .filter_map(|path| std::path::absolute(path).ok())
                .collect(),
            resolved,
            unresolved,
        }
    }

    fn check_access(&self, file: &FileInfo) -> Result<(), &'static str> {
        if self.paths.iter().any(|path| file.path.starts_with(path)) {
            return Err(RUNNER_FILE);
        }
        let ancestor_identities = ancestor_identities(&file.path);
        self.resolved.check_access(file, &ancestor_identities)?;
        if self.unresolved.is_empty() {
            Ok(())
        } else {
            examine_all(&self.unresolved, RECHECK_TIMEOUT)
                .0
                .check_access(file, &ancestor_identities)
        }
    }
}

impl ResolvedFiles {
    fn check_access(
        &self,
        file: &FileInfo,
        ancestor_identities: &HashSet<Identity>,
    ) -> Result<(), &'static str> {
        let is_below = !self.identities.is_disjoint(ancestor_identities);
        let is_own = self.identities.contains(&(file.device, file.inode));
        if is_own || is_below || self.paths.iter().any(|path| file.path.starts_with(path)) {
            return Err(RUNNER_FILE);
        }
        self.search_for(file)
    }

    /// Searches the folders that may contain a file for another name of it.
    fn search_for(&self, file: &FileInfo) -> Result<(), &'static str> {
        let folders = self.folders.iter().filter(|folder| folder.may_contain(file));
        let mut waiting: Vec<PathBuf> = folders.map(|folder| folder.path.clone()).collect();
        let mut left = MAX_FILES;
        while let Some(folder) = waiting.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.ino() == file.inode {
                    return Err(RUNNER_FILE);
                }
                left = left.checked_sub(1).ok_or(
                    "cannot tell whether it is one of the runner's own files: their folders contain too many files",
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

/// The identities of the folders above a file.
fn ancestor_identities(file: &Path) -> HashSet<Identity> {
    let folders = file.ancestors().skip(1);
    let folders = folders.filter_map(|folder| fs::metadata(folder).ok());
    folders.map(|folder| (folder.dev(), folder.ino())).collect()
}

/// Examines each path on a thread of its own, so that a disk that hangs does not delay the others. Also returns the
/// paths that could not be examined.
fn examine_all(paths: &BTreeSet<PathBuf>, limit: Duration) -> (ResolvedFiles, BTreeSet<PathBuf>) {
    let (mut resolved, mut unresolved) = (ResolvedFiles::default(), paths.clone());
    let (tx, rx) = channel();
    let mut pending = Vec::new();
    for path in paths {
        let (own, tx) = (path.clone(), tx.clone());
        // The receiver is gone if this is late.
        let deliver = move |found| drop(tx.send(found));
        pending.extend(regular_file::spawn(
            Owner::RunnerFiles,
            path,
            move || (own.clone(), examine(&own)),
            deliver,
        ));
    }
    drop(tx);
    while let Ok((path, examined)) = rx.recv_timeout(limit) {
        if let Some((real, metadata, mount)) = examined {
            unresolved.remove(&path);
            resolved.add(real, &metadata, mount);
        }
    }
    (resolved, unresolved)
}

/// The canonical path of a file or folder, its metadata and its mount.
fn examine(path: &Path) -> Option<(PathBuf, Metadata, Option<u64>)> {
    let real = fs::canonicalize(path).ok()?;
    let metadata = fs::metadata(&real).ok()?;
    let mount = regular_file::mount_id(&real);
    Some((real, metadata, mount))
}
