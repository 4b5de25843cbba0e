//! Where an HTTP notifier sends its requests.

use std::time::{Duration, SystemTime};

use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method};
use tokio::time::Instant;

use super::answer::{Answer, excerpt};
use crate::ledger::audit::Reserve;
use crate::suite::Secrets;
use crate::wire::Place;
use crate::wire::exchange;

/// An address and what goes with each request. `Debug` shows the host only: the path may be the secret.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    pub(super) place: Place,
    /// Sent with each request.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    /// What must not be told of an answer that quotes its request.
    pub(super) secrets: Secrets,
}

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) method: Method,
    pub(super) content_type: HeaderValue,
    pub(super) text: String,
}

impl Body {
    /// A POST of JSON.
    pub(super) fn json(value: &impl serde::Serialize) -> Self {
        Self {
            method: Method::POST,
            content_type: HeaderValue::from_static("application/json"),
            // Plain data with text keys is always JSON.
            text: serde_json::to_string(value).unwrap_or_default(),
        }
    }
}

impl Endpoint {
    /// Sends one request on a connection of its own, within `limit`.
    ///
    /// Cancellation: closes the connection; the receiver may have the notification.
    pub(super) async fn send(&self, body: Body, reserve: &Reserve, limit: Duration) -> Answer {
        let deadline = Instant::now() + limit;
        let mut request = match self.place.request(body.method, body.text) {
            Ok(request) => request,
            Err(failure) => return Answer::none(failure),
        };
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, body.content_type);
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        match exchange(request, &self.place, reserve, deadline).await {
            Ok(reply) => {
                let said = excerpt(&reply.body, &self.secrets);
                Answer::judge(
                    reply.status,
                    &reply.headers,
                    &reply.body,
                    &said,
                    SystemTime::now(),
                )
            }
            Err(failure) => Answer::none(failure),
        }
    }
}
