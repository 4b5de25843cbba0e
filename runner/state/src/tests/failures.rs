//! Failing disks, and databases that are damaged, locked or replaced.

use super::*;

/// The contents of all files in the folder, by name.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let mut files: Vec<_> = entries
        .filter(|entry| entry.path().is_file())
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                fs::read(entry.path()).unwrap(),
            )
        })
        .collect();
    files.sort();
    files
}

/// A copy of the folder: what a kill would leave.
pub(super) fn copy(folder: &Path) -> TempDir {
    let copy = TempDir::new().unwrap();
    for (name, bytes) in files(folder) {
        fs::write(copy.path().join(name), bytes).unwrap();
    }
    copy
}

/// Creates a database with one row, as a killed runner leaves it: with a log that has not been checkpointed.
fn killed_runner(folder: &Path) {
    let (state, writer, _) = State::open_uncounted(folder).unwrap();
    commit(&state, vec![Change::put(Table::Alert, "a", "firing".to_owned())]);
    let copy = TempDir::new().unwrap();
    for name in ["state.db", "state.db-wal"] {
        fs::copy(folder.join(name), copy.path().join(name)).unwrap();
    }
    drop(writer);
    for name in ["state.db", "state.db-wal"] {
        fs::copy(copy.path().join(name), folder.join(name)).unwrap();
    }
}

pub(super) fn commit(state: &State, changes: Vec<Change>) {
    let pending = state.put(changes);
    while pending.progress.borrow().number < pending.number {
        std::thread::yield_now();
    }
}

/// Waits for a sync request.
pub(super) fn sync_request(state: &State) -> SyncRequest {
    loop {
        if let Some(request) = state.take_sync_request() {
            return request;
        }
        std::thread::yield_now();
    }
}

pub(super) fn alert(stored: &StoredRows) -> Vec<(String, String)> {
    rows(stored, Table::Alert)
}

#[test]
fn a_corrupt_database_is_quarantined_with_its_log_and_nothing_of_it_is_lost() {
    let folder = TempDir::new().unwrap();
    // Someone may need the remains of the log.
    let (damaged, log) = (vec![0xa5; 20_000], vec![0x5a; 5_000]);
    fs::write(folder.path().join("state.db"), &damaged).unwrap();
    fs::write(folder.path().join("state.db-wal"), &log).unwrap();
    let (_, writer, stored) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!(stored.notes.len(), 1);
    drop(writer);
    let files = files(folder.path());
    let contents = |tail: &str| {
        let found = files.iter().find(|(name, _)| name.ends_with(tail));
        found.map(|(_, bytes)| bytes.clone())
    };
    assert_eq!(contents(".broken"), Some(damaged));
    assert_eq!(contents(".broken-wal"), Some(log));
}

#[test]
fn damaged_databases_are_bounded_in_number_and_not_deleted() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    for _ in 0..16 {
        fs::write(&path, vec![0xa5; 20_000]).unwrap();
        let (state, writer, _) = State::open_uncounted(folder.path()).unwrap();
        assert!(!state.is_unread());
        drop(writer);
    }
    fs::write(&path, vec![0xa5; 20_000]).unwrap();
    let (state, _writer, _) = State::open_uncounted(folder.path()).unwrap();
    assert!(matches!(state.health(), Health::Unread(reason) if reason.contains("16 damaged databases")));
    assert!(path.exists());
}

#[test]
fn a_log_without_its_database_is_quarantined_too() {
    let folder = TempDir::new().unwrap();
    killed_runner(folder.path());
    fs::remove_file(folder.path().join("state.db")).unwrap();
    let log = fs::read(folder.path().join("state.db-wal")).unwrap();
    let (state, writer, stored) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!(stored.notes.len(), 1);
    commit(&state, vec![Change::put(Table::Check, "a", "1".to_owned())]);
    drop(writer);
    let files = files(folder.path());
    assert!(
        files
            .iter()
            .any(|(name, bytes)| name.ends_with(".broken-wal") && *bytes == log)
    );
}

#[test]
fn a_write_lock_of_another_process_does_not_keep_the_rows_from_being_read() {
    let folder = TempDir::new().unwrap();
    killed_runner(folder.path());
    let blocker = rusqlite::Connection::open(folder.path().join("state.db")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (state, _writer, stored) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!(alert(&stored), [pair("a", "firing")]);
    assert!(stored.notes.is_empty() && !state.is_unread());
}

#[test]
fn a_database_that_is_locked_for_reading_too_is_left_alone_and_read_later() {
    let folder = TempDir::new().unwrap();
    killed_runner(folder.path());
    let blocker = rusqlite::Connection::open(folder.path().join("state.db")).unwrap();
    blocker
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
        .unwrap();
    let (state, writer, stored) = State::open_uncounted(folder.path()).unwrap();
    assert!(state.is_unread() && alert(&stored).is_empty() && stored.notes.is_empty());
    assert!(matches!(state.health(), Health::Unread(reason) if reason.contains("locked")));
    state.put(vec![Change::put(Table::Alert, "b", "firing".to_owned())]);
    drop(blocker);
    let SyncRequest::Merge(late) = sync_request(&state) else {
        panic!("rows were expected")
    };
    assert_eq!(alert(&late), [pair("a", "firing")]);
    assert!(state.take_sync_request().is_none());
    state.put_all(vec![Change::put(Table::Alert, "c", "firing".to_owned())]);
    drop(writer);
    let (_, _writer, stored) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!(alert(&stored), [pair("c", "firing")]);
}

#[test]
fn rows_that_were_not_merged_are_unchanged_after_shutdown() {
    let folder = TempDir::new().unwrap();
    killed_runner(folder.path());
    let blocker = rusqlite::Connection::open(folder.path().join("state.db")).unwrap();
    blocker
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
        .unwrap();
    let (state, writer, _) = State::open_uncounted(folder.path()).unwrap();
    state.put(vec![Change::delete(Table::Alert, "a")]);
    drop(blocker);
    drop(writer);
    let (_, _writer, stored) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!(alert(&stored), [pair("a", "firing")]);
}

#[test]
fn changes_that_a_locked_database_refuses_survive_a_kill() {
    let folder = TempDir::new().unwrap();
    let (state, writer, _) = State::open_uncounted(folder.path()).unwrap();
    commit(&state, vec![Change::put(Table::Alert, "a", "1".to_owned())]);
    let blocker = rusqlite::Connection::open(folder.path().join("state.db")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    // It counts as committed: it is in the spill file.
    commit(&state, vec![Change::put(Table::Alert, "b", "2".to_owned())]);
    commit(&state, vec![Change::delete(Table::Alert, "a")]);
    let killed = copy(folder.path());
    let (second, second_writer, stored) = State::open_uncounted(killed.path()).unwrap();
    assert_eq!(alert(&stored), [pair("b", "2")]);
    // From then on the contents of the spill file are in the database.
    commit(&second, vec![Change::put(Table::Check, "x", "1".to_owned())]);
    drop(second_writer);
    fs::remove_file(killed.path().join("reserve")).unwrap();
    let (_, _writer, stored) = State::open_uncounted(killed.path()).unwrap();
    assert_eq!(alert(&stored), [pair("b", "2")]);
    drop((blocker, writer));
}

#[test]
fn a_megabyte_of_changes_that_a_locked_database_refuses_survives_a_kill() {
    let folder = TempDir::new().unwrap();
    let (state, writer, _) = State::open_uncounted(folder.path()).unwrap();
    commit(&state, vec![Change::put(Table::Alert, "a", "1".to_owned())]);
    let blocker = rusqlite::Connection::open(folder.path().join("state.db")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let row = |table, number: u32| Change::put(table, &number.to_string(), "x".repeat(10_000));
    for number in 0..35 {
        let tables = [Table::Check, Table::Alert, Table::Notification];
        commit(&state, tables.map(|table| row(table, number)).into());
    }
    let killed = copy(folder.path());
    let (_, _second, stored) = State::open_uncounted(killed.path()).unwrap();
    for (table, count) in [(Table::Check, 35), (Table::Alert, 36), (Table::Notification, 35)] {
        assert_eq!(rows(&stored, table).len(), count);
    }
    assert!(stored.notes.is_empty());
    drop((blocker, writer));
}

#[test]
fn what_has_no_room_beside_a_locked_database_is_reported_before_and_after_a_kill() {
    let folder = TempDir::new().unwrap();
    let (state, writer, _) = State::open_uncounted(folder.path()).unwrap();
    commit(&state, vec![Change::put(Table::Check, "a", "1".to_owned())]);
    let blocker = rusqlite::Connection::open(folder.path().join("state.db")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    commit(&state, vec![Change::put(Table::Alert, "a", "1".to_owned())]);
    assert!(matches!(state.health(), Health::Failing(reason) if !reason.contains("lost")));
    let mut transition = vec![Change::put(Table::Alert, "a", "2".to_owned())];
    let notification =
        |number: u32| Change::put(Table::Notification, &number.to_string(), "x".repeat(50_000));
    transition.extend((0..100).map(notification));
    let pending = state.put(transition);
    let is_reported =
        |reason: &str| reason.ends_with("and up to 101 changes would be lost if the runner were killed now");
    while !matches!(state.health(), Health::Failing(reason) if is_reported(&reason)) {
        std::thread::yield_now();
    }
    assert!(pending.progress.borrow().number < pending.number);
    let killed = copy(folder.path());
    let (_, _second, stored) = State::open_uncounted(killed.path()).unwrap();
    assert_eq!(alert(&stored), [pair("a", "1")]);
    assert!(rows(&stored, Table::Notification).is_empty());
    assert!(
        stored.notes.iter().any(|note| note.contains("an earlier moment")),
        "{:?}",
        stored.notes
    );
    drop(blocker);
    while state.health() != Health::Healthy {
        std::thread::yield_now();
    }
    drop(writer);
    let (_, _writer, stored) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!(alert(&stored), [pair("a", "2")]);
    assert_eq!(rows(&stored, Table::Notification).len(), 100);
    assert!(stored.notes.is_empty());
}

#[test]
fn a_spill_file_of_an_earlier_commit_undoes_nothing() {
    let folder = TempDir::new().unwrap();
    let (state, writer, _) = State::open_uncounted(folder.path()).unwrap();
    commit(&state, vec![Change::put(Table::Alert, "a", "1".to_owned())]);
    let blocker = rusqlite::Connection::open(folder.path().join("state.db")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    commit(&state, vec![Change::put(Table::Alert, "a", "2".to_owned())]);
    drop(blocker);
    while state.health() != Health::Healthy {
        std::thread::yield_now();
    }
    commit(&state, vec![Change::put(Table::Alert, "a", "3".to_owned())]);
    drop(writer);
    let (_, _writer, stored) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!(alert(&stored), [pair("a", "3")]);
}

#[test]
fn a_database_that_was_not_mounted_yet_is_merged_once_it_is() {
    let (folder, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    killed_runner(other.path());
    let (state, writer, _) = State::open_uncounted(folder.path()).unwrap();
    commit(&state, vec![Change::put(Table::Alert, "b", "1".to_owned())]);
    for (name, bytes) in files(other.path()) {
        let part = folder.path().join("part");
        fs::write(&part, bytes).unwrap();
        fs::rename(part, folder.path().join(name)).unwrap();
    }
    state.put(vec![Change::put(Table::Alert, "b", "2".to_owned())]);
    let SyncRequest::Merge(late) = sync_request(&state) else {
        panic!("rows were expected")
    };
    assert_eq!(alert(&late), [pair("a", "firing")]);
    drop(writer);
}

#[test]
fn a_path_that_is_not_a_regular_file_is_left_alone() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("state.db")).unwrap();
    let (state, _writer, _) = State::open_uncounted(folder.path()).unwrap();
    assert!(matches!(state.health(), Health::Unread(reason) if reason.contains("not a regular file")));
    assert!(folder.path().join("state.db").is_dir());
}

#[test]
fn a_folder_that_cannot_be_created_is_retried() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("state");
    fs::write(&folder, "a file").unwrap();
    let (state, writer, _) = State::open_uncounted(&folder).unwrap();
    assert!(state.is_unread());
    fs::remove_file(&folder).unwrap();
    assert!(matches!(sync_request(&state), SyncRequest::Merge(stored) if alert(&stored).is_empty()));
    state.put_all(vec![Change::put(Table::Alert, "a", "1".to_owned())]);
    drop(writer);
    let (_, _writer, stored) = State::open_uncounted(&folder).unwrap();
    assert_eq!(alert(&stored), [pair("a", "1")]);
}
