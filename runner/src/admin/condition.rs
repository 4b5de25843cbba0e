//! `/livez` and `/readyz`: what is wrong, by name.

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};

use super::Page;
use crate::suite::CheckId;
use crate::watch::health::{Checkup, Complaint};

/// Whether the service goes on: what only a restart mends.
pub(super) fn live(checkup: &Checkup) -> Page {
    let fatal = checkup.complaints.iter().filter(|complaint| complaint.is_fatal());
    page(fatal.map(problem).collect())
}

/// Whether all is well.
pub(super) fn ready(checkup: &Checkup) -> Page {
    page(checkup.complaints.iter().map(problem).collect())
}

fn problem(complaint: &Complaint) -> Value {
    let checks: Vec<&str> = complaint.checks().iter().map(CheckId::as_str).collect();
    json!({ "what": complaint.word(), "message": complaint.to_string(), "checks": checks })
}

fn page(problems: Vec<Value>) -> Page {
    let (status, word) = match problems.is_empty() {
        true => (StatusCode::OK, "ok"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "failing"),
    };
    let body = json!({ "status": word, "problems": problems });
    let mut page = Response::new(Full::from(format!("{body}\n")));
    *page.status_mut() = status;
    let content_type = HeaderValue::from_static("application/json");
    page.headers_mut().insert(CONTENT_TYPE, content_type);
    page
}
