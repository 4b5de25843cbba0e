//! A publisher that blocks: it holds up the service's own task, and time goes on.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::time::{Instant, advance};

use super::collector::Collector;
use super::promises::words;
use super::secs;
use crate::account::MissReason;
use crate::age::Now;
use crate::alert::Roster;
use crate::app::publisher::Publisher;
use crate::app::serve::Watcher;
use crate::clock;
use crate::outcome::Run;
use crate::publish::Board;
use crate::schedule::calendar;
use crate::state::{Change, Kept, State, Written};
use crate::status::Standing;
use crate::suite::{Check, CheckId, Suite};
use crate::watch::health::Health;

/// For how many seconds the next run blocks its publisher, and whether health said so.
#[derive(Debug, Clone, Default)]
pub(super) struct Blocked {
    seconds: Rc<Cell<u64>>,
    is_reported: Rc<Cell<bool>>,
    /// When each check was last due.
    due: Rc<RefCell<HashMap<CheckId, Instant>>>,
}

impl Blocked {
    pub(super) fn set(&self, seconds: u64) {
        self.is_reported.set(false);
        self.seconds.set(seconds);
    }

    /// When the first of these checks is due again. One whose cadence is not known is looked at often enough to run
    /// nearly in time: a tenth of its interval late is in time.
    pub(super) fn next_due(&self, checks: &[Arc<Check>]) -> Instant {
        let (now, due) = (Instant::now(), self.due.borrow());
        let next = checks.iter().map(|check| {
            let wall = clock::wall();
            if let Some(next) = calendar::next_due(check, wall) {
                return now + next.duration_since(wall).unwrap_or_default();
            }
            let Some(last) = due.get(&check.id) else {
                return now + check.cadence.shortest() / 20;
            };
            let passed = (now - *last).as_nanos() / check.cadence.shortest().as_nanos();
            let passed = u32::try_from(passed).expect("it is due now and then");
            *last + check.cadence.shortest() * (passed + 1)
        });
        next.min().unwrap_or(now)
    }

    /// The cadence of checks is another from now on.
    pub(super) fn forget_due_times(&self) {
        self.due.borrow_mut().clear();
    }

    pub(super) fn is_over(&self) -> bool {
        self.seconds.get() == 0
    }

    pub(super) fn is_reported(&self) -> bool {
        self.is_reported.get()
    }

    pub(super) fn watching(self, publisher: Publisher, health: Health, collector: Collector) -> Blocking {
        Blocking {
            blocked: self,
            collector,
            publisher,
            health,
        }
    }
}

/// The publisher of the service, which can be made to block.
pub(super) struct Blocking {
    blocked: Blocked,
    collector: Collector,
    publisher: Publisher,
    health: Health,
}

impl Watcher for Blocking {
    fn laid_out(&mut self, suite: &Suite, roster: &mut Roster) -> Vec<Change> {
        self.publisher.laid_out(suite, roster)
    }

    fn due(&mut self, check: &Arc<Check>) {
        self.blocked
            .due
            .borrow_mut()
            .insert(check.id.clone(), Instant::now());
        self.publisher.due(check);
    }

    fn finished(&mut self, run: &Arc<Run>, standing: &Standing, board: &Board) -> Vec<Change> {
        for _ in 0..self.blocked.seconds.take() {
            // The clock is moved by the first poll; nothing else has its turn.
            let _blocked = advance(secs(1)).now_or_never();
            let is_reported = words(&self.health).contains(&"publisher_stalled");
            self.blocked.is_reported.set(is_reported);
        }
        self.collector.owe(run);
        self.publisher.finished(run, standing, board)
    }

    fn missed(&mut self, check: &CheckId, reason: MissReason, count: u64) {
        self.publisher.missed(check, reason, count);
    }

    fn kept(&mut self, written: &Written) {
        self.publisher.kept(written);
    }

    fn state_read(&mut self, kept: &Kept, now: &Now) {
        self.publisher.state_read(kept, now);
    }

    fn catch_up(&mut self, last_runs: &[(Arc<Run>, Standing)], now: &Now) {
        self.publisher.catch_up(last_runs, now);
    }

    fn put_all(&mut self, changes: Vec<Change>, state: &State) -> Written {
        self.publisher.put_all(changes, state)
    }

    fn beat(&mut self, now: &Now) -> Vec<Change> {
        self.publisher.beat(now)
    }
}
