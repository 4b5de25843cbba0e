//! Delivers a ping: a few attempts, each with its own deadline.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use tokio::time::{Instant, sleep};

use super::{Ping, PingStats, Settings};
use crate::http_client::{self, BodyError, Endpoint, HttpResponse};
use crate::ledger::audit::InternalFds;
use crate::watch::reserved_fds::ReservedFds;

/// Maximum attempts per ping.
const MAX_ATTEMPTS: u32 = 3;
/// Delay before the second attempt, doubled before the third, bounded by a part of the interval; reduced by up to
/// half, so that runners do not retry in sync.
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
/// Statuses of class 4xx after which a retry may succeed.
const RETRYABLE: [StatusCode; 3] = [
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::TOO_EARLY,
    StatusCode::TOO_MANY_REQUESTS,
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
    /// Whether a retry cannot succeed.
    is_permanent: bool,
}

impl From<http_client::Failure> for AttemptFailure {
    fn from(failure: http_client::Failure) -> Self {
        Self {
            reason: Cow::Borrowed(failure.cause.as_str()),
            message: failure.message,
            is_permanent: false,
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
        for attempt in 0..MAX_ATTEMPTS {
            match self.attempt(ping, until).await {
                Ok(()) => {
                    let is_success = *ping == Ping::Success;
                    self.stats.delivered(is_success.then(SystemTime::now));
                    return true;
                }
                Err(failure) => {
                    self.stats.failed(failure.reason, failure.message);
                    if failure.is_permanent {
                        return false;
                    }
                }
            }
            let initial = INITIAL_DELAY.min(self.settings.cadence.interval / MAX_DELAY_SHARE);
            let jitter = 0.5 + fastrand::f64() / 2.0;
            let delay = initial.saturating_mul(1 << attempt).mul_f64(jitter);
            if attempt + 1 == MAX_ATTEMPTS || Instant::now() + delay >= until {
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

fn classify(reply: &HttpResponse) -> Result<(), AttemptFailure> {
    let status = reply.status;
    if !status.is_success() {
        let reason = match status.as_u16() {
            known @ ..600 => Cow::Owned(format!("http_{known}")),
            _ => Cow::Borrowed("http_other"),
        };
        return Err(AttemptFailure {
            reason,
            message: format!("HTTP {status}"),
            is_permanent: status.is_client_error() && !RETRYABLE.contains(&status),
        });
    }
    let rejection = REJECTED_BODIES
        .iter()
        .find(|(body, _)| reply.body.starts_with(body));
    if let Some((body, reason)) = rejection {
        return Err(AttemptFailure {
            reason: Cow::Borrowed(reason),
            message: format!("the response was `{}`", String::from_utf8_lossy(body)),
            is_permanent: true,
        });
    }
    let (reason, message) = match http_client::body_error(&reply.headers, &reply.body) {
        None => return Ok(()),
        Some(BodyError::HtmlPage) => (
            "page",
            format!("HTTP {status} with an HTML page: is the ping URL correct?"),
        ),
        Some(BodyError::Error(words)) => ("denied", format!("HTTP {status} with an error: {words}")),
    };
    Err(AttemptFailure {
        reason: Cow::Borrowed(reason),
        message,
        is_permanent: false,
    })
}
