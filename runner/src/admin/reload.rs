//! `/api/v1/reload`: reloads the suite on request.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use tokio::time::timeout;

use super::AdminState;
use super::response::{Response, error_response, json};
use crate::report::admin_api::{ReloadFailed, Reloaded};

/// A little less than the request time-out, so that the response can still be sent.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(8);

/// Reloads the suite, and waits 8 s for the result.
///
/// Cancellation: the reload continues.
pub(super) async fn reload(request_headers: &HeaderMap, state: &AdminState) -> Response {
    match timeout(RELOAD_TIMEOUT, (state.reload)()).await {
        Ok(Ok(checks)) => json(request_headers, StatusCode::OK, &Reloaded { checks }),
        Ok(Err(problems)) => json(
            request_headers,
            StatusCode::UNPROCESSABLE_ENTITY,
            &ReloadFailed { problems },
        ),
        Err(_) => error_response(
            StatusCode::GATEWAY_TIMEOUT,
            "the reload is still running; see `suite` in /api/v1/status for its result",
        ),
    }
}
