//! What the tests of alerts have in common.

mod database;
mod delivery;
mod doubt;
mod failures;
mod lane;
mod mail;
mod payloads;
mod refresh;
mod storm;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::*;
use crate::settings::File;
use crate::state::{Shelf, State, Written};
use crate::suite::Environment;
use crate::suite::ProcessEnvironment;

/// Nobody waits for anything.
pub(crate) fn begun() -> Begin {
    let begin = Begin::new();
    begin.cancel();
    begin
}

/// Of a disk that has all at once.
pub(super) fn kept() -> Written {
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

/// What holds with this `alerts` section, or what an operator is told.
pub(crate) fn settings(alerts: &str) -> Result<Settings, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("canary.yaml");
    let lines: String = alerts.lines().map(|line| format!("  {line}\n")).collect();
    std::fs::write(&path, format!("alerts:\n{lines}")).unwrap();
    let mut file = File::read(&path, &Fixed);
    let settings = settings::read(file.alerts, &Fixed, &mut file.report);
    let told = file.report.finish(settings);
    told.map_err(|problems| {
        problems
            .to_string()
            .replace(&format!("{}/", folder.path().display()), "")
    })
}

/// Whatever is kept, as a disk would.
#[derive(Debug, Default, Clone)]
pub(super) struct Disk(BTreeMap<(Shelf, Arc<str>), String>);

impl Disk {
    pub(super) fn keep(&mut self, changes: Vec<Change>) {
        for change in changes {
            let key = (change.shelf, change.key);
            match change.value {
                Some(text) => drop(self.0.insert(key, text)),
                None => drop(self.0.remove(&key)),
            }
        }
    }

    pub(super) fn rows(&self, shelf: Shelf) -> Vec<(Arc<str>, String)> {
        let rows = self.0.iter().filter(|((found, _), _)| *found == shelf);
        rows.map(|((_, key), text)| (Arc::clone(key), text.clone()))
            .collect()
    }
}
