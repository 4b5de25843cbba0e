use std::error::Error;

use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConnection, Error as TlsError, ServerConnection};

use super::*;

/// Performs a handshake in memory and returns the client's result.
fn shake_hands(client: ClientConfig, server: ServerConfig, name: &'static str) -> Result<(), TlsError> {
    let name = ServerName::try_from(name).unwrap();
    let mut client = ClientConnection::new(client.into(), name).unwrap();
    let mut server = ServerConnection::new(server.into()).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut unread = bytes.as_slice();
        while !unread.is_empty() {
            server.read_tls(&mut unread).unwrap();
            server.process_new_packets()?;
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut unread = bytes.as_slice();
        while !unread.is_empty() {
            client.read_tls(&mut unread).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok(())
}

fn reason(result: Result<(), TlsError>) -> CertificateError {
    match result {
        Err(TlsError::InvalidCertificate(reason)) => reason,
        other => panic!("no complaint about the certificate: {other:?}"),
    }
}

#[test]
fn a_leaf_of_a_trusted_authority_is_accepted_for_its_names_and_addresses() {
    let authority = Authority::new("Root");
    let leaf = authority.leaf(&["localhost", "127.0.0.1"]).issue();
    for name in ["localhost", "127.0.0.1"] {
        shake_hands(authority.client_config(), leaf.server_config(), name).unwrap();
    }
    let wrong = shake_hands(authority.client_config(), leaf.server_config(), "example.com");
    assert!(matches!(
        reason(wrong),
        CertificateError::NotValidForNameContext { .. }
    ));
}

#[test]
fn a_leaf_below_two_intermediates_comes_with_its_chain() {
    let root = Authority::new("Root");
    let leaf = root
        .intermediate("Middle")
        .intermediate("Issuer")
        .leaf(&["localhost"])
        .issue();
    assert_eq!(leaf.chain().len(), 3);
    shake_hands(root.client_config(), leaf.server_config(), "localhost").unwrap();
}

#[test]
fn validity_is_counted_in_days_from_now() {
    let authority = Authority::new("Root");
    let expired = authority.leaf(&["localhost"]).valid_until_days(-1).issue();
    let early = authority.leaf(&["localhost"]).valid_from_days(2).issue();
    let shake =
        |leaf: &Certificate| shake_hands(authority.client_config(), leaf.server_config(), "localhost");
    assert!(matches!(
        reason(shake(&expired)),
        CertificateError::ExpiredContext { .. }
    ));
    assert!(matches!(
        reason(shake(&early)),
        CertificateError::NotValidYetContext { .. }
    ));
}

#[test]
fn a_leaf_that_signs_itself_or_comes_from_a_stranger_is_not_trusted() {
    let authority = Authority::new("Root");
    let own = Leaf::self_signed(&["localhost"]).issue();
    let strange = Authority::new("Stranger").leaf(&["localhost"]).issue();
    for leaf in [own, strange] {
        let result = shake_hands(authority.client_config(), leaf.server_config(), "localhost");
        assert_eq!(reason(result), CertificateError::UnknownIssuer);
    }
}

#[test]
fn every_kind_of_key_makes_a_working_certificate() {
    let authority = Authority::new("Root");
    for kind in [KeyKind::P256, KeyKind::P384, KeyKind::Rsa2048] {
        let leaf = authority.leaf(&["localhost"]).key(kind).issue();
        shake_hands(authority.client_config(), leaf.server_config(), "localhost").unwrap();
    }
}

#[test]
fn a_padded_chain_has_the_size_asked_for_and_is_refused_above_the_limit_of_the_client() {
    let authority = Authority::new("Root");
    let shake =
        |leaf: &Certificate| shake_hands(authority.client_config(), leaf.server_config(), "localhost");
    let large = authority.leaf(&["localhost"]).issue().padded_to(40_000);
    assert!(large.size() >= 40_000 && large.size() < 65_536);
    shake(&large).unwrap();
    let huge = authority.leaf(&["localhost"]).issue().padded_to(300_000);
    assert!(huge.size() >= 300_000);
    assert!(matches!(shake(&huge), Err(TlsError::InvalidMessage(_))));
}

#[test]
fn a_server_that_demands_client_certificates_knows_its_clients() {
    let (servers, clients) = (Authority::new("Servers"), Authority::new("Clients"));
    let server = servers.leaf(&["localhost"]).issue();
    let server = || server.server_config_with(ALL_VERSIONS, Some(&clients));
    let known = servers.client_config_with(&clients.leaf(&["probe"]).issue());
    shake_hands(known, server(), "localhost").unwrap();
    assert!(shake_hands(servers.client_config(), server(), "localhost").is_err());
}

#[test]
fn files_hold_the_chain_and_its_key() -> Result<(), Box<dyn Error>> {
    use rustls::pki_types::pem::PemObject;
    let leaf = Authority::new("Root")
        .intermediate("Issuer")
        .leaf(&["localhost"])
        .issue();
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(leaf.chain_pem().as_bytes()).collect::<Result<_, _>>()?;
    assert_eq!(chain, leaf.chain());
    assert_eq!(
        PrivateKeyDer::from_pem_slice(leaf.key_pem().as_bytes())?,
        leaf.key()
    );
    Ok(())
}
