//! Handshakes that fail: with a target, with a proxy, and on an open connection.

use canary_tests::certificate::Authority;
use canary_tests::peer::{Connection, plain};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::Phase;
use crate::connect::ConnectOptions;
use crate::tcp::Stream;
use crate::tls::TlsOptions;
use canary_suite::grant::{Destination, Scheme};

/// How a peer ends a handshake after the client's first bytes, and after it sent these.
#[derive(Debug, Clone, Copy)]
enum Ends {
    Closed(&'static [u8]),
    Reset(&'static [u8]),
}

const ENDS: [Ends; 7] = [
    Ends::Closed(b""),
    Ends::Reset(b""),
    // The beginning of a record, an alert, and another protocol.
    Ends::Closed(b"\x16\x03\x03\x00\x40\x02"),
    Ends::Reset(b"\x16\x03\x03\x00\x40\x02"),
    Ends::Closed(b"\x15\x03\x03\x00\x02\x02\x28"),
    Ends::Closed(b"\x15\x03\x03\x00\x02\x01\x00"),
    Ends::Closed(b"SSH-2.0-x\r\n"),
];

fn peer(ends: Ends) -> Peer {
    Peer::tcp(move |mut connection: Connection| async move {
        connection.read_exact(&mut [0; 5]).await?;
        let (Ends::Closed(sent) | Ends::Reset(sent)) = ends;
        connection.write_all(sent).await?;
        match ends {
            Ends::Closed(_) => connection.shutdown().await,
            Ends::Reset(_) => connection.reset(),
        }
    })
}

fn assert_phase(error: &NetError, ends: Ends) {
    let mut cause = error;
    while let NetError::OwnFailure { cause: inner, .. } = cause {
        cause = inner;
    }
    let is_in_handshake = matches!(
        cause,
        NetError::InPhase {
            phase: Phase::Handshake,
            ..
        }
    );
    assert!(is_in_handshake, "{ends:?}: {error:?}");
}

#[tokio::test]
async fn a_failed_handshake_of_a_request_is_in_its_phase() {
    for ends in ENDS {
        let peer = peer(ends);
        let url = peer.url("https", "/");
        let failed = Check::of(&url).client().send(asking("GET", &url, usual())).await;
        assert_phase(&failed.unwrap_err(), ends);
    }
}

#[tokio::test]
async fn a_failed_handshake_with_a_proxy_is_in_its_phase() {
    for ends in ENDS {
        let proxy = peer(ends);
        let url = "http://127.0.0.1:9/";
        let options = RequestOptions {
            proxy: Some(UrlText::new("the proxy", proxy.url("https", "")).unwrap()),
            ..usual()
        };
        let check = Check {
            allow: &[granted(&proxy)],
            ..Check::of(url)
        };
        let failed = check.client().send(asking("GET", url, options)).await;
        assert_phase(&failed.unwrap_err(), ends);
    }
}

#[tokio::test]
async fn a_failed_handshake_of_a_connection_is_in_its_phase() {
    for ends in ENDS {
        let peer = peer(ends);
        let target = granted(&peer);
        let client = Check::of(&target).client();
        let address = peer.address();
        let to = Destination::new(Scheme::Tcp, &address.ip().to_string(), address.port()).unwrap();
        let connecting = client.connect(&to, Via::Direct, ConnectOptions::default());
        let mut stream = Stream::new(connecting.await.unwrap().0, "127.0.0.1".to_owned());
        let failed = stream.start_tls(&client, &TlsOptions::default()).await;
        assert_phase(&failed.unwrap_err(), ends);
    }
}

#[tokio::test]
async fn a_client_that_is_rejected_for_its_certificate_is_so_in_the_handshake() {
    let (servers, clients) = (Authority::new("Servers"), Authority::new("Clients"));
    let peer = plain::mutual_tls(&servers.leaf(&["127.0.0.1"]).issue(), &clients);
    let url = peer.url("https", "/");
    let options = RequestOptions {
        // Whether the server is trusted does not matter.
        tls: Some(TlsOptions::default()),
        ..usual()
    };
    let failed = Check::of(&url).client().send(asking("GET", &url, options)).await;
    let error = failed.unwrap_err();
    assert!(error.to_string().contains("`certificate_required`"), "{error}");
    assert!(
        matches!(
            error,
            NetError::InPhase {
                phase: Phase::Handshake,
                ..
            }
        ),
        "{error:?}"
    );
}
