//! The TLS configuration of an endpoint. Its files are read for each connection, so that they can be replaced at any
//! time.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use tokio::time::Instant;

use super::tls_files::{TlsError, TlsMaterial};
use super::{Failure, FailureCause, TlsFiles};
use canary_net::NetError;
use canary_net::tls::{TrustStore, provider, verifier};

/// Builds the client configuration by `deadline`. A hanging disk blocks this endpoint only, and no longer than that.
///
/// # Errors
/// The files cannot be used; `Settings` only if someone has to fix them.
pub(super) async fn config(
    files: &TlsFiles,
    alpn: Option<&str>,
    deadline: Instant,
) -> Result<Arc<ClientConfig>, Failure> {
    let material = files.cache.material(files, deadline).await?;
    let roots = match &material.roots {
        Some(roots) => roots.clone(),
        None => trusted(deadline).await?,
    };
    let config = build(roots, &material, alpn);
    config.map_err(|error| Failure::new(FailureCause::Settings, error.to_string()))
}

/// The host's root certificates, which are read on a separate thread and shared.
async fn trusted(deadline: Instant) -> Result<RootCertStore, Failure> {
    let failed = |error: NetError| Failure::new(FailureCause::Timeout, error.to_string());
    let roots = TrustStore::host_anchors(deadline).await.map_err(failed)?;
    Ok(RootCertStore { roots })
}

fn build(
    roots: RootCertStore,
    material: &TlsMaterial,
    alpn: Option<&str>,
) -> Result<Arc<ClientConfig>, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier(roots)?);
    let mut config = match &material.identity {
        Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key())?,
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn
        .map(|protocol| protocol.as_bytes().to_vec())
        .into_iter()
        .collect();
    Ok(Arc::new(config))
}
