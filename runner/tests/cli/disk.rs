//! Disk faults: whatever the fault is, and however the runner exits during it, the state is complete afterwards, and no
//! notification was repeated or lost.

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use canary::publish::CheckRecord;
use canary_tests::command::Program;
use canary_tests::machine::Disk;
use canary_tests::peer::http::{Reply, Site};
use canary_tests::receiver::Receiver;
use rusqlite::Connection;
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::time::timeout;

use super::service_process::{LIMIT, Service};
use super::{accepted, folder, http_check};

/// The fault of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DiskFault {
    Full,
    /// Another process holds a write transaction.
    Locked,
    ReadOnly,
    /// The state files are moved to another folder.
    Gone,
    /// Files cannot grow, as with `ulimit -f` and `LimitFSIZE=`.
    SizeLimit,
}

/// An active fault, which ends on drop.
struct ActiveFault<'a>(DiskFault, &'a World, Option<Connection>);

struct World {
    folder: TempDir,
    disk: Option<Disk>,
    site: Site,
    is_bad: Arc<AtomicBool>,
    receiver: Receiver,
    /// File size limit in KiB of every runner that is started.
    file_size: Cell<Option<u64>>,
}

impl World {
    /// `None` without permission to mount.
    fn new() -> Option<Self> {
        let is_bad = Arc::new(AtomicBool::new(false));
        let bad = Arc::clone(&is_bad);
        let site = Site::start(move |_| Reply::status(if bad.load(Ordering::SeqCst) { 503 } else { 200 }));
        let receiver = Receiver::webhook();
        let check = http_check("web", &site, "/");
        // Three runs in a row that a busy machine stops would end the alert.
        let suite = format!(
            "defaults: {{ interval: 300ms, timeout: 300ms, retries: 0, failure_threshold: 3 }}\nchecks:\n{check}"
        );
        let notifier = format!("{{ type: webhook, url: '{}' }}", receiver.url("http", "/hook"));
        let settings = format!("alerts: {{ notifiers: {{ ops: {notifier} }} }}");
        let folder = folder(&[("suite.yaml", &suite), ("canary.yaml", &settings)]);
        fs::create_dir(folder.path().join("state")).unwrap();
        let disk = Disk::mount(&folder.path().join("state"))?;
        Some(Self {
            folder,
            disk: Some(disk),
            site,
            is_bad,
            receiver,
            file_size: Cell::new(None),
        })
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    async fn start(&self) -> Service {
        let copy = folder(&[]);
        for name in ["suite.yaml", "canary.yaml"] {
            fs::copy(self.folder.path().join(name), copy.path().join(name)).unwrap();
        }
        let limited = |program: Program| match self.file_size.get() {
            Some(most) => program.file_size(most),
            None => program,
        };
        let service = Service::within(copy, |program| {
            limited(program.env("CANARY_STATE_DIR", self.state()))
        });
        self.runs(6).await;
        service
    }

    /// Waits for this many more runs.
    async fn runs(&self, more: usize) {
        accepted(&self.site, self.site.accepted() + more).await;
    }

    async fn notified(&self, count: usize) {
        let waited = timeout(LIMIT, self.receiver.until(count)).await;
        assert!(
            waited.is_ok(),
            "{} of {count} notifications came",
            self.receiver.delivered().len()
        );
    }

    fn start_fault(&self, fault: DiskFault) -> ActiveFault<'_> {
        let disk = self.disk.as_ref().unwrap();
        let mut holder = None;
        match fault {
            DiskFault::Full => disk.fill(),
            DiskFault::ReadOnly => disk.remount("ro"),
            DiskFault::Locked => {
                let connection = Connection::open(self.state().join("state.db")).unwrap();
                connection.busy_timeout(LIMIT).unwrap();
                connection.execute_batch("BEGIN IMMEDIATE").unwrap();
                holder = Some(connection);
            }
            DiskFault::SizeLimit => self.file_size.set(Some(self.longest())),
            DiskFault::Gone => {
                fs::create_dir(self.state().join("aside")).unwrap();
                for entry in fs::read_dir(self.state()).unwrap().map(Result::unwrap) {
                    if entry.path().is_file() {
                        fs::rename(entry.path(), self.state().join("aside").join(entry.file_name())).unwrap();
                    }
                }
            }
        }
        ActiveFault(fault, self, holder)
    }

    /// Size of the longest file now, in KiB. A plugin's memory image is a file as well.
    fn longest(&self) -> u64 {
        const MEMORY_IMAGE: u64 = 1024;
        let entries = fs::read_dir(self.state()).unwrap().map(Result::unwrap);
        let length = entries
            .map(|entry| entry.metadata().unwrap().len())
            .max()
            .unwrap();
        length.div_ceil(1024).max(MEMORY_IMAGE)
    }

    fn record(&self) -> CheckRecord {
        let database = Connection::open(self.state().join("state.db")).unwrap();
        let text: String = database
            .query_row("SELECT value FROM kept WHERE shelf = 'check'", [], |row| {
                row.get(0)
            })
            .unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

impl Drop for ActiveFault<'_> {
    fn drop(&mut self) {
        let disk = self.1.disk.as_ref().unwrap();
        match self.0 {
            DiskFault::Full => disk.free(),
            DiskFault::ReadOnly => disk.remount("rw"),
            DiskFault::SizeLimit => self.1.file_size.set(None),
            DiskFault::Locked | DiskFault::Gone => {}
        }
        self.2 = None;
    }
}

fn end(service: Service, how: Signal) {
    if how == Signal::KILL {
        // Dropping it kills it.
        return drop(service);
    }
    service.process.signal(how);
    let ending = service.process.end();
    assert_eq!(ending.code, 0, "{ending:?}");
}

/// Waits until no problem with the state is reported.
async fn wait_until_healthy(world: &World, service: &Service) {
    let is_of_state = |problem: &String| problem.starts_with("state_");
    while service.problems("/readyz").iter().any(is_of_state) {
        world.runs(1).await;
    }
}

/// The target goes down during the fault; the runner exits and starts again during it.
async fn exit_during(fault: DiskFault, how: Signal) {
    let Some(world) = World::new() else { return };
    let first = world.start().await;
    let before = world.site.accepted();
    let troubled = world.start_fault(fault);
    world.is_bad.store(true, Ordering::SeqCst);
    world.notified(1).await;
    world.runs(3).await;
    end(first, how);
    let second = world.start().await;
    drop(troubled);
    wait_until_healthy(&world, &second).await;
    assert_eq!(world.receiver.delivered().len(), 1, "{fault:?}: told again");
    world.is_bad.store(false, Ordering::SeqCst);
    world.notified(2).await;
    world.runs(3).await;
    end(second, Signal::TERM);
    assert_eq!(world.receiver.delivered().len(), 2, "{fault:?}");
    let record = world.record();
    assert!(record.account.is_balanced(0, 0), "{record:?}");
    let scheduled = usize::try_from(record.account.scheduled()).unwrap();
    assert!(
        scheduled >= before,
        "{fault:?}: {scheduled} of {before} runs are accounted for"
    );
}

/// The target went down, with a notification, before the runner starts during the fault.
async fn start_during(fault: DiskFault, how: Signal) {
    let Some(world) = World::new() else { return };
    world.is_bad.store(true, Ordering::SeqCst);
    let first = world.start().await;
    world.notified(1).await;
    world.runs(3).await;
    end(first, how);
    let failures = world.record().failures;
    let troubled = world.start_fault(fault);
    let second = world.start().await;
    world.runs(10).await;
    end(second, how);
    let third = world.start().await;
    drop(troubled);
    third.process.limit_file_size(None);
    wait_until_healthy(&world, &third).await;
    assert_eq!(world.receiver.delivered().len(), 1, "{fault:?}: told again");
    world.runs(3).await;
    end(third, Signal::TERM);
    assert!(
        world.record().failures > failures,
        "{fault:?}: the row of failures goes on"
    );
    let names = fs::read_dir(world.state()).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    let is_quarantined = |name: &std::ffi::OsString| name.to_string_lossy().contains("broken");
    assert!(!names.iter().any(is_quarantined), "{fault:?}: {names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_neither_state_nor_notifications() {
    for how in [Signal::TERM, Signal::KILL] {
        exit_during(DiskFault::Full, how).await;
        start_during(DiskFault::Full, how).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_database_costs_neither_state_nor_notifications() {
    for how in [Signal::TERM, Signal::KILL] {
        exit_during(DiskFault::Locked, how).await;
        start_during(DiskFault::Locked, how).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_disk_costs_neither_state_nor_notifications() {
    for how in [Signal::TERM, Signal::KILL] {
        start_during(DiskFault::ReadOnly, how).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_the_size_of_files_ends_no_runner_and_costs_no_notification() {
    for how in [Signal::TERM, Signal::KILL] {
        start_during(DiskFault::SizeLimit, how).await;
    }
    let Some(world) = World::new() else { return };
    let service = world.start().await;
    service.process.limit_file_size(Some(0));
    world.is_bad.store(true, Ordering::SeqCst);
    world.notified(1).await;
    let is_reported = |problem: &String| problem == "state_not_kept";
    while !service.problems("/readyz").iter().any(is_reported) {
        world.runs(1).await;
    }
    service.process.limit_file_size(None);
    wait_until_healthy(&world, &service).await;
    end(service, Signal::TERM);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_taken_away_are_written_anew() {
    for how in [Signal::TERM, Signal::KILL] {
        let Some(world) = World::new() else { return };
        world.is_bad.store(true, Ordering::SeqCst);
        let first = world.start().await;
        world.notified(1).await;
        let troubled = world.start_fault(DiskFault::Gone);
        world.runs(3).await;
        let has_alert = || {
            let database = Connection::open(world.state().join("state.db")).ok()?;
            let count = "SELECT count(*) FROM kept WHERE shelf = 'alert'";
            database.query_row(count, [], |row| row.get::<_, i64>(0)).ok()
        };
        while has_alert() != Some(1) {
            world.runs(1).await;
        }
        end(first, how);
        let second = world.start().await;
        wait_until_healthy(&world, &second).await;
        assert_eq!(world.receiver.delivered().len(), 1, "told again");
        drop(troubled);
        end(second, Signal::TERM);
    }
}
