//! How many due times each check must have had by now: what the account says is held against the clocks of the world.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::clock;
use crate::publish::{Board, SeenCheck};
use crate::schedule::calendar;
use crate::suite::{Cadence, Check, CheckId};

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
    check: Arc<Check>,
    boot: Duration,
    scheduled: u64,
    restarts: u64,
    /// Of a check that goes by the time of day.
    daytime: Daytime,
    /// When there was last another suite.
    reloaded: Duration,
}

/// What a check that goes by the time of day was due for.
#[derive(Debug, Clone, Copy)]
struct Daytime {
    boot: Duration,
    wall: SystemTime,
    /// Due times that came.
    due: u64,
    /// Due times that the clock was set past, or back behind: each is missed once, run, or due again.
    set: u64,
}

/// How far the time of day may be from where it was a while ago and nobody set it.
const DRIFT: Duration = Duration::from_secs(1);

impl Daytime {
    fn begin() -> Self {
        Self {
            boot: clock::boot(),
            wall: clock::wall(),
            due: 0,
            set: 0,
        }
    }

    /// Time went on until now.
    fn go_on(self, check: &Check) -> Self {
        let mut now = Self {
            due: self.due,
            set: self.set,
            ..Self::begin()
        };
        let unset = self.wall + (now.boot - self.boot);
        let apart = now
            .wall
            .duration_since(unset)
            .unwrap_or_else(|back| back.duration());
        if apart > DRIFT {
            now.set += 2;
            now.due += due_times(check, self.wall, unset);
        } else {
            now.due += due_times(check, self.wall, now.wall);
        }
        now
    }
}

/// How many due times there are after a moment and until another.
fn due_times(check: &Check, after: SystemTime, until: SystemTime) -> u64 {
    let next = |at: &SystemTime| calendar::next_due(check, *at).filter(|next| *next <= until);
    let due = std::iter::successors(next(&after), next);
    u64::try_from(due.count()).expect("not so many")
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

    /// There is another suite from now on: until then each check was due at the cadence that it had.
    pub(super) fn reloaded(&mut self) {
        for since in self.since.values_mut() {
            since.daytime = since.daytime.go_on(&since.check);
            since.reloaded = clock::boot();
        }
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
            check: Arc::clone(&seen.check),
            boot: clock::boot(),
            scheduled: account.scheduled(),
            restarts: self.restarts,
            daytime: Daytime::begin(),
            reloaded: clock::boot(),
        };
        let held = match self.since.get_mut(id) {
            Some(since) if since.scheduled > now.scheduled => Ok(()),
            Some(since) if since.check.cadence != now.check.cadence => since.has_lost_nothing(&now),
            Some(since) => {
                since.daytime = since.daytime.go_on(&seen.check);
                return since.is_even(&now).or_else(|trouble| match is_settled {
                    true => Err(format!("{id} {trouble}: {account:?}")),
                    false => Ok(()),
                });
            }
            None => Ok(()),
        };
        self.since.insert(id.clone(), now);
        held.map_err(|trouble| format!("{id} {trouble}: {account:?}"))
    }
}

impl Since {
    /// How many due times the cadence had until a moment, and how many more or less are left open.
    fn due(&self, until: Duration, restarts: u64) -> (f64, u64) {
        let slack = SLACK + SLACK * (restarts - self.restarts);
        let interval = self.check.cadence.shortest();
        match self.check.cadence {
            Cadence::Every(_) => {
                let elapsed = until.saturating_sub(self.boot);
                (elapsed.as_secs_f64() / interval.as_secs_f64(), slack)
            }
            Cadence::Cron(_) => (self.daytime.due as f64, slack + self.daytime.set),
        }
    }

    /// Each due time is accounted for, and no other.
    fn is_even(&self, now: &Self) -> Result<(), String> {
        let (due, slack) = self.due(now.boot, now.restarts);
        let counted = now.scheduled - self.scheduled;
        // Runs to confirm a status come on top, never closer to each other than the retry interval.
        let interval = self.check.cadence.shortest();
        let extra = now
            .check
            .retry_interval
            .map_or(0.0, |retry| due * interval.as_secs_f64() / retry.as_secs_f64());
        let off = (due - counted as f64).max(counted as f64 - due - extra);
        uneven(due, counted, off > slack as f64)
    }

    /// Each due time of a cadence that is another now is accounted for, and those of the new one come on top.
    fn has_lost_nothing(&self, now: &Self) -> Result<(), String> {
        let (due, slack) = self.due(self.reloaded, now.restarts);
        let counted = now.scheduled - self.scheduled;
        // Of a process that began with another suite nobody knows when that came.
        let is_known = self.restarts == now.restarts;
        uneven(due, counted, is_known && due - counted as f64 > slack as f64)
    }
}

fn uneven(due: f64, counted: u64, is_uneven: bool) -> Result<(), String> {
    match is_uneven {
        true => Err(format!("was due {due:.1} times, and {counted} are accounted for")),
        false => Ok(()),
    }
}
