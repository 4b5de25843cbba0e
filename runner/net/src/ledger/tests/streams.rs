//! How a stream uses its descriptor.

use std::io::ErrorKind;
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;
use crate::ledger::Denial;

async fn pair(quota: Quota) -> (Arc<Ledger>, Arc<Page>, LeasedStream, TcpStream) {
    let ledger = Ledger::new(Budget::new(10));
    let page = page(&ledger, quota);
    let (ours, theirs) = connected(&page, &listener().await).await;
    (ledger, page, ours, theirs)
}

fn closed_by(page: &Page) -> ClosedBy {
    page.take_trail().connections[0].closed_by
}

#[tokio::test]
async fn bytes_are_counted_for_the_stream_the_live_view_and_the_trail() {
    let (ledger, page, mut ours, mut theirs) = pair(Quota::default()).await;
    ours.write_all(b"hello").await.unwrap();
    theirs.write_all(b"hi!").await.unwrap();
    ours.read_exact(&mut [0; 3]).await.unwrap();
    assert_eq!(ours.traffic(), (3, 5));
    assert_eq!((page.usage().used.bytes_in, page.usage().used.bytes_out), (3, 5));
    let live = ledger.live().remove(0);
    assert_eq!((live.bytes_in, live.bytes_out), (3, 5));
    drop(ours);
    let connection = page.take_trail().connections.remove(0);
    assert_eq!((connection.bytes_in, connection.bytes_out), (3, 5));
    assert_eq!(connection.closed_by, ClosedBy::Guest);
}

#[tokio::test]
async fn a_peer_closed_a_stream_that_ended_or_was_reset() {
    let (_ledger, page, mut ours, mut theirs) = pair(Quota::default()).await;
    theirs.write_all(b"bye").await.unwrap();
    drop(theirs);
    assert_eq!(ours.read_to_end(&mut Vec::new()).await.unwrap(), 3);
    drop(ours);
    assert_eq!(closed_by(&page), ClosedBy::Peer);

    let (_ledger, page, mut ours, theirs) = pair(Quota::default()).await;
    drop(theirs);
    assert_eq!(ours.read(&mut [0]).await.unwrap(), 0, "with room for one byte");
    drop(ours);
    assert_eq!(closed_by(&page), ClosedBy::Peer);

    let (_ledger, page, mut ours, theirs) = pair(Quota::default()).await;
    socket2::SockRef::from(&theirs)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(theirs);
    let reset = ours.read_u8().await.unwrap_err();
    assert_eq!(reset.kind(), ErrorKind::ConnectionReset);
    drop(ours);
    assert_eq!(closed_by(&page), ClosedBy::Peer);
}

#[tokio::test]
async fn what_a_peer_sends_is_refused_before_it_uses_up_the_cpu_time_of_a_run() {
    let second = Quota {
        cpu: Duration::from_secs(1),
        ..Quota::default()
    };
    let (_ledger, page, mut ours, mut theirs) = pair(second).await;
    theirs.write_all(&[0; 20_000]).await.unwrap();
    let used = Arc::new(AtomicU64::new(249));
    let measured = Arc::clone(&used);
    page.set_cpu_meter(Box::new(move || {
        Duration::from_millis(measured.load(Ordering::Relaxed))
    }));
    let mut buffer = [0; 10_000];
    assert_eq!(ours.read(&mut buffer).await.unwrap(), 10_000);
    used.store(899, Ordering::Relaxed);
    assert_eq!(ours.read(&mut buffer).await.unwrap(), 4 << 10, "little at once");
    assert!(page.usage().denials.is_empty());
    used.store(900, Ordering::Relaxed);
    let refused = ours.read(&mut buffer).await.unwrap_err();
    let refused = Refusal::find(&refused).unwrap();
    let denial = Denial {
        what: QuotaKind::Cpu,
        limit: 1_000,
    };
    assert_eq!(refused, Refusal::Quota(denial));
    assert_eq!(page.usage().denials, [(QuotaKind::Cpu, 1)].into());
}

#[tokio::test]
async fn to_read_or_write_nothing_is_never_denied_and_says_nothing_of_the_peer() {
    let none = Quota {
        bytes_in: 0,
        bytes_out: 0,
        ..Quota::default()
    };
    let (_ledger, page, mut ours, mut theirs) = pair(none).await;
    theirs.write_all(b"more").await.unwrap();
    assert_eq!(ours.read(&mut []).await.unwrap(), 0);
    assert_eq!(ours.write(&[]).await.unwrap(), 0);
    assert!(page.usage().denials.is_empty());
    drop(ours);
    assert_eq!(closed_by(&page), ClosedBy::Guest);
}

#[tokio::test]
async fn a_shutdown_reaches_the_peer_and_fails_once_the_run_is_over() {
    let (_ledger, page, mut ours, mut theirs) = pair(Quota::default()).await;
    ours.flush().await.unwrap();
    ours.shutdown().await.unwrap();
    assert_eq!(theirs.read(&mut [0]).await.unwrap(), 0);
    page.end(EndCause::Returned);
    for error in [
        ours.flush().await.unwrap_err(),
        ours.shutdown().await.unwrap_err(),
        ours.peer_addr().unwrap_err(),
        ours.local_addr().unwrap_err(),
    ] {
        assert_eq!(Refusal::find(&error), Some(Refusal::Ended));
    }
}

#[tokio::test]
async fn a_stream_is_not_connected_before_its_peer_has_answered() {
    let ledger = Ledger::new(Budget::new(10));
    let page = page(&ledger, Quota::default());
    let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    listener
        .bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
        .unwrap();
    listener.listen(0).unwrap();
    let peer = listener.local_addr().unwrap().as_socket().unwrap();
    // Nobody accepts, and the kernel queues one or two pending connections.
    let connecting = |_| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        let _in_progress = socket.connect(&peer.into());
        let lease = Lease::try_acquire(&page, peer).unwrap();
        lease.stream(TcpStream::from_std(socket.into()).unwrap()).unwrap()
    };
    let streams: Vec<_> = (0..4).map(connecting).collect();
    streams[0].connected().await.unwrap();
    assert_eq!(at_once(streams[3].connected()), None);
    assert_eq!(ledger.live()[3].activity, Activity::Connect);
}

#[tokio::test]
async fn a_stream_knows_its_addresses() {
    let (_ledger, _page, ours, theirs) = pair(Quota::default()).await;
    assert_eq!(ours.peer_addr().unwrap(), theirs.local_addr().unwrap());
    assert_eq!(ours.local_addr().unwrap(), theirs.peer_addr().unwrap());
}

/// A duplicate descriptor, such as a child process holds while it is being spawned.
fn copy_of(page: &Arc<Page>, socket: &TcpStream) -> (Lease, std::os::fd::OwnedFd) {
    let lease = Lease::try_acquire(page, NOWHERE).unwrap();
    (lease, socket.as_fd().try_clone_to_owned().unwrap())
}

#[tokio::test]
async fn a_peer_is_notified_of_the_end_although_another_process_has_a_copy_of_the_descriptor() {
    let ledger = Ledger::new(Budget::new(10));
    let listener = listener().await;
    for end in [None, Some(EndCause::Returned), Some(EndCause::Deadline)] {
        let page = page(&ledger, Quota::default());
        let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut theirs, _) = listener.accept().await.unwrap();
        let (lease, _copy) = copy_of(&page, &ours);
        let ours = lease.stream(ours).unwrap();
        match end {
            Some(cause) => page.end(cause),
            None => drop(ours),
        }
        match (end, theirs.read(&mut [0]).await) {
            (Some(EndCause::Deadline), read) => {
                assert_eq!(read.unwrap_err().kind(), ErrorKind::ConnectionReset);
            }
            (_, read) => assert_eq!(read.unwrap(), 0, "a goodbye and no reset"),
        }
    }
}

#[tokio::test]
async fn a_peer_that_has_not_accepted_yet_is_notified_of_the_end_too() {
    let ledger = Ledger::new(Budget::new(10));
    let listener = listener().await;
    for cause in [EndCause::Returned, EndCause::Deadline] {
        let page = page(&ledger, Quota::default());
        let ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (lease, _copy) = copy_of(&page, &ours);
        let _ours = lease.stream(ours).unwrap();
        page.end(cause);
        let (mut theirs, _) = listener.accept().await.unwrap();
        let read = theirs.read(&mut [0]).await;
        assert!(read.is_err() || read.is_ok_and(|read| read == 0));
    }
}

#[tokio::test]
async fn the_last_waiter_is_woken_when_the_run_ends() {
    let (_ledger, page, mut ours, _theirs) = pair(Quota::default()).await;
    assert!(at_once(ours.read_u8()).is_none());
    let ends = async { page.end(EndCause::Deadline) };
    let (read, ()) = futures_util::future::join(ours.read_u8(), ends).await;
    assert_eq!(Refusal::find(&read.unwrap_err()), Some(Refusal::Ended));
}
