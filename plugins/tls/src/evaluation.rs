//! Evaluation of the expectations. Each one becomes an assertion.

use canary_sdk::tls::{Certificate, Session};
use canary_sdk::{Duration, Status, Timestamp, Verdict};

use crate::config::{ChainExpiry, Config};
use crate::presented_chain::PresentedChain;
use crate::report::{names, validity};

/// Evaluates everything that the configuration expects.
pub(crate) fn evaluate(verdict: &mut Verdict, session: &Session, config: &Config, now: Timestamp) {
    if evaluate_certificates(verdict, session.into(), config, now) {
        evaluate_session(verdict, session, config);
    }
}

/// Evaluates the certificates; returns whether there were any.
pub(crate) fn evaluate_certificates(
    verdict: &mut Verdict,
    presented: PresentedChain<'_>,
    config: &Config,
    now: Timestamp,
) -> bool {
    let Some(leaf) = presented.leaf() else {
        verdict.assert("certificate", false, "the server sent none");
        return false;
    };
    evaluate_trust(verdict, presented, leaf, config);
    let limits = config.limits();
    verdict.assert(
        "expiry",
        expiry_status(leaf, limits, now),
        expiry_message(leaf, limits, now),
    );
    evaluate_chain(verdict, presented, config, now);
    evaluate_leaf(verdict, leaf, config);
    evaluate_fingerprints(verdict, presented, leaf, config);
    true
}

fn evaluate_trust(verdict: &mut Verdict, presented: PresentedChain<'_>, leaf: &Certificate, config: &Config) {
    if !config.trusted {
        return;
    }
    match presented.verified() {
        Ok(()) => {
            let root = presented.path().last().unwrap_or(leaf);
            verdict.assert("trusted", true, format!("by `{}`", root_name(root)))
        }
        Err(reasons) => verdict.assert("trusted", false, reasons),
    };
}

/// The name of the root: the last certificate of a path is the root itself or one that the root has signed.
fn root_name(last: &Certificate) -> &str {
    if last.is_ca && last.subject == last.issuer {
        &last.subject
    } else {
        &last.issuer
    }
}

fn evaluate_chain(verdict: &mut Verdict, presented: PresentedChain<'_>, config: &Config, now: Timestamp) {
    let (Some(limits), Some(first)) = (config.chain, presented.first_to_end()) else {
        return;
    };
    if let Some(place) = presented.unreadable() {
        let message = format!("certificate {place} of the chain cannot be read (the leaf is 0)");
        verdict.assert("chain expiry", false, message);
        return;
    }
    let message = format!(
        "`{}` expires first: {}",
        first.subject,
        expiry_message(first, limits, now)
    );
    verdict.assert("chain expiry", expiry_status(first, limits, now), message);
}

fn expiry_status(certificate: &Certificate, limits: ChainExpiry, now: Timestamp) -> Status {
    let ends_within = |limit| certificate.not_after.seconds_since(now) < seconds(limit);
    if certificate.not_before > now || certificate.not_after < now || ends_within(limits.fail_within) {
        Status::Fail
    } else if ends_within(limits.warn_within) {
        Status::Warn
    } else {
        Status::Pass
    }
}

/// The remaining time, and the limit that it is below.
fn expiry_message(certificate: &Certificate, limits: ChainExpiry, now: Timestamp) -> String {
    let validity = validity(certificate, now);
    let left = certificate.not_after.seconds_since(now);
    match expiry_status(certificate, limits, now) {
        Status::Fail if left >= 0 && certificate.not_before <= now => {
            format!("{validity}, fewer than `fail_within` ({})", limits.fail_within)
        }
        Status::Warn => format!("{validity}, fewer than `warn_within` ({})", limits.warn_within),
        _ => validity,
    }
}

fn evaluate_leaf(verdict: &mut Verdict, leaf: &Certificate, config: &Config) {
    for name in &config.names {
        let message = if leaf.covers(name) {
            "covered".into()
        } else {
            format!("not covered, the certificate is for {}", names(leaf))
        };
        verdict.assert(format!("name {name}"), leaf.covers(name), message);
    }
    if let Some(least) = config.min_key_bits {
        let is_long_enough = leaf.rsa_bits().is_none_or(|bits| bits >= least);
        verdict.assert(
            "key",
            is_long_enough,
            format!("{}, expected RSA {least} or more", leaf.public_key),
        );
    }
    if let Some(text) = &config.issuer {
        let message = format!("`{}`, expected to contain `{text}`", leaf.issuer);
        verdict.assert("issuer", leaf.issuer.contains(text.as_str()), message);
    }
}

fn evaluate_fingerprints(
    verdict: &mut Verdict,
    presented: PresentedChain<'_>,
    leaf: &Certificate,
    config: &Config,
) {
    if config.fingerprints.is_empty() {
        return;
    }
    // Certificates that lead to no root prove nothing: anyone can append a pinned certificate.
    let proven = presented.verified_chain.into_iter().flatten().chain([leaf]);
    let pinned = proven
        .into_iter()
        .find(|c| config.fingerprints.iter().any(|pin| pin.0 == c.fingerprint));
    match pinned {
        Some(certificate) => verdict.assert("fingerprint", true, format!("of `{}`", certificate.subject)),
        None => verdict.assert(
            "fingerprint",
            false,
            format!("no pin matches; the leaf has `{}`", leaf.fingerprint),
        ),
    };
}

fn evaluate_session(verdict: &mut Verdict, session: &Session, config: &Config) {
    if let Some(oldest) = config.min_version {
        let message = format!("TLS {}, expected {oldest} or newer", session.version);
        verdict.assert("version", session.version >= oldest, message);
    }
    if !config.alpn.is_empty() {
        let message = match &session.alpn {
            Some(protocol) => format!("the server chose `{protocol}`"),
            None => format!("the server chose none of {}", config.alpn.join(", ")),
        };
        let is_offered = session
            .alpn
            .as_ref()
            .is_some_and(|chosen| config.alpn.contains(chosen));
        verdict.assert("alpn", is_offered, message);
    }
}

fn seconds(limit: Duration) -> i64 {
    i64::try_from(limit.get().as_secs()).unwrap_or(i64::MAX)
}
