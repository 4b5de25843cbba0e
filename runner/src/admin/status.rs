//! `/api/v1/status` and `/api/v1/checks/{id}`.
//!
//! The board is held for a list of names, and then for one check after the other, while the service goes on.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::time::SystemTime;

use serde::Serialize;
use serde_json::Value;

use super::condition::troubles;
use super::query::{Order, Query};
use super::{Parts, Shown};
use crate::clock;
use crate::publish::SeenCheck;
use crate::report::inside::{
    AccountState, CheckState, Descriptors, LastRun, Moment, Refusal, ReloadCounts, Status, SuiteState,
    seconds,
};
use crate::report::{UsageObject, run_object, safe_json};
use crate::schedule::calendar;
use crate::status::Status as CheckStatus;
use crate::suite::CheckId;
use crate::watch::health::{Checkup, Complaint};

/// Checks of a part of the answer: others have their turn after each.
const CHECKS_A_PART: usize = 16;

/// The status in parts: what is asked for is decided at once, and each check is looked at when its turn comes. An answer
/// takes memory for a list of names and for one part, however many checks it has.
pub(super) fn status(shown: &Shown, query: &Query) -> Result<Parts, serde_json::Error> {
    let mut chosen = shown.board.choose(|check, record| {
        let status = record.status();
        query
            .wants(check, status)
            .then(|| (badness(status, record.failures), check.id.clone()))
    });
    let matched = count(chosen.len());
    match query.order {
        Order::Id => chosen.sort_by(|(_, a), (_, b)| a.cmp(b)),
        Order::Worst => chosen.sort(),
    }
    chosen.truncate(query.limit);
    let head = safe_json(&head(shown, matched))?;
    // The checks come last.
    let Some(head) = head.trim_end().strip_suffix("]}") else {
        return Err(serde::ser::Error::custom("the checks are not at the end"));
    };
    let board = shown.board.clone();
    let mut ids = chosen.into_iter().map(|(_, id)| id).peekable();
    let mut separator = "";
    let checks = std::iter::from_fn(move || {
        ids.peek()?;
        let mut part = String::new();
        // One that is gone meanwhile is left out.
        for seen in ids
            .by_ref()
            .take(CHECKS_A_PART)
            .filter_map(|id| board.seen_check(&id))
        {
            let Ok(text) = safe_json(&check(&seen)) else {
                continue;
            };
            part.push_str(std::mem::replace(&mut separator, ","));
            part.push_str(text.trim_end());
        }
        Some(part)
    });
    let parts = std::iter::once(head.to_owned()).chain(checks);
    Ok(Box::new(parts.chain(std::iter::once("]}\n".to_owned()))))
}

/// Everything but the checks.
fn head(shown: &Shown, matched: u64) -> Status {
    let checkup = (shown.health)();
    let (began, since) = shown.started;
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: Moment::of(began),
        uptime_seconds: seconds(since.elapsed()),
        suite: suite(shown, shown.board.len()),
        account: AccountState::from(&shown.board.account()),
        descriptors: Descriptors {
            budget: shown.ledger.capacity(),
            leased: shown.ledger.leased(),
            reclaimed: shown.ledger.reclaimed(),
            unaccounted: unaccounted(&checkup),
        },
        problems: troubles(&checkup),
        matched,
        checks: Vec::new(),
    }
}

/// A check, and its last run in full.
#[derive(Serialize)]
pub(super) struct Detail {
    #[serde(flatten)]
    check: CheckState,
    /// Absent when the last run was in an earlier process.
    run: Option<Value>,
}

/// Nothing for a check that is not there.
pub(super) fn detail(shown: &Shown, id: &str) -> Option<Detail> {
    let seen = shown.board.seen_check(&CheckId::new(id))?;
    let run = seen.last.as_ref().and_then(|run| run_object(run).ok());
    Some(Detail {
        check: check(&seen),
        run,
    })
}

fn suite(shown: &Shown, checks: usize) -> SuiteState {
    let report = shown.reloads.read();
    SuiteState {
        checks: count(checks),
        in_force_since: moment(report.in_force_since),
        reloads: ReloadCounts {
            succeeded: report.succeeded,
            failed: report.failed,
        },
        refused: report.refused.map(|refused| Refusal {
            at: Moment::of(refused.at),
            problems: refused.problems,
        }),
    }
}

/// The worst is the least.
fn badness(status: CheckStatus, failures: u64) -> (u8, Reverse<u64>) {
    let rank = match status {
        CheckStatus::Down => 0,
        CheckStatus::Unknown => 1,
        CheckStatus::Degraded => 2,
        CheckStatus::Up => 3,
    };
    (rank, Reverse(failures))
}

fn check(seen: &SeenCheck) -> CheckState {
    let (check, record) = (&seen.check, &seen.record);
    let last = record.last.as_ref();
    CheckState {
        id: check.id.to_string(),
        name: check.name.clone(),
        target: check.target.to_string(),
        plugin: check.plugin.clone(),
        group: check.group.as_deref().map(str::to_owned),
        labels: (*check.labels).clone(),
        description: check.annotations.description.as_deref().map(str::to_owned),
        runbook_url: check.annotations.runbook_url.as_deref().map(str::to_owned),
        expect_failure: check.expect_failure,
        status: Cow::Borrowed(record.status().word()),
        status_since: moment(record.changed),
        stage: Cow::Borrowed(seen.stage.word()),
        interval_seconds: check.cadence.interval().map(seconds),
        schedule: check.cadence.cron().map(ToString::to_string),
        next_due: moment(calendar::next_due(check, clock::wall())),
        consecutive_failures: record.failures,
        last_finish: moment(record.last_finish),
        last_success: moment(record.last_success),
        lag_seconds: last.map(|last| seconds(last.lag)),
        last: last.map(|last| LastRun {
            outcome: last.outcome.clone(),
            cause: last.cause.clone(),
            summary: last.summary.clone(),
            duration_seconds: seconds(last.duration),
            attempts: last.attempts,
            trace_id: last.trace_id.clone(),
        }),
        account: AccountState::from(&record.account),
        usage: seen.last.as_ref().map(|run| UsageObject::of(&run.usage)),
    }
}

/// Health tells only of those that stay.
fn unaccounted(checkup: &Checkup) -> u64 {
    let told = checkup.complaints.iter().find_map(|complaint| match complaint {
        Complaint::DescriptorsUnaccounted { count } => Some(*count),
        _ => None,
    });
    told.unwrap_or_default()
}

pub(super) fn moment(time: Option<SystemTime>) -> Option<Moment> {
    time.and_then(Moment::of)
}

pub(super) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
