//! `/api/v1/status` and `/api/v1/checks/{id}`.
//!
//! The status store is locked for a list of ids, and then for one check after the other, so that the service is not
//! blocked.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::time::SystemTime;

use http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::handler::ApiRequest;
use super::probes::problems;
use super::query::{Order, Query};
use super::response::{Response, error_response, json, json_chunks};
use super::{AdminState, TextChunks};
use canary_run::publish::CheckSnapshot;
use canary_run::report::admin_api::{
    AccountState, ApiTime, CheckState, Descriptors, FailedReload, LastRun, ReloadCounts, RunnerStatus,
    SuiteState, seconds,
};
use canary_run::report::{RunObject, UsageObject, run_object, safe_json};
use canary_run::schedule::calendar;
use canary_run::status::Status;
use canary_suite::CheckId;
use canary_system::clock;
use canary_watch::health::{HealthIssue, HealthReport};

/// Number of checks per chunk of the response: other tasks get their turn after each chunk.
const CHECKS_PER_CHUNK: usize = 16;

/// `GET /api/v1/status`.
///
/// # Errors
/// The query parameters are invalid.
pub(super) fn get_status(request: ApiRequest<'_>) -> Result<Response, String> {
    let query = Query::parse(request.query, request.parameters)?;
    Ok(match status(request.state, &query) {
        Ok(chunks) => json_chunks(request.headers, chunks),
        Err(_) => error_response(
            StatusCode::INTERNAL_SERVER_ERROR,
            "cannot encode the response as JSON",
        ),
    })
}

/// `GET /api/v1/checks/{id}`.
pub(super) fn get_check(request: ApiRequest<'_>) -> Result<Response, String> {
    let id = request.id;
    Ok(match detail(request.state, id) {
        Some(detail) => json(request.headers, StatusCode::OK, &detail),
        None => error_response(StatusCode::NOT_FOUND, format!("no check with id `{id}`")),
    })
}

/// The status in chunks: the checks are selected at once, and each is read when its chunk is produced. The response
/// takes memory for a list of ids and for one chunk, however many checks it has.
fn status(state: &AdminState, query: &Query) -> Result<TextChunks, serde_json::Error> {
    let mut chosen = state.store.filter_map(|check, record| {
        let status = record.status();
        query
            .matches(check, status)
            .then(|| (severity(status, record.failures), check.id.clone()))
    });
    let matched = count(chosen.len());
    match query.order {
        Order::Id => chosen.sort_by(|(_, a), (_, b)| a.cmp(b)),
        Order::Worst => chosen.sort(),
    }
    chosen.truncate(query.limit);
    let head = safe_json(&head(state, matched))?;
    // The checks come last.
    let Some(head) = head.trim_end().strip_suffix("]}") else {
        return Err(serde::ser::Error::custom("the checks are not at the end"));
    };
    let store = state.store.clone();
    let mut ids = chosen.into_iter().map(|(_, id)| id).peekable();
    let mut separator = "";
    let checks = std::iter::from_fn(move || {
        ids.peek()?;
        let mut chunk = String::new();
        // A check that was removed meanwhile is omitted.
        for snapshot in ids
            .by_ref()
            .take(CHECKS_PER_CHUNK)
            .filter_map(|id| store.check_snapshot(&id))
        {
            let Ok(text) = safe_json(&check(&snapshot)) else {
                continue;
            };
            chunk.push_str(std::mem::replace(&mut separator, ","));
            chunk.push_str(text.trim_end());
        }
        Some(chunk)
    });
    let chunks = std::iter::once(head.to_owned()).chain(checks);
    Ok(Box::new(chunks.chain(std::iter::once("]}\n".to_owned()))))
}

/// Everything but the checks.
fn head(state: &AdminState, matched: u64) -> RunnerStatus {
    let report = (state.health)();
    let (began, since) = state.started;
    RunnerStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: ApiTime::new(began),
        uptime_seconds: seconds(since.elapsed()),
        suite: suite(state, state.store.len()),
        account: AccountState::from(&state.store.total_account()),
        descriptors: Descriptors {
            budget: state.ledger.capacity(),
            leased: state.ledger.leased(),
            reclaimed: state.ledger.reclaimed(),
            unaccounted: unaccounted(&report),
        },
        problems: problems(&report),
        matched,
        checks: Vec::new(),
    }
}

/// A check with the details of its last run.
#[derive(Serialize, JsonSchema)]
pub(super) struct CheckDetail {
    #[serde(flatten)]
    check: CheckState,
    /// Details of the last run; null if it was in an earlier process.
    #[schemars(with = "Option<RunObject<'static>>")]
    run: Option<Value>,
}

/// The details of a check; `None` if it does not exist.
fn detail(state: &AdminState, id: &str) -> Option<CheckDetail> {
    let snapshot = state.store.check_snapshot(&CheckId::new(id))?;
    let run = snapshot.last.as_ref().and_then(|run| run_object(run).ok());
    Some(CheckDetail {
        check: check(&snapshot),
        run,
    })
}

fn suite(state: &AdminState, checks: usize) -> SuiteState {
    let report = state.reloads.snapshot();
    SuiteState {
        checks: count(checks),
        in_force_since: api_time(report.active_since),
        reloads: ReloadCounts {
            succeeded: report.succeeded,
            failed: report.failed,
        },
        refused: report.rejected.map(|refused| FailedReload {
            at: ApiTime::new(refused.at),
            problems: refused.problems,
        }),
    }
}

/// A sort key: the most severe status comes first, then the most consecutive failures.
fn severity(status: Status, failures: u64) -> (u8, Reverse<u64>) {
    let rank = match status {
        Status::Down => 0,
        Status::Unknown => 1,
        Status::Degraded => 2,
        Status::Up => 3,
    };
    (rank, Reverse(failures))
}

fn check(snapshot: &CheckSnapshot) -> CheckState {
    let (check, record) = (&snapshot.check, &snapshot.record);
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
        status: Cow::Borrowed(record.status().as_str()),
        status_since: api_time(record.changed),
        stage: Cow::Borrowed(snapshot.stage.as_str()),
        interval_seconds: check.cadence.interval().map(seconds),
        schedule: check.cadence.cron().map(ToString::to_string),
        next_due: api_time(calendar::next_due(check, clock::wall())),
        consecutive_failures: record.failures,
        last_finish: api_time(record.last_finish),
        last_success: api_time(record.last_success),
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
        usage: snapshot.last.as_ref().map(|run| UsageObject::new(&run.usage)),
    }
}

/// The number of unaccounted descriptors according to health, which ignores short-lived ones.
fn unaccounted(report: &HealthReport) -> u64 {
    let unaccounted = report.issues.iter().find_map(|issue| match issue {
        HealthIssue::DescriptorsUnaccounted { count } => Some(*count),
        _ => None,
    });
    unaccounted.unwrap_or_default()
}

pub(super) fn api_time(time: Option<SystemTime>) -> Option<ApiTime> {
    time.and_then(ApiTime::new)
}

pub(super) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
