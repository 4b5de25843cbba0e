//! `/livez` and `/readyz`: judged anew each time, never a constant.

use http::{HeaderMap, StatusCode};

use super::Shown;
use super::answer::{Page, json};
use crate::report::inside::{Condition, Trouble};
use crate::watch::health::{Checkup, Complaint};

/// Fails only where a restart is the way out, and lists nothing else.
pub(super) fn live(asked: &HeaderMap, shown: &Shown) -> Page {
    let checkup = (shown.health)();
    let fatal = checkup.complaints.iter().filter(|complaint| complaint.is_fatal());
    page(asked, &Condition::of(fatal.map(trouble).collect()))
}

/// Fails while anything is wrong.
pub(super) fn ready(asked: &HeaderMap, shown: &Shown) -> Page {
    page(asked, &Condition::of(troubles(&(shown.health)())))
}

fn page(asked: &HeaderMap, condition: &Condition) -> Page {
    let status = match condition.is_ok() {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    json(asked, status, condition)
}

pub(super) fn troubles(checkup: &Checkup) -> Vec<Trouble> {
    checkup.complaints.iter().map(trouble).collect()
}

fn trouble(complaint: &Complaint) -> Trouble {
    Trouble {
        what: complaint.word().to_owned(),
        message: complaint.to_string(),
        checks: complaint.checks().iter().map(ToString::to_string).collect(),
    }
}
