use canary_tests::certificate::Authority;
use canary_tests::peer::tls::legacy_flight;
use tokio::io::AsyncReadExt as _;

use super::*;
use crate::bounded::Bounded;

fn options(authority: &Authority) -> TlsOptions {
    TlsOptions {
        ca_certificates: Some(Bounded::new("ca", authority.pem()).unwrap()),
        ..TlsOptions::default()
    }
}

async fn examined(authority: &Authority, sent: Vec<u8>) -> Result<Examination, NetError> {
    let (client, mut server) = tokio::io::duplex(64 << 10);
    let options = options(authority);
    let trust = TrustStore::default();
    let limit = Instant::now() + Duration::from_secs(60);
    let examining = examine(&trust, client, "web.test", &options, limit);
    let serving = async {
        let mut hello = [0; 5];
        server.read_exact(&mut hello).await.unwrap();
        server.write_all(&sent).await.unwrap();
        // The rest of the hello is not needed; the client disconnects.
        drop(server.shutdown().await);
        let mut rest = Vec::new();
        drop(server.read_to_end(&mut rest).await);
    };
    tokio::join!(examining, serving).0
}

#[tokio::test]
async fn an_old_server_shows_its_version_its_suite_and_what_is_wrong_with_its_certificate() {
    let authority = Authority::new("Root");
    let leaf = authority.leaf(&["web.test"]).valid_until_days(-2).issue();
    for (minor, version) in [(0, "SSL 3.0"), (1, "TLS 1.0"), (2, "TLS 1.1"), (3, "TLS 1.2")] {
        let flight = legacy_flight([3, minor], 0x002f, &leaf);
        let shown = examined(&authority, flight).await.unwrap();
        assert_eq!(
            (shown.version.as_str(), shown.cipher_suite.as_str()),
            (version, "TLS_RSA_WITH_AES_128_CBC_SHA")
        );
        assert_eq!(shown.chain.len(), 1);
        let said = shown.untrusted.to_string();
        assert!(said.starts_with("the certificate expired at "), "{said}");
    }
    let good = authority.leaf(&["web.test"]).issue();
    let shown = examined(&authority, legacy_flight([3, 1], 0x1234, &good))
        .await
        .unwrap();
    assert!(shown.untrusted.is_empty(), "{}", shown.untrusted);
    assert_eq!(shown.cipher_suite, "the cipher suite 0x1234");
    assert_eq!(shown.verified_chain.unwrap().len(), 2);
}

#[tokio::test]
async fn a_server_that_shows_nothing_says_why() {
    let authority = Authority::new("Root");
    let refused = |sent: &[u8]| {
        let (authority, sent) = (&authority, sent.to_vec());
        async move { examined(authority, sent).await.unwrap_err().to_string() }
    };
    assert_eq!(refused(b"").await, "closed by the peer");
    assert_eq!(
        refused(b"220 mail ESMTP\r\n").await,
        "tls: the peer does not speak TLS: it sent `220 mail ESMTP`"
    );
    assert_eq!(
        refused(&[21, 3, 1, 0, 2, 2, 70]).await,
        "tls: the peer sent the alert `protocol_version`: it supports none of the offered TLS versions"
    );
}

#[test]
fn the_message_names_what_a_handshake_actually_offers() {
    let groups: Vec<_> = provider().kx_groups.iter().map(|group| group.name()).collect();
    use rustls::NamedGroup::{X25519, X25519MLKEM768, secp256r1, secp384r1, secp521r1};
    // X25519MLKEM768 is used by TLS 1.3 only, which the message does not cover.
    assert_eq!(groups, [X25519, secp256r1, secp384r1, X25519MLKEM768, secp521r1]);
    assert_eq!(GROUPS, "X25519, P-256, P-384 and P-521");
}

#[tokio::test]
async fn a_server_that_wants_another_group_is_reported_with_the_offered_ones() {
    let authority = Authority::new("Root");
    let good = authority.leaf(&["web.test"]).issue();
    let shown = examined(&authority, legacy_flight([3, 3], 0xc02b, &good))
        .await
        .unwrap();
    let said = shown.differs_from(&options(&authority));
    let expected = "with the offer of an older client, the server chooses TLS 1.2 with TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, \
                    which Canary offers too, with X25519, P-256, P-384 and P-521 for the key exchange and signatures with SHA-256 \
                    or longer hashes; its certificate is trusted and expires ";
    assert!(said.starts_with(expected), "{said}");
    let broken = canary_tests::certificate::patched(&good.chain().remove(0), &[0x30], &[0x31]);
    let broken = canary_tests::certificate::Leaf::self_signed(&["x"])
        .issue()
        .showing(vec![broken]);
    let shown = examined(&authority, legacy_flight([3, 1], 0x002f, &broken))
        .await
        .unwrap();
    assert!(!shown.chain.first().unwrap().is_readable());
    assert_eq!(shown.untrusted.to_string(), "the certificate cannot be read");
}
