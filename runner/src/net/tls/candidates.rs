//! What a peer may have the runner try when a path to a root is looked for.
//!
//! A path is looked for through every certificate whose subject is the issuer of the one below. With a few dozen
//! certificates of one name there are billions of paths, and the library gives up after 200,000 steps: a third of a second
//! in which nothing else goes on. Signatures are no such danger: 100 of them are verified at most, and keys have 8,192 bits
//! at most.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{CHAIN, provider};

/// Certificates of one name that a path may go through. An authority has several where others have signed it too.
const OF_ONE_NAME: usize = 3;

/// Those of the certificates above the leaf that a path may go through. One that cannot be read leads nowhere.
pub(super) fn candidates<'a>(above: &'a [CertificateDer<'_>]) -> Vec<CertificateDer<'a>> {
    let mut candidates: Vec<(Vec<u8>, &[u8])> = Vec::new();
    for der in above.iter().take(CHAIN - 1).map(AsRef::as_ref) {
        let Ok((_, parsed)) = x509_parser::parse_x509_certificate(der) else {
            continue;
        };
        let name = parsed.subject().as_raw();
        let is_known = candidates.iter().any(|(_, known)| *known == der);
        let of_one_name = candidates.iter().filter(|(known, _)| known == name).count();
        if !is_known && of_one_name < OF_ONE_NAME {
            candidates.push((name.to_owned(), der));
        }
    }
    let candidates = candidates.into_iter();
    candidates.map(|(_, der)| CertificateDer::from(der)).collect()
}

/// Verifies the servers that the runner itself connects to.
///
/// # Errors
/// There are no roots, or they are of no use.
pub(crate) fn verifier(roots: RootCertStore) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build();
    let verifier = verifier.map_err(|error| Error::General(error.to_string()))?;
    Ok(Arc::new(Verifier(verifier)))
}

#[derive(Debug)]
struct Verifier(Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.0
            .verify_server_cert(leaf, &candidates(above), name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use canary_tests::certificate::Authority;
    use rustls::CertificateError;

    use super::super::Roots;
    use super::super::verify::Recorder;
    use super::*;

    /// A leaf, and as many certificates above it as are looked at, each of which may have issued every other.
    fn maze() -> (CertificateDer<'static>, Vec<CertificateDer<'static>>) {
        let authority = Authority::new("Maze");
        let leaf = authority.leaf(&["localhost"]).issue().chain().remove(0);
        let above = (1..CHAIN).map(|_| authority.intermediate("Maze").der().clone());
        (leaf, above.collect())
    }

    #[test]
    fn of_one_name_a_few_certificates_are_tried_and_none_of_them_twice() {
        let (_, maze) = maze();
        assert_eq!(candidates(&maze), maze[..OF_ONE_NAME]);
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
        assert_eq!(refused, CertificateError::UnknownIssuer.into());
        let recorder = Recorder::new(Arc::new(Roots::new(vec![root.der().clone()])), false);
        recorder
            .verify_server_cert(&leaf, &above, &name, &[], now)
            .unwrap();
        let seen = recorder.take().unwrap();
        assert_eq!(seen.chain.len(), CHAIN);
        assert_eq!(
            seen.verified.unwrap_err(),
            "unknown issuer: the chain ends in no trusted root"
        );
    }
}
