//! Key exchange on the curve P-521, which the TLS library lacks.

use aws_lc_rs::agreement::{ECDH_P521, EphemeralPrivateKey, PublicKey, UnparsedPublicKey, agree_ephemeral};
use aws_lc_rs::rand::SystemRandom;
use rustls::crypto::{ActiveKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::{Error, NamedGroup, PeerMisbehaved};

/// First byte of an uncompressed point (RFC 8422, section 5.4.1).
const UNCOMPRESSED: u8 = 4;

/// ECDHE on P-521.
#[derive(Debug)]
pub(super) struct P521;

impl SupportedKxGroup for P521 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let key = EphemeralPrivateKey::generate(&ECDH_P521, &SystemRandom::new());
        let key = key.map_err(|_| Error::FailedToGetRandomBytes)?;
        let share = key.compute_public_key();
        let share = share.map_err(|_| Error::General("a key on P-521 has no public part".to_owned()))?;
        Ok(Box::new(Exchange { key, share }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

struct Exchange {
    key: EphemeralPrivateKey,
    share: PublicKey,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let invalid = Error::PeerMisbehaved(PeerMisbehaved::InvalidKeyShare);
        if peer.first() != Some(&UNCOMPRESSED) {
            return Err(invalid);
        }
        let peer = UnparsedPublicKey::new(&ECDH_P521, peer);
        agree_ephemeral(self.key, peer, invalid, |secret| Ok(SharedSecret::from(secret)))
    }

    fn pub_key(&self) -> &[u8] {
        self.share.as_ref()
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use canary_tests::certificate::Authority;

    use super::super::provider;
    use super::*;

    #[test]
    fn both_sides_come_to_the_same_secret() {
        let (near, far) = (P521.start().unwrap(), P521.start().unwrap());
        let (to_far, to_near) = (near.pub_key().to_vec(), far.pub_key().to_vec());
        let (near, far) = (near.complete(&to_near).unwrap(), far.complete(&to_far).unwrap());
        assert_eq!(near.secret_bytes(), far.secret_bytes());
        assert_eq!(
            near.secret_bytes().len(),
            66,
            "leading zeros are part of it (RFC 8446, section 7.4.2)"
        );
    }

    #[tokio::test]
    async fn a_session_is_made_over_it_in_both_versions() {
        let authority = Authority::new("Root");
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let mut alone = (*provider()).clone();
            alone.kx_groups = vec![&P521];
            let leaf = authority.leaf(&["web.test"]).issue();
            let server = rustls::ServerConfig::builder_with_provider(Arc::new(alone))
                .with_protocol_versions(&[version])
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(leaf.chain(), leaf.key())
                .unwrap();
            let client = rustls::ClientConfig::builder_with_provider(provider())
                .with_protocol_versions(&[version])
                .unwrap()
                .with_root_certificates(authority.roots())
                .with_no_client_auth();
            let (near, far) = tokio::io::duplex(64 << 10);
            let name = "web.test".try_into().unwrap();
            let (client, server) = tokio::join!(
                tokio_rustls::TlsConnector::from(Arc::new(client)).connect(name, near),
                tokio_rustls::TlsAcceptor::from(Arc::new(server)).accept(far),
            );
            server.unwrap();
            let group = client.unwrap().get_ref().1.negotiated_key_exchange_group();
            assert_eq!(
                group.map(|group| group.name()),
                Some(NamedGroup::secp521r1),
                "{version:?}"
            );
        }
    }

    #[test]
    fn a_share_that_is_no_point_of_the_curve_is_refused() {
        for share in [Vec::new(), vec![4; 133], vec![2; 67], vec![0]] {
            assert!(P521.start().unwrap().complete(&share).is_err(), "{share:?}");
        }
    }
}
