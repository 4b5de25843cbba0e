//! Whether a certificate may issue others, where the library does not check it: it ignores key usage, and of a root
//! everything except name, key and name constraints. The rules follow openssl.

use x509_parser::extensions::NSCertType;
use x509_parser::prelude::{ParsedExtension, X509Certificate, X509Extension, X509Version};

use super::adapted::{INCONSEQUENTIAL, NETSCAPE_TYPE};
use super::identifiers;
use super::key::Key;

/// Supported extensions, which may be critical; in addition to those, the [`INCONSEQUENTIAL`] ones.
const UNDERSTOOD: [&str; 6] = [
    "2.5.29.15",
    "2.5.29.17",
    "2.5.29.19",
    "2.5.29.30",
    "2.5.29.31",
    "2.5.29.37",
];
/// Proxy certificate, which identifies a person rather than a server (RFC 3820).
const PROXY: &str = "1.3.6.1.5.5.7.1.14";

/// Maximum number of characters of a name in a message, since the peer controls it.
pub(super) const NAME: usize = 120;

/// Whether a certificate names its owner.
pub(super) fn has_name(certificate: &X509Certificate<'_>) -> bool {
    certificate.subject().iter().next().is_some()
}

/// Why a certificate must not issue others, phrased as the end of a sentence.
pub(super) fn issuer_objection(certificate: &X509Certificate<'_>) -> Option<&'static str> {
    if !has_name(certificate) {
        return Some("issued another certificate, but has no name");
    }
    if has_netscape_type(certificate) && netscape_type(certificate).is_none() {
        return Some("has a Netscape certificate type that cannot be read");
    }
    match certificate.key_usage() {
        Ok(None) => None,
        Ok(Some(usage)) if usage.value.key_cert_sign() => None,
        Ok(Some(_)) => Some("issued another certificate, which its key usage does not allow"),
        Err(_) => Some("has a key usage that cannot be read"),
    }
}

/// Why a certificate must not be a root, phrased as the end of a sentence.
pub(super) fn objection_to_root(root: &X509Certificate<'_>) -> Option<String> {
    if let Some(unknown) = unknown_extension(root) {
        return Some(format!(
            "has a critical extension that is not understood: {unknown}"
        ));
    }
    let key = Key::from_certificate(root);
    if let Some(weakness) = key.weakness() {
        return Some(format!("has a key ({key}) that {weakness}"));
    }
    if !is_authority(root) {
        return Some("is not a CA certificate".to_owned());
    }
    if !is_for_servers(root) {
        return Some("is not for servers, according to its extended key usage".to_owned());
    }
    let is_its_own = root.subject() == root.issuer();
    if is_its_own && !identifiers::matches_issuer(root, root) {
        return Some(
            "contradicts itself about its issuer: different key identifier, serial number or issuer"
                .to_owned(),
        );
    }
    issuer_objection(root).map(str::to_owned)
}

/// Old roots have no basic constraints.
fn is_authority(root: &X509Certificate<'_>) -> bool {
    match root.basic_constraints() {
        Ok(Some(constraints)) => constraints.value.ca,
        Ok(None) => root.version() == X509Version::V1 || has_key_usage(root) || is_netscape_authority(root),
        Err(_) => false,
    }
}

fn has_key_usage(root: &X509Certificate<'_>) -> bool {
    let mut extensions = root.extensions().iter();
    extensions.any(|extension| matches!(extension.parsed_extension(), ParsedExtension::KeyUsage(_)))
}

fn is_netscape_authority(root: &X509Certificate<'_>) -> bool {
    netscape_type(root).is_some_and(NSCertType::ssl_ca)
}

fn has_netscape_type(certificate: &X509Certificate<'_>) -> bool {
    extension(certificate, NETSCAPE_TYPE).is_some()
}

/// The Netscape certificate type, if present and readable.
fn netscape_type<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a NSCertType> {
    match extension(certificate, NETSCAPE_TYPE)?.parsed_extension() {
        ParsedExtension::NSCertType(kind) => Some(kind),
        _ => None,
    }
}

fn extension<'a>(certificate: &'a X509Certificate<'_>, id: &str) -> Option<&'a X509Extension<'a>> {
    let mut extensions = certificate.extensions().iter();
    extensions.find(|extension| extension.oid.to_id_string() == id)
}

/// Why a certificate must not be used by a server, phrased as the end of a sentence; ignores key usage.
pub(super) fn objection_to_server(leaf: &X509Certificate<'_>) -> Option<&'static str> {
    if extension(leaf, PROXY).is_some() {
        return Some("is a proxy certificate, not a server certificate");
    }
    let is_of_server = !has_netscape_type(leaf) || netscape_type(leaf).is_some_and(NSCertType::ssl_server);
    (!is_of_server).then_some("is not for servers, according to its Netscape certificate type")
}

/// Whether the extended key usage, if present, permits server authentication.
pub(super) fn is_for_servers(certificate: &X509Certificate<'_>) -> bool {
    match certificate.extended_key_usage() {
        Ok(usage) => usage.is_none_or(|usage| usage.value.server_auth),
        Err(_) => false,
    }
}

/// The first unsupported critical extension.
pub(super) fn unknown_extension(certificate: &X509Certificate<'_>) -> Option<String> {
    let mut critical = certificate
        .extensions()
        .iter()
        .filter(|extension| extension.critical)
        .map(|extension| extension.oid.to_id_string());
    let unknown = critical.find(|id| {
        let id = id.as_str();
        !UNDERSTOOD.contains(&id) && !INCONSEQUENTIAL.contains(&id)
    })?;
    Some(unknown.chars().take(NAME).collect())
}

/// Maximum number of authorities below it; self-issued certificates do not count (RFC 5280, section 6.1.4).
pub(super) fn path_length(certificate: &X509Certificate<'_>) -> Option<usize> {
    let constraints = certificate.basic_constraints().ok()??;
    usize::try_from(constraints.value.path_len_constraint?).ok()
}
