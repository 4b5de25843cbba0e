//! Crowds of clients at a server with TLS.

use std::net::TcpStream;

use canary_tests::certificate::Authority;
use rustls::{ClientConnection, Stream};
use tempfile::TempDir;

use super::*;
use canary_settings::Identity;

/// More than all places together.
const CROWD: usize = 300;

/// A listener with a certificate of `authority`, whose files are deleted with the folder.
fn listener(authority: &Authority) -> (AdminListener, TempDir) {
    let folder = TempDir::new().unwrap();
    let leaf = authority.leaf(&["localhost"]).issue();
    let identity = Identity {
        certificate: folder.path().join("admin.pem"),
        key: folder.path().join("admin.key"),
    };
    std::fs::write(&identity.certificate, leaf.chain_pem()).unwrap();
    std::fs::write(&identity.key, leaf.key_pem()).unwrap();
    let listener = AdminListener {
        tls: Some(Tls::load(&identity).unwrap()),
        ..AdminListener::sample()
    };
    (listener, folder)
}

/// Connects [`CROWD`] clients that send `start` and no more; returns once some have been evicted.
fn crowd(server: &Server, start: &[u8]) -> Vec<TcpStream> {
    let one = |_| {
        let mut stream = server.open();
        stream.write_all(start).unwrap();
        stream
    };
    let mut crowd: Vec<_> = (0..CROWD).map(one).collect();
    // Closed, with what it sent unread or not.
    let _closed = crowd[0].read(&mut [0]);
    crowd
}

/// A record header, and the beginning of a ClientHello.
const HALF_A_HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00";

#[test]
fn a_crowd_that_sends_nothing_or_half_a_client_hello_does_not_evict_a_handshake() {
    let authority = Authority::new("Test Root");
    let config = Arc::new(authority.client_config());
    for start in [b"".as_slice(), HALF_A_HELLO] {
        let (listener, _folder) = listener(&authority);
        let server = Server::at(PATIENT, listener, Bench::new().state(|_| String::new()));
        let _before = crowd(&server, start);
        let name = "localhost".try_into().unwrap();
        let mut session = ClientConnection::new(Arc::clone(&config), name).unwrap();
        let mut stream = server.open();
        session.write_tls(&mut stream).unwrap();
        while !session.wants_write() {
            assert_ne!(
                session.read_tls(&mut stream).unwrap(),
                0,
                "closed in the handshake"
            );
            session.process_new_packets().unwrap();
        }
        // The client is far away: a crowd connects before it can proceed.
        let _meanwhile = crowd(&server, start);
        let mut stream = Stream::new(&mut session, &mut stream);
        stream
            .write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        assert_eq!(&head, b"HTTP/1.1 200");
    }
}
