//! Finds and describes faults of the certificates between a leaf and its root.

use std::fmt::Display;

use rustls::crypto::WebPkiSupportedAlgorithms;
use x509_parser::oid_registry::OID_PKCS1_RSASSAPSS;
use x509_parser::prelude::X509Certificate;
use x509_parser::x509::X509Name;

use super::super::authority::{self, NAME, has_name};
use super::super::candidates::MAX_PER_NAME;
use super::super::certificate::signature_algorithm;
use super::super::dates::{early, expired};
use super::super::key::Key;
use super::super::reasons::{Reason, ReasonCode, Reasons};
use super::super::roots::Dates;
use super::super::signature::SignedData;
use super::walk::{ChainEnd, ChainWalk, Link};

/// A distinguished name, shortened for a message.
pub(super) fn quoted(name: &X509Name<'_>) -> String {
    let text = name.to_string();
    let cut = text.char_indices().nth(NAME).and_then(|(end, _)| text.get(..end));
    match (text.is_empty(), cut) {
        (true, _) => "(a name without parts)".to_owned(),
        (false, Some(cut)) => format!("`{cut}…`"),
        (false, None) => format!("`{text}`"),
    }
}

/// `the certificate` is the leaf.
pub(super) fn describe(link: &Link<'_>) -> String {
    match (link.index, has_name(&link.certificate)) {
        (0, _) => "the certificate".to_owned(),
        (_, false) => "a certificate of the chain".to_owned(),
        (_, true) => format!("the certificate of {}", quoted(link.certificate.subject())),
    }
}

/// Collects the faults of each certificate, and of the end of the chain.
pub(super) fn all(
    walk: &ChainWalk<'_>,
    sent: usize,
    now: i64,
    algorithms: &WebPkiSupportedAlgorithms,
    reasons: &mut Reasons,
) {
    for (below, link) in walk.links.iter().enumerate() {
        let is_last = walk.links.last().is_some_and(|last| last.index == link.index);
        let signs_itself = is_last && walk.end == ChainEnd::SelfSigned;
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

fn add(reasons: &mut Reasons, code: ReasonCode, link: &Link<'_>, fault: impl Display) {
    let message = format!("{} {fault}", describe(link));
    reasons.push(Reason::new(code, Some(link.index), message));
}

pub(super) fn time(link: &Link<'_>, now: i64, reasons: &mut Reasons) {
    let Dates { from, until } = Dates::from_certificate(&link.certificate);
    if now > until {
        add(reasons, ReasonCode::Expired, link, expired(until));
    } else if now < from {
        add(reasons, ReasonCode::NotYetValid, link, early(from));
    }
}

/// The strength of a leaf's key is checked nowhere else.
pub(super) fn strength(link: &Link<'_>, reasons: &mut Reasons) {
    let key = Key::from_certificate(&link.certificate);
    if let Some(weakness) = key.weakness() {
        let fault = format!("has a key ({key}) that {weakness}");
        add(reasons, ReasonCode::WeakKey, link, fault);
    }
}

fn algorithm(link: &Link<'_>, algorithms: &WebPkiSupportedAlgorithms, reasons: &mut Reasons) {
    if SignedData::from_certificate(&link.certificate).is_supported(algorithms) {
        return;
    }
    let signature = &link.certificate.signature_algorithm;
    let name = signature_algorithm(&link.certificate);
    let is_broken = ["md2", "md4", "md5", "sha1"]
        .iter()
        .any(|hash| name.to_ascii_lowercase().replace('-', "").contains(hash));
    let fault = match (is_broken, signature.algorithm == OID_PKCS1_RSASSAPSS) {
        (true, _) => "which is too weak to be trusted",
        (false, true) => {
            "with unsupported parameters: hash, mask and salt must have the same length of at least 256 bits"
        }
        (false, false) => "which is not supported",
    };
    let fault = format!("is signed with {name}, {fault}");
    add(reasons, ReasonCode::WeakSignature, link, fault);
}

/// Checks the extended key usage of a certificate.
pub(super) fn purpose(link: &Link<'_>, signs_itself: bool, reasons: &mut Reasons) {
    if !authority::is_for_servers(&link.certificate) {
        let fault = "is not for servers, according to its extended key usage";
        add(reasons, ReasonCode::WrongPurpose, link, fault);
    }
    match (link.index, link.certificate.is_ca()) {
        (0, true) if !signs_itself => {
            let fault = "is a CA certificate, not a server certificate";
            add(reasons, ReasonCode::AuthorityAsLeaf, link, fault);
        }
        (0, _) => usage(link, reasons),
        (_, false) => {
            let fault = "issued another certificate, but is not a CA certificate";
            add(reasons, ReasonCode::NotAnAuthority, link, fault);
        }
        (_, true) => {
            if let Some(issuer_objection) = authority::issuer_objection(&link.certificate) {
                add(reasons, ReasonCode::NotAnAuthority, link, issuer_objection);
            }
        }
    }
}

/// The path length excludes the leaf. Self-issued certificates count, as they do in the library.
fn length(link: &Link<'_>, below: usize, reasons: &mut Reasons) {
    let max = authority::path_length(&link.certificate);
    if max.is_some_and(|max| below.saturating_sub(1) > max) && link.index > 0 {
        let fault = "has more CA certificates below it than it allows";
        add(reasons, ReasonCode::Constraint, link, fault);
    }
}

/// The leaf's key usage, if present, must permit its use in TLS; the library does not check that.
pub(super) fn usage(link: &Link<'_>, reasons: &mut Reasons) {
    let allows = match link.certificate.key_usage() {
        Ok(None) => true,
        Ok(Some(usage)) => match Key::from_certificate(&link.certificate) {
            Key::Rsa { .. } => {
                let usage = usage.value;
                usage.digital_signature() || usage.key_encipherment() || usage.key_agreement()
            }
            // These keys can only sign.
            _ => usage.value.digital_signature(),
        },
        Err(_) => false,
    };
    let usage = (!allows).then_some("is not for TLS, according to its key usage");
    if let Some(fault) = usage.or_else(|| authority::objection_to_server(&link.certificate)) {
        add(reasons, ReasonCode::WrongPurpose, link, fault);
    }
}

/// Checks for unsupported critical extensions.
pub(super) fn extensions(link: &Link<'_>, reasons: &mut Reasons) {
    if let Some(unknown) = authority::unknown_extension(&link.certificate) {
        let fault = format!("has a critical extension that is not understood: {unknown}");
        add(reasons, ReasonCode::Malformed, link, fault);
    }
    let version = link.certificate.version();
    if version.0 != 2 {
        let fault = format!(
            "is X.509 version {}; only version 3 is supported",
            version.0.saturating_add(1)
        );
        add(reasons, ReasonCode::Malformed, link, fault);
    }
}

fn end(end: ChainEnd, last: &Link<'_>, sent: usize, reasons: &mut Reasons) {
    let issuer = quoted(last.certificate.issuer());
    match (end, last.index) {
        (ChainEnd::Trusted, _) => {}
        (ChainEnd::SelfSigned, 0) => {
            let fault = "is self-signed and not a trusted root";
            add(reasons, ReasonCode::SelfSigned, last, fault);
        }
        (ChainEnd::SelfSigned, _) => {
            let message = format!("the chain ends in {issuer}, which is not a trusted root");
            reasons.push(Reason::new(ReasonCode::UnknownRoot, Some(last.index), message));
        }
        (ChainEnd::Missing, _) => {
            let message = format!(
                "the issuer {issuer} of {} is neither a trusted root nor among the {} that the server sent: \
                 an intermediate certificate is missing, or the root is not known here",
                describe(last),
                certificates(sent)
            );
            reasons.push(Reason::new(ReasonCode::MissingIssuer, Some(last.index), message));
        }
        (ChainEnd::NotSigned, _) => {
            let fault = format!("is not signed with the key of its issuer {issuer}");
            add(reasons, ReasonCode::BadSignature, last, fault);
        }
        (ChainEnd::NamesAnother, _) => {
            let fault = format!(
                "does not match the certificate of its issuer {issuer}: different key identifier, serial number or issuer"
            );
            add(reasons, ReasonCode::NoPath, last, fault);
        }
        (ChainEnd::TooMany(named), _) => {
            let fault = format!(
                "has an issuer {issuer} for which the server sent {named} certificates: none of the first {MAX_PER_NAME} has the key that signed it"
            );
            add(reasons, ReasonCode::TooComplex, last, fault);
        }
    }
}

fn certificates(number: usize) -> String {
    match number {
        1 => "1 certificate".to_owned(),
        more => format!("{more} certificates"),
    }
}

/// Checks a root, of which the library uses only the name and key.
pub(super) fn root(root: &X509Certificate<'_>, now: i64, reasons: &mut Reasons) {
    let Dates { from, until } = Dates::from_certificate(root);
    let (code, fault) = if now > until {
        (ReasonCode::Expired, expired(until))
    } else if now < from {
        (ReasonCode::NotYetValid, early(from))
    } else if let Some(issuer_objection) = authority::objection_to_root(root) {
        (ReasonCode::NotAnAuthority, issuer_objection)
    } else {
        return;
    };
    let message = if has_name(root) {
        format!("the root {} {fault}", quoted(root.subject()))
    } else {
        format!("the root {fault}")
    };
    reasons.push(Reason::new(code, None, message));
}
