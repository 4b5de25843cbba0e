//! Which question goes out when.
//!
//! A question that is asked has one of few places, and leaves it when the answer is there, or soon after: what has no
//! answer by then waits on among its like, where there are many places. So silent servers and zones take no place of
//! those that answer. Neither how a question is asked nor what its answer means matters here.
//!
//! Where places are short they go to the plugin that has used them least in vain lately, and of its checks to the one that
//! has. A question without an answer keeps its place until one waits whose plugin or check has used less than half as much,
//! and nobody else has used more; it gives it back within 100 ms. So a check whose names are answered waits for 100 ms at
//! most once others have used more in vain than it has, however many checks, zones and servers are silent. The checks of a
//! plugin of which nothing is known yet come as they ask.
//!
//! Questions to servers that a check chose have places of their own, by the same rules, where what may be silent is not a
//! zone but these servers: so they take nothing from questions to the machine's servers, also not from those about the same
//! zone.

#[cfg(test)]
mod tests;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::flight::Progress;
use super::settings::Whose;
use crate::ledger::Ledger;
use crate::net::NetError;
use crate::pool::{Busy, Claim, Limits, Place, Pool};
use crate::suite::CheckId;

/// How long a question waits for its turn.
const PATIENCE: Duration = Duration::from_millis(500);
/// What answers within this time is never among the silent.
const FRESH: Duration = Duration::from_millis(50);
/// Questions of one zone that may wait for an answer before the zone counts as silent.
const SILENT: u64 = 8;
/// New questions at once to a zone that is silent: a sixteenth of all.
const PROBES: u64 = 16;
/// Places for new questions to servers of one kind, and for those that wait for an answer.
const FEWEST: (u64, u64) = (8, 16);
const MOST: (u64, u64) = (256, 1_024);

/// Whose question it is, and where it goes.
#[derive(Debug, Clone)]
pub(super) struct Party {
    /// Who chose the servers.
    pub(super) whose: Whose,
    /// The zone that the name is in, or the servers that a check chose: what may be silent.
    pub(super) destination: Arc<str>,
    /// The check that asked first.
    pub(super) check: CheckId,
    /// The plugin of the check.
    pub(super) plugin: Arc<str>,
}

/// Places for questions.
#[derive(Debug)]
pub(super) struct Schedule {
    to_machine: Places,
    to_checks: Places,
}

/// Places for questions to servers that were chosen by the same.
#[derive(Debug)]
struct Places {
    fresh: Pool,
    silent: Pool,
}

impl Schedule {
    /// Places within what `ledger` lends: an eighth of it for new questions to the machine's servers, 256 at most; a quarter
    /// for those that wait for an answer, 1,024 at most. Half as many for questions to servers that checks chose.
    pub(super) fn new(ledger: &Ledger) -> Self {
        Self {
            to_machine: Places::new(["dns", "dns_unanswered"], ledger, 1),
            to_checks: Places::new(["dns_own_servers", "dns_own_servers_unanswered"], ledger, 2),
        }
    }

    /// Has one question asked. The answer, or nothing when none came within `limit`.
    ///
    /// Cancellation: gives back the place, and drops `exchange`.
    ///
    /// # Errors
    /// `DnsBusy` where there is no place, or what `exchange` says.
    pub(super) async fn ask<T>(
        &self,
        party: &Party,
        limit: Duration,
        progress: &Progress,
        exchange: impl Future<Output = Result<T, NetError>>,
    ) -> Result<Option<T>, NetError> {
        let places = match party.whose {
            Whose::Machine => &self.to_machine,
            Whose::Check => &self.to_checks,
        };
        places.ask(party, limit, progress, exchange).await
    }
}

impl Places {
    /// Such a part of what there is for questions at most. Half of the places are for one zone, or for the servers that one
    /// check chose.
    fn new([fresh, silent]: [&'static str; 2], ledger: &Ledger, part: u64) -> Self {
        let lent = ledger.capacity() / part;
        let pool = |name, capacity| {
            let share = capacity / 2;
            let limits = Limits {
                share,
                ..Limits::of(capacity)
            };
            let pool = Pool::by_use(name, limits);
            ledger.pools().add(&pool);
            pool
        };
        Self {
            fresh: pool(fresh, (lent / 8).clamp(FEWEST.0, MOST.0 / part)),
            silent: pool(silent, (lent / 4).clamp(FEWEST.1, MOST.1 / part)),
        }
    }

    async fn ask<T>(
        &self,
        party: &Party,
        limit: Duration,
        progress: &Progress,
        exchange: impl Future<Output = Result<T, NetError>>,
    ) -> Result<Option<T>, NetError> {
        let place = self.turn(party).await?;
        progress.begin();
        let until = Instant::now() + limit;
        let mut exchange = std::pin::pin!(exchange);
        if let Ok(answer) = timeout(FRESH.min(limit), &mut exchange).await {
            place.used_well();
            return answer.map(Some);
        }
        let moved = tokio::select! {
            biased;
            answer = &mut exchange => {
                place.used_well();
                return answer.map(Some);
            }
            moved = self.set_aside(party) => moved?,
            () = sleep_until(until) => return Ok(None),
        };
        let place = place.used_so_far();
        let answer = tokio::select! {
            biased;
            answer = exchange => answer,
            () = gives_way(&self.silent, party) => return Err(NetError::DnsBusy),
            () = sleep_until(until) => return Ok(None),
        };
        place.used_well();
        moved.used_well();
        answer.map(Some)
    }

    async fn turn(&self, party: &Party) -> Result<Place, NetError> {
        let claim = claim(party);
        let claim = match self.silent.held_by(&party.destination) >= SILENT {
            true => claim.at_most((self.fresh.limits().capacity / PROBES).max(1)),
            false => claim,
        };
        let place = self.fresh.acquire(claim, Some(PATIENCE)).await;
        place.map_err(NetError::from)
    }

    /// Waits for a place among the silent, and keeps the one of a new question until it has to give way.
    async fn set_aside(&self, party: &Party) -> Result<Place, NetError> {
        if self.silent.has_share(&party.destination) {
            return Err(NetError::DnsBusy);
        }
        tokio::select! {
            place = self.silent.acquire(claim(party).optional(), None) => place.map_err(NetError::from),
            () = gives_way(&self.fresh, party) => Err(NetError::DnsBusy),
        }
    }
}

/// Ends when a question has to give way that has been asked for a while.
async fn gives_way(pool: &Pool, party: &Party) {
    loop {
        sleep(FRESH).await;
        if pool.should_give_way(&claim(party)) {
            return;
        }
    }
}

fn claim(party: &Party) -> Claim {
    Claim::by(Arc::clone(&party.destination))
        .for_check(party.check.clone())
        .for_plugin(Arc::clone(&party.plugin))
}

impl From<Busy> for NetError {
    fn from(_: Busy) -> Self {
        Self::DnsBusy
    }
}

/// The part of a name that is likely to be one owner's: its last two labels, or three where the one before the last is
/// as short as in `co.uk`.
pub(super) fn zone(name: &str) -> Arc<str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let mut labels = name.rsplit('.');
    let (last, before) = (
        labels.next().unwrap_or_default(),
        labels.next().unwrap_or_default(),
    );
    let third = labels.next().filter(|_| before.len() <= 3);
    let mut length = last.len() + 1 + before.len();
    if let Some(third) = third {
        length += 1 + third.len();
    }
    let start = name.len().saturating_sub(length);
    name.get(start..).unwrap_or(name).to_ascii_lowercase().into()
}
