//! With a real database: what was delivered is not on disk, and what was not is.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use canary_tests::receiver::{Receiver, ReceiverMode};
use tempfile::TempDir;
use tokio::time::timeout;

use super::{settings, started};
use crate::sample_notification::sample;
use crate::{AlertRouter, NotificationDispatcher, Settings, Start, start};
use canary_net::ledger::audit::InternalFds;
use canary_state::{State, StateWriter, StoredRows, Table};
use canary_system::liveness::Registry;

struct Runner {
    dispatcher: NotificationDispatcher,
    router: AlertRouter,
    state: State,
    _writer: StateWriter,
}

fn rows(kept: &StoredRows, table: Table) -> Vec<(Arc<str>, String)> {
    let rows = kept.rows_in(table);
    rows.map(|(key, text)| (Arc::clone(key), text.to_owned()))
        .collect()
}

fn runner(settings: &Settings, folder: &Path) -> Runner {
    let (state, writer, kept) = State::open_uncounted(folder).unwrap();
    let persisting = state.clone();
    let (router, dispatcher) = start(Start {
        settings,
        alerts: &rows(&kept, Table::Alert),
        notifications: &rows(&kept, Table::Notification),
        internal_fds: InternalFds::default(),
        start_signal: started(),
        persist: Box::new(move |changes| drop(persisting.put(changes))),
        log: Box::new(|_, _| {}),
        liveness: Registry::default(),
    })
    .unwrap();
    Runner {
        dispatcher,
        router,
        state,
        _writer: writer,
    }
}

impl Runner {
    fn stage(&self, number: u32) {
        let notification = crate::Notification {
            number,
            ..sample(SystemTime::now())
        };
        let mut queue = self.router.outbox().queue();
        let changes = queue.stage("hook", notification);
        drop(queue);
        self.router.dispatch(&self.state.put(changes));
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
        (1..=100).for_each(|number| first.stage(number));
        timeout(limit, receiver.until(100)).await.unwrap();
        receiver.set(ReceiverMode::Silent);
        (101..=110).for_each(|number| first.stage(number));
        drop(first.dispatcher);
        drop((first.state, first._writer));
        receiver.set(ReceiverMode::Accept);
        let second = runner(&settings, folder.path());
        timeout(limit, receiver.until(110)).await.unwrap();
        drop(second.dispatcher);
        drop((second.state, second._writer));
        let (_, _writer, kept) = State::open_uncounted(folder.path()).unwrap();
        assert_eq!(rows(&kept, Table::Notification), []);
        let numbers = receiver.bodies();
        let numbers = numbers
            .iter()
            .filter_map(|body| body["id"].as_str()?.rsplit('/').next()?.parse().ok());
        assert_eq!(numbers.collect::<Vec<u32>>(), (1..=110).collect::<Vec<_>>());
    });
}
