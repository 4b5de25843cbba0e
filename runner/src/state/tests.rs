mod trouble;

use std::fs;

use tempfile::TempDir;

use super::*;

fn rows(kept: &Kept, shelf: Shelf) -> Vec<(String, String)> {
    kept.of(shelf)
        .map(|(key, text)| (key.to_string(), text.to_owned()))
        .collect()
}

fn pair(key: &str, text: &str) -> (String, String) {
    (key.to_owned(), text.to_owned())
}

#[tokio::test]
async fn what_was_committed_is_there_again() {
    let folder = TempDir::new().unwrap();
    let (state, keeper, kept) = State::open_uncounted(folder.path()).unwrap();
    assert!(rows(&kept, Shelf::Check).is_empty());
    let first = state.put(vec![
        Change::keep(Shelf::Check, "a", "1".to_owned()),
        Change::keep(Shelf::Check, "b", "1".to_owned()),
        Change::keep(Shelf::Alert, "a", "firing".to_owned()),
    ]);
    assert!(first.wait().await);
    let second = state.put(vec![
        Change::keep(Shelf::Check, "b", "2".to_owned()),
        Change::forget(Shelf::Alert, "a"),
    ]);
    assert!(second.wait().await);
    drop(keeper);
    let (_, _keeper, kept) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!(rows(&kept, Shelf::Check), [pair("a", "1"), pair("b", "2")]);
    assert!(rows(&kept, Shelf::Alert).is_empty());
}

#[test]
fn what_waits_at_the_end_is_committed() {
    let folder = TempDir::new().unwrap();
    let (state, keeper, _) = State::open_uncounted(folder.path()).unwrap();
    for number in 0..1_000 {
        state.put(vec![Change::keep(Shelf::Check, "a", number.to_string())]);
    }
    drop(keeper);
    let (_, _keeper, kept) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!(rows(&kept, Shelf::Check), [pair("a", "999")]);
}

#[test]
fn a_file_that_is_no_database_is_set_aside_with_a_note() {
    let folder = TempDir::new().unwrap();
    fs::write(
        folder.path().join("state.db"),
        "not a database, and long enough to be read as one".repeat(100),
    )
    .unwrap();
    let (_, _keeper, kept) = State::open_uncounted(folder.path()).unwrap();
    assert!(rows(&kept, Shelf::Check).is_empty());
    let note = kept.notes.first().unwrap();
    assert!(note.contains("it is set aside as"), "{note}");
    let aside = fs::read_dir(folder.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension() == Some("broken".as_ref()));
    assert_eq!(aside.count(), 1);
}

#[test]
fn a_database_with_a_torn_page_is_set_aside() {
    let folder = TempDir::new().unwrap();
    let (state, keeper, _) = State::open_uncounted(folder.path()).unwrap();
    for number in 0..5_000 {
        let text = format!("text {number}").repeat(5);
        state.put(vec![Change::keep(Shelf::Check, &number.to_string(), text)]);
    }
    drop((state, keeper));
    let path = folder.path().join("state.db");
    let mut bytes = fs::read(&path).unwrap();
    assert!(bytes.len() > 20_000, "{} bytes", bytes.len());
    bytes[8_192..16_384].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let (_, _keeper, kept) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!(kept.notes.len(), 1);
    assert!(rows(&kept, Shelf::Check).is_empty());
}

#[test]
fn a_database_of_a_newer_version_is_left_alone_and_read_once_its_version_is_known() {
    let folder = TempDir::new().unwrap();
    let (state, keeper, _) = State::open_uncounted(folder.path()).unwrap();
    state.put(vec![Change::keep(Shelf::Check, "a", "text".to_owned())]);
    drop((state, keeper));
    let version = |number: i64| {
        let database = rusqlite::Connection::open(folder.path().join("state.db")).unwrap();
        let known: i64 = database
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .unwrap();
        database
            .execute_batch(&format!("PRAGMA user_version = {number}"))
            .unwrap();
        known
    };
    let known = version(99);
    let (state, keeper, kept) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!((rows(&kept, Shelf::Check).len(), kept.notes.len()), (0, 0));
    assert!(
        matches!(state.health(), Health::Unread(reason) if reason.contains("a newer version of canary (schema 99)"))
    );
    state.put(vec![Change::keep(Shelf::Check, "a", "other".to_owned())]);
    drop((state, keeper));
    version(known);
    let (_, _keeper, kept) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!(rows(&kept, Shelf::Check), [("a".to_owned(), "text".to_owned())]);
}

#[test]
fn two_runners_cannot_keep_their_state_in_one_folder() {
    let folder = TempDir::new().unwrap();
    let (_, _keeper, _) = State::open_uncounted(folder.path()).unwrap();
    let error = State::open_uncounted(folder.path()).unwrap_err();
    assert!(matches!(error, StateError::Taken { .. }), "{error}");
}

#[tokio::test]
async fn a_disk_that_takes_nothing_is_told_and_what_waits_is_kept_once_it_does() {
    let folder = TempDir::new().unwrap();
    let (state, keeper, _) = State::open_uncounted(folder.path()).unwrap();
    // Another process that holds the database up for longer than a commit waits.
    let blocker = rusqlite::Connection::open(folder.path().join("state.db")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    state.put(vec![Change::keep(Shelf::Check, "a", "1".to_owned())]);
    while state.health() == Health::Well {
        tokio::task::yield_now().await;
    }
    assert!(matches!(state.health(), Health::Failing(reason) if reason.contains("locked")));
    state.put(vec![Change::keep(Shelf::Check, "b", "1".to_owned())]);
    blocker.execute_batch("COMMIT").unwrap();
    drop(blocker);
    let third = state.put(vec![Change::keep(Shelf::Check, "c", "1".to_owned())]);
    while state.health() != Health::Well || !third.clone().wait().await {}
    drop(keeper);
    let (_, _keeper, kept) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!(rows(&kept, Shelf::Check).len(), 3);
}

#[tokio::test]
async fn no_state_keeps_nobody_waiting() {
    let (state, _keeper) = State::none();
    let written = state.put(vec![Change::keep(Shelf::Check, "a", "1".to_owned())]);
    assert!(written.wait().await);
}
