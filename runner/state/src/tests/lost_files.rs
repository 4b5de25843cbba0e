//! Files of an open database that another process deletes, replaces or shortens.

use tokio::time::Instant;

use super::failures::{alert, commit, copy, sync_request};
use super::*;

const TIMEOUT: Duration = Duration::from_secs(30);

#[test]
fn a_database_that_is_deleted_under_the_runner_is_rewritten_in_full() {
    for gone in ["state.db", ""] {
        let parent = TempDir::new().unwrap();
        let folder = parent.path().join("state");
        let (state, writer, _) = State::open_uncounted(&folder).unwrap();
        commit(&state, vec![Change::put(Table::Alert, "a", "1".to_owned())]);
        match gone {
            "" => fs::remove_dir_all(&folder).unwrap(),
            name => fs::remove_file(folder.join(name)).unwrap(),
        }
        state.put(vec![Change::put(Table::Check, "x", "1".to_owned())]);
        // The log still existed and was quarantined.
        if let SyncRequest::Merge(stored) = sync_request(&state) {
            assert!(alert(&stored).is_empty());
        }
        state.put_all(vec![Change::put(Table::Alert, "a", "1".to_owned())]);
        drop(writer);
        let (_, _writer, stored) = State::open_uncounted(&folder).unwrap();
        assert_eq!(alert(&stored), [pair("a", "1")], "without {gone:?}");
    }
}

/// By another process: closing a file of the database in this one would release the locks that SQLite has on it.
fn shorten(path: &Path, length: usize) {
    let length = length.to_string();
    let shortened = std::process::Command::new("truncate")
        .args(["-s", &length])
        .arg(path)
        .status();
    assert!(shortened.unwrap().success());
}

type Loss = (&'static str, &'static str, fn(&Path));

const LOSSES: [Loss; 6] = [
    ("state.db-wal", "deleted", |file| fs::remove_file(file).unwrap()),
    ("state.db-wal", "emptied", |file| shorten(file, 0)),
    ("state.db-wal", "shortened", |file| shorten(file, 5_000)),
    ("state.db-wal", "replaced", replace),
    ("state.db", "emptied", |file| shorten(file, 0)),
    ("state.db", "replaced", replace),
];

fn replace(file: &Path) {
    let other = file.with_extension("part");
    fs::write(&other, [0x5a; 50_000]).unwrap();
    fs::rename(&other, file).unwrap();
}

/// Whether so many rows would be read after a kill now.
fn survives_kill(folder: &Path, count: usize) -> bool {
    let killed = copy(folder);
    let (_, _writer, stored) = State::open_uncounted(killed.path()).unwrap();
    alert(&stored).len() == count && stored.notes.is_empty()
}

#[test]
fn what_a_lost_file_held_is_written_again() {
    for (file, name, lose) in LOSSES {
        let name = format!("{file} {name}");
        let folder = TempDir::new().unwrap();
        let (state, writer, _) = State::open_uncounted(folder.path()).unwrap();
        let rows =
            || (0..20).map(|number| Change::put(Table::Alert, &format!("{number:02}"), "1".to_owned()));
        rows().for_each(|row| commit(&state, vec![row]));
        lose(&folder.path().join(file));
        let last = Change::put(Table::Alert, "20", "1".to_owned());
        state.put(vec![last.clone()]);
        let began = Instant::now();
        while !survives_kill(folder.path(), 21) {
            if state.take_sync_request().is_some() {
                state.put_all(rows().chain([last.clone()]).collect());
            }
            assert!(began.elapsed() < TIMEOUT, "{name}");
        }
        drop(writer);
        let (_, _writer, stored) = State::open_uncounted(folder.path()).unwrap();
        assert_eq!(alert(&stored).len(), 21, "{name}");
    }
}

#[test]
fn a_log_that_is_lost_before_a_shutdown_damages_nothing() {
    let folder = TempDir::new().unwrap();
    for number in 0..3 {
        let (state, writer, _) = State::open_uncounted(folder.path()).unwrap();
        commit(
            &state,
            vec![Change::put(Table::Alert, &number.to_string(), "1".to_owned())],
        );
        if number == 2 {
            shorten(&folder.path().join("state.db-wal"), 0);
        }
        drop(writer);
    }
    let (_, _writer, stored) = State::open_uncounted(folder.path()).unwrap();
    assert_eq!(alert(&stored), [pair("0", "1"), pair("1", "1")]);
    assert!(stored.notes.is_empty());
}

#[test]
fn an_index_that_another_process_shortens_is_made_anew() {
    let folder = TempDir::new().unwrap();
    let index = folder.path().join("state.db-shm");
    let shorten = |length: usize| shorten(&index, length);
    for last in [0, 136, 5_000, 32_767] {
        let (state, writer, _) = State::open_uncounted(folder.path()).unwrap();
        let numbers = 0..20;
        for number in numbers.clone() {
            let text = format!("{last} {number}");
            commit(&state, vec![Change::put(Table::Alert, &number.to_string(), text)]);
            shorten([0, 100, 136, 5_000, 20_000][number % 5]);
        }
        assert_eq!(state.health(), Health::Healthy);
        shorten(last);
        drop(writer);
        let (_, _writer, stored) = State::open_uncounted(folder.path()).unwrap();
        let mut expected: Vec<_> = numbers
            .map(|number| pair(&number.to_string(), &format!("{last} {number}")))
            .collect();
        expected.sort();
        assert_eq!(alert(&stored), expected);
        assert!(stored.notes.is_empty());
    }
}
