//! Notifications that an earlier process left on disk.
//!
//! An input: lines of a key, a blank and a text.

use std::collections::BTreeSet;
use std::sync::Arc;

use canary::fuzzing::notifications::{MOST, MOST_BYTES, Restored, Rows, restore};

const NOTIFIERS: [&str; 2] = ["ops", "oncall"];

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let mut keys = BTreeSet::new();
    let rows = text.lines().filter_map(|line| line.split_once(' '));
    // A database has a key once.
    let rows: Rows = rows
        .filter(|(key, _)| keys.insert(*key))
        .map(|(key, text)| (Arc::from(key), text.to_owned()))
        .collect();
    let Restored {
        waiting,
        useless,
        next,
        bodies,
    } = restore(&NOTIFIERS, &rows);

    assert!(waiting.len() <= NOTIFIERS.len() * MOST);
    assert!(waiting.iter().map(|(_, text)| text.len()).sum::<usize>() <= 2 * MOST_BYTES);
    let kept: BTreeSet<&Arc<str>> = waiting.iter().map(|(key, _)| key).collect();
    assert_eq!(kept.len(), waiting.len(), "two have one key");
    // A row that is neither restored nor deleted would reappear with each start.
    let known: BTreeSet<&Arc<str>> = kept.iter().copied().chain(&useless).collect();
    assert_eq!(known, rows.iter().map(|(key, _)| key).collect());
    for body in bodies {
        assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok(), "{body}");
    }
    for key in &next {
        assert!(kept.iter().all(|kept| *kept < key), "{key} is not the last");
    }
    is_the_same_again(waiting);
}

fn is_the_same_again(waiting: Rows) {
    let again = restore(&NOTIFIERS, &waiting);
    let sorted = |mut rows: Rows| {
        rows.sort();
        rows
    };
    assert!(again.useless.is_empty(), "{:?}", again.useless);
    assert_eq!(sorted(again.waiting), sorted(waiting));
}
