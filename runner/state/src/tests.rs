mod failures;
mod lost_files;

use std::fs;

use tempfile::TempDir;

use super::*;

fn rows(stored: &StoredRows, table: Table) -> Vec<(String, String)> {
    stored
        .rows_in(table)
        .map(|(key, text)| (key.to_string(), text.to_owned()))
        .collect()
}

fn pair(key: &str, text: &str) -> (String, String) {
    (key.to_owned(), text.to_owned())
}

#[tokio::test]
async fn committed_rows_are_read_again() {
    let folder = TempDir::new().unwrap();
    let (state, writer, stored) = State::open_uncounted(folder.path()).unwrap();
    assert!(rows(&stored, Table::Check).is_empty());
    let first = state.put(vec![
        Change::put(Table::Check, "a", "1".to_owned()),
        Change::put(Table::Check, "b", "1".to_owned()),
        Change::put(Table::Alert, "a", "firing".to_owned()),
    ]);
    assert!(first.wait().await);
    let second = state.put(vec![
        Change::put(Table::Check, "b", "2".to_owned()),
        Change::delete(Table::Alert, "a"),
    ]);
    assert!(second.wait().await);
    drop(writer);
    let (_, _writer, stored) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!(rows(&stored, Table::Check), [pair("a", "1"), pair("b", "2")]);
    assert!(rows(&stored, Table::Alert).is_empty());
}

#[test]
fn pending_changes_are_committed_at_shutdown() {
    let folder = TempDir::new().unwrap();
    let (state, writer, _) = State::open_uncounted(folder.path()).unwrap();
    for number in 0..1_000 {
        state.put(vec![Change::put(Table::Check, "a", number.to_string())]);
    }
    drop(writer);
    let (_, _writer, stored) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!(rows(&stored, Table::Check), [pair("a", "999")]);
}

#[test]
fn a_file_that_is_not_a_database_is_quarantined_with_a_note() {
    let folder = TempDir::new().unwrap();
    fs::write(
        folder.path().join("state.db"),
        "not a database, and long enough to be read as one".repeat(100),
    )
    .unwrap();
    let (_, _writer, stored) = State::open_uncounted(folder.path()).unwrap();
    assert!(rows(&stored, Table::Check).is_empty());
    let note = stored.notes.first().unwrap();
    assert!(note.contains("moved it to"), "{note}");
    let quarantined = fs::read_dir(folder.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension() == Some("broken".as_ref()));
    assert_eq!(quarantined.count(), 1);
}

#[test]
fn a_database_with_a_torn_page_is_quarantined() {
    let folder = TempDir::new().unwrap();
    let (state, writer, _) = State::open_uncounted(folder.path()).unwrap();
    for number in 0..5_000 {
        let text = format!("text {number}").repeat(5);
        state.put(vec![Change::put(Table::Check, &number.to_string(), text)]);
    }
    drop((state, writer));
    let path = folder.path().join("state.db");
    let mut bytes = fs::read(&path).unwrap();
    assert!(bytes.len() > 20_000, "{} bytes", bytes.len());
    bytes[8_192..16_384].fill(0xa5);
    fs::write(&path, bytes).unwrap();
    let (_, _writer, stored) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!(stored.notes.len(), 1);
    assert!(rows(&stored, Table::Check).is_empty());
}

#[test]
fn a_database_of_a_newer_version_is_left_alone_and_read_once_its_version_is_known() {
    let folder = TempDir::new().unwrap();
    let (state, writer, _) = State::open_uncounted(folder.path()).unwrap();
    state.put(vec![Change::put(Table::Check, "a", "text".to_owned())]);
    drop((state, writer));
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
    let (state, writer, stored) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!((rows(&stored, Table::Check).len(), stored.notes.len()), (0, 0));
    assert!(
        matches!(state.health(), Health::Unread(reason) if reason.contains("a newer version of canary (schema 99)"))
    );
    state.put(vec![Change::put(Table::Check, "a", "other".to_owned())]);
    drop((state, writer));
    version(known);
    let (_, _writer, stored) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!(rows(&stored, Table::Check), [("a".to_owned(), "text".to_owned())]);
}

#[test]
fn two_runners_cannot_use_one_state_folder() {
    let folder = TempDir::new().unwrap();
    let (_, _writer, _) = State::open_uncounted(folder.path()).unwrap();
    let error = State::open_uncounted(folder.path()).unwrap_err();
    assert!(matches!(error, StateError::InUse { .. }), "{error}");
}

#[tokio::test]
async fn a_disk_that_accepts_no_writes_is_reported_and_pending_changes_are_committed_later() {
    let folder = TempDir::new().unwrap();
    let (state, writer, _) = State::open_uncounted(folder.path()).unwrap();
    // Another process locks the database for longer than a commit waits.
    let blocker = rusqlite::Connection::open(folder.path().join("state.db")).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    state.put(vec![Change::put(Table::Check, "a", "1".to_owned())]);
    while state.health() == Health::Healthy {
        tokio::task::yield_now().await;
    }
    assert!(matches!(state.health(), Health::Failing(reason) if reason.contains("locked")));
    state.put(vec![Change::put(Table::Check, "b", "1".to_owned())]);
    blocker.execute_batch("COMMIT").unwrap();
    drop(blocker);
    let third = state.put(vec![Change::put(Table::Check, "c", "1".to_owned())]);
    while state.health() != Health::Healthy || !third.clone().wait().await {}
    drop(writer);
    let (_, _writer, stored) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!(rows(&stored, Table::Check).len(), 3);
}

#[tokio::test]
async fn without_persistence_nothing_waits() {
    let (state, _writer) = State::none();
    let pending = state.put(vec![Change::put(Table::Check, "a", "1".to_owned())]);
    assert!(pending.wait().await);
}
