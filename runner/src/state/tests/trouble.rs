//! A disk in trouble, and a database that is not what it was.

use super::*;

/// Everything in the folder, by name.
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

/// Has a database with one row, as a runner that was killed leaves it: with a log that has not been written back.
fn killed_runner(folder: &Path) {
    let (state, keeper, _) = State::open_uncounted(folder).unwrap();
    commit(&state, vec![Change::keep(Shelf::Alert, "a", "firing".to_owned())]);
    let copy = TempDir::new().unwrap();
    for name in ["state.db", "state.db-wal"] {
        fs::copy(folder.join(name), copy.path().join(name)).unwrap();
    }
    drop(keeper);
    for name in ["state.db", "state.db-wal"] {
        fs::copy(copy.path().join(name), folder.join(name)).unwrap();
    }
}

fn commit(state: &State, changes: Vec<Change>) {
    let written = state.put(changes);
    while written.progress.borrow().number < written.number {
        std::thread::yield_now();
    }
}

/// Waits until the state asks for something.
fn asked(state: &State) -> Request {
    loop {
        if let Some(request) = state.request() {
            return request;
        }
        std::thread::yield_now();
    }
}

fn alert(kept: &Kept) -> Vec<(String, String)> {
    rows(kept, Shelf::Alert)
}

#[test]
fn a_corrupt_database_is_set_aside_with_its_log_and_nothing_of_it_is_lost() {
    let folder = TempDir::new().unwrap();
    // What little is left of a log may be what somebody needs.
    let (damaged, log) = (vec![0xa5; 20_000], vec![0x5a; 5_000]);
    fs::write(folder.path().join("state.db"), &damaged).unwrap();
    fs::write(folder.path().join("state.db-wal"), &log).unwrap();
    let (_, keeper, kept) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!(kept.notes.len(), 1);
    drop(keeper);
    let files = files(folder.path());
    let contents = |tail: &str| {
        let found = files.iter().find(|(name, _)| name.ends_with(tail));
        found.map(|(_, bytes)| bytes.clone())
    };
    assert_eq!(contents(".broken"), Some(damaged));
    assert_eq!(contents(".broken-wal"), Some(log));
}

#[test]
fn damaged_databases_are_not_piled_up_without_end_and_not_deleted() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    for _ in 0..16 {
        fs::write(&path, vec![0xa5; 20_000]).unwrap();
        let (state, keeper, _) = State::open_uncounted(folder.path()).unwrap();
        assert!(!state.is_unread());
        drop(keeper);
    }
    fs::write(&path, vec![0xa5; 20_000]).unwrap();
    let (state, _keeper, _) = State::open_uncounted(folder.path()).unwrap();
    assert!(matches!(state.health(), Health::Unread(reason) if reason.contains("16 damaged databases")));
    assert!(path.exists());
}

#[test]
fn a_log_without_its_database_is_set_aside_too() {
    let folder = TempDir::new().unwrap();
    killed_runner(folder.path());
    fs::remove_file(folder.path().join("state.db")).unwrap();
    let log = fs::read(folder.path().join("state.db-wal")).unwrap();
    let (state, keeper, kept) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!(kept.notes.len(), 1);
    commit(&state, vec![Change::keep(Shelf::Check, "a", "1".to_owned())]);
    drop(keeper);
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
    let (state, _keeper, kept) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!(alert(&kept), [pair("a", "firing")]);
    assert!(kept.notes.is_empty() && !state.is_unread());
}

#[test]
fn a_database_that_is_locked_for_reading_too_is_left_alone_and_read_later() {
    let folder = TempDir::new().unwrap();
    killed_runner(folder.path());
    let blocker = rusqlite::Connection::open(folder.path().join("state.db")).unwrap();
    blocker
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
        .unwrap();
    let (state, keeper, kept) = State::open_uncounted(folder.path()).unwrap();
    assert!(state.is_unread() && alert(&kept).is_empty() && kept.notes.is_empty());
    assert!(matches!(state.health(), Health::Unread(reason) if reason.contains("locked")));
    state.put(vec![Change::keep(Shelf::Alert, "b", "firing".to_owned())]);
    drop(blocker);
    let Request::Merge(late) = asked(&state) else {
        panic!("rows were expected")
    };
    assert_eq!(alert(&late), [pair("a", "firing")]);
    assert!(state.request().is_none());
    state.put_all(vec![Change::keep(Shelf::Alert, "c", "firing".to_owned())]);
    drop(keeper);
    let (_, _keeper, kept) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!(alert(&kept), [pair("c", "firing")]);
}

#[test]
fn what_was_not_taken_in_is_as_before_after_the_end() {
    let folder = TempDir::new().unwrap();
    killed_runner(folder.path());
    let blocker = rusqlite::Connection::open(folder.path().join("state.db")).unwrap();
    blocker
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
        .unwrap();
    let (state, keeper, _) = State::open_uncounted(folder.path()).unwrap();
    state.put(vec![Change::forget(Shelf::Alert, "a")]);
    drop(blocker);
    drop(keeper);
    let (_, _keeper, kept) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!(alert(&kept), [pair("a", "firing")]);
}

#[test]
fn what_a_locked_database_does_not_take_survives_a_kill() {
    let folder = TempDir::new().unwrap();
    let (state, keeper, _) = State::open_uncounted(folder.path()).unwrap();
    commit(&state, vec![Change::keep(Shelf::Alert, "a", "1".to_owned())]);
    let blocker = rusqlite::Connection::open(folder.path().join("state.db")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    // It counts as committed: it is in the reserve.
    commit(&state, vec![Change::keep(Shelf::Alert, "b", "2".to_owned())]);
    commit(&state, vec![Change::forget(Shelf::Alert, "a")]);
    let killed = TempDir::new().unwrap();
    for (name, bytes) in files(folder.path()) {
        fs::write(killed.path().join(name), bytes).unwrap();
    }
    let (second, second_keeper, kept) = State::open_uncounted(killed.path()).unwrap();
    assert_eq!(alert(&kept), [pair("b", "2")]);
    // And what the reserve had is in the database from then on.
    commit(&second, vec![Change::keep(Shelf::Check, "x", "1".to_owned())]);
    drop(second_keeper);
    fs::remove_file(killed.path().join("reserve")).unwrap();
    let (_, _keeper, kept) = State::open_uncounted(killed.path()).unwrap();
    assert_eq!(alert(&kept), [pair("b", "2")]);
    drop((blocker, keeper));
}

#[test]
fn a_reserve_of_an_earlier_commit_undoes_nothing() {
    let folder = TempDir::new().unwrap();
    let (state, keeper, _) = State::open_uncounted(folder.path()).unwrap();
    commit(&state, vec![Change::keep(Shelf::Alert, "a", "1".to_owned())]);
    let blocker = rusqlite::Connection::open(folder.path().join("state.db")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    commit(&state, vec![Change::keep(Shelf::Alert, "a", "2".to_owned())]);
    drop(blocker);
    while state.health() != Health::Well {
        std::thread::yield_now();
    }
    commit(&state, vec![Change::keep(Shelf::Alert, "a", "3".to_owned())]);
    drop(keeper);
    let (_, _keeper, kept) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!(alert(&kept), [pair("a", "3")]);
}

#[test]
fn a_database_that_is_deleted_under_the_runner_is_written_anew_in_full() {
    for gone in ["state.db", ""] {
        let parent = TempDir::new().unwrap();
        let folder = parent.path().join("state");
        let (state, keeper, _) = State::open_uncounted(&folder).unwrap();
        commit(&state, vec![Change::keep(Shelf::Alert, "a", "1".to_owned())]);
        match gone {
            "" => fs::remove_dir_all(&folder).unwrap(),
            name => fs::remove_file(folder.join(name)).unwrap(),
        }
        state.put(vec![Change::keep(Shelf::Check, "x", "1".to_owned())]);
        // Its log was still there, and is set aside.
        if let Request::Merge(kept) = asked(&state) {
            assert!(alert(&kept).is_empty());
        }
        state.put_all(vec![Change::keep(Shelf::Alert, "a", "1".to_owned())]);
        drop(keeper);
        let (_, _keeper, kept) = State::open_uncounted(&folder).unwrap();
        assert_eq!(alert(&kept), [pair("a", "1")], "without {gone:?}");
    }
}

#[test]
fn a_database_that_was_not_mounted_yet_is_taken_in_once_it_is() {
    let (folder, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    killed_runner(other.path());
    let (state, keeper, _) = State::open_uncounted(folder.path()).unwrap();
    commit(&state, vec![Change::keep(Shelf::Alert, "b", "1".to_owned())]);
    for (name, bytes) in files(other.path()) {
        let part = folder.path().join("part");
        fs::write(&part, bytes).unwrap();
        fs::rename(part, folder.path().join(name)).unwrap();
    }
    state.put(vec![Change::keep(Shelf::Alert, "b", "2".to_owned())]);
    let Request::Merge(late) = asked(&state) else {
        panic!("rows were expected")
    };
    assert_eq!(alert(&late), [pair("a", "firing")]);
    drop(keeper);
}

#[test]
fn what_is_no_file_is_left_alone() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("state.db")).unwrap();
    let (state, _keeper, _) = State::open_uncounted(folder.path()).unwrap();
    assert!(matches!(state.health(), Health::Unread(reason) if reason.contains("not a regular file")));
    assert!(folder.path().join("state.db").is_dir());
}

#[test]
fn a_folder_that_cannot_be_made_is_tried_again() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("state");
    fs::write(&folder, "a file").unwrap();
    let (state, keeper, _) = State::open_uncounted(&folder).unwrap();
    assert!(state.is_unread());
    fs::remove_file(&folder).unwrap();
    assert!(matches!(asked(&state), Request::Merge(kept) if alert(&kept).is_empty()));
    state.put_all(vec![Change::keep(Shelf::Alert, "a", "1".to_owned())]);
    drop(keeper);
    let (_, _keeper, kept) = State::open_uncounted(&folder).unwrap();
    assert_eq!(alert(&kept), [pair("a", "1")]);
}
