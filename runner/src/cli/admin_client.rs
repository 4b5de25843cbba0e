//! Client of the admin API.

use std::path::Path;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep};
use url::Url;

use super::settings::AdminTarget;
use canary_net::ledger::audit::InternalFds;
use canary_outbound::http_client::{self, Endpoint, Failure, FailureCause, HttpResponse, Protocol, TlsFiles};
use canary_run::report::admin_api::ErrorBody;
use canary_system::signal::Shutdown;

/// Time-out of a request.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Time-out of a reload, which compiles plugins; the runner itself waits no longer either.
pub(super) const RELOAD_TIMEOUT: Duration = Duration::from_secs(15);
/// Time-out of one of several attempts.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
/// Delay before the next attempt.
const RETRY_DELAY: Duration = Duration::from_millis(100);
/// Maximum size of a response body, in bytes.
const MAX_RESPONSE: usize = 256 << 20;

/// Why a request to the admin API failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdminClientError {
    #[error("cannot reach canary at {origin}: {failure}; is it running, and is `--admin` right?")]
    Unreachable { origin: String, failure: Failure },
    #[error("{origin} {problem}; set CANARY_ADMIN_TOKEN or `--admin-token-file`")]
    Unauthorized { origin: String, problem: &'static str },
    #[error("{origin} responded with {status}: {error}")]
    Rejected {
        origin: String,
        status: StatusCode,
        error: String,
    },
    #[error("unexpected response from {origin}: {reason}; is it the same canary version?")]
    UnexpectedResponse { origin: String, reason: String },
    #[error("cannot start the HTTP client")]
    Io(#[from] std::io::Error),
}

/// Whether the server rejected the request for lack of capacity. Only such a response has `Retry-After`.
fn is_busy(reply: &HttpResponse) -> bool {
    reply.status == StatusCode::SERVICE_UNAVAILABLE && reply.headers.contains_key(RETRY_AFTER)
}

/// Sends requests sequentially, each on a connection of its own.
pub(super) struct AdminClient<'a> {
    target: &'a AdminTarget,
    ca: Option<&'a Path>,
    runtime: Runtime,
}

/// A decoded response and its text.
pub(super) struct Decoded<T> {
    pub(super) value: T,
    pub(super) text: String,
}

impl<'a> AdminClient<'a> {
    pub(super) fn new(target: &'a AdminTarget, ca: Option<&'a Path>) -> Result<Self, AdminClientError> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(1)
            .build()?;
        Ok(Self { target, ca, runtime })
    }

    /// Sends a GET request for `path` with these query parameters.
    ///
    /// # Errors
    /// No valid response within 5 s.
    pub(super) fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        parameters: &[(&str, String)],
    ) -> Result<Decoded<T>, AdminClientError> {
        let reply = self.send(Method::GET, path, parameters, [REQUEST_TIMEOUT; 2])?;
        match reply.status {
            StatusCode::OK => self.decode(&reply),
            _ => Err(self.rejection(&reply)),
        }
    }

    /// Sends a request and decodes a response with one of the `accepted` statuses. GET requests have a shorter
    /// time-out per attempt and are retried.
    ///
    /// # Errors
    /// No such response within `timeout`.
    pub(super) fn request<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        accepted: &[StatusCode],
        timeout: Duration,
    ) -> Result<(StatusCode, Decoded<T>), AdminClientError> {
        let attempt = if method == Method::GET {
            ATTEMPT_TIMEOUT
        } else {
            timeout
        };
        let reply = self.send(method, path, &[], [timeout, attempt])?;
        if accepted.contains(&reply.status) {
            Ok((reply.status, self.decode(&reply)?))
        } else {
            Err(self.rejection(&reply))
        }
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        parameters: &[(&str, String)],
        times: [Duration; 2],
    ) -> Result<HttpResponse, AdminClientError> {
        let mut url = self.target.url.clone();
        url.set_path(path);
        if !parameters.is_empty() {
            url.query_pairs_mut().extend_pairs(parameters);
        }
        let result = self.runtime.block_on(self.send_with_retries(method, url, times));
        result.map_err(|failure| AdminClientError::Unreachable {
            origin: self.origin(),
            failure,
        })
    }

    /// Retries while the server is too busy to respond, or closed the connection to make room: only for GET, and not
    /// when the connection is refused.
    async fn send_with_retries(
        &self,
        method: Method,
        url: Url,
        [timeout, attempt]: [Duration; 2],
    ) -> Result<HttpResponse, Failure> {
        let deadline = Instant::now() + timeout;
        let mut earlier: Option<Failure> = None;
        loop {
            let time = attempt.min(deadline.saturating_duration_since(Instant::now()));
            let mut result = self.exchange(method.clone(), url.clone(), time).await;
            // The last attempt may have had no time to find out more than the one before it.
            if let Err(failure) = &result
                && failure.cause == FailureCause::Timeout
                && let Some(earlier) = &earlier
            {
                result = Err(earlier.clone());
            }
            let is_busy = match &result {
                Ok(reply) => is_busy(reply),
                Err(failure) => matches!(
                    failure.cause,
                    FailureCause::Closed | FailureCause::Timeout | FailureCause::Tls
                ),
            };
            if method != Method::GET || !is_busy || Instant::now() + RETRY_DELAY >= deadline {
                return result;
            }
            earlier = result.err().or(earlier);
            sleep(RETRY_DELAY).await;
        }
    }

    async fn exchange(&self, method: Method, url: Url, timeout: Duration) -> Result<HttpResponse, Failure> {
        let endpoint = Endpoint {
            url,
            tls: TlsFiles {
                ca: self.ca.map(Path::to_owned),
                ..TlsFiles::default()
            },
            protocol: Protocol::Http1,
        };
        let mut request = endpoint.request(method, "")?;
        if let Some(token) = &self.target.token {
            let value = HeaderValue::try_from(format!("Bearer {}", token.expose()));
            let mut value = value.map_err(|error| Failure::new(FailureCause::Settings, error.to_string()))?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        let deadline = Instant::now() + timeout;
        http_client::exchange_with_limit(
            MAX_RESPONSE,
            request,
            &endpoint,
            &InternalFds::default(),
            deadline,
        )
        .await
    }

    fn decode<T: DeserializeOwned>(&self, reply: &HttpResponse) -> Result<Decoded<T>, AdminClientError> {
        let unexpected = |reason: String| AdminClientError::UnexpectedResponse {
            origin: self.origin(),
            reason,
        };
        if !reply.is_complete {
            return Err(unexpected("the body is incomplete".to_owned()));
        }
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        let value = serde_json::from_str(&text).map_err(|error| {
            if error.is_data() {
                return unexpected(error.to_string());
            }
            // Rather another server than another version.
            unexpected("the body is not JSON".to_owned())
        })?;
        Ok(Decoded { value, text })
    }

    fn rejection(&self, reply: &HttpResponse) -> AdminClientError {
        let (origin, status) = (self.origin(), reply.status);
        let rejection = serde_json::from_slice::<ErrorBody>(&reply.body);
        match rejection {
            Ok(_) if status == StatusCode::UNAUTHORIZED => AdminClientError::Unauthorized {
                origin,
                problem: match self.target.token {
                    Some(_) => "rejected the admin token",
                    None => "requires the admin token",
                },
            },
            Ok(ErrorBody { error }) => AdminClientError::Rejected {
                origin,
                status,
                error,
            },
            Err(_) => AdminClientError::UnexpectedResponse {
                origin,
                reason: status.to_string(),
            },
        }
    }

    /// Installs handlers for the termination signals.
    ///
    /// # Errors
    /// The operating system refused.
    pub(super) fn listen_for_shutdown(&self) -> std::io::Result<Shutdown> {
        let _runtime = self.runtime.enter();
        Shutdown::listen()
    }

    /// Whether a termination signal was received.
    pub(super) fn is_shutdown_requested(&self, shutdown: &mut Shutdown) -> bool {
        let is_requested = async { shutdown.requested().now_or_never().is_some() };
        self.runtime.block_on(is_requested)
    }

    /// The origin of the URL, which contains no secret.
    fn origin(&self) -> String {
        self.target.url.origin().ascii_serialization()
    }
}
