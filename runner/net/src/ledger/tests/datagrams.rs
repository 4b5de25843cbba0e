//! How a datagram socket uses its descriptor.

use std::io::ErrorKind;
use std::os::fd::AsFd as _;
use std::time::Duration;

use tokio::net::UdpSocket;

use super::*;

async fn socket_to(peer: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    socket.connect(peer).await.unwrap();
    socket
}

#[tokio::test]
async fn datagrams_go_both_ways_until_the_run_is_over() {
    let ledger = Ledger::new(Budget::new(10));
    let page = page(&ledger, Quota::default());
    let activity = || ledger.live()[0].activity;
    let theirs = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let socket = socket_to(theirs.local_addr().unwrap()).await;
    theirs.connect(socket.local_addr().unwrap()).await.unwrap();
    let lease = Lease::try_acquire(&page, theirs.local_addr().unwrap()).unwrap();
    let ours = lease.datagrams(socket).unwrap();
    assert_eq!(activity(), Activity::Idle);

    assert_eq!(ours.send(b"question").await.unwrap(), 8);
    assert_eq!(activity(), Activity::Send);
    let mut buffer = [0; 16];
    assert_eq!(theirs.recv(&mut buffer).await.unwrap(), 8);
    theirs.send(b"answer").await.unwrap();
    assert_eq!(ours.receive(&mut buffer).await.unwrap(), 6);
    assert_eq!((&buffer[..6], activity()), (&b"answer"[..], Activity::Wait));

    let ends = async { page.end(EndCause::Deadline) };
    let (received, ()) = futures_util::future::join(ours.receive(&mut [0]), ends).await;
    assert_eq!(Refusal::find(&received.unwrap_err()), Some(Refusal::Ended));
    assert!(ours.send(b"more").await.is_err());
}

#[tokio::test]
async fn a_refusal_that_comes_while_an_answer_is_waited_for_ends_the_wait() {
    let page = page(&Ledger::new(Budget::new(10)), Quota::default());
    let theirs = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let peer = theirs.local_addr().unwrap();
    let socket = socket_to(peer).await;
    let copy = socket.as_fd().try_clone_to_owned().unwrap();
    let ours = Lease::try_acquire(&page, peer)
        .unwrap()
        .datagrams(socket)
        .unwrap();
    drop(theirs);
    // Uses a copy of the descriptor: the wait starts before there is anything to receive.
    let asks = async { std::net::UdpSocket::from(copy).send(b"question") };
    let mut buffer = [0; 16];
    let (received, sent) = futures_util::future::join(ours.receive(&mut buffer), asks).await;
    assert_eq!(sent.unwrap(), 8);
    assert_eq!(received.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_datagram_is_sent_while_another_is_waited_for() {
    let page = page(&Ledger::new(Budget::new(10)), Quota::default());
    let theirs = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let peer = theirs.local_addr().unwrap();
    let ours = Lease::try_acquire(&page, peer).unwrap();
    let ours = ours.datagrams(socket_to(peer).await).unwrap();
    let mut buffer = [0; 16];
    let answers = async {
        let mut question = [0; 16];
        let (length, from) = theirs.recv_from(&mut question).await.unwrap();
        assert_eq!(&question[..length], b"again");
        theirs.send_to(b"answer", from).await.unwrap();
    };
    // The wait starts first.
    let exchange = futures_util::future::join3(ours.receive(&mut buffer), ours.send(b"again"), answers);
    let exchange = tokio::time::timeout(Duration::from_secs(10), exchange).await;
    let (received, sent, ()) = exchange.unwrap();
    assert_eq!((received.unwrap(), sent.unwrap()), (6, 5));
}

#[tokio::test]
async fn a_refusal_of_what_is_sent_during_a_wait_ends_the_wait() {
    let page = page(&Ledger::new(Budget::new(10)), Quota::default());
    let theirs = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let peer = theirs.local_addr().unwrap();
    let ours = Lease::try_acquire(&page, peer).unwrap();
    let ours = ours.datagrams(socket_to(peer).await).unwrap();
    drop(theirs);
    let mut buffer = [0; 16];
    let exchange = futures_util::future::join(ours.receive(&mut buffer), ours.send(b"question"));
    let exchange = tokio::time::timeout(Duration::from_secs(10), exchange).await;
    let (received, sent) = exchange.unwrap();
    assert_eq!(sent.unwrap(), 8);
    assert_eq!(received.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}
