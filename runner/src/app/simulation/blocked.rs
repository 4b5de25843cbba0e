//! A publisher that blocks: it holds up the service's own task, and time goes on.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt as _;
use tokio::time::advance;

use super::secs;
use super::world::words;
use crate::account::MissReason;
use crate::age::Now;
use crate::app::publisher::Publisher;
use crate::app::serve::Watcher;
use crate::outcome::Run;
use crate::publish::Board;
use crate::state::{Change, Kept, State, Written};
use crate::status::Standing;
use crate::suite::{Check, CheckId, Suite};
use crate::watch::health::Health;

/// For how many seconds the next run blocks its publisher, and whether health said so.
#[derive(Debug, Clone, Default)]
pub(super) struct Blocked {
    seconds: Rc<Cell<u64>>,
    is_reported: Rc<Cell<bool>>,
}

impl Blocked {
    pub(super) fn set(&self, seconds: u64) {
        self.is_reported.set(false);
        self.seconds.set(seconds);
    }

    pub(super) fn is_over(&self) -> bool {
        self.seconds.get() == 0
    }

    pub(super) fn is_reported(&self) -> bool {
        self.is_reported.get()
    }

    pub(super) fn watching(self, publisher: Publisher, health: Health) -> Blocking {
        Blocking {
            blocked: self,
            publisher,
            health,
        }
    }
}

/// The publisher of the service, which can be made to block.
pub(super) struct Blocking {
    blocked: Blocked,
    publisher: Publisher,
    health: Health,
}

impl Watcher for Blocking {
    fn laid_out(&mut self, suite: &Suite) -> Vec<Change> {
        self.publisher.laid_out(suite)
    }

    fn due(&mut self, check: &Arc<Check>) {
        self.publisher.due(check);
    }

    fn finished(&mut self, run: &Arc<Run>, standing: &Standing, board: &Board) -> Vec<Change> {
        for _ in 0..self.blocked.seconds.take() {
            // The clock is moved by the first poll; nothing else has its turn.
            let _blocked = advance(secs(1)).now_or_never();
            let is_reported = words(&self.health).contains(&"publisher_stalled");
            self.blocked.is_reported.set(is_reported);
        }
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
