use std::collections::HashSet;
use std::io::ErrorKind;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ClientConfig, Error as TlsError, ProtocolVersion};
use tokio::net::TcpStream;
use tokio::time;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream as ClientStream;

use super::*;
use crate::peer::hostile::LARGE_BODY_BYTES;

const SOON: Duration = Duration::from_secs(60);
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: peer\r\n\r\n";

/// Connects to a peer as `localhost` with this client configuration.
pub(in crate::peer) async fn shake_hands(
    peer: &Peer,
    config: ClientConfig,
) -> io::Result<ClientStream<TcpStream>> {
    let stream = TcpStream::connect(peer.address()).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// The reason that rustls gives for refusing a peer of this kind.
async fn refusal(kind: HostileTls) -> TlsError {
    let authority = Authority::new("Root");
    let peer = kind.start(&authority);
    let result = time::timeout(SOON, shake_hands(&peer, authority.client_config()))
        .await
        .unwrap();
    let error = result.expect_err(kind.name());
    let error = error
        .into_inner()
        .unwrap_or_else(|| panic!("{} is refused by TLS", kind.name()));
    *error.downcast().unwrap()
}

#[test]
fn every_kind_has_a_name_of_its_own() {
    let names: HashSet<_> = HostileTls::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), HostileTls::ALL.len());
}

#[tokio::test]
async fn every_kind_lets_go_of_a_client_that_leaves() {
    let authority = Authority::new("Root");
    for kind in HostileTls::ALL {
        let peer = kind.start(&authority);
        let mut client = TcpStream::connect(peer.address()).await.unwrap();
        client.write_all(&[22, 3, 1, 2, 0, 1, 0]).await.unwrap();
        drop(client);
        let closed = time::timeout(
            SOON,
            peer.until(|counts| counts.accepted == 1 && counts.open == 0),
        );
        assert!(closed.await.is_ok(), "{} keeps a connection", kind.name());
    }
}

#[tokio::test]
async fn bad_certificates_are_bad_in_the_way_they_say() {
    use CertificateError as C;
    for kind in HostileTls::ALL.into_iter().take(5) {
        let TlsError::InvalidCertificate(reason) = refusal(kind).await else {
            panic!("{} is a matter of the certificate", kind.name())
        };
        let expected = match kind {
            HostileTls::Expired => matches!(reason, C::ExpiredContext { .. }),
            HostileTls::NotYetValid => matches!(reason, C::NotValidYetContext { .. }),
            HostileTls::WrongName => matches!(reason, C::NotValidForNameContext { .. }),
            _ => reason == C::UnknownIssuer,
        };
        assert!(expected, "{}: {reason}", kind.name());
    }
}

#[tokio::test]
async fn a_huge_chain_an_alert_and_garbage_end_the_handshake() {
    assert!(matches!(
        refusal(HostileTls::HugeChain).await,
        TlsError::InvalidMessage(_)
    ));
    assert!(matches!(
        refusal(HostileTls::Garbage).await,
        TlsError::InvalidMessage(_)
    ));
    let alert = TlsError::AlertReceived(AlertDescription::HandshakeFailure);
    assert_eq!(refusal(HostileTls::Alert).await, alert);
}

#[tokio::test(start_paused = true)]
async fn peers_that_stop_in_the_handshake_leave_their_client_waiting() {
    let authority = Authority::new("Root");
    for kind in [HostileTls::SilentAfterHello, HostileTls::StopsMidway] {
        let peer = kind.start(&authority);
        let handshake = shake_hands(&peer, authority.client_config());
        assert!(time::timeout(SOON, handshake).await.is_err(), "{}", kind.name());
        // The paused clock may have been faster than the peer.
        peer.until(|counts| counts.received > 100).await;
    }
}

#[tokio::test]
async fn the_peer_that_stops_midway_has_sent_its_hello() {
    let peer = HostileTls::StopsMidway.start(&Authority::new("Root"));
    let mut hello = rustls::ClientConnection::new(
        Authority::new("Other").client_config().into(),
        ServerName::try_from("localhost").unwrap(),
    )
    .unwrap();
    let mut client = TcpStream::connect(peer.address()).await.unwrap();
    let mut bytes = Vec::new();
    hello.write_tls(&mut bytes).unwrap();
    client.write_all(&bytes).await.unwrap();
    let mut header = [0; 6];
    time::timeout(SOON, client.read_exact(&mut header))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (header[0], header[5]),
        (22, 2),
        "a handshake record with a server hello"
    );
}

#[tokio::test]
async fn a_peer_closes_after_the_hello() {
    let authority = Authority::new("Root");
    let peer = HostileTls::ClosesAfterHello.start(&authority);
    let result = time::timeout(SOON, shake_hands(&peer, authority.client_config()))
        .await
        .unwrap();
    assert_eq!(result.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert!(peer.received() > 100);
}

#[tokio::test]
async fn the_old_peer_speaks_tls_1_2_and_serves_a_page() {
    let authority = Authority::new("Root");
    let peer = HostileTls::OnlyTls12.start(&authority);
    let mut client = shake_hands(&peer, authority.client_config()).await.unwrap();
    assert_eq!(
        client.get_ref().1.protocol_version(),
        Some(ProtocolVersion::TLSv1_2)
    );
    client.write_all(REQUEST).await.unwrap();
    let head = time::timeout(SOON, read_head(&mut client))
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK"));
}

#[tokio::test(start_paused = true)]
async fn a_good_handshake_can_be_followed_by_silence() {
    let authority = Authority::new("Root");
    let peer = HostileTls::SilentAfterHandshake.start(&authority);
    let mut client = shake_hands(&peer, authority.client_config()).await.unwrap();
    client.write_all(REQUEST).await.unwrap();
    assert!(time::timeout(SOON, client.read_u8()).await.is_err());
    assert_eq!(peer.open(), 1);
}

#[tokio::test]
async fn the_page_of_the_story_comes_over_tls_as_well() {
    let authority = Authority::new("Root");
    let peer = HostileTls::LargeBody.start(&authority);
    let mut client = shake_hands(&peer, authority.client_config()).await.unwrap();
    client.write_all(REQUEST).await.unwrap();
    read_head(&mut client).await.unwrap().unwrap();
    time::timeout(SOON, client.read_exact(&mut vec![0; LARGE_BODY_BYTES]))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(peer.open(), 1);
}

#[tokio::test]
async fn a_session_of_ones_own_runs_over_tls_and_dies_with_the_peer() {
    let authority = Authority::new("Root");
    let config = authority.leaf(&NAMES).issue().server_config();
    let peer = server(config, |mut stream| async move {
        let byte = stream.read_u8().await?;
        stream.write_all(&[byte + 1]).await?;
        drain(stream).await
    });
    let mut client = shake_hands(&peer, authority.client_config()).await.unwrap();
    client.write_all(&[1]).await.unwrap();
    assert_eq!(client.read_u8().await.unwrap(), 2);
    drop(peer);
    let ended = time::timeout(SOON, client.read_u8()).await.unwrap();
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_server_chooses_its_certificate_by_the_name_it_is_sent() {
    let authority = Authority::new("Root");
    let certificate = |name| authority.leaf(&[name, "localhost"]).issue();
    let (default, named) = (certificate("default.test"), certificate("named.test"));
    let peer = site(config_by_name(&default, &[("localhost", &named)]));
    for (is_sent, expected) in [(true, &named), (false, &default)] {
        let mut config = authority.client_config();
        config.enable_sni = is_sent;
        let stream = shake_hands(&peer, config).await.unwrap();
        let chain = stream.get_ref().1.peer_certificates().unwrap();
        assert_eq!(chain, expected.chain());
    }
}
