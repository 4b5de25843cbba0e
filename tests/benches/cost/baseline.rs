//! The same exchanges with plain sockets: no sandbox, no accounting, no verdict.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::fixture::Peers;

/// Loops over plain sockets.
pub(crate) struct Baseline {
    site: SocketAddr,
    plain: SocketAddr,
    tls: SocketAddr,
    request: String,
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Baseline {
    pub(crate) fn new(peers: &Peers) -> Self {
        let mut config = peers.trust.clone();
        // No session resumption, as in a check.
        config.resumption = Resumption::disabled();
        Self {
            site: peers.site,
            plain: peers.plain,
            tls: peers.tls,
            request: format!("GET / HTTP/1.1\r\nhost: {}\r\naccept: */*\r\n\r\n", peers.site),
            connector: TlsConnector::from(Arc::new(config)),
            name: ServerName::try_from("127.0.0.1").expect("an address"),
        }
    }

    /// Connects, sends a request, reads once, closes.
    pub(crate) async fn http(&self) {
        let mut stream = TcpStream::connect(self.site).await.expect("a connection");
        stream
            .write_all(self.request.as_bytes())
            .await
            .expect("a request sent");
        let mut answer = [0; 4096];
        let read = stream.read(&mut answer).await.expect("an answer");
        assert!(read > 0, "the peer closed");
    }

    /// Connects and closes.
    pub(crate) async fn tcp(&self) {
        drop(TcpStream::connect(self.plain).await.expect("a connection"));
    }

    /// Connects, shakes hands with a full verification, closes.
    pub(crate) async fn tls(&self) {
        let stream = TcpStream::connect(self.tls).await.expect("a connection");
        let stream = self.connector.connect(self.name.clone(), stream).await;
        drop(stream.expect("a session"));
    }
}
