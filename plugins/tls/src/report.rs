//! Attributes and measurements of a handshake, independent of the expectations.

use canary_sdk::tcp::ConnectionInfo;
use canary_sdk::tls::{Certificate, Session};
use canary_sdk::{Metric, Timestamp, Verdict};

use crate::presented_chain::PresentedChain;

/// Maximum number of names that are listed; some certificates have hundreds.
const MAX_NAMES: usize = 20;

/// All measurements of a verdict.
pub(crate) const MEASUREMENTS: &[Metric] = &[
    Metric::new("resolve.duration", "s", "Time to resolve the name."),
    Metric::new("connect.duration", "s", "Time to connect."),
    Metric::new("handshake.duration", "s", "Time of the TLS handshake."),
    Metric::new(
        "certificate.days_left",
        "d",
        "Time until the server's certificate expires; negative once it has.",
    ),
    Metric::new(
        "certificate.not_after",
        "s",
        "When the server's certificate expires, as Unix time.",
    ),
    Metric::new(
        "chain.days_left",
        "d",
        "Time until the first certificate of the chain expires; negative once it has.",
    ),
];

/// One line for a server without problems.
pub(crate) fn summary(session: &Session, now: Timestamp) -> String {
    match session.leaf() {
        Some(leaf) => format!("TLS {}, certificate {}", session.version, validity(leaf, now)),
        None => format!("TLS {} without a certificate", session.version),
    }
}

/// `valid until 2026-03-02T00:00:00Z, 60.0 days left`, and the like for the past and the future.
pub(crate) fn validity(certificate: &Certificate, now: Timestamp) -> String {
    let days_left = certificate.days_left(now);
    if certificate.not_before > now {
        format!("not valid before {}", certificate.not_before)
    } else if days_left < 0.0 {
        format!("expired {}, {:.1} days ago", certificate.not_after, -days_left)
    } else {
        format!("valid until {}, {days_left:.1} days left", certificate.not_after)
    }
}

/// Adds everything known about a session to the verdict.
pub(crate) fn report(verdict: &mut Verdict, session: &Session, now: Timestamp) {
    verdict
        .set_attribute("tls.version", session.version.to_string())
        .set_attribute("tls.cipher_suite", &session.cipher_suite)
        .set_attribute(
            "tls.ocsp_staple",
            if session.ocsp_staple.is_some() {
                "sent"
            } else {
                "absent"
            },
        );
    if let Some(protocol) = &session.alpn {
        verdict.set_attribute("tls.alpn", protocol);
    }
    report_certificates(verdict, session.into(), now);
}

/// Adds the address of the server and the time to reach it.
pub(crate) fn report_connection(verdict: &mut Verdict, info: &ConnectionInfo) {
    verdict
        .set_attribute("network.peer", &info.peer)
        .measure_time("resolve.duration", info.timings.resolve)
        .measure_time("connect.duration", info.timings.connect)
        .measure_time("handshake.duration", info.timings.handshake);
}

/// Adds the presented certificates.
pub(crate) fn report_certificates(verdict: &mut Verdict, presented: PresentedChain<'_>, now: Timestamp) {
    verdict.set_attribute("chain.length", presented.chain.len().to_string());
    match presented.verified() {
        Ok(()) => verdict.set_attribute("certificate.trusted", "true"),
        Err(reasons) => verdict
            .set_attribute("certificate.trusted", "false")
            .set_attribute("certificate.untrusted_reason", reasons),
    };
    if let Some(leaf) = presented.leaf() {
        report_leaf(verdict, leaf, now);
    }
    if let Some(first) = presented.first_to_end() {
        verdict.set_attribute("chain.not_after", first.not_after.to_string());
        verdict.measure("chain.days_left", first.days_left(now), "d");
    }
}

fn report_leaf(verdict: &mut Verdict, leaf: &Certificate, now: Timestamp) {
    verdict
        .set_attribute("certificate.not_before", leaf.not_before.to_string())
        .set_attribute("certificate.not_after", leaf.not_after.to_string())
        .set_attribute("certificate.days_left", format!("{:.1}", leaf.days_left(now)))
        .set_attribute("certificate.subject", &leaf.subject)
        .set_attribute("certificate.issuer", &leaf.issuer)
        .set_attribute("certificate.serial", &leaf.serial)
        .set_attribute("certificate.fingerprint", &leaf.fingerprint)
        .set_attribute("certificate.names", names(leaf))
        .set_attribute("certificate.public_key", &leaf.public_key)
        .set_attribute("certificate.signature_algorithm", &leaf.signature_algorithm)
        .measure("certificate.days_left", leaf.days_left(now), "d")
        .measure("certificate.not_after", unix_seconds(leaf.not_after), "s");
}

/// The names that a certificate covers, as many as fit a line.
pub(crate) fn names(certificate: &Certificate) -> String {
    let all = || certificate.dns_names.iter().chain(&certificate.ip_addresses);
    let listed: Vec<&str> = all().take(MAX_NAMES).map(String::as_str).collect();
    match all().count().saturating_sub(MAX_NAMES) {
        0 => listed.join(", "),
        more => format!("{} and {more} more", listed.join(", ")),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds of any real date fit the mantissa"
)]
fn unix_seconds(moment: Timestamp) -> f64 {
    moment.unix() as f64
}
