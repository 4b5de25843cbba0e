//! What is wrong with the certificates on the way from a leaf to its root, in words.

use std::fmt::Display;

use rustls::crypto::WebPkiSupportedAlgorithms;
use x509_parser::oid_registry::OID_PKCS1_RSASSAPSS;
use x509_parser::prelude::X509Certificate;
use x509_parser::x509::X509Name;

use super::super::candidates::OF_ONE_NAME;
use super::super::certificate::signature_algorithm;
use super::super::key::Key;
use super::super::reasons::{Reason, ReasonCode, Reasons};
use super::super::roots::Dates;
use super::super::signature::Signed;
use super::walk::{End, Link, Walk};
use super::{authority, early, expired};

/// Letters of a name that a message quotes: it is of the peer's making.
pub(super) const NAME: usize = 120;
/// A distinguished name as a message quotes it.
pub(super) fn quoted(name: &X509Name<'_>) -> String {
    let text = name.to_string();
    let cut = text.char_indices().nth(NAME).and_then(|(end, _)| text.get(..end));
    match (text.is_empty(), cut) {
        (true, _) => "(a name without parts)".to_owned(),
        (false, Some(cut)) => format!("`{cut}…`"),
        (false, None) => format!("`{text}`"),
    }
}

pub(super) fn has_name(certificate: &X509Certificate<'_>) -> bool {
    certificate.subject().iter().next().is_some()
}

/// `the certificate` is the leaf's own.
pub(super) fn called(link: &Link<'_>) -> String {
    match (link.place, has_name(&link.certificate)) {
        (0, _) => "the certificate".to_owned(),
        (_, false) => "a certificate of the chain".to_owned(),
        (_, true) => format!("the certificate of {}", quoted(link.certificate.subject())),
    }
}

/// Everything that can be said of each certificate by itself, and of the end of the way.
pub(super) fn all(
    walk: &Walk<'_>,
    sent: usize,
    now: i64,
    algorithms: &WebPkiSupportedAlgorithms,
    reasons: &mut Reasons,
) {
    for (below, link) in walk.links.iter().enumerate() {
        let is_last = walk.links.last().is_some_and(|last| last.place == link.place);
        let signs_itself = is_last && walk.end == End::SelfSigned;
        time(link, now, reasons);
        strength(link, reasons);
        if !signs_itself {
            algorithm(link, algorithms, reasons);
        }
        purpose(link, signs_itself, reasons);
        extensions(link, reasons);
        length(link, below, reasons);
    }
    if let Some(last) = walk.links.last() {
        end(walk.end, last, sent, reasons);
    }
}

fn add(reasons: &mut Reasons, code: ReasonCode, link: &Link<'_>, said: impl Display) {
    let message = format!("{} {said}", called(link));
    reasons.push(Reason::new(code, Some(link.place), message));
}

pub(super) fn time(link: &Link<'_>, now: i64, reasons: &mut Reasons) {
    let Dates { from, until } = Dates::of(&link.certificate);
    if now > until {
        add(reasons, ReasonCode::Expired, link, expired(until));
    } else if now < from {
        add(reasons, ReasonCode::NotYetValid, link, early(from));
    }
}

/// A leaf's key is judged by nothing else.
pub(super) fn strength(link: &Link<'_>, reasons: &mut Reasons) {
    let key = Key::of(&link.certificate);
    if let Some(weakness) = key.weakness() {
        let said = format!("has a key ({key}) that {weakness}");
        add(reasons, ReasonCode::WeakKey, link, said);
    }
}

fn algorithm(link: &Link<'_>, algorithms: &WebPkiSupportedAlgorithms, reasons: &mut Reasons) {
    if Signed::of(&link.certificate).is_supported(algorithms) {
        return;
    }
    let signature = &link.certificate.signature_algorithm;
    let name = signature_algorithm(&link.certificate);
    let is_broken = ["md2", "md4", "md5", "sha1"]
        .iter()
        .any(|hash| name.to_ascii_lowercase().replace('-', "").contains(hash));
    let said = match (is_broken, signature.algorithm == OID_PKCS1_RSASSAPSS) {
        (true, _) => "which is too weak to be trusted",
        (false, true) => {
            "with parameters that are not supported: the hash, the mask and the salt have to be of one length, of 256 bits \
             or more"
        }
        (false, false) => "which is not supported",
    };
    let said = format!("is signed with {name}, {said}");
    add(reasons, ReasonCode::WeakSignature, link, said);
}

/// What a certificate is for, by its own words.
pub(super) fn purpose(link: &Link<'_>, signs_itself: bool, reasons: &mut Reasons) {
    if !authority::is_for_servers(&link.certificate) {
        let said = "is not meant for servers, by its extended key usage";
        add(reasons, ReasonCode::WrongPurpose, link, said);
    }
    match (link.place, link.certificate.is_ca()) {
        (0, true) if !signs_itself => {
            let said = "is a certificate authority's own, and not one for a server";
            add(reasons, ReasonCode::AuthorityAsLeaf, link, said);
        }
        (0, _) => usage(link, reasons),
        (_, false) => {
            let said = "has issued another, though it is not that of a certificate authority";
            add(reasons, ReasonCode::NotAnAuthority, link, said);
        }
        (_, true) => {
            if let Some(objection) = authority::objection(&link.certificate) {
                add(reasons, ReasonCode::NotAnAuthority, link, objection);
            }
        }
    }
}

/// Of those below it, the leaf is no authority; that an authority issued one to itself makes no difference to the library.
fn length(link: &Link<'_>, below: usize, reasons: &mut Reasons) {
    let most = authority::path_length(&link.certificate);
    if most.is_some_and(|most| below.saturating_sub(1) > most) && link.place > 0 {
        let said = "has more authorities below it than it allows";
        add(reasons, ReasonCode::Constraint, link, said);
    }
}

/// A leaf that says what its key is for must allow what TLS does with it, which the library does not look at.
pub(super) fn usage(link: &Link<'_>, reasons: &mut Reasons) {
    let allows = match link.certificate.key_usage() {
        Ok(None) => true,
        Ok(Some(usage)) => match Key::of(&link.certificate) {
            Key::Rsa { .. } => {
                let usage = usage.value;
                usage.digital_signature() || usage.key_encipherment() || usage.key_agreement()
            }
            // Nothing else is done with them.
            _ => usage.value.digital_signature(),
        },
        Err(_) => false,
    };
    let usage = (!allows).then_some("is not meant for TLS, by its key usage");
    if let Some(said) = usage.or_else(|| authority::objection_to_server(&link.certificate)) {
        add(reasons, ReasonCode::WrongPurpose, link, said);
    }
}

/// What a certificate has in it that is not understood.
pub(super) fn extensions(link: &Link<'_>, reasons: &mut Reasons) {
    if let Some(unknown) = authority::unknown_extension(&link.certificate) {
        let said = format!("has a critical extension that is not understood: {unknown}");
        add(reasons, ReasonCode::Malformed, link, said);
    }
    let version = link.certificate.version();
    if version.0 != 2 {
        let said = format!(
            "is of version {} of X.509, and only version 3 is supported",
            version.0.saturating_add(1)
        );
        add(reasons, ReasonCode::Malformed, link, said);
    }
}

fn end(end: End, last: &Link<'_>, sent: usize, reasons: &mut Reasons) {
    let issuer = quoted(last.certificate.issuer());
    match (end, last.place) {
        (End::Trusted, _) => {}
        (End::SelfSigned, 0) => {
            let said = "is self-signed, and is not among the trusted roots";
            add(reasons, ReasonCode::SelfSigned, last, said);
        }
        (End::SelfSigned, _) => {
            let message = format!("the chain ends in {issuer}, which is not a trusted root");
            reasons.push(Reason::new(ReasonCode::UnknownRoot, Some(last.place), message));
        }
        (End::Missing, _) => {
            let message = format!(
                "the issuer {issuer} of {} is neither a trusted root nor among the {} that the server sent: \
                 an intermediate certificate is missing, or the root is not known here",
                called(last),
                certificates(sent)
            );
            reasons.push(Reason::new(ReasonCode::MissingIssuer, Some(last.place), message));
        }
        (End::NotSigned, _) => {
            let said = format!("is not signed with the key of its issuer {issuer}");
            add(reasons, ReasonCode::BadSignature, last, said);
        }
        (End::NamesAnother, _) => {
            let said = format!(
                "says of its issuer {issuer} what the certificate that has the issuer's key contradicts: another key \
                 identifier, serial number or issuer"
            );
            add(reasons, ReasonCode::NoPath, last, said);
        }
        (End::TooMany(named), _) => {
            let said = format!(
                "has an issuer {issuer} of whose name the server sent {named} certificates, of which {OF_ONE_NAME} are \
                 looked at: none of these has the key that signed it"
            );
            add(reasons, ReasonCode::TooComplex, last, said);
        }
    }
}

fn certificates(number: usize) -> String {
    match number {
        1 => "1 certificate".to_owned(),
        more => format!("{more} certificates"),
    }
}

/// What is wrong with a root, which the library takes for its name and key alone.
pub(super) fn root(root: &X509Certificate<'_>, now: i64, reasons: &mut Reasons) {
    let Dates { from, until } = Dates::of(root);
    let (code, said) = if now > until {
        (ReasonCode::Expired, expired(until))
    } else if now < from {
        (ReasonCode::NotYetValid, early(from))
    } else if let Some(objection) = authority::objection_to_root(root) {
        (ReasonCode::NotAnAuthority, objection)
    } else {
        return;
    };
    let message = match has_name(root) {
        true => format!("the root {} {said}", quoted(root.subject())),
        false => format!("the root {said}"),
    };
    reasons.push(Reason::new(code, None, message));
}
