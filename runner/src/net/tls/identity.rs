//! The certificate that a client shows, as it was given: what is wrong with it is for the server to say.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::key::Key;
use super::provider;
use crate::net::NetError;

/// What is said of a client's certificate that is not one.
pub(super) const UNREADABLE: &str = "the client's certificate cannot be read";

/// Shows a certificate to a server that asks for one, and remembers that it did.
#[derive(Debug, Default)]
pub(super) struct Identity {
    shown: Option<Arc<CertifiedKey>>,
    was_asked: AtomicBool,
}

impl Identity {
    /// Takes a chain, the leaf first, and the leaf's key.
    ///
    /// # Errors
    /// `Invalid` when the key cannot be used, or is not that of the leaf.
    pub(super) fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, NetError> {
        let invalid = |said: &str| NetError::Invalid(format!("tls options: {said}"));
        let known = Key::of_private(&key);
        let loaded = provider().key_provider.load_private_key(key);
        let key = loaded.map_err(|_| invalid(&unusable(known.as_ref())))?;
        let leaf = chain
            .first()
            .ok_or_else(|| invalid("the client's chain is empty"))?;
        let (_, leaf) = x509_parser::parse_x509_certificate(leaf).map_err(|_| invalid(UNREADABLE))?;
        let of_leaf = leaf.public_key().raw;
        if key.public_key().is_some_and(|own| own.as_ref() != of_leaf) {
            return Err(invalid("the private key does not belong to the certificate"));
        }
        Ok(Self {
            shown: Some(Arc::new(CertifiedKey::new(chain, key))),
            was_asked: AtomicBool::new(false),
        })
    }

    /// Whether the server asked for a certificate.
    pub(super) fn was_asked(&self) -> bool {
        self.was_asked.load(Ordering::Relaxed)
    }
}

/// Why a private key is of no use.
fn unusable(key: Option<&Key>) -> String {
    match key.and_then(|key| Some((key, key.weakness()?))) {
        Some((key, weakness)) => format!("the private key ({key}) {weakness}"),
        None => "the private key is damaged".to_owned(),
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _issuers: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.was_asked.store(true, Ordering::Relaxed);
        self.shown.clone()
    }

    fn has_certs(&self) -> bool {
        self.shown.is_some()
    }
}
