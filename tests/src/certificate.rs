//! Certificates made for one test: authorities, leaves good and bad, and chains of any length.
//!
//! ```
//! use canary_tests::certificate::Authority;
//!
//! let authority = Authority::new("Test Root");
//! let expired = authority.leaf(&["localhost"]).valid_until_days(-1).issue();
//! let server = expired.server_config();
//! let client = authority.client_config();
//! ```
#![expect(
    clippy::expect_used,
    reason = "a certificate that cannot be made must fail its test"
)]

mod ocsp;
mod odd;
mod openssl;

use std::sync::Arc;

pub use ocsp::{Hash, Ocsp, Revocation};
pub use odd::{patched, pem};
pub use openssl::openssl_verifies;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, RsaKeySize,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ALL_VERSIONS, ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use time::{Duration, OffsetDateTime};

/// Size of the useless extension in each certificate that pads a chain, in bytes.
const PADDING_BYTES: usize = 16 * 1024;

/// The cryptography provider that all tests use. It is explicit because the process may link two.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    rustls::crypto::aws_lc_rs::default_provider().into()
}

/// Kind and size of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// The NIST curve P-256.
    P256,
    /// The NIST curve P-384.
    P384,
    /// RSA with 2048 bits; slow to generate in a debug build.
    Rsa2048,
    /// RSA with 4096 bits; very slow to generate in a debug build.
    Rsa4096,
}

impl KeyKind {
    fn generate(self) -> KeyPair {
        let pair = match self {
            Self::P256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
            Self::P384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
            Self::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
            Self::Rsa4096 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096),
        };
        pair.expect("the provider makes keys of this kind")
    }
}

/// A certificate authority: a root or an intermediate.
pub struct Authority {
    name: String,
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
    /// What a server must send above its leaf: this authority and its issuers, without the root.
    intermediates: Vec<rcgen::Certificate>,
}

impl Authority {
    /// A root of trust with this common name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::new_with(name, |_| {})
    }

    /// A root of trust whose certificate is changed before it is signed.
    #[must_use]
    pub fn new_with(name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        Self::root(name, KeyKind::P256, change)
    }

    /// A root of trust with this type of key.
    #[must_use]
    pub fn new_with_key(name: &str, key: KeyKind) -> Self {
        Self::root(name, key, |_| {})
    }

    fn root(name: &str, key: KeyKind, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let (mut params, key) = authority_params(name, key);
        change(&mut params);
        let certificate = params.self_signed(&key).expect("the parameters are complete");
        Self {
            name: name.to_owned(),
            issuer: Issuer::new(params, key),
            certificate,
            intermediates: Vec::new(),
        }
    }

    /// An intermediate issued by this authority. Its leaves include the chain, without the root.
    #[must_use]
    pub fn intermediate(&self, name: &str) -> Self {
        self.intermediate_with(name, |_| {})
    }

    /// An intermediate whose certificate is changed before it is signed.
    #[must_use]
    pub fn intermediate_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let (mut params, key) = authority_params(name, KeyKind::P256);
        change(&mut params);
        let signed = params.signed_by(&key, &self.issuer);
        let certificate = signed.expect("the parameters are complete");
        let mut intermediates = vec![certificate.clone()];
        intermediates.extend(self.intermediates.iter().cloned());
        Self {
            name: name.to_owned(),
            issuer: Issuer::new(params, key),
            certificate,
            intermediates,
        }
    }

    /// Starts a leaf for `names`: DNS names and IP addresses. Valid from yesterday, for 90 days, P-256.
    #[must_use]
    pub fn leaf(&self, names: &[&str]) -> Leaf<'_> {
        Leaf::new(Some(self), names)
    }

    /// The authority's own certificate.
    #[must_use]
    pub fn der(&self) -> &CertificateDer<'static> {
        self.certificate.der()
    }

    /// The authority's own certificate, as a file that clients take as their list of trusted roots.
    #[must_use]
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A store that trusts this authority alone.
    #[must_use]
    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.der().clone()).expect("an authority is a fit root");
        roots
    }

    /// A client configuration that trusts this authority alone and has no client certificate.
    #[must_use]
    pub fn client_config(&self) -> ClientConfig {
        self.client().with_no_client_auth()
    }

    /// A client configuration that trusts this authority alone and presents `certificate`.
    #[must_use]
    pub fn client_config_with(&self, certificate: &Certificate) -> ClientConfig {
        self.client()
            .with_client_auth_cert(certificate.chain(), certificate.key())
            .expect("the key fits the certificate")
    }

    fn client(&self) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
        ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(ALL_VERSIONS)
            .expect("the provider speaks every version")
            .with_root_certificates(self.roots())
    }
}

fn authority_params(name: &str, key: KeyKind) -> (CertificateParams, KeyPair) {
    let mut params = named(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = in_days(-365);
    params.not_after = in_days(3650);
    (params, key.generate())
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// `days` from now and an hour, so that the whole days left are `days` while a test runs.
fn in_days(days: i64) -> OffsetDateTime {
    OffsetDateTime::now_utc() + Duration::days(days) + Duration::hours(1)
}

/// Builder for a leaf certificate.
pub struct Leaf<'a> {
    authority: Option<&'a Authority>,
    params: CertificateParams,
    key: KeyKind,
}

impl<'a> Leaf<'a> {
    /// Starts a self-signed leaf.
    #[must_use]
    pub fn self_signed(names: &[&str]) -> Self {
        Self::new(None, names)
    }

    fn new(authority: Option<&'a Authority>, names: &[&str]) -> Self {
        let owned: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(owned).expect("names are DNS names or addresses");
        params.distinguished_name = named(names.first().copied().unwrap_or("nameless")).distinguished_name;
        params.use_authority_key_identifier_extension = authority.is_some();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.not_before = in_days(-1);
        params.not_after = in_days(90);
        Self {
            authority,
            params,
            key: KeyKind::P256,
        }
    }

    /// The first day of validity, counted from now; a positive number makes it not yet valid.
    #[must_use]
    pub fn valid_from_days(mut self, days: i64) -> Self {
        self.params.not_before = in_days(days);
        self
    }

    /// The last day of validity, counted from now; a negative number makes it expired.
    ///
    /// The certificate ends an hour later than that, so that the whole days left are `days` for an hour.
    #[must_use]
    pub fn valid_until_days(mut self, days: i64) -> Self {
        self.params.not_after = in_days(days);
        self.params.not_before = self.params.not_before.min(in_days(days - 90));
        self
    }

    /// Sets the key type.
    #[must_use]
    pub const fn key(mut self, key: KeyKind) -> Self {
        self.key = key;
        self
    }

    /// Changes the certificate parameters before signing.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut CertificateParams)) -> Self {
        change(&mut self.params);
        self
    }

    /// Issues the certificate.
    #[must_use]
    pub fn issue(self) -> Certificate {
        let key = self.key.generate();
        let signed = match self.authority {
            Some(authority) => self.params.signed_by(&key, &authority.issuer),
            None => self.params.self_signed(&key),
        };
        let signed = signed.expect("the parameters are complete");
        let above = self
            .authority
            .iter()
            .flat_map(|authority| &authority.intermediates);
        let chain = std::iter::once(&signed).chain(above);
        let chain = chain.map(|certificate| certificate.der().clone()).collect();
        Certificate { chain, key }
    }
}

/// A leaf with its key and the chain that a server sends.
pub struct Certificate {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
}

impl Certificate {
    /// Adds unneeded certificates until the chain has at least `bytes`.
    ///
    /// rustls clients refuse a handshake message above 64 KiB; others take more.
    #[must_use]
    pub fn padded_to(mut self, bytes: usize) -> Self {
        let (mut params, key) = authority_params("Padding", KeyKind::P256);
        let mut extension =
            CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 55555, 1], vec![0x04; PADDING_BYTES]);
        extension.set_criticality(false);
        params.custom_extensions.push(extension);
        let padding = params.self_signed(&key).expect("the parameters are complete");
        while self.size() < bytes {
            self.chain.push(padding.der().clone());
        }
        self
    }

    /// Appends unrelated certificates to the chain, up to `certificates` in total.
    #[must_use]
    pub fn repeated(mut self, certificates: usize) -> Self {
        let (params, key) = authority_params("Stranger", KeyKind::P256);
        let stranger = params.self_signed(&key).expect("the parameters are complete");
        self.chain.resize(certificates, stranger.der().clone());
        self
    }

    /// Size of the whole chain in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.chain.iter().map(|certificate| certificate.len()).sum()
    }

    /// The chain, the leaf first.
    #[must_use]
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.chain.clone()
    }

    /// The private key.
    #[must_use]
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }

    /// The chain as a file, the leaf first.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        self.chain.iter().map(|der| pem(der)).collect()
    }

    /// The private key as a file.
    #[must_use]
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// A server configuration with this certificate, any TLS version and no client authentication.
    #[must_use]
    pub fn server_config(&self) -> ServerConfig {
        self.server_config_with(ALL_VERSIONS, None)
    }

    /// A server configuration for `versions` that requires a client certificate issued by `clients`, where given.
    #[must_use]
    pub fn server_config_with(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        clients: Option<&Authority>,
    ) -> ServerConfig {
        let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions);
        let builder = builder.expect("the provider speaks every version");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(authority.roots().into(), provider());
                builder.with_client_cert_verifier(verifier.build().expect("the store has a root"))
            }
        };
        builder.with_cert_resolver(self.shown(None))
    }
}

#[cfg(test)]
mod tests;
