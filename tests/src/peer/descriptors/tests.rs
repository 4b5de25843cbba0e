use std::net::TcpStream;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::*;
use crate::peer::{Hostile, Peer, plain};

const SOON: Duration = Duration::from_secs(60);

/// Asserts that so many descriptors in the process are sockets of `peer`. It counts again if they are not: the kernel's
/// table may lack a line while other tests open and close sockets.
async fn assert_held(peer: &Peer, expected: usize) {
    let limit = Instant::now() + SOON;
    loop {
        let held = held_by(peer);
        if held == expected {
            return;
        }
        assert!(Instant::now() < limit, "{held} in place of {expected}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// The descriptors in the process that are sockets of `peer`: found by their number, as other tests open some too.
fn held_by(peer: &Peer) -> usize {
    held()
        .iter()
        .filter(|&&descriptor| local_port(descriptor) == Some(peer.address().port()))
        .count()
}

/// The port that a descriptor is bound to, looked up by its inode as `ss` does.
fn local_port(descriptor: RawFd) -> Option<u16> {
    let link = std::fs::read_link(format!("/proc/self/fd/{descriptor}")).ok()?;
    let inode = link
        .to_str()?
        .strip_prefix("socket:[")?
        .strip_suffix(']')?
        .to_owned();
    let table = std::fs::read_to_string("/proc/self/net/tcp").unwrap();
    let line = table
        .lines()
        .find(|line| line.split_whitespace().nth(9) == Some(&inode))?;
    let local = line.split_whitespace().nth(1)?;
    u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()
}

#[tokio::test]
async fn listeners_and_connections_of_peers_are_known_until_they_are_closed() {
    let peer = Hostile::Silent.start();
    assert_held(&peer, 1).await;
    let client = TcpStream::connect(peer.address()).unwrap();
    peer.until(|counts| counts.open == 1).await;
    assert_held(&peer, 2).await;
    drop(client);
    peer.until(|counts| counts.open == 0).await;
    assert_held(&peer, 1).await;
}

#[tokio::test]
async fn counting_sees_the_descriptors_of_clients() {
    let peer = plain::echo();
    let _clients: Vec<_> = (0..100)
        .map(|_| TcpStream::connect(peer.address()).unwrap())
        .collect();
    peer.until(|counts| counts.open == 100).await;
    assert!(descriptors_outside_peers().unwrap() >= 100);
}
