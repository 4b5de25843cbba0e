//! A peer's certificates in the run's conversation.

use super::judgement::date;
use super::verify::Recorder;
use super::{Certificate, TlsSession, certificate};
use crate::record;

/// Notes the chain that the peer sent, also where there is no session because of it.
pub(super) fn note_chain(recorder: &record::Recorder, session: Option<&TlsSession>, verifier: &Recorder) {
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
    for (place, certificate) in chain.iter().enumerate() {
        conversation.note(format!("certificate {place}: {}", line(certificate)));
    }
}

fn line(certificate: &Certificate) -> String {
    // What cannot be parsed has no key.
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
