//! What the handler of an endpoint gets and returns.

use std::future::Future;
use std::pin::Pin;

use http::HeaderMap;

use super::AdminState;
use super::query::Parameter;
use super::response::Response;

/// A request that is allowed, as its handler gets it.
#[derive(Clone, Copy)]
pub(super) struct ApiRequest<'a> {
    pub(super) state: &'a AdminState,
    pub(super) headers: &'a HeaderMap,
    /// The query parameters, encoded.
    pub(super) query: Option<&'a str>,
    /// The query parameters that the route knows.
    pub(super) parameters: &'static [&'static Parameter],
    /// The parameter in the path; empty if the route has none.
    pub(super) id: &'a str,
}

/// A response that takes time.
pub(super) type PendingResponse<'a> = Pin<Box<dyn Future<Output = Response> + Send + 'a>>;

/// The function that responds to the requests of a route.
#[derive(Clone, Copy)]
pub(super) enum Handler {
    /// Responds at once, or with the problem of the query parameters.
    Immediate(fn(ApiRequest<'_>) -> Result<Response, String>),
    /// Waits for something first.
    ///
    /// Cancellation: a requested change may still take effect.
    Waiting(for<'a> fn(ApiRequest<'a>) -> PendingResponse<'a>),
}
