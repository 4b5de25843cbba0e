//! How long the certificate is still valid.

use canary_sdk::http::Response;
use canary_sdk::tls::{Certificate, Session};
use canary_sdk::{Assertion, Duration, Problems, Status, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;

const NAME: &str = "certificate";

/// How long the server's certificate must still be valid. One that has expired or is not yet
/// valid is a failure in any case.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "CertificateLimits")]
pub(super) struct Limits {
    /// Less than this left is a warning.
    warn_within: Option<Duration>,
    /// Less than this left is a failure.
    fail_within: Option<Duration>,
    /// Whether this applies to every certificate up to the root, not only to the server's own.
    chain: bool,
}

impl Limits {
    /// Reports a warning that a failure would always precede.
    pub(super) fn check(&self, problems: &mut Problems) {
        if let (Some(warn), Some(fail)) = (self.warn_within, self.fail_within)
            && warn < fail
        {
            let message = format!("{warn} is less than `fail_within` ({fail}): it would never warn");
            problems.at("warn_within", |problems| problems.report(message));
        }
    }
}

/// Compares the remaining time with the limits.
pub(super) fn evaluate(limits: &Limits, response: &Response, now: Timestamp) -> Assertion {
    let Some(leaf) = response.tls.as_ref().and_then(|tls| tls.leaf()) else {
        return Assertion::new(NAME, false, "the answer did not come over TLS");
    };
    let session = response.tls.as_ref().filter(|_| limits.chain);
    let first = session.and_then(first_to_end).filter(|first| *first != leaf);
    let Some(first) = first else {
        return evaluate_one(limits, leaf, now);
    };
    let result = evaluate_one(limits, first, now);
    Assertion {
        message: format!("`{}` expires first: {}", first.subject, result.message),
        ..result
    }
}

/// The first certificate to expire of the trusted path, or of what was sent if there is none.
fn first_to_end(session: &Session) -> Option<&Certificate> {
    let path = session.verified_chain.as_ref().unwrap_or(&session.chain);
    path.iter().min_by_key(|certificate| certificate.not_after)
}

fn evaluate_one(limits: &Limits, leaf: &Certificate, now: Timestamp) -> Assertion {
    let (left, expires) = (leaf.not_after.seconds_since(now), leaf.not_after);
    let shown = Duration::from_secs(left.unsigned_abs());
    let begins_in = leaf.not_before.seconds_since(now);
    if begins_in > 0 {
        let begins_in = Duration::from_secs(begins_in.unsigned_abs());
        let begins = leaf.not_before;
        return Assertion::new(NAME, false, format!("valid only in {begins_in}, from {begins}"));
    }
    if left <= 0 {
        return Assertion::new(NAME, false, format!("expired {shown} ago, on {expires}"));
    }
    let is_within = |limit: &Duration| shown < *limit;
    let fail = limits
        .fail_within
        .filter(is_within)
        .map(|limit| (Status::Fail, limit));
    let warn = limits
        .warn_within
        .filter(is_within)
        .map(|limit| (Status::Warn, limit));
    match fail.or(warn) {
        Some((status, limit)) => Assertion::new(
            NAME,
            status,
            format!("expires in {shown}, within {limit}, on {expires}"),
        ),
        None => Assertion::new(NAME, true, format!("expires in {shown}, on {expires}")),
    }
}

#[cfg(test)]
mod tests {
    use canary_sdk::fake;

    use super::*;

    #[test]
    fn the_limits_may_hold_for_every_certificate_up_to_the_root() {
        let (leaf, mut root) = (fake::certificate("example.com"), fake::certificate("Root"));
        root.not_after = Timestamp::from_unix(leaf.not_after.unix() - 86_400);
        let days = leaf.not_after.seconds_since(fake::NOW) / 86_400;
        let result = |chain: bool, verified: bool| {
            let mut session = fake::session([leaf.clone(), root.clone()]);
            if verified {
                session.verified_chain = Some(vec![leaf.clone()]);
            }
            let response = Response {
                tls: Some(session),
                ..fake::response(200)
            };
            let limits = Limits {
                fail_within: Some(Duration::from_secs(u64::try_from(days).unwrap() * 86_400)),
                chain,
                ..Limits::default()
            };
            evaluate(&limits, &response, fake::NOW)
        };
        assert_eq!(result(false, false).status, Status::Pass);
        let first = result(true, false);
        assert_eq!(first.status, Status::Fail);
        assert!(
            first.message.contains("expires first: expires in"),
            "{}",
            first.message
        );
        assert_eq!(
            result(true, true).status,
            Status::Pass,
            "no path needs the other one"
        );
    }
}
