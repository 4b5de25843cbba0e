//! `/api/v1/status` and `/api/v1/checks/{id}`.
//!
//! The board is copied once; all else is made of the copy, while the service goes on.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::time::SystemTime;

use serde::Serialize;
use serde_json::Value;

use super::Shown;
use super::condition::troubles;
use super::query::{Order, Query};
use crate::publish::SeenCheck;
use crate::report::inside::{
    AccountState, CheckState, Descriptors, LastRun, Moment, Refusal, ReloadCounts, Status, SuiteState,
    seconds,
};
use crate::report::{UsageObject, run_object};
use crate::status::Status as CheckStatus;
use crate::suite::CheckId;
use crate::watch::health::{Checkup, Complaint};

pub(super) fn status(shown: &Shown, query: &Query) -> Status {
    let checkup = (shown.health)();
    let seen = shown.board.seen();
    let (began, since) = shown.started;
    let suite = suite(shown, seen.checks.len());
    let mut checks = seen.checks;
    checks.retain(|seen| query.wants(&seen.check, seen.record.status()));
    let matched = count(checks.len());
    match query.order {
        Order::Id => checks.sort_by(|a, b| a.check.id.cmp(&b.check.id)),
        Order::Worst => checks.sort_by(|a, b| badness(a).cmp(&badness(b))),
    }
    checks.truncate(query.limit);
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: Moment::of(began),
        uptime_seconds: seconds(since.elapsed()),
        suite,
        account: AccountState::from(&seen.total),
        descriptors: Descriptors {
            budget: shown.ledger.capacity(),
            leased: shown.ledger.leased(),
            reclaimed: shown.ledger.reclaimed(),
            unaccounted: unaccounted(&checkup),
        },
        problems: troubles(&checkup),
        matched,
        checks: checks.iter().map(check).collect(),
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
fn badness(seen: &SeenCheck) -> (u8, Reverse<u64>, &CheckId) {
    let rank = match seen.record.status() {
        CheckStatus::Down => 0,
        CheckStatus::Unknown => 1,
        CheckStatus::Degraded => 2,
        CheckStatus::Up => 3,
    };
    (rank, Reverse(seen.record.failures), &seen.check.id)
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
        labels: check.labels.clone(),
        status: Cow::Borrowed(record.status().word()),
        status_since: moment(record.changed),
        stage: Cow::Borrowed(seen.stage.word()),
        interval_seconds: seconds(check.interval),
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
