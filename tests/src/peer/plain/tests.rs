use std::pin::pin;
use std::time::Duration;

use tokio::time;

use super::*;
use crate::peer::http::{Reply, Site};
use crate::peer::tls::NAMES;
use crate::peer::tls::tests::shake_hands;

const SOON: Duration = Duration::from_secs(60);

/// Sends `request` and reads until the server closes.
async fn exchange(peer: &Peer, request: &str) -> String {
    let mut stream = TcpStream::connect(peer.address()).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    time::timeout(SOON, stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    answer
}

#[tokio::test]
async fn an_echo_server_sends_back_what_it_receives_and_closes_after_its_client() {
    let peer = echo();
    let mut stream = TcpStream::connect(peer.address()).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    time::timeout(SOON, stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(answer, "hello");
    time::timeout(SOON, peer.until(|counts| counts.open == 0))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_dialogue_greets_answers_and_says_farewell() {
    let dialogue = Dialogue::new("220 mail ready\r\n")
        .reply("EHLO ", "250 hello\r\n")
        .farewell("QUIT", "221 bye\r\n");
    let peer = dialogue.start();
    let answer = exchange(&peer, "EHLO me\r\nNOOP\r\nQUIT\r\nEHLO again\r\n").await;
    assert_eq!(
        answer,
        "220 mail ready\r\n250 hello\r\n500 unknown\r\n221 bye\r\n"
    );
}

#[tokio::test]
async fn a_mutual_tls_server_serves_only_clients_that_it_knows() {
    let (servers, clients) = (Authority::new("Servers"), Authority::new("Clients"));
    let peer = mutual_tls(&servers.leaf(&NAMES).issue(), &clients);
    let known = servers.client_config_with(&clients.leaf(&["probe"]).issue());
    let mut stream = shake_hands(&peer, known).await.unwrap();
    stream.write_all(b"!").await.unwrap();
    assert_eq!(
        time::timeout(SOON, stream.read_u8()).await.unwrap().unwrap(),
        b'!'
    );
    // In TLS 1.3 the client learns of the refusal with its first read.
    let mut stream = shake_hands(&peer, servers.client_config()).await.unwrap();
    assert!(time::timeout(SOON, stream.read_u8()).await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn connecting_to_a_full_listener_neither_succeeds_nor_fails() {
    let peer = full();
    let address = peer.address();
    let mut connecting = pin!(TcpStream::connect(address));
    assert!(
        time::timeout(Duration::from_millis(100), &mut connecting)
            .await
            .is_err()
    );
    drop(peer);
    let refused = StdStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn a_proxy_tunnels_and_closes_both_sides_when_it_is_dropped() {
    let (proxy, target) = (Proxy::start(), echo());
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    let request = format!("CONNECT {} HTTP/1.1\r\nhost: target\r\n\r\n", target.address());
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = time::timeout(SOON, read_head(&mut stream))
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "));
    stream.write_all(b"!").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'!');
    assert_eq!(proxy.heads(), [request]);
    assert_eq!((proxy.accepted(), proxy.open(), target.open()), (1, 2, 1));
    drop(proxy);
    time::timeout(SOON, target.until(|counts| counts.open == 0))
        .await
        .unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_proxy_forwards_requests_with_an_absolute_uri() {
    let (proxy, site) = (
        Proxy::start(),
        Site::start(|request| Reply::text(request.uri.to_string())),
    );
    let request = format!(
        "GET {} HTTP/1.1\r\nhost: site\r\nconnection: close\r\n\r\n",
        site.url("http", "/a?b")
    );
    assert!(exchange(&proxy, &request).await.ends_with("\r\n\r\n/a?b"));
    assert_eq!(site.requests()[0].header("host"), Some("site"));
}

#[tokio::test]
async fn a_proxy_refuses_strangers_and_what_it_cannot_reach() {
    let closed = echo().address();
    let request = format!("CONNECT {closed} HTTP/1.1\r\nproxy-authorization: Basic YTpi\r\n\r\n");
    let proxy = Proxy::demanding("Basic YTpi");
    assert!(exchange(&proxy, &request).await.starts_with("HTTP/1.1 502 "));
    assert!(
        exchange(&proxy, "CONNECT a:1 HTTP/1.1\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 407 ")
    );
    assert!(
        exchange(&Proxy::start(), "GET / HTTP/1.1\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 400 ")
    );
}

#[tokio::test]
async fn a_secure_proxy_tunnels_within_its_own_session() {
    let authority = Authority::new("Root");
    let config = authority.leaf(&NAMES).issue().server_config();
    let (proxy, target) = (Proxy::secure(config, None), echo());
    let mut stream = shake_hands(&proxy, authority.client_config()).await.unwrap();
    let request = format!("CONNECT {} HTTP/1.1\r\nhost: target\r\n\r\n", target.address());
    stream.write_all(request.as_bytes()).await.unwrap();
    let head = read_head(&mut stream).await.unwrap().unwrap();
    assert!(head.starts_with("HTTP/1.1 200 "));
    stream.write_all(b"!").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'!');
    assert_eq!((proxy.heads(), proxy.open()), (vec![request], 2));
}
