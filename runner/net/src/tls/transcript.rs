//! Records a peer's certificates in the run's conversation.

use super::dates::date;
use super::verify::RecordingVerifier;
use super::{Certificate, TlsSession, certificate};

/// Records the peer's chain, even if it is the reason why there is no session.
pub(super) fn record_chain(
    recorder: &canary_record::Recorder,
    session: Option<&TlsSession>,
    verifier: &RecordingVerifier,
) {
    let Some(conversation) = recorder.conversation() else {
        return;
    };
    let refused = match session {
        Some(_) => Vec::new(),
        None => {
            let seen = verifier.take();
            seen.map(|seen| certificate::parse_chain(&seen.chain, &[]))
                .unwrap_or_default()
        }
    };
    let chain = session.map_or(refused.as_slice(), |session| &session.chain);
    for (index, certificate) in chain.iter().enumerate() {
        conversation.note(format!("certificate {index}: {}", line(certificate)));
    }
}

fn line(certificate: &Certificate) -> String {
    // An unreadable certificate has no key.
    if certificate.public_key.is_empty() {
        return format!("cannot be read, SHA-256 {}", certificate.fingerprint);
    }
    format!(
        "{}, issued by {}, from {} to {}, {}, SHA-256 {}",
        certificate.subject,
        certificate.issuer,
        date(certificate.not_before),
        date(certificate.not_after),
        certificate.public_key,
        certificate.fingerprint
    )
}
