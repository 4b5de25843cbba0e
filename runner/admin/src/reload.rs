//! `/api/v1/reload`: reloads the suite on request.

use std::time::Duration;

use http::StatusCode;
use tokio::time::timeout;

use super::handler::{ApiRequest, PendingResponse};
use super::response::{Response, error_response, json};
use canary_run::report::admin_api::{ReloadFailed, Reloaded};

/// A little less than the request time-out, so that the response can still be sent.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(8);

/// `POST /api/v1/reload`.
///
/// Cancellation: the reload continues.
pub(super) fn post_reload(request: ApiRequest<'_>) -> PendingResponse<'_> {
    Box::pin(reload(request))
}

/// Reloads the suite, and waits 8 s for the result.
async fn reload(request: ApiRequest<'_>) -> Response {
    match timeout(RELOAD_TIMEOUT, (request.state.reload)()).await {
        Ok(Ok(checks)) => json(request.headers, StatusCode::OK, &Reloaded { checks }),
        Ok(Err(problems)) => json(
            request.headers,
            StatusCode::UNPROCESSABLE_ENTITY,
            &ReloadFailed { problems },
        ),
        Err(_) => error_response(
            StatusCode::GATEWAY_TIMEOUT,
            "the reload is still running; see `suite` in /api/v1/status for its result",
        ),
    }
}
