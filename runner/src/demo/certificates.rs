//! Certificates for the bundled targets, issued at each start so that their dates are right.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;

use canary_net::tls::provider;
use canary_system::clock;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long ago each certificate claims to have been issued.
const DAYS_SINCE_ISSUE: u32 = 365;

/// The demo's own certificate authority.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(super) fn new() -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "Canary demo authority");
        Ok(Self {
            issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)?,
        })
    }

    pub(super) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// TLS configuration for `localhost` with a certificate that expires in `days` days, or expired that long ago.
    pub(super) fn server(&self, days: i32) -> Result<Arc<ServerConfig>, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec!["localhost".to_owned()])?;
        let since_epoch = clock::wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        params.not_before = date_time_ymd(1970, 1, 1) + since_epoch - DAY * DAYS_SINCE_ISSUE;
        params.not_after = params.not_before + DAY * DAYS_SINCE_ISSUE.saturating_add_signed(days) + HOUR;
        params.distinguished_name.push(DnType::CommonName, "localhost");
        let certificate = params.signed_by(&key, &self.issuer)?;
        let chain = vec![certificate.der().clone(), self.issuer.der().clone()];
        let key =
            PrivateKeyDer::try_from(key.serialize_der()).map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
        match config {
            Ok(Ok(config)) => Ok(Arc::new(config)),
            Ok(Err(_)) | Err(_) => Err(rcgen::Error::CouldNotParseCertificate),
        }
    }
}
