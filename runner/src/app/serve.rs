//! The service: every check at its cadence until it is told to stop.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::account::{Account, MissReason};
use crate::dispatch::Dispatcher;
use crate::outcome::Run;
use crate::publish::Board;
use crate::schedule::ticker::Ticker;
use crate::schedule::{Due, Schedule};
use crate::status::Standing;
use crate::suite::{Check, CheckId};

/// What the service tells while it goes on. It is told in the service's own task: nothing here may wait.
pub trait Watcher {
    /// A run was recorded.
    fn finished(&mut self, run: &Arc<Run>, standing: &Standing, board: &Board);

    /// A run is due and will start as soon as there is room.
    fn started(&mut self, _check: &Arc<Check>) {}

    /// Due times passed without a run.
    fn missed(&mut self, _check: &CheckId, _reason: MissReason, _count: u64) {}
}

/// Runs `checks` until `stop` is done; then starts no more, gives those under way `grace`, and cuts what is left.
///
/// One task owns the schedule, the board and every run: runs are joined, none is lost.
pub async fn serve(
    checks: Vec<Arc<Check>>,
    dispatcher: Arc<Dispatcher>,
    watcher: &mut dyn Watcher,
    stop: impl Future<Output = ()>,
    grace: Duration,
) -> Account {
    let mut service = Service {
        dispatcher,
        board: Board::default(),
        runs: JoinSet::new(),
        watcher,
    };
    let mut ticker = Ticker::new(Schedule::new(checks, Instant::now()));
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            Some(ended) = service.runs.join_next() => service.record(ended),
            due = ticker.next() => service.start(due),
        }
    }
    service.drain(grace).await;
    service.board.account().clone()
}

struct Service<'a> {
    dispatcher: Arc<Dispatcher>,
    board: Board,
    runs: JoinSet<Ended>,
    watcher: &'a mut dyn Watcher,
}

enum Ended {
    Finished(Box<Run>),
    NeverStarted(CheckId),
}

impl Service<'_> {
    fn start(&mut self, due: Due) {
        if due.missed > 0 {
            self.watcher
                .missed(&due.check.id, MissReason::ClockJump, due.missed);
        }
        if !self.board.schedule(&due.check, due.missed) {
            self.watcher.missed(&due.check.id, MissReason::Overlap, 1);
            return;
        }
        self.watcher.started(&due.check);
        let dispatcher = Arc::clone(&self.dispatcher);
        self.runs.spawn(async move {
            match dispatcher.permit().await {
                Some(permit) => Ended::Finished(Box::new(dispatcher.run(&due.check, permit, due.due).await)),
                None => Ended::NeverStarted(due.check.id.clone()),
            }
        });
    }

    fn record(&mut self, ended: Result<Ended, tokio::task::JoinError>) {
        match ended {
            Ok(Ended::Finished(run)) => {
                let run = Arc::new(*run);
                let standing = self.board.publish(Arc::clone(&run), SystemTime::now());
                self.watcher.finished(&run, &standing, &self.board);
            }
            Ok(Ended::NeverStarted(id)) => {
                self.board.abandon(&id);
                self.watcher.missed(&id, MissReason::Shutdown, 1);
            }
            // A run catches its guest's and its host functions' panics: this one is the runner's own.
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    async fn drain(&mut self, grace: Duration) {
        self.dispatcher.drain();
        let deadline = Instant::now() + grace;
        while let Ok(Some(ended)) = timeout_at(deadline, self.runs.join_next()).await {
            self.record(ended);
        }
        self.dispatcher.cut();
        while let Some(ended) = self.runs.join_next().await {
            self.record(ended);
        }
    }
}
