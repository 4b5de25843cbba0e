//! The way of a ping to its address: few attempts, each with its own deadline.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use tokio::time::{Instant, sleep};

use super::{Ping, Record, Settings};
use crate::ledger::audit::Reserve;
use crate::watch::spare::Spare;
use crate::wire::{self, Denial, Place, Reply};

/// Attempts at one ping.
const ATTEMPTS: u32 = 3;
/// Before the second attempt, and twice that before the third, though no more than the interval has room for; less up
/// to half of it, so that runners do not return in step.
const WAIT: Duration = Duration::from_secs(2);
/// Of the interval, that the first wait may take.
const SHARE: u32 = 8;
/// One for the connection, and two for what a name lookup or the system's trust store opens before that.
const SPARE: usize = 3;
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// What healthchecks.io answers with status 200 to a ping that counts for nothing
/// (<https://healthchecks.io/docs/http_api/>).
const IN_VAIN: [(&[u8], &str); 2] = [
    (b"OK (not found)", "not_found"),
    (b"OK (rate limited)", "rate_limited"),
];
/// Answers of class 4xx after which the same ping may be taken.
const WAITED_FOR: [StatusCode; 3] = [
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::TOO_EARLY,
    StatusCode::TOO_MANY_REQUESTS,
];

pub(super) struct Courier<'a> {
    settings: &'a Settings,
    reserve: &'a Reserve,
    record: &'a Record,
    spare: Spare,
}

/// An attempt that was in vain.
struct Failure {
    word: Cow<'static, str>,
    message: String,
    /// Whether the same would come of another.
    is_final: bool,
}

impl From<wire::Failure> for Failure {
    fn from(failure: wire::Failure) -> Self {
        Self {
            word: Cow::Borrowed(failure.cause.word()),
            message: failure.message,
            is_final: false,
        }
    }
}

impl<'a> Courier<'a> {
    pub(super) fn new(settings: &'a Settings, reserve: &'a Reserve, record: &'a Record) -> Self {
        Self {
            settings,
            reserve,
            record,
            spare: Spare::new(reserve, SPARE),
        }
    }

    /// Whether the ping arrived, which it has until `until` for.
    pub(super) async fn deliver(&mut self, ping: &Ping, until: Instant) -> bool {
        for attempt in 0..ATTEMPTS {
            match self.attempt(ping, until).await {
                Ok(()) => {
                    let is_success = *ping == Ping::Success;
                    self.record.arrived(is_success.then(SystemTime::now));
                    return true;
                }
                Err(failure) => {
                    self.record.failed(failure.word, failure.message);
                    if failure.is_final {
                        return false;
                    }
                }
            }
            let first = WAIT.min(self.settings.cadence.interval / SHARE);
            let jitter = 0.5 + fastrand::f64() / 2.0;
            let wait = first.saturating_mul(1 << attempt).mul_f64(jitter);
            if attempt + 1 == ATTEMPTS || Instant::now() + wait >= until {
                return false;
            }
            sleep(wait).await;
        }
        false
    }

    async fn attempt(&mut self, ping: &Ping, until: Instant) -> Result<(), Failure> {
        let place = self.settings.place(ping);
        let deadline = until.min(Instant::now() + self.settings.timeout);
        self.spare.lend();
        let answer = exchange(ping, &place, self.reserve, deadline).await;
        self.spare.refill();
        judge(&answer?)
    }
}

async fn exchange(
    ping: &Ping,
    place: &Place,
    reserve: &Reserve,
    deadline: Instant,
) -> Result<Reply, wire::Failure> {
    let wire = match ping {
        Ping::Start | Ping::Success => place.request(Method::GET, "")?,
        Ping::Fail { reason } => {
            let mut wire = place.request(Method::POST, reason.clone())?;
            wire.headers_mut().insert(CONTENT_TYPE, TEXT);
            wire
        }
    };
    wire::exchange(wire, place, reserve, deadline).await
}

fn judge(reply: &Reply) -> Result<(), Failure> {
    let status = reply.status;
    if !status.is_success() {
        let word = match status.as_u16() {
            known @ ..600 => Cow::Owned(format!("http_{known}")),
            _ => Cow::Borrowed("http_other"),
        };
        return Err(Failure {
            word,
            message: format!("HTTP {status}"),
            is_final: status.is_client_error() && !WAITED_FOR.contains(&status),
        });
    }
    let in_vain = IN_VAIN.iter().find(|(body, _)| reply.body.starts_with(body));
    if let Some((body, word)) = in_vain {
        return Err(Failure {
            word: Cow::Borrowed(word),
            message: format!("the answer was `{}`", String::from_utf8_lossy(body)),
            is_final: true,
        });
    }
    let (word, message) = match wire::denial(&reply.headers, &reply.body) {
        None => return Ok(()),
        Some(Denial::Page) => (
            "page",
            format!("HTTP {status} with a page for people: no heartbeat service answers so"),
        ),
        Some(Denial::Error(words)) => ("denied", format!("HTTP {status} with an error: {words}")),
    };
    Err(Failure {
        word: Cow::Borrowed(word),
        message,
        is_final: false,
    })
}
