use std::io::{ErrorKind, Read};
use std::net::{Ipv6Addr, TcpStream as StdStream};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::hostile::drain;
use super::*;

/// Time limit of waits, far above what they need.
const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn connections_and_bytes_are_counted() {
    let peer = Peer::tcp(drain);
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(TcpStream::connect(peer.address()).await.unwrap());
    }
    clients[0].write_all(b"hello").await.unwrap();
    let counts = time::timeout(
        SOON,
        peer.until(|counts| counts.open == 3 && counts.received == 5),
    )
    .await
    .unwrap();
    assert_eq!(
        counts,
        Counts {
            accepted: 3,
            open: 3,
            most_open: 3,
            received: 5
        }
    );
    drop(clients);
    time::timeout(SOON, peer.until(|counts| counts.open == 0))
        .await
        .unwrap();
    assert_eq!(peer.accepted(), 3);
}

#[tokio::test]
async fn dropping_a_peer_closes_its_listener_and_every_connection_before_drop_returns() {
    let peer = Peer::tcp(drain);
    let address = peer.address();
    let mut client = StdStream::connect(address).unwrap();
    client.set_nonblocking(true).unwrap();
    time::timeout(SOON, peer.until(|counts| counts.open == 1))
        .await
        .unwrap();
    assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(peer);
    // Nothing is awaited from here on, so the peer's tasks have no chance to run. The kernel may deliver the end late.
    client.set_nonblocking(false).unwrap();
    client.set_read_timeout(Some(SOON)).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    assert_eq!(
        StdStream::connect(address).unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_a_peer_closes_connections_that_are_busy_on_another_thread() {
    let peer = Hostile::EndlessLine.start();
    let mut client = TcpStream::connect(peer.address()).await.unwrap();
    client.read_exact(&mut [0; 100_000]).await.unwrap();
    drop(peer);
    let mut rest = Vec::new();
    let ended = time::timeout(SOON, client.read_to_end(&mut rest)).await.unwrap();
    assert!(ended.is_ok() || ended.unwrap_err().kind() == ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn dropping_a_peer_closes_the_peer_beside_it() {
    let peer = Hostile::RedirectToLoopback.start();
    let address = peer.redirect_target().unwrap().address();
    StdStream::connect(address).unwrap();
    drop(peer);
    assert_eq!(
        StdStream::connect(address).unwrap_err().kind(),
        ErrorKind::ConnectionRefused
    );
}

#[tokio::test]
async fn a_session_that_breaks_leaves_the_others_alone() {
    let peer = Peer::tcp(|mut connection| async move {
        let byte = connection.read_u8().await?;
        if byte == b'x' {
            return Err(ErrorKind::Other.into());
        }
        connection.write_all(&[byte]).await
    });
    for byte in [b'x', b'y'] {
        let mut client = TcpStream::connect(peer.address()).await.unwrap();
        client.write_all(&[byte]).await.unwrap();
        let mut answer = Vec::new();
        time::timeout(SOON, client.read_to_end(&mut answer))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(answer.first(), (byte == b'y').then_some(&b'y'));
    }
}

#[tokio::test]
async fn a_peer_can_listen_elsewhere_when_the_machine_has_the_address() {
    let Ok(peer) = Peer::tcp_on((Ipv6Addr::LOCALHOST, 0).into(), drain) else {
        return;
    };
    assert!(peer.address().is_ipv6());
    assert_eq!(
        peer.url("http", "/a"),
        format!("http://[::1]:{}/a", peer.address().port())
    );
    TcpStream::connect(peer.address()).await.unwrap();
}
