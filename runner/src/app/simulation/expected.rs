//! How many due times each check must have had by now: what the account says is held against the clocks of the world.

use std::collections::HashMap;
use std::time::Duration;

use crate::clock;
use crate::publish::{Board, SeenCheck};
use crate::suite::CheckId;

/// Due times that a check may have had more or less: its cadence began anywhere in its interval.
const SLACK: u64 = 2;

/// Since when each check is watched at its interval, in one go.
#[derive(Debug, Default)]
pub(super) struct Expected {
    since: HashMap<CheckId, Since>,
    /// Starts of a process that did not know how an earlier one had gone on.
    restarts: u64,
    total: u64,
}

#[derive(Debug)]
struct Since {
    boot: Duration,
    scheduled: u64,
    interval: Duration,
    restarts: u64,
}

impl Expected {
    /// Begins anew: the time of day was set before a restart, or a kill lost what is on no disk.
    pub(super) fn forget(&mut self) {
        self.since.clear();
        self.total = 0;
    }

    /// A process began.
    pub(super) fn restarted(&mut self) {
        self.restarts += 1;
    }

    /// Holds what the board says against the clocks. What is wrong is told.
    pub(super) fn hold_against(&mut self, board: &Board, is_settled: bool) -> Result<(), String> {
        let seen = board.seen();
        let mut sum = board.retired();
        for check in &seen.checks {
            sum.absorb(&check.record.account);
            self.check(check, is_settled)?;
        }
        if sum != seen.total {
            return Err(format!(
                "the accounts of all checks are {sum:?}, and the total is {:?}",
                seen.total
            ));
        }
        if seen.total.scheduled() < self.total {
            return Err(format!(
                "{} due times were forgotten",
                self.total - seen.total.scheduled()
            ));
        }
        self.total = seen.total.scheduled();
        let ids: Vec<_> = seen.checks.iter().map(|check| &check.check.id).collect();
        self.since.retain(|id, _| ids.contains(&id));
        Ok(())
    }

    fn check(&mut self, seen: &SeenCheck, is_settled: bool) -> Result<(), String> {
        let (id, account) = (&seen.check.id, &seen.record.account);
        let under_way = u64::from(seen.stage.word() != "idle");
        if account.under_way() != under_way
            || account.missed_in_all() + account.finished_in_all() > account.scheduled()
        {
            return Err(format!(
                "the account of {id} is uneven: {account:?}, {:?}",
                seen.stage
            ));
        }
        let now = Since {
            boot: clock::boot(),
            scheduled: account.scheduled(),
            interval: seen.check.interval,
            restarts: self.restarts,
        };
        let since = match self.since.get(id) {
            Some(since) if since.interval == now.interval && since.scheduled <= now.scheduled => since,
            _ => {
                self.since.insert(id.clone(), now);
                return Ok(());
            }
        };
        let elapsed = (now.boot - since.boot).as_secs_f64() / now.interval.as_secs_f64();
        let counted = now.scheduled - since.scheduled;
        let slack = SLACK + SLACK * (self.restarts - since.restarts);
        match (counted as f64 - elapsed).abs() > slack as f64 && is_settled {
            true => Err(format!(
                "{id} was due {elapsed:.1} times, and {counted} are accounted for: {account:?}"
            )),
            false => Ok(()),
        }
    }
}
