//! What leaves the cache: files that nobody used for long, those that are too many or too large together, and what a
//! process that was killed left half-written. Files of others are left alone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What a file that is still being written ends in.
pub(super) const PART: &str = ".part";
const WHOLE: &str = ".cwasm";
/// Nobody writes for that long.
const MAX_PART_AGE: Duration = Duration::from_secs(60 * 60);
/// Files that are being written at once by all processes that share the folder.
const MAX_PARTS: usize = 32;
/// So many files that should go and stay mean that the disk removes nothing.
const MAX_STUCK: usize = 16;
const MAX_AGE: Duration = Duration::from_secs(90 * 24 * 60 * 60);
const MAX_FILES: usize = 256;
/// Of all files together.
const MAX_BYTES: u64 = 1 << 30;
/// Digits of the digest that the name of each file begins with.
const DIGITS: usize = 64;

struct Kept {
    path: PathBuf,
    bytes: u64,
    /// Since it was used.
    age: Duration,
}

/// Removes what is too old or too much at `now`. What cannot be removed stays until the next time; false when that is more
/// than there may be.
pub(super) fn evict(folder: &Path, now: SystemTime) -> bool {
    evict_by(folder, now, |path| fs::remove_file(path))
}

fn evict_by(folder: &Path, now: SystemTime, remove: impl Fn(&Path) -> io::Result<()>) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let (mut parts, mut files): (Vec<Kept>, Vec<Kept>) = entries
        .filter_map(|entry| kept(&entry, now))
        .partition(|kept| kept.path.to_string_lossy().ends_with(PART));
    files.sort_by_key(|kept| kept.age);
    let mut bytes = 0_u64;
    let stale = files.iter().enumerate().filter(|(number, kept)| {
        bytes = bytes.saturating_add(kept.bytes);
        // The one that was used last is used now.
        *number > 0 && (kept.age > MAX_AGE || *number >= MAX_FILES || bytes > MAX_BYTES)
    });
    let stale = stale.map(|(_, kept)| kept);
    parts.sort_by_key(|kept| kept.age);
    let left = parts.iter().enumerate();
    let left = left.filter(|(number, kept)| *number >= MAX_PARTS || kept.age > MAX_PART_AGE);
    let stays = |kept: &&Kept| match remove(&kept.path) {
        // Another process may have been quicker.
        Err(error) => error.kind() != io::ErrorKind::NotFound,
        Ok(()) => false,
    };
    stale.chain(left.map(|(_, kept)| kept)).filter(stays).count() < MAX_STUCK
}

/// A file that a cache wrote, of this version or an earlier one.
fn kept(entry: &fs::DirEntry, now: SystemTime) -> Option<Kept> {
    let name = entry.file_name();
    let name = name.to_str()?;
    let digest = name.get(..DIGITS)?;
    let is_own = digest.bytes().all(|byte| byte.is_ascii_hexdigit())
        && name.get(DIGITS..)?.starts_with('-')
        && (name.ends_with(PART) || name.ends_with(WHOLE));
    // Of the file itself: a link is none of ours.
    let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
    let used = metadata.modified().ok()?;
    is_own.then(|| Kept {
        path: entry.path(),
        bytes: metadata.len(),
        // A clock that was set back makes nothing older.
        age: now.duration_since(used).unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use tempfile::TempDir;

    use super::*;

    /// A file of the cache that was used so long ago.
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
    fn what_nobody_used_for_long_goes_and_the_rest_stays() {
        let folder = TempDir::new().unwrap();
        let fresh = file(&folder, 1, WHOLE, Duration::ZERO, 1);
        let used = file(&folder, 2, WHOLE, MAX_AGE / 2, 1);
        let stale = file(&folder, 3, WHOLE, MAX_AGE * 2, 1);
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
            file(&folder, number, WHOLE, Duration::from_secs(age), 1);
        }
        assert!(evict(folder.path(), SystemTime::now()));
        assert_eq!(left(&folder), MAX_FILES);
        assert!(
            folder
                .path()
                .join(format!("{:064x}-0123456789abcdef{WHOLE}", 0))
                .exists()
        );
    }

    #[test]
    fn the_longest_unused_go_when_all_are_too_large_together() {
        let folder = TempDir::new().unwrap();
        let kept = file(&folder, 1, WHOLE, Duration::from_secs(1), MAX_BYTES / 2);
        let gone = file(&folder, 2, WHOLE, Duration::from_secs(2), MAX_BYTES);
        assert!(evict(folder.path(), SystemTime::now()));
        assert_eq!([kept.exists(), gone.exists()], [true, false]);
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
            file(&folder, number, WHOLE, Duration::from_secs(1), 1);
        }
        let has_room = || {
            evict_by(folder.path(), SystemTime::now(), |_| {
                Err(io::ErrorKind::ReadOnlyFilesystem.into())
            })
        };
        assert!(has_room());
        file(&folder, MAX_FILES + MAX_STUCK, WHOLE, Duration::from_secs(1), 1);
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
