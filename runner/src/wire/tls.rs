//! The TLS settings of a place. Its files are read anew for each connection, so that they may be exchanged under way.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use tokio::time::Instant;

use super::files::{Material, TlsError};
use super::{Cause, Failure, TlsFiles};
use crate::net::NetError;
use crate::net::tls::{TrustStore, provider, verifier};

/// What a session begins with, by `deadline`. A disk that hangs holds up this place only, and not for longer than that.
///
/// # Errors
/// There is no such thing now; `Settings` only where somebody has to mend them.
pub(super) async fn config(
    files: &TlsFiles,
    alpn: Option<&str>,
    deadline: Instant,
) -> Result<Arc<ClientConfig>, Failure> {
    let material = files.memory.material(files, deadline).await?;
    let roots = match &material.roots {
        Some(roots) => roots.clone(),
        None => trusted(deadline).await?,
    };
    let config = build(roots, &material, alpn);
    config.map_err(|error| Failure::new(Cause::Settings, error.to_string()))
}

/// The host's roots, which a thread of their own reads for everybody.
async fn trusted(deadline: Instant) -> Result<RootCertStore, Failure> {
    let failed = |error: NetError| Failure::new(Cause::Timeout, error.to_string());
    let roots = TrustStore::anchors_of_host(deadline).await.map_err(failed)?;
    Ok(RootCertStore { roots })
}

fn build(
    roots: RootCertStore,
    material: &Material,
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
