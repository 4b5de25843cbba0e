//! Helpers shared by the tests of alerts.

mod database;
mod delivery;
mod failures;
mod mail;
mod payloads;
mod refusals;
mod resend;
mod storm;
mod worker;
mod world;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::notifier::Keys;
use super::*;
use canary_settings::File;
use canary_state::{PendingCommit, State, Table};
use canary_suite::{Environment, ProcessEnvironment};

/// A signal that lets sending start at once.
pub(crate) fn started() -> StartSignal {
    let signal = StartSignal::new();
    signal.cancel();
    signal
}

/// The commit of a disk that persists everything at once.
pub(super) fn committed() -> PendingCommit {
    State::none().0.put(Vec::new())
}

/// An environment with one secret.
struct Fixed;

impl Environment for Fixed {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "SECRET").then(|| "s3cr3t-k3y".to_owned())
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        ProcessEnvironment.file(path)
    }
}

/// The settings of this `alerts` section, or the problems reported.
pub(crate) fn settings(alerts: &str) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("canary.yaml");
    let lines: String = alerts.lines().map(|line| format!("  {line}\n")).collect();
    std::fs::write(&path, format!("alerts:\n{lines}")).unwrap();
    let mut file = File::read(&path, &Fixed);
    let settings = settings::read(file.alerts, &Fixed, &mut file.report);
    let result = file.report.finish(settings);
    result.map_err(|problems| {
        problems
            .to_string()
            .replace(&format!("{}/", folder.path().display()), "")
    })
}

/// What `read` makes of the keys of one notifier, such as `url: 'http://127.0.0.1/'`.
pub(super) fn read<T>(keys: &str, read: fn(&mut Keys<'_>) -> Option<T>) -> T {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("canary.yaml");
    std::fs::write(&path, format!("alerts: {{ {keys} }}\n")).unwrap();
    let mut file = File::read(&path, &Fixed);
    let found = read(&mut Keys::new(&mut file.alerts, None, &Fixed, &mut file.report));
    file.report.finish(found.unwrap()).unwrap()
}

/// Rows as a disk would have them.
#[derive(Debug, Default, Clone)]
pub(super) struct Disk(BTreeMap<(Table, Arc<str>), String>);

impl Disk {
    pub(super) fn apply(&mut self, changes: Vec<Change>) {
        for change in changes {
            let key = (change.table, change.key);
            match change.value {
                Some(text) => drop(self.0.insert(key, text)),
                None => drop(self.0.remove(&key)),
            }
        }
    }

    pub(super) fn rows(&self, table: Table) -> Vec<(Arc<str>, String)> {
        let rows = self.0.iter().filter(|((found, _), _)| *found == table);
        rows.map(|((_, key), text)| (Arc::clone(key), text.clone()))
            .collect()
    }
}
