//! Detects polls of runs that block a worker thread for longer than a second. They are scanned from a separate
//! thread, which no run can block.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use canary_sandbox::{ActivePoll, HostFunction, PollRegistry};
use canary_suite::CheckId;

/// Time between two scans.
pub const SCAN_INTERVAL: Duration = Duration::from_millis(250);
/// A poll that takes at least this long is slow.
const SLOW: Duration = Duration::from_secs(1);
/// Consecutive scans that must see the same poll: what a stopped or suspended machine leaves behind is seen only
/// once.
const MIN_SCANS: u32 = 4;
/// How long a slow poll stays a health issue.
const RECENT: Duration = Duration::from_secs(60);

/// A poll that blocked a worker thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowPoll {
    /// The check of the run.
    pub check: CheckId,
    /// The function that was executing.
    pub function: HostFunction,
    /// How long it took, as far as it was observed.
    pub took: Duration,
}

impl fmt::Display for SlowPoll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (check, function) = (&self.check, self.function.as_str());
        let took = humantime::format_duration(Duration::from_millis(
            u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
        ));
        write!(
            f,
            "check {check} blocked a worker thread for {took} in `{function}`"
        )
    }
}

/// Statistics of slow polls. Cheap to clone; all clones share their state.
#[derive(Debug, Clone, Default)]
pub struct SlowPolls(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// Number of consecutive scans that saw a poll.
    scans: HashMap<(u64, u64), u32>,
    last: Option<(SlowPoll, Instant)>,
    counts: BTreeMap<&'static str, u64>,
}

impl SlowPolls {
    /// Scans all runs; called every [`SCAN_INTERVAL`]. Returns the polls that this scan found to be slow.
    pub fn scan(&self, registry: &PollRegistry) -> Vec<SlowPoll> {
        self.record(registry.longer_than(SCAN_INTERVAL), Instant::now())
    }

    /// The last slow poll, while it is recent.
    #[must_use]
    pub fn recent(&self) -> Option<SlowPoll> {
        let inner = self.inner();
        let (poll, at) = inner.last.as_ref()?;
        (at.elapsed() < RECENT).then(|| poll.clone())
    }

    /// Number of slow polls since the start, by function.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.inner().counts.clone()
    }

    pub(super) fn record(&self, polls: Vec<ActivePoll>, now: Instant) -> Vec<SlowPoll> {
        let mut inner = self.inner();
        let before = std::mem::take(&mut inner.scans);
        let mut found = Vec::new();
        for poll in polls {
            let scans = before.get(&poll.id).map_or(1, |scans| scans.saturating_add(1));
            inner.scans.insert(poll.id, scans);
            if scans < MIN_SCANS || poll.elapsed < SLOW {
                continue;
            }
            let slow = SlowPoll {
                check: poll.check,
                function: poll.function,
                took: poll.elapsed,
            };
            inner.last = Some((slow.clone(), now));
            if scans == MIN_SCANS {
                *inner.counts.entry(slow.function.as_str()).or_default() += 1;
                found.push(slow);
            }
        }
        found
    }

    /// Held for a few assignments.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(number: u64, millis: u64) -> ActivePoll {
        ActivePoll {
            id: (1, number),
            check: CheckId::new("api"),
            function: HostFunction::ReadUntil,
            elapsed: Duration::from_millis(millis),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_poll_of_a_second_is_found_once_and_names_check_and_function() {
        let polls = SlowPolls::default();
        let found: Vec<_> = [300, 550, 800, 1_050, 1_300]
            .map(|millis| polls.record(vec![poll(1, millis)], Instant::now()))
            .concat();
        let lines: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            ["check api blocked a worker thread for 1s 50ms in `tcp.read-until`"]
        );
        assert_eq!(polls.counts(), BTreeMap::from([("tcp.read-until", 1)]));
        assert_eq!(polls.recent().unwrap().took, Duration::from_millis(1_300));
        tokio::time::advance(RECENT).await;
        assert_eq!(polls.recent(), None);
    }

    #[test]
    fn many_short_polls_are_not_slow() {
        let polls = SlowPolls::default();
        for number in 0..20 {
            assert_eq!(polls.record(vec![poll(number, 400)], Instant::now()), []);
        }
    }

    #[test]
    fn a_process_that_was_stopped_in_a_poll_is_not_slow() {
        let polls = SlowPolls::default();
        assert_eq!(polls.record(vec![poll(1, 3_600_000)], Instant::now()), []);
        assert_eq!(polls.record(Vec::new(), Instant::now()), []);
        assert_eq!(polls.recent(), None);
    }
}
