//! Descriptors of the host: how many may be lent, to whom, and what else counts as one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::*;
use crate::ledger::{audit::InternalFds, raise_descriptor_limit};

#[test]
fn one_check_cannot_take_what_others_need() {
    let ledger = Ledger::new(Budget::new(400));
    let greedy: Vec<_> = (0..2).map(|_| open(&ledger, "greedy", many())).collect();
    let taken = greedy
        .iter()
        .flat_map(|page| (0..200).map_while(|_| Lease::try_acquire(page, NOWHERE).ok()));
    let leases: Vec<_> = taken.collect();
    assert_eq!((leases.len(), ledger.leased()), (100, 100));
    let _other = Lease::try_acquire(&owned(&ledger, "other"), NOWHERE).unwrap();
    let small = Ledger::new(Budget::new(16));
    let page = open(&small, "greedy", many());
    let leases: Vec<_> = (0..16)
        .map_while(|_| Lease::try_acquire(&page, NOWHERE).ok())
        .collect();
    assert_eq!(leases.len(), 8, "a share is never smaller");
}

#[test]
fn what_the_host_opens_counts_as_a_descriptor_and_as_no_socket() {
    let ledger = Ledger::new(Budget::new(100));
    let quota = Quota {
        sockets: 2,
        fds: 3,
        ..Quota::default()
    };
    let page = page(&ledger, quota);
    let charges = [page.charge().unwrap(), page.charge().unwrap()];
    let _socket = Lease::try_acquire(&page, NOWHERE).unwrap();
    assert_eq!(
        (
            page.usage().used.sockets_peak,
            page.usage().used.fds_peak,
            ledger.leased()
        ),
        (1, 3, 1)
    );
    assert!(page.try_charge().is_none());
    assert_eq!(page.charge().unwrap_err().what, QuotaKind::Fds);
    let Err(Refusal::Quota(denial)) = Lease::try_acquire(&page, NOWHERE) else {
        panic!("it was lent")
    };
    assert_eq!((denial.what, denial.limit), (QuotaKind::Fds, 3));
    drop(charges);
    let _second = Lease::try_acquire(&page, NOWHERE).unwrap();
    let Err(Refusal::Quota(denial)) = Lease::try_acquire(&page, NOWHERE) else {
        panic!("it was lent")
    };
    assert_eq!((denial.what, page.usage().used.fds_peak), (QuotaKind::Sockets, 3));
}

#[test]
fn what_the_host_opens_may_use_up_the_quota_and_is_given_back_one_by_one() {
    let ledger = Ledger::new(Budget::new(100));
    let quota = Quota {
        fds: 3,
        ..Quota::default()
    };
    let page = page(&ledger, quota);
    for _ in 0..2 {
        let charges: Vec<_> = (0..4).map_while(|_| page.try_charge()).collect();
        assert_eq!((charges.len(), page.usage().used.fds_peak), (3, 3));
    }
}

#[test]
fn what_is_lent_leaves_the_host_a_reserve_or_half_of_what_is_free() {
    for (limit, open, lendable) in [
        (1_024, 100, 668),
        (356, 100, 128),
        (357, 100, 129),
        (355, 100, 128),
        (110, 100, 5),
        (130, 100, 8),
        (100, 100, 0),
        (50, 100, 0),
    ] {
        assert_eq!(Budget::within(limit, open).capacity(), lendable, "{limit}");
    }
    let ledger = Ledger::new(Budget::new(5));
    assert_eq!(ledger.reserved(), 256);
    ledger.set_budget(1_024, 100);
    assert_eq!((ledger.capacity(), ledger.reserved()), (668, 256));
    ledger.set_budget(130, 100);
    assert_eq!((ledger.capacity(), ledger.reserved()), (8, 22));
}

#[test]
fn the_host_may_open_as_much_as_the_system_lets_it() {
    let before = getrlimit(Resource::Nofile);
    let lower = Rlimit {
        current: before.maximum.map(|most| most - 1),
        maximum: before.maximum,
    };
    setrlimit(Resource::Nofile, lower).unwrap();
    let raised = raise_descriptor_limit().unwrap();
    assert_eq!(getrlimit(Resource::Nofile).current, before.maximum);
    assert_eq!(raised, before.maximum.unwrap_or(u64::MAX));
}

#[test]
fn the_pools_show_the_descriptors() {
    let ledger = Ledger::new(Budget::new(100));
    let page = page(&ledger, Quota::default());
    let _lease = Lease::try_acquire(&page, NOWHERE).unwrap();
    let readings = ledger.pools().snapshots();
    let shown: Vec<_> = readings.iter().map(|pool| (pool.name, pool.used)).collect();
    assert_eq!(shown, [("descriptors", 1)]);
}

#[test]
fn descriptors_of_the_runner_itself_are_counted_while_they_are_held() {
    let internal_fds = InternalFds::default();
    let held = [internal_fds.acquire(), internal_fds.clone().acquire()];
    assert_eq!(internal_fds.count(), 2);
    drop(held);
    assert_eq!(internal_fds.count(), 0);
}

#[test]
fn an_exhausted_quota_is_reported_even_when_the_host_has_none_left() {
    let ledger = Ledger::new(Budget::new(1));
    let lent = owned(&ledger, "one");
    let _lease = Lease::try_acquire(&lent, NOWHERE).unwrap();
    let none = Quota {
        sockets: 0,
        ..Quota::default()
    };
    let refused = Lease::try_acquire(&page(&ledger, none), NOWHERE).unwrap_err();
    assert!(matches!(refused, Refusal::Quota(denial) if denial.what == QuotaKind::Sockets));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_over_does_not_wait_for_a_descriptor() {
    let ledger = Ledger::new(Budget::new(1));
    let (one, over) = (owned(&ledger, "one"), owned(&ledger, "over"));
    let _lease = Lease::try_acquire(&one, NOWHERE).unwrap();
    over.end(EndCause::Deadline);
    let began = tokio::time::Instant::now();
    let refused = Lease::acquire(&over, NOWHERE).await.unwrap_err();
    assert_eq!((refused, began.elapsed().as_millis()), (Refusal::Ended, 0));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_while_it_waits_gets_nothing_any_more() {
    let ledger = Ledger::new(Budget::new(1));
    let (one, other) = (owned(&ledger, "one"), owned(&ledger, "other"));
    let lease = Lease::try_acquire(&one, NOWHERE).unwrap();
    let ends = async {
        other.end(EndCause::Deadline);
        drop(lease);
    };
    let (waited, ()) = futures_util::future::join(Lease::acquire(&other, NOWHERE), ends).await;
    assert_eq!(waited.unwrap_err(), Refusal::Ended);
    assert_eq!((ledger.leased(), other.open()), (0, 0));
}
