//! Identifiers of the issuer in a certificate: the key identifier, and the issuer's own issuer and serial number (RFC
//! 5280, section 4.2.1.1). None of them is required, but those present must match the issuer's certificate.

use x509_parser::extensions::{AuthorityKeyIdentifier, GeneralName, KeyIdentifier};
use x509_parser::prelude::{ParsedExtension, X509Certificate};

/// Whether the identifiers in a certificate are consistent with this issuer.
pub(super) fn matches_issuer(below: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    let Some(identifier) = authority_key_identifier(below) else {
        return true;
    };
    let key = identifier
        .key_identifier
        .as_ref()
        .zip(subject_key_identifier(issuer));
    let is_key = key.is_none_or(|(identifier, subject_key_identifier)| identifier == subject_key_identifier);
    let number = identifier.authority_cert_serial;
    let is_number = number.is_none_or(|number| number == issuer.raw_serial());
    let mut names = identifier.authority_cert_issuer.iter().flatten();
    let name = names.find_map(|name| match name {
        GeneralName::DirectoryName(name) => Some(name),
        _ => None,
    });
    let is_name = name.is_none_or(|name| name.as_raw() == issuer.issuer().as_raw());
    is_key && is_number && is_name
}

fn authority_key_identifier<'a>(
    certificate: &'a X509Certificate<'_>,
) -> Option<&'a AuthorityKeyIdentifier<'a>> {
    let mut extensions = certificate.extensions().iter();
    extensions.find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(identifier) => Some(identifier),
        _ => None,
    })
}

fn subject_key_identifier<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a KeyIdentifier<'a>> {
    let mut extensions = certificate.extensions().iter();
    extensions.find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(subject_key_identifier) => Some(subject_key_identifier),
        _ => None,
    })
}
