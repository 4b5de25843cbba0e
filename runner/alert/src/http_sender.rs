//! HTTP requests of notifiers.

use std::time::SystemTime;

use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method};
use tokio::time::Instant;

use super::delivery_result::{DeliveryResult, excerpt};
use super::notify::Attempt;
use canary_outbound::http_client::{Endpoint, exchange};

/// Sends the HTTP requests of a notifier. `Debug` shows the host only: the path may be secret.
#[derive(Debug, Clone)]
pub(super) struct HttpSender {
    pub(super) endpoint: Endpoint,
    /// Sent with each request.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

/// Body of a request.
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

impl HttpSender {
    /// Sends one request on a connection of its own, within the time-out of `attempt`.
    ///
    /// Cancellation: closes the connection; the receiver may have the notification.
    pub(super) async fn send(&self, body: Body, attempt: Attempt<'_>) -> DeliveryResult {
        let deadline = Instant::now() + attempt.limit;
        let mut request = match self.endpoint.request(body.method, body.text) {
            Ok(request) => request,
            Err(failure) => return DeliveryResult::from_transport_failure(failure),
        };
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, body.content_type);
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        match exchange(request, &self.endpoint, attempt.internal_fds, deadline).await {
            Ok(reply) => {
                let excerpt = excerpt(&reply.body, attempt.secrets);
                DeliveryResult::from_response(
                    reply.status,
                    &reply.headers,
                    &reply.body,
                    &excerpt,
                    SystemTime::now(),
                )
            }
            Err(failure) => DeliveryResult::from_transport_failure(failure),
        }
    }
}
