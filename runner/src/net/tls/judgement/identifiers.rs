//! What a certificate says of its issuer besides the name: the identifier of the key, and the issuer's own issuer and number
//! (RFC 5280, section 4.2.1.1). None of them has to be there; one that is must not contradict the issuer's certificate.

use x509_parser::extensions::{AuthorityKeyIdentifier, GeneralName, KeyIdentifier};
use x509_parser::prelude::{ParsedExtension, X509Certificate};

/// Whether nothing in a certificate speaks against this issuer of that name.
pub(super) fn fit(below: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    let Some(said) = of_issuer(below) else {
        return true;
    };
    let key = said.key_identifier.as_ref().zip(own(issuer));
    let is_key = key.is_none_or(|(said, own)| said == own);
    let number = said.authority_cert_serial;
    let is_number = number.is_none_or(|number| number == issuer.raw_serial());
    let mut names = said.authority_cert_issuer.iter().flatten();
    let name = names.find_map(|name| match name {
        GeneralName::DirectoryName(name) => Some(name),
        _ => None,
    });
    let is_name = name.is_none_or(|name| name.as_raw() == issuer.issuer().as_raw());
    is_key && is_number && is_name
}

fn of_issuer<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a AuthorityKeyIdentifier<'a>> {
    let mut extensions = certificate.extensions().iter();
    extensions.find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(said) => Some(said),
        _ => None,
    })
}

fn own<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a KeyIdentifier<'a>> {
    let mut extensions = certificate.extensions().iter();
    extensions.find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(own) => Some(own),
        _ => None,
    })
}
