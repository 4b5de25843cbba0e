use std::collections::HashSet;
use std::io::ErrorKind;

use tokio::net::TcpStream;

use super::*;

const SOON: Duration = Duration::from_secs(60);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: peer\r\n\r\n";

/// A client that has sent its request.
async fn ask(peer: &Peer) -> TcpStream {
    let mut client = TcpStream::connect(peer.address()).await.unwrap();
    client.write_all(REQUEST).await.unwrap();
    client
}

/// What comes until the peer closes.
async fn read_all(mut client: impl AsyncRead + Unpin) -> io::Result<String> {
    let mut answer = Vec::new();
    time::timeout(SOON, client.read_to_end(&mut answer))
        .await
        .unwrap()?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// The whole response on a connection that stays open.
async fn read_head_of(kind: Hostile) -> String {
    let peer = kind.start();
    let mut client = ask(&peer).await;
    time::timeout(SOON, read_head(&mut client))
        .await
        .unwrap()
        .unwrap()
        .unwrap()
}

#[test]
fn every_kind_has_a_name_of_its_own() {
    let names: HashSet<_> = Hostile::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), Hostile::ALL.len());
}

#[tokio::test]
async fn every_kind_lets_go_of_a_client_that_leaves() {
    for kind in Hostile::ALL {
        let kind = if kind == Hostile::Drips(DRIP_INTERVAL) {
            Hostile::Drips(Duration::from_millis(1))
        } else {
            kind
        };
        let peer = kind.start();
        drop(ask(&peer).await);
        let closed = time::timeout(
            SOON,
            peer.until(|counts| counts.accepted == 1 && counts.open == 0),
        );
        assert!(closed.await.is_ok(), "{} keeps a connection", kind.name());
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_reads_and_says_nothing() {
    let peer = Hostile::Silent.start();
    let mut client = ask(&peer).await;
    assert_eq!(peer.until(|counts| counts.received > 0).await.open, 1);
    assert!(time::timeout(SOON, client.read_u8()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_fills_the_buffers_of_its_client() {
    let peer = Hostile::NeverReads.start();
    let mut client = ask(&peer).await;
    // A paused clock does not wait for the peer to accept.
    peer.until(|counts| counts.open == 1).await;
    assert!(
        time::timeout(SOON, client.write_all(&vec![0; 64 << 20]))
            .await
            .is_err()
    );
    assert_eq!(
        peer.counts(),
        super::super::Counts {
            accepted: 1,
            open: 1,
            most_open: 1,
            received: 0
        }
    );
    // An orderly close would wait for the unread data.
    client.set_zero_linger().unwrap();
    drop(client);
    time::timeout(SOON, peer.until(|counts| counts.open == 0))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_peer_closes_at_once_or_resets() {
    let closing = Hostile::ClosesAtOnce.start();
    assert_eq!(
        read_all(TcpStream::connect(closing.address()).await.unwrap())
            .await
            .unwrap(),
        ""
    );
    let resetting = Hostile::Resets.start();
    let reset = read_all(TcpStream::connect(resetting.address()).await.unwrap()).await;
    assert_eq!(reset.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_half_open_peer_ends_its_answer_in_the_middle_and_keeps_the_socket() {
    let peer = Hostile::HalfOpen.start();
    let mut client = ask(&peer).await;
    assert!(read_all(&mut client).await.unwrap().ends_with("half a resp"));
    client.write_all(b"still there?").await.unwrap();
    let received = REQUEST.len() as u64 + 12;
    let counts = time::timeout(SOON, peer.until(|counts| counts.received == received))
        .await
        .unwrap();
    assert_eq!(counts.open, 1);
}

#[tokio::test(start_paused = true)]
async fn a_dripping_peer_sends_one_byte_an_interval() {
    let peer = Hostile::Drips(DRIP_INTERVAL).start();
    let mut client = ask(&peer).await;
    let started_at = time::Instant::now();
    client.read_exact(&mut [0; 10]).await.unwrap();
    assert_eq!(started_at.elapsed().as_secs(), 10);
    assert_eq!(
        client.try_read(&mut [0]).unwrap_err().kind(),
        ErrorKind::WouldBlock
    );
}

#[tokio::test]
async fn endless_answers_do_not_end() {
    for (kind, piece) in [
        (Hostile::EndlessBody, "0123456789abcdef"),
        (Hostile::EndlessHeaders, "x-more: and more\r\n"),
        (Hostile::EndlessLine, "xxxxxxxxxxxx"),
    ] {
        let peer = kind.start();
        let mut answer = vec![0; 16 << 20];
        time::timeout(SOON, ask(&peer).await.read_exact(&mut answer))
            .await
            .unwrap()
            .unwrap();
        let answer = String::from_utf8(answer).unwrap();
        assert!(answer.contains(piece), "{}", kind.name());
        assert_eq!(
            answer.contains("\r\n\r\n"),
            kind == Hostile::EndlessBody,
            "{}",
            kind.name()
        );
        assert_eq!(
            answer.contains('\n'),
            kind != Hostile::EndlessLine,
            "{}",
            kind.name()
        );
    }
}

#[tokio::test]
async fn the_large_page_is_complete_and_its_connection_stays_open() {
    let peer = Hostile::LargeBody.start();
    let mut client = ask(&peer).await;
    for _ in 0..2 {
        let head = read_head(&mut client).await.unwrap().unwrap();
        assert!(head.contains("content-length: 5000000\r\n"));
        client.read_exact(&mut vec![0; LARGE_BODY_BYTES]).await.unwrap();
        assert_eq!(peer.open(), 1);
        client.write_all(REQUEST).await.unwrap();
    }
}

#[tokio::test]
async fn redirects_lead_back_or_to_where_a_check_must_not_go() {
    for (kind, location) in [
        (Hostile::RedirectLoop, "location: /again\r\n"),
        (Hostile::RedirectToPrivate, "location: http://10.0.0.1/\r\n"),
        (
            Hostile::RedirectToMetadata,
            "location: http://169.254.169.254/latest/meta-data/\r\n",
        ),
    ] {
        let head = read_head_of(kind).await;
        assert!(
            head.starts_with("HTTP/1.1 302 ") && head.contains(location),
            "{head}"
        );
    }
}

#[tokio::test]
async fn the_redirect_to_loopback_leads_to_a_peer_that_counts_who_came() {
    let peer = Hostile::RedirectToLoopback.start();
    let lure = peer.redirect_target().unwrap();
    let head = read_head(&mut ask(&peer).await).await.unwrap().unwrap();
    assert!(
        head.contains(&format!("location: {}\r\n", lure.url("http", "/"))),
        "{head}"
    );
    assert_eq!(lure.accepted(), 0);
    let _client = ask(lure).await;
    time::timeout(SOON, lure.until(|counts| counts.accepted == 1))
        .await
        .unwrap();
}

#[tokio::test]
async fn garbage_is_no_http_and_a_short_body_ends_early() {
    let garbage = Hostile::Garbage.start();
    assert!(!read_all(ask(&garbage).await).await.unwrap().starts_with("HTTP"));
    let short = Hostile::ShortBody.start();
    let answer = read_all(ask(&short).await).await.unwrap();
    assert!(answer.contains("content-length: 100\r\n") && answer.ends_with("only this"));
}
