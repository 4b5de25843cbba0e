//! With the database that a runner keeps: what was delivered is not on disk, and what was not is.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use canary_tests::receiver::{Mood, Receiver};
use tempfile::TempDir;
use tokio::time::timeout;

use super::{begun, settings};
use crate::alert::trial::sample;
use crate::alert::{Courier, Desk, Settings, Start, start};
use crate::ledger::audit::Reserve;
use crate::liveness::Registry;
use crate::state::{Keeper, Kept, Shelf, State};

struct Runner {
    courier: Courier,
    desk: Desk,
    state: State,
    _keeper: Keeper,
}

fn rows(kept: &Kept, shelf: Shelf) -> Vec<(Arc<str>, String)> {
    let rows = kept.of(shelf);
    rows.map(|(key, text)| (Arc::clone(key), text.to_owned()))
        .collect()
}

fn runner(settings: &Settings, folder: &Path) -> Runner {
    let (state, keeper, kept) = State::open_uncounted(folder).unwrap();
    let kept_by = state.clone();
    let (desk, courier) = start(Start {
        settings,
        alerts: &rows(&kept, Shelf::Alert),
        notifications: &rows(&kept, Shelf::Notification),
        reserve: Reserve::default(),
        begin: begun(),
        keep: Box::new(move |changes| drop(kept_by.put(changes))),
        say: Box::new(|_, _| {}),
        liveness: Registry::default(),
    })
    .unwrap();
    Runner {
        courier,
        desk,
        state,
        _keeper: keeper,
    }
}

impl Runner {
    fn tell(&self, number: u32) {
        let notification = crate::alert::Notification {
            number,
            ..sample(SystemTime::now())
        };
        let mut queue = self.desk.outbox().queue();
        let changes = queue.stage("hook", notification);
        drop(queue);
        self.desk.post(&self.state.put(changes));
    }
}

#[test]
fn a_database_forgets_what_was_delivered_and_nothing_else() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let limit = Duration::from_secs(60);
        let folder = TempDir::new().unwrap();
        let receiver = Receiver::webhook();
        let url = receiver.url("http", "/");
        let settings = settings(&format!(
            "notifiers: {{ hook: {{ type: webhook, url: '{url}' }} }}"
        ))
        .unwrap();
        let first = runner(&settings, folder.path());
        (1..=100).for_each(|number| first.tell(number));
        timeout(limit, receiver.until(100)).await.unwrap();
        receiver.set(Mood::Silent);
        (101..=110).for_each(|number| first.tell(number));
        first.courier.finish();
        drop((first.state, first._keeper));
        receiver.set(Mood::Takes);
        let second = runner(&settings, folder.path());
        timeout(limit, receiver.until(110)).await.unwrap();
        second.courier.finish();
        drop((second.state, second._keeper));
        let (_, _keeper, kept) = State::open_uncounted(folder.path()).unwrap();
        assert_eq!(rows(&kept, Shelf::Notification), []);
        let numbers = receiver.bodies();
        let numbers = numbers
            .iter()
            .filter_map(|body| body["id"].as_str()?.rsplit('/').next()?.parse().ok());
        assert_eq!(numbers.collect::<Vec<u32>>(), (1..=110).collect::<Vec<_>>());
    });
}
