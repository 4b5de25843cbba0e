use std::collections::HashMap;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::read::Rows;
use crate::store::{DatabaseState, Store};
use crate::write_buffer::WriteBuffer;
use crate::{Batch, Change};

const MIB: u64 = 1 << 20;

fn pending(rows: &[(Table, &str, &str)]) -> PendingBatch {
    let row =
        |(table, key, text): &(Table, &str, &str)| ((*table, Arc::from(*key)), Some((*text).to_owned()));
    PendingBatch {
        batch: rows.iter().map(row).collect(),
        ..PendingBatch::default()
    }
}

/// A spill file of `size` bytes, which may be less than the minimum.
fn spill_file_of(folder: &TempDir, size: u64) -> SpillFile {
    let mut spill_file = SpillFile::open(folder.path()).unwrap();
    spill_file.file.set_len(0).unwrap();
    spill_file.file.set_len(size).unwrap();
    (spill_file.size, spill_file.number) = (size, 1);
    spill_file
}

fn read(spill_file: &SpillFile) -> PendingBatch {
    spill_file.read(None).pending
}

#[test]
fn the_latest_write_is_read_for_the_commit_that_it_applies_to() {
    let folder = TempDir::new().unwrap();
    let mut spill_file = SpillFile::open(folder.path()).unwrap();
    assert_eq!(spill_file.read(None), Spilled::default());
    let (first, last) = (
        pending(&[(Table::Alert, "a", "1")]),
        pending(&[(Table::Alert, "a", "2")]),
    );
    assert!(spill_file.write(Some("x:1"), &first).unwrap());
    assert!(spill_file.write(Some("x:1"), &last).unwrap());
    let spill_file = SpillFile::open(folder.path()).unwrap();
    assert_eq!(spill_file.read(Some("x:1")).pending, last);
    for other in [Some("x:2"), None] {
        assert_eq!(spill_file.read(other), Spilled::default());
    }
}

#[test]
fn a_kill_at_any_byte_of_a_write_leaves_the_previous_one() {
    let folder = TempDir::new().unwrap();
    let mut spill_file = spill_file_of(&folder, 2_000);
    let texts = ["1", "22", "", "a \"longer\" text\n", "3"];
    let writes = texts.map(|text| pending(&[(Table::Alert, "a", text), (Table::Check, "a", text)]));
    for (previous, next) in writes.iter().zip(writes.iter().skip(1)) {
        spill_file.write(None, previous).unwrap();
        let at = spill_file.offset(spill_file.number);
        let bytes = spill_file.encode(&content_of(None, next)).unwrap();
        let mut before = vec![0; bytes.len()];
        spill_file.file.read_exact_at(&mut before, at).unwrap();
        for cut in 0..=bytes.len() {
            // The disk may also write the end first.
            let (start, end) = bytes.split_at(cut);
            for (part, from) in [(start, at), (end, at + cut as u64)] {
                spill_file.file.write_all_at(part, from).unwrap();
                let found = read(&spill_file);
                if part.len() == bytes.len() {
                    assert_eq!(found, *next);
                } else {
                    // The rest may have the same bytes already.
                    assert!(found == *previous || found == *next, "cut at {cut}: {found:?}");
                }
                spill_file.file.write_all_at(&before, at).unwrap();
                assert_eq!(read(&spill_file), *previous);
            }
        }
    }
}

#[test]
fn a_file_that_is_cut_anywhere_has_a_whole_write_or_none() {
    let folder = TempDir::new().unwrap();
    let writes = ["1", "2"].map(|text| pending(&[(Table::Alert, "a", text), (Table::Check, "a", text)]));
    let size = 600;
    for length in 0..size {
        let mut spill_file = spill_file_of(&folder, size);
        for write in &writes {
            assert!(spill_file.write(None, write).unwrap());
        }
        spill_file.file.set_len(length).unwrap();
        let found = read(&spill_file);
        let is_whole = writes.contains(&found) || found == PendingBatch::default();
        assert!(is_whole, "length {length}: {found:?}");
        assert!(
            length < size / 2 || found != PendingBatch::default(),
            "length {length}"
        );
        // The halves are elsewhere, for the next process.
        spill_file.size = length;
        let found = read(&spill_file);
        assert!(
            writes.contains(&found) || found == PendingBatch::default(),
            "length {length}"
        );
    }
}

#[test]
fn changes_that_do_not_fit_leave_the_previous_write_and_are_known_after_a_kill() {
    let folder = TempDir::new().unwrap();
    let mut spill_file = SpillFile::open(folder.path()).unwrap();
    let first = pending(&[(Table::Alert, "a", "1"), (Table::Notification, "1", "down")]);
    spill_file.write(None, &first).unwrap();
    // The escapes make it too large.
    let large = "\u{1}".repeat(100_000);
    let later = pending(&[
        (Table::Alert, "a", "2"),
        (Table::Notification, "1", "down"),
        (Table::Notification, "2", &large),
    ]);
    for _ in 0..3 {
        assert!(!spill_file.write(None, &later).unwrap());
        let Spilled { pending, is_outdated } = SpillFile::open(folder.path()).unwrap().read(None);
        assert_eq!(pending, first);
        assert!(is_outdated);
    }
    // Nothing was written for this commit before.
    assert!(!spill_file.write(Some("x:1"), &later).unwrap());
    let found = spill_file.read(Some("x:1"));
    assert!(found.is_outdated && found.pending == PendingBatch::default());
    assert!(spill_file.write(Some("x:1"), &first).unwrap());
    assert!(!spill_file.read(Some("x:1")).is_outdated);
}

#[test]
fn a_file_of_the_earlier_size_is_read_and_extended() {
    let folder = TempDir::new().unwrap();
    let earlier = fs::File::create(folder.path().join("reserve")).unwrap();
    earlier.set_len(MIN_SIZE).unwrap();
    let mut spill_file = SpillFile::open(folder.path()).unwrap();
    let (first, last) = (
        pending(&[(Table::Alert, "a", "1")]),
        pending(&[(Table::Alert, "a", &"2".repeat(300_000))]),
    );
    for _ in 0..3 {
        spill_file.write(None, &first).unwrap();
        assert_eq!(read(&SpillFile::open(folder.path()).unwrap()), first);
    }
    assert!(!spill_file.write(None, &last).unwrap());
    spill_file.extend(0);
    for _ in 0..2 {
        assert!(spill_file.write(None, &last).unwrap());
        assert_eq!(read(&SpillFile::open(folder.path()).unwrap()), last);
    }
    let length = || fs::metadata(folder.path().join("reserve")).unwrap().len();
    assert_eq!(length(), USUAL_SIZE);
    for _ in 0..3 {
        spill_file.extend(2 * MIB);
        assert_eq!(length(), 8 * MIB);
    }
}

#[test]
fn a_small_disk_keeps_its_space_for_the_database() {
    for disk in (0..1_280).map(|granules| granules * GRANULARITY) {
        for database in [0, MIB, 3 * MIB, 100 * MIB, u64::MAX] {
            let mut size = MIN_SIZE.min(disk);
            for _ in 0..20 {
                let next = extended_size(size, database, disk - size);
                assert!(
                    (size..=size + MAX_EXTENSION).contains(&next),
                    "{disk}, {database}"
                );
                size = next;
            }
            let most = (disk / FREE_SHARE).clamp(MIN_SIZE.min(disk), MAX_SIZE);
            assert!(size <= most, "{disk}, {database}: {size}");
        }
    }
    let grown = |database| (0..20).fold(MIN_SIZE, |size, _| extended_size(size, database, 1_000 * MIB));
    let databases = [0, MIB, 2 * MIB, 8 * MIB, 100 * MIB];
    assert_eq!(databases.map(grown), [4, 4, 8, 32, 32].map(|size| size * MIB));
    assert_eq!(extended_size(16 * MIB, 0, 1_000 * MIB), 16 * MIB);
}

const CHECKS: [&str; 3] = ["a", "b", "c"];

/// A service: what it put, and the rows after each transaction.
struct Service {
    random: fastrand::Rng,
    write_buffer: WriteBuffer,
    moments: Vec<Rows>,
}

impl Service {
    fn new(seed: u64) -> Self {
        let write_buffer = WriteBuffer::default();
        write_buffer.mark_ready(PendingBatch::default());
        Self {
            random: fastrand::Rng::with_seed(seed),
            write_buffer,
            moments: vec![Rows::new()],
        }
    }

    fn now(&self) -> &Rows {
        self.moments.last().unwrap()
    }

    /// A run of a check, with a transition, of all checks, or the delivery of a notification.
    fn transaction(&mut self) -> Vec<Change> {
        let number = self.moments.len();
        let text = |length| format!("{number} {}", "x".repeat(length));
        let check = self.random.choice(CHECKS).unwrap();
        let run = Change::put(Table::Check, check, text(self.random.usize(..20)));
        match self.random.u8(..5) {
            0 => vec![run],
            1 => CHECKS
                .map(|check| Change::put(Table::Check, check, text(1)))
                .into(),
            2 => vec![
                run,
                Change::put(Table::Alert, check, text(3)),
                Change::put(
                    Table::Notification,
                    &number.to_string(),
                    text(self.random.usize(..100)),
                ),
            ],
            3 => vec![run, Change::delete(Table::Alert, check)],
            _ => {
                let is_queued = |key: &&(Table, Arc<str>)| key.0 == Table::Notification;
                let queued: Vec<_> = self.now().keys().filter(is_queued).cloned().collect();
                let delivered = self.random.choice(queued);
                let delete = |(table, key): (Table, Arc<str>)| Change::delete(table, &key);
                delivered.map(delete).into_iter().collect()
            }
        }
    }

    fn put(&mut self) {
        let mut rows = self.now().clone();
        if self.moments.len() % 7 == 6 {
            // As after the database was lost, with rows that nobody deletes one by one.
            rows.retain(|(table, _), _| *table == Table::Check);
            let all = rows
                .iter()
                .map(|((table, key), text)| Change::put(*table, key, text.clone()));
            self.write_buffer.put_all(all.collect());
        } else {
            let changes = self.transaction();
            apply(&mut rows, batch_of(&changes));
            self.write_buffer.put(changes);
        }
        self.moments.push(rows);
    }

    fn pending(&self) -> PendingBatch {
        let pending = self.write_buffer.next_batch_after(0, Duration::ZERO);
        pending.unwrap_or_default()
    }
}

fn batch_of(changes: &[Change]) -> Batch {
    let row = |change: &Change| ((change.table, Arc::clone(&change.key)), change.value.clone());
    changes.iter().map(row).collect::<HashMap<_, _>>()
}

fn apply(rows: &mut Rows, batch: Batch) {
    for (key, value) in batch {
        match value {
            Some(value) => drop(rows.insert(key, value)),
            None => drop(rows.remove(&key)),
        }
    }
}

#[test]
fn whatever_the_room_a_kill_leaves_the_state_after_a_transaction_and_loses_none_that_was_safe() {
    let folder = TempDir::new().unwrap();
    let (mut complete, mut partial) = (0, 0);
    for half in (HEAD as u64)..1_200 {
        let mut service = Service::new(half);
        let mut spill_file = spill_file_of(&folder, 2 * half);
        let mut safe = 0;
        for moment in 1..40 {
            service.put();
            let pending = service.pending();
            let is_spilled = spill_file.write(None, &pending).unwrap();
            service.write_buffer.put_back(pending);
            if is_spilled {
                (safe, complete) = (moment, complete + 1);
            } else {
                partial += 1;
            }
            let spilled = spill_file.read(None);
            let mut left = Rows::new();
            apply(&mut left, spilled.pending.batch);
            assert_eq!(left, service.moments[safe], "half {half}, moment {moment}");
        }
    }
    assert!(complete > 1_000 && partial > 1_000, "{complete}, {partial}");
}

#[test]
fn wherever_commits_begin_to_fail_a_restart_finds_all_that_was_safe_once() {
    const TRANSACTIONS: usize = 9;
    for first_failure in 0..TRANSACTIONS {
        for killed in first_failure..=TRANSACTIONS {
            let mut service = Service::new(first_failure as u64);
            let folder = TempDir::new().unwrap();
            let mut store = Store::new(folder.path(), Box::new(|| Box::new(())));
            store.attach().unwrap();
            for transaction in 0..killed {
                service.put();
                let pending = service.pending();
                if transaction < first_failure {
                    store.commit(&pending.batch, pending.replaces_all).unwrap();
                } else {
                    assert!(store.spill(&pending));
                    service.write_buffer.put_back(pending);
                }
            }
            drop(store);
            // The second process is killed at once, and the third has a disk that works.
            for _ in 0..2 {
                let mut store = Store::new(folder.path(), Box::new(|| Box::new(())));
                let attached = store.attach().unwrap();
                let DatabaseState::Rows(rows) = attached.found else {
                    panic!("no rows were read")
                };
                assert_eq!(rows, *service.now(), "{first_failure}, {killed}");
                assert!(attached.notes.is_empty());
                assert!(store.spill(&attached.pending));
            }
            let mut store = Store::new(folder.path(), Box::new(|| Box::new(())));
            let PendingBatch {
                batch, replaces_all, ..
            } = store.attach().unwrap().pending;
            store.commit(&batch, replaces_all).unwrap();
            drop(store);
            fs::remove_file(folder.path().join("reserve")).unwrap();
            let attached = Store::new(folder.path(), Box::new(|| Box::new(())))
                .attach()
                .unwrap();
            assert!(matches!(attached.found, DatabaseState::Rows(rows) if rows == *service.now()));
        }
    }
}
