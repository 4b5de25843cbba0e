//! Limits the work that a peer can cause in the search for a path.
//!
//! The search tries every certificate whose subject is the issuer of the one below. A few dozen certificates with one
//! name yield billions of paths, and the library gives up after 200,000 steps: a third of a second of blocking work.
//! Signatures are not a problem: at most 100 are verified, and keys have at most 8,192 bits.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use super::adapted::AdaptedChain;
use super::authority::{issuer_objection, objection_to_server};
use super::{MAX_CHAIN, provider};

/// Maximum number of certificates with the same name in the search. Cross-signed authorities have several.
pub(super) const MAX_PER_NAME: usize = 3;

/// The certificates above the leaf that are used in the search. Excludes unreadable ones, and those whose key usage
/// does not permit issuing others, which the library does not check.
pub(super) fn candidates<'a>(above: &'a [CertificateDer<'_>]) -> Vec<CertificateDer<'a>> {
    let mut candidates: Vec<(Vec<u8>, &[u8])> = Vec::new();
    for der in above.iter().take(MAX_CHAIN - 1).map(AsRef::as_ref) {
        let Ok((_, parsed)) = x509_parser::parse_x509_certificate(der) else {
            continue;
        };
        if issuer_objection(&parsed).is_some() {
            continue;
        }
        let name = parsed.subject().as_raw();
        let is_known = candidates.iter().any(|(_, known)| *known == der);
        let of_one_name = candidates.iter().filter(|(known, _)| known == name).count();
        if !is_known && of_one_name < MAX_PER_NAME {
            candidates.push((name.to_owned(), der));
        }
    }
    let candidates = candidates.into_iter();
    candidates.map(|(_, der)| CertificateDer::from(der)).collect()
}

/// The certificate verifier for servers that the runner itself connects to.
///
/// # Errors
/// There are no roots.
pub fn verifier(roots: RootCertStore) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    if roots.is_empty() {
        return Err(Error::General("there are no trusted certificates".to_owned()));
    }
    let algorithms = provider().signature_verification_algorithms;
    Ok(Arc::new(Verifier { roots, algorithms }))
}

/// Whether a leaf passes the checks for server certificates that the library lacks. An unreadable one is left to the
/// library.
fn is_for_servers(leaf: &CertificateDer<'_>) -> bool {
    x509_parser::parse_x509_certificate(leaf).map_or(true, |(_, leaf)| objection_to_server(&leaf).is_none())
}

#[derive(Debug)]
struct Verifier {
    roots: RootCertStore,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), webpki::Error> {
        let above = candidates(above);
        let adapted = AdaptedChain::new(leaf, &above);
        if !is_for_servers(leaf) {
            return Err(webpki::Error::UnsupportedCriticalExtension);
        }
        let algorithms = adapted.algorithms(self.algorithms.all);
        let algorithms: Vec<&dyn SignatureVerificationAlgorithm> =
            algorithms.iter().map(|algorithm| algorithm as _).collect();
        let leaf = EndEntityCert::try_from(adapted.leaf())?;
        let (anchors, above, usage) = (&self.roots.roots, adapted.above(), KeyUsage::server_auth());
        leaf.verify_for_usage(&algorithms, anchors, above, now, usage, None, None)?;
        leaf.verify_is_valid_for_subject_name(name)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.verify(leaf, above, name, now) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(error) => Err(CertificateError::Other(OtherError(Arc::new(error))).into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let adapted = AdaptedChain::new(leaf, &[]);
        verify_tls12_signature(message, adapted.leaf(), signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let adapted = AdaptedChain::new(leaf, &[]);
        verify_tls13_signature(message, adapted.leaf(), signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use canary_tests::certificate::Authority;
    use rcgen::CustomExtension;

    use super::super::Roots;
    use super::super::verify::RecordingVerifier;
    use super::*;

    /// A leaf, and the maximum number of certificates above it, each of which might have issued every other.
    fn maze() -> (CertificateDer<'static>, Vec<CertificateDer<'static>>) {
        let authority = Authority::new("Maze");
        let leaf = authority.leaf(&["localhost"]).issue().chain().remove(0);
        let above = (1..MAX_CHAIN).map(|_| authority.intermediate("Maze").der().clone());
        (leaf, above.collect())
    }

    #[test]
    fn of_one_name_a_few_certificates_are_tried_and_none_of_them_twice() {
        let (_, maze) = maze();
        assert_eq!(candidates(&maze), maze[..MAX_PER_NAME]);
        let other = Authority::new("Other").der().clone();
        let garbage = CertificateDer::from(vec![1, 2, 3]);
        let mixed = [&maze[0], &maze[0], &garbage, &other, &maze[1]].map(Clone::clone);
        assert_eq!(candidates(&mixed), [&maze[0], &other, &maze[1]].map(Clone::clone));
    }

    #[test]
    fn every_path_through_a_maze_is_tried_before_the_library_gives_up() {
        let (leaf, above) = maze();
        let root = Authority::new("Root");
        let (name, now) = (ServerName::try_from("localhost").unwrap(), UnixTime::now());
        let own = verifier(root.roots()).unwrap();
        let refused = own
            .verify_server_cert(&leaf, &above, &name, &[], now)
            .unwrap_err();
        assert_eq!(
            super::super::explain(&refused),
            "no path through the certificates that the server sent leads to a trusted root"
        );
        let recording = RecordingVerifier::new(Arc::new(Roots::new(vec![root.der().clone()])), false);
        recording
            .verify_server_cert(&leaf, &above, &name, &[], now)
            .unwrap();
        let seen = recording.take().unwrap();
        assert_eq!(seen.chain.len(), MAX_CHAIN);
        assert_eq!(
            seen.untrusted.to_string(),
            "the certificate has an issuer `CN=Maze` for which the server sent 31 certificates: none of the first 3 has the key that signed it"
        );
    }

    #[test]
    fn the_runner_itself_accepts_chains_with_critical_policies() {
        let root = Authority::new("Root");
        let policies = |params: &mut rcgen::CertificateParams| {
            let mut policies = CustomExtension::from_oid_content(&[2, 5, 29, 36], vec![0x30, 3, 0x80, 1, 0]);
            policies.set_criticality(true);
            params.custom_extensions.push(policies);
        };
        let middle = root.intermediate_with("Middle", policies);
        let chain = middle.leaf(&["localhost"]).with(policies).issue().chain();
        let own = verifier(root.roots()).unwrap();
        let verified = |name: &str| {
            let name = ServerName::try_from(name.to_owned()).unwrap();
            own.verify_server_cert(&chain[0], &chain[1..], &name, &[], UnixTime::now())
        };
        verified("localhost").unwrap();
        assert!(verified("other.test").is_err());
        assert!(verifier(RootCertStore::empty()).is_err());
    }
}
