//! Delivers a ping: a few attempts, each with its own deadline.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use tokio::time::{Instant, sleep};

use super::{Ping, PingStats, Settings};
use crate::reserved_fds::ReservedFds;
use canary_net::ledger::audit::InternalFds;
use canary_outbound::http_client::{self, BodyError, Endpoint, HttpResponse};
use canary_outbound::{Disposition, Payload, response_code, success_error};
use canary_system::backoff::Policy;

/// Maximum attempts per ping.
const MAX_ATTEMPTS: u32 = 3;
/// Delay before the second attempt, doubled before the third, bounded by a part of the interval.
const INITIAL_DELAY: Duration = Duration::from_secs(2);
/// The first delay takes at most one part in this many of the interval.
const MAX_DELAY_SHARE: u32 = 8;
/// One for the connection, and two for what a name lookup or the system's trust store opens before it.
const RESERVED_FDS: usize = 3;
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// Bodies with which healthchecks.io rejects a ping in spite of status 200
/// (<https://healthchecks.io/docs/http_api/>).
const REJECTED_BODIES: [(&[u8], &str); 2] = [
    (b"OK (not found)", "not_found"),
    (b"OK (rate limited)", "rate_limited"),
];

pub(super) struct PingSender<'a> {
    settings: &'a Settings,
    internal_fds: &'a InternalFds,
    stats: &'a PingStats,
    reserved_fds: ReservedFds,
}

/// A failed attempt.
struct AttemptFailure {
    reason: Cow<'static, str>,
    message: String,
    /// What becomes of the ping.
    disposition: Disposition,
}

impl From<http_client::Failure> for AttemptFailure {
    fn from(failure: http_client::Failure) -> Self {
        Self {
            reason: Cow::Borrowed(failure.cause.as_str()),
            message: failure.message,
            disposition: canary_outbound::classify_failure(Payload::Ping, failure.cause),
        }
    }
}

impl<'a> PingSender<'a> {
    pub(super) fn new(settings: &'a Settings, internal_fds: &'a InternalFds, stats: &'a PingStats) -> Self {
        Self {
            settings,
            internal_fds,
            stats,
            reserved_fds: ReservedFds::new(internal_fds, RESERVED_FDS),
        }
    }

    /// Sends a ping, with retries until `until`; returns whether it was delivered.
    pub(super) async fn send(&mut self, ping: &Ping, until: Instant) -> bool {
        let initial = INITIAL_DELAY.min(self.settings.cadence.interval / MAX_DELAY_SHARE);
        let backoff = Policy::new(initial, initial * MAX_ATTEMPTS).with_jitter();
        for attempts in 1..=MAX_ATTEMPTS {
            match self.attempt(ping, until).await {
                Ok(()) => {
                    let is_success = *ping == Ping::Success;
                    self.stats.delivered(is_success.then(SystemTime::now));
                    return true;
                }
                Err(failure) => {
                    self.stats.failed(failure.reason, failure.message);
                    if !failure.disposition.is_temporary() {
                        return false;
                    }
                }
            }
            let delay = backoff.wait(attempts);
            if attempts == MAX_ATTEMPTS || Instant::now() + delay >= until {
                return false;
            }
            sleep(delay).await;
        }
        false
    }

    async fn attempt(&mut self, ping: &Ping, until: Instant) -> Result<(), AttemptFailure> {
        let endpoint = self.settings.endpoint(ping);
        let deadline = until.min(Instant::now() + self.settings.timeout);
        self.reserved_fds.release();
        let reply = exchange(ping, &endpoint, self.internal_fds, deadline).await;
        self.reserved_fds.refill();
        classify(&reply?)
    }
}

async fn exchange(
    ping: &Ping,
    endpoint: &Endpoint,
    internal_fds: &InternalFds,
    deadline: Instant,
) -> Result<HttpResponse, http_client::Failure> {
    let request = match ping {
        Ping::Start | Ping::Success => endpoint.request(Method::GET, "")?,
        Ping::Fail { reason } => {
            let mut request = endpoint.request(Method::POST, reason.clone())?;
            request.headers_mut().insert(CONTENT_TYPE, TEXT);
            request
        }
    };
    http_client::exchange(request, endpoint, internal_fds, deadline).await
}

/// Classifies a response by its status and its body: see [`canary_outbound::classify`].
fn classify(reply: &HttpResponse) -> Result<(), AttemptFailure> {
    let status = reply.status;
    if status.is_success() {
        rejection(&reply.body)?;
    }
    let error = success_error(status, &reply.headers, &reply.body);
    canary_outbound::classify(Payload::Ping, status, error.as_ref(), None).map_err(|disposition| {
        AttemptFailure {
            reason: response_code(status, error.as_ref()),
            message: match &error {
                None => format!("HTTP {status}"),
                Some(BodyError::HtmlPage) => {
                    format!("HTTP {status} with an HTML page: is the ping URL correct?")
                }
                Some(BodyError::Error(words)) => format!("HTTP {status} with an error: {words}"),
            },
            disposition,
        }
    })
}

/// Whether a body rejects the ping.
fn rejection(body: &[u8]) -> Result<(), AttemptFailure> {
    match REJECTED_BODIES.iter().find(|(start, _)| body.starts_with(start)) {
        None => Ok(()),
        Some((start, reason)) => Err(AttemptFailure {
            reason: Cow::Borrowed(reason),
            message: format!("the response was `{}`", String::from_utf8_lossy(start)),
            disposition: Disposition::Blocked,
        }),
    }
}
