//! The client certificate, sent as configured: the server decides whether it is valid.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::key::Key;
use super::provider;
use crate::NetError;

/// The error for an unreadable client certificate.
pub(super) const UNREADABLE: &str = "the client's certificate cannot be read";

/// Sends a client certificate if the server requests one, and records that request.
#[derive(Debug, Default)]
pub(super) struct Identity {
    certified_key: Option<Arc<CertifiedKey>>,
    was_requested: AtomicBool,
}

impl Identity {
    /// Creates an identity from a chain, leaf first, and the leaf's private key.
    ///
    /// # Errors
    /// `Invalid` if the key is unusable, or does not belong to the leaf.
    pub(super) fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, NetError> {
        let invalid = |said: &str| NetError::Invalid(format!("tls options: {said}"));
        let known = Key::from_private_key(&key);
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
            certified_key: Some(Arc::new(CertifiedKey::new(chain, key))),
            was_requested: AtomicBool::new(false),
        })
    }

    /// Whether the server requested a certificate.
    pub(super) fn was_requested(&self) -> bool {
        self.was_requested.load(Ordering::Relaxed)
    }
}

/// Why a private key is unusable.
fn unusable(key: Option<&Key>) -> String {
    match key.and_then(|key| Some((key, key.weakness()?))) {
        Some((key, weakness)) => format!("the private key ({key}) {weakness}"),
        None => "the private key is damaged".to_owned(),
    }
}

impl ResolvesClientCert for Identity {
    fn resolve(&self, _issuers: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.was_requested.store(true, Ordering::Relaxed);
        self.certified_key.clone()
    }

    fn has_certs(&self) -> bool {
        self.certified_key.is_some()
    }
}
