//! `/api/v1/connections`: who holds which connection, and what was taken back.

use std::time::SystemTime;

use super::Shown;
use super::query::Query;
use super::status::{count, moment};
use crate::ledger::{LiveLease, PageOwner, Reclaimed};
use crate::report::inside::{Connections, Moment, OpenConnection, ReclaimedConnection, seconds};

pub(super) fn connections(shown: &Shown, query: &Query, now: SystemTime) -> Connections {
    let wanted = |owner: &PageOwner| query.check.as_ref().is_none_or(|name| is_of(shown, owner, name));
    let live = shown.ledger.live();
    let open: Vec<&LiveLease> = live.iter().filter(|lease| wanted(&lease.owner)).collect();
    let reclaimed = shown.ledger.last_reclaimed();
    Connections {
        matched: count(open.len()),
        open: open
            .into_iter()
            .take(query.limit)
            .map(|lease| of_lease(lease, now))
            .collect(),
        reclaimed: reclaimed
            .iter()
            .filter(|reclaimed| wanted(&reclaimed.owner))
            .map(of_reclaimed)
            .collect(),
    }
}

/// By its id; by its name, which all its targets share; or a service of the host.
fn is_of(shown: &Shown, owner: &PageOwner, name: &str) -> bool {
    let id = &owner.check;
    let of_targets = |rest: &str| {
        rest.starts_with('@')
            && shown
                .board
                .seen_check(id)
                .is_none_or(|seen| seen.check.name == name)
    };
    id.as_str()
        .strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || of_targets(rest))
}

fn of_lease(lease: &LiveLease, now: SystemTime) -> OpenConnection {
    let (run, plugin) = marks(&lease.owner);
    OpenConnection {
        check: lease.owner.check.to_string(),
        run,
        attempt: lease.owner.attempt,
        plugin,
        peer: lease.peer.to_string(),
        phase: lease.activity.word().to_owned(),
        opened_at: moment(now.checked_sub(lease.age)),
        age_seconds: seconds(lease.age),
        bytes_in: lease.bytes_in,
        bytes_out: lease.bytes_out,
    }
}

fn of_reclaimed(reclaimed: &Reclaimed) -> ReclaimedConnection {
    let (run, plugin) = marks(&reclaimed.owner);
    ReclaimedConnection {
        check: reclaimed.owner.check.to_string(),
        run,
        attempt: reclaimed.owner.attempt,
        plugin,
        peer: reclaimed.peer.to_string(),
        cause: reclaimed.cause.word().to_owned(),
        at: Moment::of(reclaimed.at),
        open_for_seconds: seconds(reclaimed.open_for),
        bytes_in: reclaimed.bytes_in,
        bytes_out: reclaimed.bytes_out,
    }
}

fn marks(owner: &PageOwner) -> (Option<String>, Option<String>) {
    let mark = owner.run.as_ref();
    (
        mark.map(|mark| hex::encode(mark.trace_id)),
        mark.map(|mark| mark.plugin.to_string()),
    )
}
