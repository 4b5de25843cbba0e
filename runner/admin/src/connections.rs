//! `/api/v1/connections`: the open connections of checks, and the recently reclaimed ones.

use std::time::SystemTime;

use http::StatusCode;

use super::AdminState;
use super::handler::ApiRequest;
use super::query::Query;
use super::response::{Response, json};
use super::status::{api_time, count};
use canary_net::ledger::{LiveLease, PageOwner, Reclaimed};
use canary_run::report::admin_api::{ApiTime, Connections, OpenConnection, ReclaimedConnection, seconds};

/// `GET /api/v1/connections`.
///
/// # Errors
/// The query parameters are invalid.
pub(super) fn get_connections(request: ApiRequest<'_>) -> Result<Response, String> {
    let query = Query::parse(request.query, request.parameters)?;
    let found = connections(request.state, &query, SystemTime::now());
    Ok(json(request.headers, StatusCode::OK, &found))
}

fn connections(state: &AdminState, query: &Query, now: SystemTime) -> Connections {
    let wanted = |owner: &PageOwner| {
        query
            .check
            .as_ref()
            .is_none_or(|name| is_owned_by(state, owner, name))
    };
    let live = state.ledger.live();
    let open: Vec<&LiveLease> = live.iter().filter(|lease| wanted(&lease.owner)).collect();
    let reclaimed = state.ledger.last_reclaimed();
    Connections {
        matched: count(open.len()),
        open: open
            .into_iter()
            .take(query.limit)
            .map(|lease| open_connection(lease, now))
            .collect(),
        reclaimed: reclaimed
            .iter()
            .filter(|reclaimed| wanted(&reclaimed.owner))
            .map(reclaimed_connection)
            .collect(),
    }
}

/// Whether a page is owned by `name`: the id of a check, the name of a check (shared by all its targets), or a service
/// of the host.
fn is_owned_by(state: &AdminState, owner: &PageOwner, name: &str) -> bool {
    let id = &owner.check;
    let of_targets = |rest: &str| {
        rest.starts_with('@')
            && state
                .store
                .check_snapshot(id)
                .is_none_or(|snapshot| snapshot.check.name == name)
    };
    id.as_str()
        .strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || of_targets(rest))
}

fn open_connection(lease: &LiveLease, now: SystemTime) -> OpenConnection {
    let (run, plugin) = run_and_plugin(&lease.owner);
    OpenConnection {
        check: lease.owner.check.to_string(),
        run,
        attempt: lease.owner.attempt,
        plugin,
        peer: lease.peer.to_string(),
        phase: lease.activity.as_str().to_owned(),
        opened_at: api_time(now.checked_sub(lease.age)),
        age_seconds: seconds(lease.age),
        bytes_in: lease.bytes_in,
        bytes_out: lease.bytes_out,
    }
}

fn reclaimed_connection(reclaimed: &Reclaimed) -> ReclaimedConnection {
    let (run, plugin) = run_and_plugin(&reclaimed.owner);
    ReclaimedConnection {
        check: reclaimed.owner.check.to_string(),
        run,
        attempt: reclaimed.owner.attempt,
        plugin,
        peer: reclaimed.peer.to_string(),
        cause: reclaimed.cause.as_str().to_owned(),
        at: ApiTime::new(reclaimed.at),
        open_for_seconds: seconds(reclaimed.open_for),
        bytes_in: reclaimed.bytes_in,
        bytes_out: reclaimed.bytes_out,
    }
}

fn run_and_plugin(owner: &PageOwner) -> (Option<String>, Option<String>) {
    let run = owner.run.as_ref();
    (
        run.map(|run| hex::encode(run.trace_id)),
        run.map(|run| run.plugin.to_string()),
    )
}
