//! Asks a runner at its admin address.

use std::path::Path;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep};
use url::Url;

use super::settings::Asking;
use crate::ledger::audit::Reserve;
use crate::report::inside::Declined;
use crate::signal::Shutdown;
use crate::wire::{self, Cause, Failure, Place, Protocol, Reply, TlsFiles};

/// How long an answer may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// A reload compiles plugins, and the runner itself waits no longer than this.
pub(super) const LONG_PATIENCE: Duration = Duration::from_secs(15);
/// How long one of several attempts may take.
const ATTEMPT: Duration = Duration::from_secs(2);
/// Before the next attempt.
const AGAIN: Duration = Duration::from_millis(100);
/// Bytes of an answer.
const MOST: usize = 256 << 20;

/// Why a runner's answer is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("no runner answers at {origin}; is `canary run` going, with another `--admin`? ({source})")]
    Nobody { origin: String, source: Failure },
    #[error("{origin} {wants} token; set CANARY_ADMIN_TOKEN, or name its file with `--admin-token-file`")]
    Token { origin: String, wants: &'static str },
    #[error("{origin} answers with {status}: {error}")]
    Declined {
        origin: String,
        status: StatusCode,
        error: String,
    },
    #[error("what {origin} answers is not to be understood; is it a runner of this version? ({reason})")]
    Foreign { origin: String, reason: String },
    #[error("cannot start what it takes to ask")]
    System(#[from] std::io::Error),
}

/// Whether the runner had no room for the request. Only such an answer says when to come again.
fn is_busy(reply: &Reply) -> bool {
    reply.status == StatusCode::SERVICE_UNAVAILABLE && reply.headers.contains_key(RETRY_AFTER)
}

/// Asks one question after the other, each on a connection of its own.
pub(super) struct Asker<'a> {
    asking: &'a Asking,
    ca: Option<&'a Path>,
    runtime: Runtime,
}

/// An answer that was understood, and what it was made of.
pub(super) struct Answer<T> {
    pub(super) value: T,
    pub(super) text: String,
}

impl<'a> Asker<'a> {
    pub(super) fn new(asking: &'a Asking, ca: Option<&'a Path>) -> Result<Self, AskError> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .build()?;
        Ok(Self { asking, ca, runtime })
    }

    /// Asks for what is at `path`, with these parameters.
    ///
    /// # Errors
    /// There is no such answer within 5 s.
    pub(super) fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &[(&str, String)],
    ) -> Result<Answer<T>, AskError> {
        let reply = self.reply(Method::GET, path, parameters, [PATIENCE; 2])?;
        match reply.status {
            StatusCode::OK => self.understood(&reply),
            _ => Err(self.declined(&reply)),
        }
    }

    /// The answer of any status that `fits`; short, where it is only asked for.
    ///
    /// # Errors
    /// There is no such answer within `patience`.
    pub(super) fn any<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        fits: &[StatusCode],
        patience: Duration,
    ) -> Result<(StatusCode, Answer<T>), AskError> {
        let attempt = if method == Method::GET { ATTEMPT } else { patience };
        let reply = self.reply(method, path, &[], [patience, attempt])?;
        match fits.contains(&reply.status) {
            true => Ok((reply.status, self.understood(&reply)?)),
            false => Err(self.declined(&reply)),
        }
    }

    fn reply(
        &self,
        method: Method,
        path: &str,
        parameters: &[(&str, String)],
        times: [Duration; 2],
    ) -> Result<Reply, AskError> {
        let mut url = self.asking.url.clone();
        url.set_path(path);
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        let asked = self.runtime.block_on(self.insist(method, url, times));
        asked.map_err(|source| AskError::Nobody {
            origin: self.origin(),
            source,
        })
    }

    /// Asks again when the runner was too busy to answer, or made room for others: not for what changes something, and
    /// not where nothing listens.
    async fn insist(
        &self,
        method: Method,
        url: Url,
        [patience, attempt]: [Duration; 2],
    ) -> Result<Reply, Failure> {
        let deadline = Instant::now() + patience;
        loop {
            let time = attempt.min(deadline.saturating_duration_since(Instant::now()));
            let answered = self.exchange(method.clone(), url.clone(), time).await;
            let is_busy = match &answered {
                Ok(reply) => is_busy(reply),
                Err(failure) => matches!(failure.cause, Cause::Closed | Cause::Timeout | Cause::Tls),
            };
            if method != Method::GET || !is_busy || Instant::now() + AGAIN >= deadline {
                return answered;
            }
            sleep(AGAIN).await;
        }
    }

    async fn exchange(&self, method: Method, url: Url, patience: Duration) -> Result<Reply, Failure> {
        let place = Place {
            url,
            tls: TlsFiles {
                ca: self.ca.map(Path::to_owned),
                ..TlsFiles::default()
            },
            protocol: Protocol::Http1,
        };
        let mut wire = place.request(method, "")?;
        if let Some(token) = &self.asking.token {
            let value = HeaderValue::try_from(format!("Bearer {}", token.expose()));
            let mut value = value.map_err(|error| Failure::new(Cause::Settings, error.to_string()))?;
            value.set_sensitive(true);
            wire.headers_mut().insert(AUTHORIZATION, value);
        }
        let deadline = Instant::now() + patience;
        wire::exchange_up_to(MOST, wire, &place, &Reserve::default(), deadline).await
    }

    fn understood<T: DeserializeOwned>(&self, reply: &Reply) -> Result<Answer<T>, AskError> {
        let foreign = |reason: String| AskError::Foreign {
            origin: self.origin(),
            reason,
        };
        if !reply.is_whole {
            return Err(foreign("it breaks off".to_owned()));
        }
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        let value = serde_json::from_str(&text).map_err(|error| foreign(error.to_string()))?;
        Ok(Answer { value, text })
    }

    fn declined(&self, reply: &Reply) -> AskError {
        let (origin, status) = (self.origin(), reply.status);
        let declined = serde_json::from_slice::<Declined>(&reply.body);
        match declined {
            Ok(_) if status == StatusCode::UNAUTHORIZED => AskError::Token {
                origin,
                wants: match self.asking.token {
                    Some(_) => "has another",
                    None => "wants the runner's",
                },
            },
            Ok(Declined { error }) => AskError::Declined {
                origin,
                status,
                error,
            },
            Err(_) => AskError::Foreign {
                origin,
                reason: status.to_string(),
            },
        }
    }

    /// Takes over the signals that end a process.
    ///
    /// # Errors
    /// The operating system refused.
    pub(super) fn listen(&self) -> std::io::Result<Shutdown> {
        let _inside = self.runtime.enter();
        Shutdown::listen()
    }

    /// Whether such a signal came.
    pub(super) fn was_told(&self, shutdown: &mut Shutdown) -> bool {
        let asked = async { shutdown.requested().now_or_never().is_some() };
        self.runtime.block_on(asked)
    }

    /// Of the runner; nothing of it is secret.
    fn origin(&self) -> String {
        self.asking.url.origin().ascii_serialization()
    }
}
