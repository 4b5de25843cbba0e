//! How long a check may be silent: found out when it is heard of, so that nobody has to look into a calendar for that while
//! others wait.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{Board, Entry};
use crate::clock;
use crate::outcome::Run;
use crate::schedule::reach;
use crate::suite::{Cadence, Check, CheckId};

/// A check is stale when nothing was heard of it for this many intervals, or due times of a cron expression.
const STALE_DUE_TIMES: u32 = 3;

/// From when a check was last heard of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// To its next due time.
    pub next: Duration,
    /// To the last of the due times after which it is stale.
    pub stale: Duration,
}

impl Patience {
    /// With a check that was heard of at this time of day.
    pub(super) fn with(check: &Check, heard: SystemTime) -> Self {
        Self {
            next: reach(check, heard, 1),
            stale: reach(check, heard, STALE_DUE_TIMES),
        }
    }
}

impl Board {
    /// With checks whose cron expression is new to the board, which are heard of at `wall`.
    pub(super) fn patience_with_new(
        &self,
        checks: &[Arc<Check>],
        wall: SystemTime,
    ) -> HashMap<CheckId, Patience> {
        let new: Vec<&Arc<Check>> = {
            let state = self.state();
            let is_known = |check: &Arc<Check>| {
                let known = state.entries.get(&check.id);
                known.is_some_and(|known| known.check.cadence == check.cadence)
            };
            let with_cron = checks.iter().filter(|check| check.cadence.cron().is_some());
            with_cron.filter(|check| !is_known(check)).collect()
        };
        let patience = |check: &Arc<Check>| (check.id.clone(), Patience::with(check, wall));
        new.into_iter().map(patience).collect()
    }

    /// With the check of a run, as the suite has it now.
    pub(super) fn patience_after(&self, run: &Run, now: SystemTime) -> Patience {
        let known = self
            .state()
            .entries
            .get(&run.check.id)
            .map(|entry| Arc::clone(&entry.check));
        Patience::with(known.as_ref().unwrap_or(&run.check), now)
    }

    /// The time of day was set, or went on without the clock by which silence is measured: what is due by it comes at
    /// another time than was thought.
    pub fn clock_set(&self) {
        let by_time_of_day = |entry: &Entry| match entry.check.cadence {
            Cadence::Every(_) => None,
            Cadence::Cron(_) => Some((Arc::clone(&entry.check), entry.fresh)),
        };
        let checks: Vec<_> = self.state().entries.values().filter_map(by_time_of_day).collect();
        let (wall, now) = (clock::wall(), Instant::now());
        let patience = |(check, fresh): (Arc<Check>, Instant)| {
            let heard = wall.checked_sub(now - fresh).unwrap_or(wall);
            (check.id.clone(), fresh, Patience::with(&check, heard))
        };
        let found: Vec<_> = checks.into_iter().map(patience).collect();
        let mut state = self.state();
        for (id, fresh, patience) in found {
            let entry = state.entries.get_mut(&id);
            if let Some(entry) = entry.filter(|entry| entry.fresh == fresh) {
                entry.patience = patience;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::age::Since;
    use crate::clock::simulated::Simulated;
    use crate::outcome::{Outcome, StopCause};
    use crate::publish::Restored;
    use crate::suite::Cron;

    const HOUR: Duration = Duration::from_secs(3_600);

    /// Eight in the morning of a Friday.
    fn friday() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn by_schedule(text: &str) -> Arc<Check> {
        let cron = Cron::new(text, TimeZone::UTC, "UTC").unwrap();
        Arc::new(Check {
            cadence: Cadence::Cron(Arc::new(cron)),
            ..Check::plain("a", Duration::from_secs(1))
        })
    }

    fn keep(board: &Board, check: &Arc<Check>) {
        board.keep(
            std::slice::from_ref(check),
            &mut Restored::default(),
            Instant::now(),
        );
    }

    /// Whole hours until it is due, and until it is stale.
    fn hours(board: &Board) -> (u64, u64) {
        let mut hours = (0, 0);
        board.each(|_, sign| {
            let Patience { next, stale } = sign.patience;
            hours = (next.as_secs() / 3_600, stale.as_secs() / 3_600);
        });
        hours
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_may_be_silent_until_the_due_times_that_follow_what_was_heard_last() {
        let clocks = Simulated::begin(friday());
        let (board, hourly) = (Board::default(), by_schedule("0 8-17 * * mon-fri"));
        keep(&board, &hourly);
        let (_, stale) = hours(&board);
        assert_eq!(stale, 2, "the next hour, and two more");
        clocks.step(9 * 3_600);
        board.schedule(&hourly, Since::at(friday())).unwrap();
        board.start(&hourly.id);
        let run = Run::plain(
            Arc::clone(&hourly),
            Outcome::Stopped(StopCause::Shutdown),
            friday(),
        );
        board.publish(&Arc::new(run), clock::wall());
        assert!(hours(&board).1 > 48, "a weekend: {:?}", hours(&board));
        keep(&board, &by_schedule("0 0 1 1 *"));
        assert!(hours(&board).0 > 100 * 24, "{:?}", hours(&board));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_set_is_what_due_times_go_by() {
        let clocks = Simulated::begin(friday());
        let (board, hourly) = (Board::default(), by_schedule("0 8-17 * * mon-fri"));
        keep(&board, &hourly);
        tokio::time::advance(HOUR).await;
        clocks.step(12 * 3_600);
        assert!(hours(&board).1 < 3);
        board.clock_set();
        assert!(hours(&board).1 > 48, "a weekend: {:?}", hours(&board));
    }
}
