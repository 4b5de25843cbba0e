//! `/api/v1/reload`: the suite read again, because somebody with the token asks for it.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use tokio::time::timeout;

use super::Shown;
use super::answer::{Page, declined, json};
use crate::report::inside::{NotReloaded, Reloaded};

/// A little less than a request may take, so that the answer still gets through.
const PATIENCE: Duration = Duration::from_secs(8);

/// Cancellation: the reload goes on.
pub(super) async fn reload(asked: &HeaderMap, shown: &Shown) -> Page {
    match timeout(PATIENCE, (shown.reload)()).await {
        Ok(Ok(checks)) => json(asked, StatusCode::OK, &Reloaded { checks }),
        Ok(Err(problems)) => json(asked, StatusCode::UNPROCESSABLE_ENTITY, &NotReloaded { problems }),
        Err(_) => declined(
            StatusCode::GATEWAY_TIMEOUT,
            "the reload goes on; `suite` of /api/v1/status tells what comes of it",
        ),
    }
}
