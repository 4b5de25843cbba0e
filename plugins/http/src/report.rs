//! What is reported of every response, whatever is expected of it.

use std::fmt;

use canary_sdk::http::Response;
use canary_sdk::tls::Session;
use canary_sdk::{Assertion, Measurement, Metric, NetError, Timestamp, Verdict};

use crate::expect::reason_phrase;
use crate::text;
use crate::timing::{phases, total};

/// All measurements of a verdict.
pub(crate) const MEASUREMENTS: &[Metric] = &[
    Metric::new("http.status", "{status_code}", "Status of the response."),
    Metric::new("http.response.size", "By", "Bytes of the body that were read."),
    Metric::new(
        "http.duration",
        "s",
        "Time from the first lookup to the last byte, redirects included.",
    ),
    Metric::new(
        "http.phase.duration",
        "s",
        "Time of one phase, over all redirects.",
    ),
    Metric::new(
        "http.auth.duration",
        "s",
        "Time to obtain an access token (OAuth 2).",
    ),
    Metric::new(
        "certificate.days_left",
        "d",
        "Time until the server's certificate expires; negative once it has.",
    ),
];

/// A passing verdict with summary, measurements and attributes.
pub(crate) fn describe(target: &str, response: &Response, now: Timestamp) -> Verdict {
    let mut verdict = Verdict::pass(summary(response));
    measure(response, now, &mut verdict);
    verdict
        .set_attribute("url.full", text::public_url(target))
        .set_attribute("http.response.status_code", response.status.to_string())
        .set_attribute("network.protocol.version", response.version.to_string())
        .set_attribute("network.peer.address", response.peer.as_str());
    let redirects = response.redirects();
    if redirects > 0 {
        verdict
            .set_attribute("http.redirects", redirects.to_string())
            .set_attribute("url.final", text::public_url(&response.url));
    }
    if let Some(Err(reason)) = response.tls.as_ref().map(Session::verified) {
        verdict.set_attribute("tls.untrusted", reason);
    }
    verdict
}

/// `200 OK in 34ms, 1.2 KiB`.
fn summary(response: &Response) -> String {
    let mut line = response.status.to_string();
    if let Some(phrase) = reason_phrase(response.status) {
        line.push(' ');
        line.push_str(phrase);
    }
    line.push_str(" in ");
    line.push_str(&text::time(total(response)));
    if let Some(bytes) = size(response) {
        line.push_str(", ");
        line.push_str(&text::size(bytes));
    }
    line
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a size beyond 2^53 bytes is not to be expected"
)]
fn measure(response: &Response, now: Timestamp, verdict: &mut Verdict) {
    verdict.measure("http.status", response.status.into(), "{status_code}");
    if let Some(bytes) = size(response) {
        verdict.measure("http.response.size", bytes as f64, "By");
    }
    verdict.measure_time("http.duration", total(response));
    for (phase, time) in phases(response) {
        verdict.push_measurement(Measurement {
            name: "http.phase.duration".into(),
            value: time.as_secs_f64(),
            unit: "s".into(),
            attributes: vec![("phase".into(), phase.as_str().into())],
        });
    }
    if let Some(leaf) = response.tls.as_ref().and_then(|tls| tls.leaf()) {
        verdict.measure("certificate.days_left", leaf.days_left(now), "d");
    }
}

/// Bytes of body that were received; `None` if it was not read.
fn size(response: &Response) -> Option<u64> {
    let is_unread = response.body_length == 0 && response.truncated;
    (!is_unread).then_some(response.body_length)
}

/// The verdict on an exchange that failed.
pub(crate) fn describe_failure(error: &NetError) -> Verdict {
    let Some(quota) = error.quota.as_ref().filter(|quota| quota.what == "bytes_in") else {
        return Verdict::from(error);
    };
    let message = format!(
        "receive: the quota of `bytes_in`, {} for the whole run, is used up; raise it, or set `read_body: false`",
        text::size(quota.limit)
    );
    let mut verdict = Verdict::fail(message.clone());
    verdict.set_error(error).assert("network", false, message);
    verdict
}

/// The verdict on an address that was not queried, which says nothing about it.
pub(crate) fn describe_not_sent(reason: impl fmt::Display) -> Verdict {
    let mut verdict = Verdict::pass("not checked");
    verdict.extend([Assertion::unknown("quota", reason.to_string())]);
    verdict
}
