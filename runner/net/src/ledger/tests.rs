mod conversation;
mod datagrams;
mod descriptors;
mod pages;
mod streams;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::reclaim_log::MAX_ENTRIES;
use super::{Activity, Budget, Lease, LeasedStream, Ledger, Page, PageOwner, Refusal, RunRef};
use canary_record::Recorder;
use canary_record::quota::{Quota, QuotaKind};
use canary_record::trace::{ClosedBy, EndCause, Shortage};
use canary_suite::{CheckId, Secrets};

fn page(ledger: &Arc<Ledger>, quota: Quota) -> Arc<Page> {
    open(ledger, "a check", quota)
}

async fn connected(page: &Arc<Page>, listener: &TcpListener) -> (LeasedStream, TcpStream) {
    let peer = listener.local_addr().unwrap();
    let lease = Lease::try_acquire(page, peer).unwrap();
    let socket = TcpStream::connect(peer).await.unwrap();
    let (theirs, _) = listener.accept().await.unwrap();
    (lease.stream(socket).unwrap(), theirs)
}

async fn listener() -> TcpListener {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap()
}

const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

#[test]
fn a_third_socket_of_two_is_denied_and_counted() {
    let ledger = Ledger::new(Budget::new(100));
    let page = page(
        &ledger,
        Quota {
            sockets: 2,
            ..Quota::default()
        },
    );
    let _first = Lease::try_acquire(&page, NOWHERE).unwrap();
    let _second = Lease::try_acquire(&page, NOWHERE).unwrap();
    let Err(Refusal::Quota(denial)) = Lease::try_acquire(&page, NOWHERE) else {
        panic!("it was lent")
    };
    assert_eq!((denial.what, denial.limit), (QuotaKind::Sockets, 2));
    assert_eq!(page.usage().denials[&QuotaKind::Sockets], 1);
}

#[test]
fn a_lease_given_back_can_be_taken_again_until_the_connects_are_used_up() {
    let ledger = Ledger::new(Budget::new(100));
    let page = page(
        &ledger,
        Quota {
            sockets: 1,
            connections: 3,
            ..Quota::default()
        },
    );
    for _ in 0..3 {
        drop(Lease::try_acquire(&page, NOWHERE).unwrap());
    }
    let Err(Refusal::Quota(denial)) = Lease::try_acquire(&page, NOWHERE) else {
        panic!("it was lent")
    };
    assert_eq!(denial.what, QuotaKind::Connections);
    assert_eq!(ledger.leased(), 0);
}

#[test]
fn the_host_refuses_when_its_own_budget_is_lent_out() {
    let ledger = Ledger::new(Budget::new(1));
    let (one, other) = (page(&ledger, Quota::default()), page(&ledger, Quota::default()));
    let _lease = Lease::try_acquire(&one, NOWHERE).unwrap();
    assert_eq!(
        Lease::try_acquire(&other, NOWHERE).unwrap_err(),
        Refusal::HostExhausted
    );
}

#[test]
fn an_ended_page_lends_nothing() {
    let ledger = Ledger::new(Budget::new(1));
    let page = page(&ledger, Quota::default());
    page.end(EndCause::Returned);
    assert_eq!(Lease::try_acquire(&page, NOWHERE).unwrap_err(), Refusal::Ended);
}

#[tokio::test]
async fn the_end_of_a_run_closes_open_descriptors_and_wakes_waiters() {
    let ledger = Ledger::new(Budget::new(10));
    let page = page(&ledger, Quota::default());
    let listener = listener().await;
    let (mut ours, mut theirs) = connected(&page, &listener).await;
    let waits = async {
        let error = ours.read_u8().await.unwrap_err();
        assert_eq!(Refusal::find(&error), Some(Refusal::Ended));
    };
    let ends = async { page.end(EndCause::Deadline) };
    futures_util::future::join(waits, ends).await;
    let reset = theirs.read_u8().await.unwrap_err();
    assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(
        (ledger.leased(), ledger.reclaimed(), page.usage().reclaimed),
        (0, 1, 1)
    );
    assert_eq!(
        page.take_trail().connections[0].closed_by,
        ClosedBy::Host(EndCause::Deadline)
    );
    drop(ours);
    assert_eq!(ledger.leased(), 0, "a lease is not given back twice");
}

#[tokio::test]
async fn a_dropped_page_closes_nothing_twice_and_leaves_the_live_view() {
    let ledger = Ledger::new(Budget::new(10));
    let page = page(&ledger, Quota::default());
    let listener = listener().await;
    let (ours, _theirs) = connected(&page, &listener).await;
    assert_eq!(ledger.live().len(), 1);
    drop(ours);
    drop(page);
    assert_eq!((ledger.live().len(), ledger.reclaimed()), (0, 0));
}

#[tokio::test]
async fn the_live_view_shows_the_owner_and_activity_of_a_connection() {
    let ledger = Ledger::new(Budget::new(10));
    let page = page(&ledger, Quota::default());
    let listener = listener().await;
    let (mut ours, mut theirs) = connected(&page, &listener).await;
    let activity = || ledger.live()[0].activity;
    let lease = ledger.live().remove(0);
    let run = lease.owner.run.as_ref().unwrap();
    assert_eq!((&*run.plugin, run.trace_id), ("tcp", [7; 16]));
    assert_eq!(lease.activity, Activity::Connect);
    ours.connected().await.unwrap();
    assert_eq!(activity(), Activity::Idle);

    ours.write_all(b"hello?").await.unwrap();
    assert_eq!(activity(), Activity::Send);
    let mut reading = at_once(ours.read_u8());
    assert!(reading.is_none());
    assert_eq!(activity(), Activity::Wait);
    theirs.write_all(b"!").await.unwrap();
    reading = Some(ours.read_u8().await.unwrap());
    assert_eq!((reading, activity()), (Some(b'!'), Activity::Receive));
    ours.set_activity(Activity::Handshake);
    ours.write_all(b"again").await.unwrap();
    assert_eq!(activity(), Activity::Handshake);
}

/// The result of the first poll of a future.
fn at_once<T>(future: impl Future<Output = std::io::Result<T>>) -> Option<T> {
    use futures_util::FutureExt as _;
    future.now_or_never().map(Result::unwrap)
}

#[tokio::test]
async fn leaked_connections_are_logged_up_to_a_bound() {
    let ledger = Ledger::new(Budget::new(2_000));
    let (first, last) = (page(&ledger, Quota::default()), page(&ledger, many()));
    let nowhere = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let _kept = Lease::try_acquire(&first, nowhere(1)).unwrap();
    first.end(EndCause::Returned);
    let reclaimed_entries = ledger.last_reclaimed();
    assert_eq!(
        (
            reclaimed_entries.len(),
            reclaimed_entries[0].peer,
            reclaimed_entries[0].cause
        ),
        (1, nowhere(1).into(), EndCause::Returned)
    );
    let _kept: Vec<_> = (0..300)
        .map(|_| Lease::try_acquire(&last, nowhere(2)).unwrap())
        .collect();
    last.end(EndCause::Deadline);
    let reclaimed_entries = ledger.last_reclaimed();
    assert_eq!((reclaimed_entries.len(), ledger.reclaimed()), (MAX_ENTRIES, 301));
    assert!(
        reclaimed_entries
            .iter()
            .all(|reclaimed| reclaimed.peer == nowhere(2).into())
    );
}

fn many() -> Quota {
    Quota {
        sockets: 500,
        fds: 500,
        connections: 500,
        ..Quota::default()
    }
}

#[tokio::test]
async fn bytes_in_are_counted_and_stop_at_the_quota() {
    let ledger = Ledger::new(Budget::new(10));
    let page = page(
        &ledger,
        Quota {
            bytes_in: 5,
            ..Quota::default()
        },
    );
    let listener = listener().await;
    let (mut ours, mut theirs) = connected(&page, &listener).await;
    theirs.write_all(b"123456").await.unwrap();
    let mut five = [0; 5];
    ours.read_exact(&mut five).await.unwrap();
    let error = ours.read_u8().await.unwrap_err();
    assert!(
        matches!(Refusal::find(&error), Some(Refusal::Quota(denial)) if denial.what == QuotaKind::BytesIn)
    );
    assert_eq!(page.usage().used.bytes_in, 5);
}

#[tokio::test]
async fn a_stream_that_ends_at_the_last_byte_of_the_quota_is_no_denial() {
    let ledger = Ledger::new(Budget::new(10));
    let page = page(
        &ledger,
        Quota {
            bytes_in: 3,
            ..Quota::default()
        },
    );
    let listener = listener().await;
    let (mut ours, mut theirs) = connected(&page, &listener).await;
    theirs.write_all(b"123").await.unwrap();
    drop(theirs);
    let mut all = Vec::new();
    ours.read_to_end(&mut all).await.unwrap();
    assert_eq!(all, b"123");
    drop(ours);
    assert_eq!(page.take_trail().connections[0].closed_by, ClosedBy::Peer);
}

#[tokio::test]
async fn bytes_out_stop_at_the_quota() {
    let ledger = Ledger::new(Budget::new(10));
    let page = page(
        &ledger,
        Quota {
            bytes_out: 3,
            ..Quota::default()
        },
    );
    let listener = listener().await;
    let (mut ours, _theirs) = connected(&page, &listener).await;
    let error = ours.write_all(b"1234").await.unwrap_err();
    assert!(
        matches!(Refusal::find(&error), Some(Refusal::Quota(denial)) if denial.what == QuotaKind::BytesOut)
    );
    assert_eq!(page.usage().used.bytes_out, 3);
}

#[tokio::test(start_paused = true)]
async fn a_run_waits_for_a_released_descriptor_and_a_long_wait_is_recorded() {
    for (wait, shortage) in [(50, None), (100, None), (101, Some(Shortage::Descriptors))] {
        let ledger = Ledger::new(Budget::new(1));
        let (one, other) = (owned(&ledger, "one"), owned(&ledger, "other"));
        let lease = Lease::try_acquire(&one, NOWHERE).unwrap();
        let gives_back = async {
            tokio::time::advance(std::time::Duration::from_millis(wait)).await;
            drop(lease);
        };
        let (waits, ()) = futures_util::future::join(Lease::acquire(&other, NOWHERE), gives_back).await;
        assert_eq!((waits.is_ok(), other.shortage()), (true, shortage), "{wait} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_in_vain_for_a_descriptor_is_refused_and_the_page_records_the_shortage() {
    let ledger = Ledger::new(Budget::new(1));
    let (one, other) = (owned(&ledger, "one"), owned(&ledger, "other"));
    let _lease = Lease::try_acquire(&one, NOWHERE).unwrap();
    let began = tokio::time::Instant::now();
    let refused = Lease::acquire(&other, NOWHERE).await.unwrap_err();
    assert_eq!(began.elapsed().as_secs(), 1);
    assert_eq!(
        (refused, other.shortage()),
        (Refusal::HostExhausted, Some(Shortage::Descriptors))
    );
    assert_eq!(other.usage().denials.len(), 0, "it is not the check's fault");
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_time_is_up_while_it_waits_for_a_descriptor_was_short_of_one() {
    let ledger = Ledger::new(Budget::new(1));
    let (one, other) = (owned(&ledger, "one"), owned(&ledger, "other"));
    let _lease = Lease::try_acquire(&one, NOWHERE).unwrap();
    let time = std::time::Duration::from_millis(10);
    let waits = tokio::time::timeout(time, Lease::acquire(&other, NOWHERE)).await;
    assert_eq!(
        (waits.is_err(), other.shortage()),
        (true, Some(Shortage::Descriptors))
    );
}

fn owner(check: &str) -> PageOwner {
    PageOwner {
        check: CheckId::new(check),
        run: Some(RunRef {
            trace_id: [7; 16],
            plugin: "tcp".into(),
        }),
        attempt: 1,
    }
}

fn owned(ledger: &Arc<Ledger>, check: &str) -> Arc<Page> {
    open(ledger, check, Quota::default())
}

fn open(ledger: &Arc<Ledger>, check: &str, quota: Quota) -> Arc<Page> {
    let recorder = Recorder::new(Secrets::default(), quota.record);
    ledger.open_page(owner(check), quota, recorder)
}
