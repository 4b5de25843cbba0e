//! Expected due times of each check, computed from the world's clocks and compared with the accounts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use canary_run::publish::{CheckSnapshot, StatusStore};
use canary_run::schedule::calendar;
use canary_suite::{Cadence, Check, CheckId};
use canary_system::clock;

/// Tolerance in due times: a cadence may start anywhere in its interval.
const SLACK: u64 = 2;

/// Since when each check has been observed without interruption.
#[derive(Debug, Default)]
pub(super) struct Expected {
    since: HashMap<CheckId, Since>,
    /// Restarts after which the runner did not know its earlier state.
    restarts: u64,
    total: u64,
}

#[derive(Debug)]
struct Since {
    check: Arc<Check>,
    boot: Duration,
    scheduled: u64,
    restarts: u64,
    /// For a check with a cron expression.
    daytime: Daytime,
    /// When the suite was last reloaded.
    reloaded: Duration,
}

/// Due times of a check with a cron expression.
#[derive(Debug, Clone, Copy)]
struct Daytime {
    boot: Duration,
    wall: SystemTime,
    /// Number of due times that came.
    due: u64,
    /// Due times that the clock was set past, or back behind: each is missed once, run, or due again.
    set: u64,
}

/// Maximum drift of the time of day without a step.
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

    /// Advances to now.
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

/// Number of due times after one moment and up to another.
fn due_times(check: &Check, after: SystemTime, until: SystemTime) -> u64 {
    let next = |at: &SystemTime| calendar::next_due(check, *at).filter(|next| *next <= until);
    let due = std::iter::successors(next(&after), next);
    u64::try_from(due.count()).expect("not so many")
}

impl Expected {
    /// Starts over: the time of day was set before a restart, or a kill lost what was not on disk.
    pub(super) fn forget(&mut self) {
        self.since.clear();
        self.total = 0;
    }

    /// A process started.
    pub(super) fn restarted(&mut self) {
        self.restarts += 1;
    }

    /// The suite was reloaded: until now each check was due at the cadence that it had.
    pub(super) fn reloaded(&mut self) {
        for since in self.since.values_mut() {
            since.daytime = since.daytime.go_on(&since.check);
            since.reloaded = clock::boot();
        }
    }

    /// Compares the accounts with the clocks. Returns what is wrong.
    pub(super) fn check_against(&mut self, statuses: &StatusStore, is_lag_over: bool) -> Result<(), String> {
        let snapshot = statuses.snapshot();
        let mut sum = statuses.archived_account();
        for check in &snapshot.checks {
            sum.merge(&check.record.account);
            self.check(check, is_lag_over)?;
        }
        if sum != snapshot.total {
            return Err(format!(
                "the accounts of all checks are {sum:?}, and the total is {:?}",
                snapshot.total
            ));
        }
        if snapshot.total.scheduled() < self.total {
            return Err(format!(
                "{} due times were forgotten",
                self.total - snapshot.total.scheduled()
            ));
        }
        self.total = snapshot.total.scheduled();
        let ids: Vec<_> = snapshot.checks.iter().map(|check| &check.check.id).collect();
        self.since.retain(|id, _| ids.contains(&id));
        Ok(())
    }

    fn check(&mut self, snapshot: &CheckSnapshot, is_lag_over: bool) -> Result<(), String> {
        let (id, account) = (&snapshot.check.id, &snapshot.record.account);
        let under_way = u64::from(snapshot.stage.as_str() != "idle");
        if account.in_flight() != under_way
            || account.total_missed() + account.total_finished() > account.scheduled()
        {
            return Err(format!(
                "the account of {id} is uneven: {account:?}, {:?}",
                snapshot.stage
            ));
        }
        let now = Since {
            check: Arc::clone(&snapshot.check),
            boot: clock::boot(),
            scheduled: account.scheduled(),
            restarts: self.restarts,
            daytime: Daytime::begin(),
            reloaded: clock::boot(),
        };
        let result = match self.since.get_mut(id) {
            Some(since) if since.scheduled > now.scheduled => Ok(()),
            Some(since) if since.check.cadence != now.check.cadence => since.has_lost_nothing(&now),
            Some(since) => {
                since.daytime = since.daytime.go_on(&snapshot.check);
                return since.is_even(&now).or_else(|error| {
                    if is_lag_over {
                        Err(format!("{id} {error}: {account:?}"))
                    } else {
                        Ok(())
                    }
                });
            }
            None => Ok(()),
        };
        self.since.insert(id.clone(), now);
        result.map_err(|error| format!("{id} {error}: {account:?}"))
    }
}

impl Since {
    /// Expected number of due times until a moment, and the tolerance.
    fn due(&self, until: Duration, restarts: u64) -> (f64, u64) {
        let slack = SLACK + SLACK * (restarts - self.restarts);
        let interval = self.check.cadence.min_interval();
        match self.check.cadence {
            Cadence::Every(_) => {
                let elapsed = until.saturating_sub(self.boot);
                (elapsed.as_secs_f64() / interval.as_secs_f64(), slack)
            }
            Cadence::Cron(_) => (self.daytime.due as f64, slack + self.daytime.set),
        }
    }

    /// Every due time is accounted for, and no other.
    fn is_even(&self, now: &Self) -> Result<(), String> {
        let (due, slack) = self.due(now.boot, now.restarts);
        let counted = now.scheduled - self.scheduled;
        // Runs to confirm a status come on top, never closer to each other than the retry interval.
        let interval = self.check.cadence.min_interval();
        let extra = now
            .check
            .retry_interval
            .map_or(0.0, |retry| due * interval.as_secs_f64() / retry.as_secs_f64());
        let off = (due - counted as f64).max(counted as f64 - due - extra);
        uneven(due, counted, off > slack as f64)
    }

    /// Every due time of a cadence that has changed is accounted for, and those of the new one come on top.
    fn has_lost_nothing(&self, now: &Self) -> Result<(), String> {
        let (due, slack) = self.due(self.reloaded, now.restarts);
        let counted = now.scheduled - self.scheduled;
        // If the process started with another suite, it is unknown when that came.
        let is_known = self.restarts == now.restarts;
        uneven(due, counted, is_known && due - counted as f64 > slack as f64)
    }
}

fn uneven(due: f64, counted: u64, is_uneven: bool) -> Result<(), String> {
    if is_uneven {
        Err(format!("was due {due:.1} times, and {counted} are accounted for"))
    } else {
        Ok(())
    }
}
