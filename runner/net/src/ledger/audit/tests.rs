//! The ledger compared with a list of descriptors supplied by the test.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::ledger::{Budget, Lease, Page, PageOwner};
use canary_record::Recorder;
use canary_record::quota::Quota;
use canary_suite::Secrets;

thread_local! {
    /// Successive return values for the number of files being read; the last one repeats.
    static FILES_BEING_READ: RefCell<VecDeque<u64>> = const { RefCell::new(VecDeque::new()) };
}

fn files_being_read() -> u64 {
    FILES_BEING_READ
        .with_borrow_mut(|answers| match answers.len() {
            0 | 1 => answers.front().copied(),
            _ => answers.pop_front(),
        })
        .unwrap_or_default()
}

fn read(answers: impl IntoIterator<Item = u64>) {
    FILES_BEING_READ.set(answers.into_iter().collect());
}

/// A process that starts with two open sockets.
struct Fixture {
    dir: TempDir,
    ledger: Arc<Ledger>,
    internal_fds: InternalFds,
}

impl Fixture {
    fn new() -> Self {
        let fixture = Self {
            dir: tempfile::tempdir().unwrap(),
            ledger: Ledger::new(Budget::new(10)),
            internal_fds: InternalFds::default(),
        };
        fixture.open("socket:[1]");
        fixture.open("socket:[2]");
        fixture
    }

    fn open(&self, target: &str) {
        let number = std::fs::read_dir(self.dir.path()).unwrap().count();
        symlink(target, self.dir.path().join(number.to_string())).unwrap();
    }

    fn audit(&self) -> Audit {
        let process = ProcessFds {
            dir: self.dir.path().to_owned(),
            files_being_read,
        };
        Audit::new(process, &self.ledger, &self.internal_fds).unwrap()
    }

    fn unaccounted(&self, audit: &Audit) -> u64 {
        audit.unaccounted(&self.ledger).unwrap()
    }

    fn page(&self) -> Arc<Page> {
        let recorder = Recorder::new(Secrets::default(), Quota::default().record);
        self.ledger
            .open_page(PageOwner::service("dns"), Quota::default(), recorder)
    }
}

fn lease(page: &Arc<Page>) -> Lease {
    Lease::try_acquire(page, SocketAddr::from((Ipv4Addr::LOCALHOST, 9))).unwrap()
}

#[test]
fn descriptors_open_at_the_baseline_are_the_hosts_own_and_later_ones_are_not() {
    let fixture = Fixture::new();
    let audit = fixture.audit();
    assert_eq!(fixture.unaccounted(&audit), 0);
    fixture.open("socket:[3]");
    assert_eq!(fixture.unaccounted(&audit), 1);
    audit.clone().rebaseline(&fixture.ledger).unwrap();
    assert_eq!(fixture.unaccounted(&audit), 0, "all clones have one baseline");
    fixture.open("socket:[4]");
    fixture.open("socket:[5]");
    assert_eq!(fixture.unaccounted(&audit), 2);
}

#[test]
fn lent_internal_and_file_descriptors_are_accounted_for() {
    let fixture = Fixture::new();
    let (audit, page) = (fixture.audit(), fixture.page());
    for number in 3..6 {
        fixture.open(&format!("socket:[{number}]"));
    }
    let (lent, held) = (lease(&page), fixture.internal_fds.acquire());
    read([1]);
    assert_eq!(fixture.unaccounted(&audit), 0);
    read([0]);
    assert_eq!(fixture.unaccounted(&audit), 1);
    drop(held);
    assert_eq!(fixture.unaccounted(&audit), 2);
    drop(lent);
    assert_eq!(fixture.unaccounted(&audit), 3);
}

#[test]
fn lent_descriptors_are_not_part_of_the_baseline() {
    let fixture = Fixture::new();
    let page = fixture.page();
    let (lent, _held) = (lease(&page), fixture.internal_fds.acquire());
    fixture.open("socket:[3]");
    let audit = fixture.audit();
    assert_eq!(fixture.unaccounted(&audit), 0);
    drop(lent);
    assert_eq!(fixture.unaccounted(&audit), 1);
}

#[test]
fn files_of_plugins_and_the_list_itself_are_not_counted() {
    let fixture = Fixture::new();
    let audit = fixture.audit();
    for target in ["/memfd:wasm (deleted)", "/cache/tcp.cwasm", "/proc/1/fd"] {
        fixture.open(target);
    }
    std::fs::write(fixture.dir.path().join("no link"), "").unwrap();
    assert_eq!(fixture.unaccounted(&audit), 0);
    let targets = ["/srv/memfd:", ".cwasm.tmp", "/proc/1/maps", "/srv/fd"];
    for (target, expected) in targets.into_iter().zip(1..) {
        fixture.open(target);
        assert_eq!(fixture.unaccounted(&audit), expected, "{target}");
    }
}

#[test]
fn a_descriptor_that_comes_or_goes_during_a_scan_is_accounted_for() {
    for answers in [[0, 1, 0], [0, 0, 1]] {
        read(answers.into_iter().chain([0]));
        let fixture = Fixture::new();
        let audit = fixture.audit();
        fixture.open("socket:[3]");
        assert_eq!(fixture.unaccounted(&audit), 0, "{answers:?}");
    }
}

#[test]
fn the_best_of_eight_scans_counts() {
    let found = |scans: usize| {
        // One call on `rebaseline`, two on each scan.
        read(std::iter::repeat_n(0, 1 + 2 * scans).chain([1]));
        let fixture = Fixture::new();
        let audit = fixture.audit();
        fixture.open("socket:[3]");
        fixture.unaccounted(&audit)
    };
    assert_eq!((found(7), found(8)), (0, 1));
    read([0, 1, 1, 0]);
    let fixture = Fixture::new();
    let audit = fixture.audit();
    fixture.open("socket:[3]");
    fixture.open("socket:[4]");
    assert_eq!(fixture.unaccounted(&audit), 1, "and not the last");
}

#[tokio::test(start_paused = true)]
async fn a_descriptor_without_an_owner_is_leaked_once_it_has_stayed() {
    let fixture = Fixture::new();
    let audit = fixture.audit();
    fixture.open("socket:[3]");
    let mut leaked = Vec::new();
    for _ in 0..4 {
        leaked.push(audit.leaked(&fixture.ledger).unwrap());
        tokio::time::advance(Duration::from_secs(2)).await;
    }
    assert_eq!(leaked, [0, 0, 0, 1]);
}

#[test]
fn this_process_has_its_three_streams_open() {
    assert!(open_descriptors().unwrap() >= 3);
}
