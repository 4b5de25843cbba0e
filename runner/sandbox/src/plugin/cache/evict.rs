//! Eviction from the cache: files that are unused for long, too many or too large together, and partial files of
//! killed processes. Files that no cache wrote are left alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Suffix of a file that is still being written.
pub(super) const PART_SUFFIX: &str = ".part";
const SUFFIX: &str = ".cwasm";
/// No write takes that long.
const MAX_PART_AGE: Duration = Duration::from_secs(60 * 60);
/// Files that all processes sharing the folder may be writing at once.
const MAX_PARTS: usize = 32;
/// If this many files cannot be removed, the disk is considered read-only.
const MAX_STUCK: usize = 16;
const MAX_AGE: Duration = Duration::from_secs(90 * 24 * 60 * 60);
const MAX_FILES: usize = 256;
/// Of all files together.
const MAX_BYTES: u64 = 1 << 30;
/// Hexadecimal digits of the digest at the start of each file name.
const DIGITS: usize = 64;

struct CachedFile {
    path: PathBuf,
    bytes: u64,
    /// Time since the last use.
    age: Duration,
}

/// Removes files that exceed the limits at `now`. Files that cannot be removed stay until the next time; returns
/// false if there are too many of those.
pub(super) fn evict(folder: &Path, now: SystemTime) -> bool {
    evict_by(folder, now, |path| fs::remove_file(path))
}

fn evict_by(folder: &Path, now: SystemTime, remove: impl Fn(&Path) -> io::Result<()>) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let (mut parts, mut files): (Vec<CachedFile>, Vec<CachedFile>) = entries
        .filter_map(|entry| cached_file(&entry, now))
        .partition(|file| file.path.to_string_lossy().ends_with(PART_SUFFIX));
    files.sort_by_key(|file| file.age);
    let mut bytes = 0_u64;
    let stale = files.iter().enumerate().filter(|(number, file)| {
        bytes = bytes.saturating_add(file.bytes);
        // The most recently used file is in use now.
        *number > 0 && (file.age > MAX_AGE || *number >= MAX_FILES || bytes > MAX_BYTES)
    });
    let stale = stale.map(|(_, file)| file);
    parts.sort_by_key(|file| file.age);
    let left = parts.iter().enumerate();
    let left = left.filter(|(number, file)| *number >= MAX_PARTS || file.age > MAX_PART_AGE);
    let stays = |file: &&CachedFile| match remove(&file.path) {
        // Another process may have removed it first.
        Err(error) => error.kind() != io::ErrorKind::NotFound,
        Ok(()) => false,
    };
    stale.chain(left.map(|(_, file)| file)).filter(stays).count() < MAX_STUCK
}

/// The entry of a file that a cache of this or an earlier version wrote.
fn cached_file(entry: &fs::DirEntry, now: SystemTime) -> Option<CachedFile> {
    let name = entry.file_name();
    let name = name.to_str()?;
    let digest = name.get(..DIGITS)?;
    let is_own = digest.bytes().all(|byte| byte.is_ascii_hexdigit())
        && name.get(DIGITS..)?.starts_with('-')
        && (name.ends_with(PART_SUFFIX) || name.ends_with(SUFFIX));
    // Metadata of the entry itself: a link was not written by the cache.
    let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
    let used = metadata.modified().ok()?;
    is_own.then(|| CachedFile {
        path: entry.path(),
        bytes: metadata.len(),
        // After the clock was set back, a file's age is zero.
        age: now.duration_since(used).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use tempfile::TempDir;

    use super::*;

    /// A file of the cache that was last used `age` ago.
    fn file(folder: &TempDir, number: usize, ending: &str, age: Duration, bytes: u64) -> PathBuf {
        let path = folder
            .path()
            .join(format!("{number:064x}-0123456789abcdef{ending}"));
        let file = File::create(&path).unwrap();
        file.set_len(bytes).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
        path
    }

    fn left(folder: &TempDir) -> usize {
        fs::read_dir(folder.path()).unwrap().count()
    }

    #[test]
    fn files_that_are_unused_for_long_are_evicted_and_the_rest_stays() {
        let folder = TempDir::new().unwrap();
        let fresh = file(&folder, 1, SUFFIX, Duration::ZERO, 1);
        let used = file(&folder, 2, SUFFIX, MAX_AGE / 2, 1);
        let stale = file(&folder, 3, SUFFIX, MAX_AGE * 2, 1);
        assert!(evict(folder.path(), SystemTime::now()));
        assert_eq!(
            [fresh.exists(), used.exists(), stale.exists()],
            [true, true, false]
        );
    }

    #[test]
    fn the_longest_unused_go_when_there_are_too_many() {
        let folder = TempDir::new().unwrap();
        for number in 0..MAX_FILES + 3 {
            let age = u64::try_from(number).unwrap() + 1;
            file(&folder, number, SUFFIX, Duration::from_secs(age), 1);
        }
        assert!(evict(folder.path(), SystemTime::now()));
        assert_eq!(left(&folder), MAX_FILES);
        assert!(
            folder
                .path()
                .join(format!("{:064x}-0123456789abcdef{SUFFIX}", 0))
                .exists()
        );
    }

    #[test]
    fn the_longest_unused_go_when_all_are_too_large_together() {
        let folder = TempDir::new().unwrap();
        let retained = file(&folder, 1, SUFFIX, Duration::from_secs(1), MAX_BYTES / 2);
        let gone = file(&folder, 2, SUFFIX, Duration::from_secs(2), MAX_BYTES);
        assert!(evict(folder.path(), SystemTime::now()));
        assert_eq!([retained.exists(), gone.exists()], [true, false]);
    }

    #[test]
    fn what_a_killed_process_left_goes_and_what_is_being_written_stays() {
        let folder = TempDir::new().unwrap();
        let written = file(&folder, 1, ".cwasm.abc123.part", MAX_PART_AGE / 2, 1);
        let left = file(&folder, 2, ".123.part", MAX_PART_AGE * 2, 1);
        assert!(evict(folder.path(), SystemTime::now()));
        assert_eq!([written.exists(), left.exists()], [true, false]);
    }

    #[test]
    fn what_is_being_written_has_a_bound_too() {
        let folder = TempDir::new().unwrap();
        for number in 0..MAX_PARTS + 3 {
            file(&folder, number, ".cwasm.abc123.part", Duration::from_secs(1), 1);
        }
        assert!(evict(folder.path(), SystemTime::now()));
        assert_eq!(left(&folder), MAX_PARTS);
    }

    #[test]
    fn a_folder_from_which_nothing_can_be_removed_has_no_room_in_the_end() {
        let folder = TempDir::new().unwrap();
        for number in 0..MAX_FILES + MAX_STUCK - 1 {
            file(&folder, number, SUFFIX, Duration::from_secs(1), 1);
        }
        let has_room = || {
            evict_by(folder.path(), SystemTime::now(), |_| {
                Err(io::ErrorKind::ReadOnlyFilesystem.into())
            })
        };
        assert!(has_room());
        file(&folder, MAX_FILES + MAX_STUCK, SUFFIX, Duration::from_secs(1), 1);
        assert!(!has_room());
        assert!(evict(folder.path(), SystemTime::now()));
    }

    #[test]
    fn files_of_others_are_left_alone() {
        let folder = TempDir::new().unwrap();
        let other = folder.path().join("notes.cwasm");
        File::create(&other)
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH)
            .unwrap();
        file(&folder, 1, ".txt", MAX_AGE * 2, 1);
        assert!(evict(folder.path(), SystemTime::now()));
        assert_eq!(left(&folder), 2);
    }
}
