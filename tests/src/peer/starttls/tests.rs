use std::collections::HashSet;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time;
use tokio_rustls::TlsConnector;

use super::*;
use crate::certificate::Authority;
use crate::peer::tls::NAMES;

const SOON: Duration = Duration::from_secs(60);

impl Protocol {
    /// The messages of a client, each with the expected end of the server's reply.
    fn script(self) -> Vec<(&'static [u8], &'static [u8])> {
        let xmpp_header =
            b"<?xml version='1.0'?><stream:stream to='peer.test' xmlns='jabber:client' version='1.0'>";
        match self {
            Self::Smtp => vec![
                (b"", b"220 peer.test ESMTP\r\n"),
                (b"EHLO me\r\n", b"250 STARTTLS\r\n"),
                (b"STARTTLS\r\n", b"220 go ahead\r\n"),
            ],
            Self::Imap => vec![
                (b"", b"ready\r\n"),
                (b"a CAPABILITY\r\n", b"a OK done\r\n"),
                (b"b STARTTLS\r\n", b"b OK go ahead\r\n"),
            ],
            Self::Pop3 => vec![
                (b"", b"ready\r\n"),
                (b"CAPA\r\n", b"STLS\r\n.\r\n"),
                (b"STLS\r\n", b"+OK go ahead\r\n"),
            ],
            Self::Ftp => vec![
                (b"", b"ready\r\n"),
                (b"FEAT\r\n", b"211 End\r\n"),
                (b"AUTH TLS\r\n", b"234 go ahead\r\n"),
            ],
            Self::Ldap => vec![(
                LDAP_REQUEST,
                b"\x30\x0c\x02\x01\x07\x78\x07\x0a\x01\x00\x04\x00\x04\x00",
            )],
            Self::Xmpp => vec![
                (xmpp_header, b"</stream:features>"),
                (
                    b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
                    b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
                ),
            ],
            Self::Postgres => vec![(&POSTGRES_SSL_REQUEST, b"S")],
            Self::Mysql => vec![(b"", b"mysql_native_password\0"), (MYSQL_REQUEST, b"")],
        }
    }

    /// What a refusal ends with.
    fn no(self) -> &'static [u8] {
        match self {
            Self::Smtp => b"454 TLS not available\r\n",
            Self::Imap => b"b NO not available\r\n",
            Self::Pop3 => b"-ERR not available\r\n",
            Self::Ftp => b"534 not available\r\n",
            Self::Ldap => b"\x30\x0c\x02\x01\x07\x78\x07\x0a\x01\x34\x04\x00\x04\x00",
            Self::Xmpp => b"</stream:stream>",
            Self::Postgres => b"N",
            Self::Mysql => b"",
        }
    }
}

const LDAP_REQUEST: &[u8] = b"\x30\x1d\x02\x01\x07\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
const MYSQL_REQUEST: &[u8] =
    b"\x20\0\0\x01\x00\x8a\x08\0\0\0\0\x01\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// Reads until what was read ends with `end`.
async fn read_to(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(end) {
        bytes.push(time::timeout(SOON, stream.read_u8()).await.unwrap().unwrap());
    }
    bytes
}

/// Sends everything up to the request for TLS; the reply to it is still to be read.
async fn ask(protocol: Protocol, peer: &Peer) -> TcpStream {
    let mut stream = TcpStream::connect(peer.address()).await.unwrap();
    let script = protocol.script();
    let (request, before) = script.split_last().unwrap();
    for (message, answer) in before {
        stream.write_all(message).await.unwrap();
        read_to(&mut stream, answer).await;
    }
    stream.write_all(request.0).await.unwrap();
    stream
}

fn start(protocol: Protocol, behaviour: StartTlsBehaviour, authority: &Authority) -> Peer {
    protocol.start(behaviour, authority.leaf(&NAMES).issue().server_config())
}

async fn shake_hands(stream: TcpStream, authority: &Authority) {
    let connector = TlsConnector::from(Arc::new(authority.client_config()));
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = time::timeout(SOON, connector.connect(name, stream))
        .await
        .unwrap()
        .unwrap();
    stream.write_all(b"hello").await.unwrap();
    let mut echo = [0; 5];
    time::timeout(SOON, stream.read_exact(&mut echo))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&echo, b"hello");
}

#[test]
fn every_protocol_has_a_name_of_its_own() {
    let names: HashSet<_> = Protocol::ALL.iter().map(|protocol| protocol.name()).collect();
    assert_eq!(names.len(), Protocol::ALL.len());
}

#[tokio::test]
async fn a_good_server_turns_to_tls_with_its_certificate() {
    let authority = Authority::new("Root");
    for protocol in Protocol::ALL {
        let peer = start(protocol, StartTlsBehaviour::Upgrades, &authority);
        let mut stream = ask(protocol, &peer).await;
        let consent = protocol.script().last().unwrap().1;
        assert_eq!(
            read_to(&mut stream, consent).await,
            consent,
            "{}",
            protocol.name()
        );
        shake_hands(stream, &authority).await;
    }
}

#[tokio::test]
async fn a_silent_server_never_answers_the_request() {
    let authority = Authority::new("Root");
    for protocol in Protocol::ALL {
        let peer = start(protocol, StartTlsBehaviour::Silent, &authority);
        let mut stream = ask(protocol, &peer).await;
        // Only now: a paused clock would not wait for replies that are still on their way.
        time::pause();
        assert!(
            time::timeout(SOON, stream.read_u8()).await.is_err(),
            "{}",
            protocol.name()
        );
        time::resume();
        assert_eq!(peer.open(), 1, "{}", protocol.name());
    }
}

#[tokio::test]
async fn a_server_refuses_in_the_words_of_its_protocol() {
    let authority = Authority::new("Root");
    for protocol in Protocol::ALL
        .into_iter()
        .filter(|&protocol| protocol != Protocol::Mysql)
    {
        let peer = start(protocol, StartTlsBehaviour::Refuses, &authority);
        let mut stream = ask(protocol, &peer).await;
        read_to(&mut stream, protocol.no()).await;
        assert_eq!(peer.open(), 1, "{}", protocol.name());
    }
}

#[tokio::test]
async fn a_mysql_server_refuses_by_not_offering_it() {
    let authority = Authority::new("Root");
    for (behaviour, offered) in [
        (StartTlsBehaviour::Upgrades, MYSQL_SSL),
        (StartTlsBehaviour::Refuses, 0),
    ] {
        let peer = start(Protocol::Mysql, behaviour, &authority);
        let mut stream = TcpStream::connect(peer.address()).await.unwrap();
        let greeting = read_to(&mut stream, b"mysql_native_password\0").await;
        assert_eq!(usize::from(greeting[0]), greeting.len() - 4);
        let version_end = greeting.iter().skip(5).position(|&byte| byte == 0).unwrap() + 5;
        assert_eq!(greeting[version_end + 1 + 4 + 9 + 1] & MYSQL_SSL, offered);
    }
}

#[tokio::test]
async fn an_injecting_server_speaks_in_plain_text_before_the_handshake() {
    let authority = Authority::new("Root");
    for protocol in Protocol::ALL {
        let peer = start(protocol, StartTlsBehaviour::Injects, &authority);
        let mut stream = ask(protocol, &peer).await;
        read_to(&mut stream, INJECTED).await;
        shake_hands(stream, &authority).await;
    }
}

#[tokio::test]
async fn every_conduct_lets_go_of_a_client_that_leaves() {
    let authority = Authority::new("Root");
    for (protocol, behaviour) in Protocol::ALL
        .into_iter()
        .flat_map(|p| StartTlsBehaviour::ALL.map(|c| (p, c)))
    {
        let peer = start(protocol, behaviour, &authority);
        drop(ask(protocol, &peer).await);
        let closed = time::timeout(
            SOON,
            peer.until(|counts| counts.accepted == 1 && counts.open == 0),
        );
        assert!(closed.await.is_ok(), "{} {behaviour:?}", protocol.name());
    }
}
