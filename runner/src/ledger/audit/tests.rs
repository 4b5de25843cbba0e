//! The ledger held against a list of descriptors that a test makes.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::symlink;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::ledger::{Budget, Lease, Page, PageOwner};
use crate::quota::Quota;
use crate::record::Recorder;
use crate::suite::Secrets;

thread_local! {
    /// Descriptors of reads that go on, by one question after the other; the last answer holds.
    static READING: RefCell<VecDeque<u64>> = const { RefCell::new(VecDeque::new()) };
}

fn reading() -> u64 {
    READING
        .with_borrow_mut(|answers| match answers.len() {
            0 | 1 => answers.front().copied(),
            _ => answers.pop_front(),
        })
        .unwrap_or_default()
}

fn read(answers: impl IntoIterator<Item = u64>) {
    READING.set(answers.into_iter().collect());
}

/// A process that has two sockets open at first.
struct World {
    folder: TempDir,
    ledger: Arc<Ledger>,
    reserve: Reserve,
}

impl World {
    fn new() -> Self {
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
            ledger: Ledger::new(Budget::new(10)),
            reserve: Reserve::default(),
        };
        world.open("socket:[1]");
        world.open("socket:[2]");
        world
    }

    fn open(&self, target: &str) {
        let number = std::fs::read_dir(self.folder.path()).unwrap().count();
        symlink(target, self.folder.path().join(number.to_string())).unwrap();
    }

    fn audit(&self) -> Audit {
        let process = Process {
            folder: self.folder.path().to_owned(),
            reading,
        };
        Audit::of(process, &self.ledger, &self.reserve).unwrap()
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
    Lease::take(page, SocketAddr::from((Ipv4Addr::LOCALHOST, 9))).unwrap()
}

#[test]
fn what_is_open_when_stock_is_taken_is_the_hosts_own_and_what_comes_later_is_not() {
    let world = World::new();
    let audit = world.audit();
    assert_eq!(world.unaccounted(&audit), 0);
    world.open("socket:[3]");
    assert_eq!(world.unaccounted(&audit), 1);
    audit.clone().take_stock(&world.ledger).unwrap();
    assert_eq!(world.unaccounted(&audit), 0, "all clones have one baseline");
    world.open("socket:[4]");
    world.open("socket:[5]");
    assert_eq!(world.unaccounted(&audit), 2);
}

#[test]
fn what_is_lent_held_or_read_is_accounted_for_as_long_as_it_is() {
    let world = World::new();
    let (audit, page) = (world.audit(), world.page());
    for number in 3..6 {
        world.open(&format!("socket:[{number}]"));
    }
    let (lent, held) = (lease(&page), world.reserve.hold());
    read([1]);
    assert_eq!(world.unaccounted(&audit), 0);
    read([0]);
    assert_eq!(world.unaccounted(&audit), 1);
    drop(held);
    assert_eq!(world.unaccounted(&audit), 2);
    drop(lent);
    assert_eq!(world.unaccounted(&audit), 3);
}

#[test]
fn what_is_lent_when_stock_is_taken_is_not_the_hosts_own() {
    let world = World::new();
    let page = world.page();
    let (lent, _held) = (lease(&page), world.reserve.hold());
    world.open("socket:[3]");
    let audit = world.audit();
    assert_eq!(world.unaccounted(&audit), 0);
    drop(lent);
    assert_eq!(world.unaccounted(&audit), 1);
}

#[test]
fn files_of_plugins_and_the_list_itself_are_not_counted() {
    let world = World::new();
    let audit = world.audit();
    for target in ["/memfd:wasm (deleted)", "/cache/tcp.cwasm", "/proc/1/fd"] {
        world.open(target);
    }
    std::fs::write(world.folder.path().join("no link"), "").unwrap();
    assert_eq!(world.unaccounted(&audit), 0);
    let targets = ["/srv/memfd:", ".cwasm.tmp", "/proc/1/maps", "/srv/fd"];
    for (target, expected) in targets.into_iter().zip(1..) {
        world.open(target);
        assert_eq!(world.unaccounted(&audit), expected, "{target}");
    }
}

#[test]
fn a_descriptor_that_comes_or_goes_during_a_look_is_accounted_for() {
    for answers in [[0, 1, 0], [0, 0, 1]] {
        read(answers.into_iter().chain([0]));
        let world = World::new();
        let audit = world.audit();
        world.open("socket:[3]");
        assert_eq!(world.unaccounted(&audit), 0, "{answers:?}");
    }
}

#[test]
fn the_fairest_of_eight_looks_counts() {
    let found = |looks: usize| {
        // One question when stock is taken, two at each look.
        read(std::iter::repeat_n(0, 1 + 2 * looks).chain([1]));
        let world = World::new();
        let audit = world.audit();
        world.open("socket:[3]");
        world.unaccounted(&audit)
    };
    assert_eq!((found(7), found(8)), (0, 1));
    read([0, 1, 1, 0]);
    let world = World::new();
    let audit = world.audit();
    world.open("socket:[3]");
    world.open("socket:[4]");
    assert_eq!(world.unaccounted(&audit), 1, "and not the last");
}

#[tokio::test(start_paused = true)]
async fn a_descriptor_without_an_owner_is_leaked_once_it_has_stayed() {
    let world = World::new();
    let audit = world.audit();
    world.open("socket:[3]");
    let mut leaked = Vec::new();
    for _ in 0..4 {
        leaked.push(audit.leaked(&world.ledger).unwrap());
        tokio::time::advance(Duration::from_secs(2)).await;
    }
    assert_eq!(leaked, [0, 0, 0, 1]);
}

#[test]
fn this_process_has_its_three_streams_open() {
    assert!(open_descriptors().unwrap() >= 3);
}
