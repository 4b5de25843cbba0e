//! Polls of runs that hold a worker up for longer than a second. They are seen from a thread of its own, which no run
//! can hold up.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::sandbox::{HostFunction, PollRegistry, PollUnderWay};
use crate::suite::CheckId;

/// From one look at all polls to the next.
pub const LOOK: Duration = Duration::from_millis(250);
/// A poll that takes as long is slow.
const SLOW: Duration = Duration::from_secs(1);
/// Looks in a row that must see the same poll: what a stopped or sleeping machine leaves behind is seen once.
const LOOKS: u32 = 4;
/// How long a slow poll is a problem of the runner after it was seen last.
const RECENT: Duration = Duration::from_secs(60);

/// A poll that held a worker up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlowPoll {
    /// Whose run it was.
    pub check: CheckId,
    /// What it was in.
    pub function: HostFunction,
    /// For how long, as far as it was seen.
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
            "check {check} held up a worker thread for {took} in `{function}`"
        )
    }
}

/// What was seen of slow polls. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct SlowPolls(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// Looks in a row that saw a poll.
    looks: HashMap<(u64, u64), u32>,
    last: Option<(SlowPoll, Instant)>,
    counts: BTreeMap<&'static str, u64>,
}

impl SlowPolls {
    /// Looks at all runs, [`LOOK`] after the look before. Returns the polls that turned out to be slow by this look.
    pub fn look(&self, registry: &PollRegistry) -> Vec<SlowPoll> {
        self.note(registry.longer_than(LOOK), Instant::now())
    }

    /// The slow poll that was seen last, as long as that is recent.
    #[must_use]
    pub fn recent(&self) -> Option<SlowPoll> {
        let seen = self.seen();
        let (poll, at) = seen.last.as_ref()?;
        (at.elapsed() < RECENT).then(|| poll.clone())
    }

    /// Slow polls since the start, by function.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.seen().counts.clone()
    }

    pub(super) fn note(&self, polls: Vec<PollUnderWay>, now: Instant) -> Vec<SlowPoll> {
        let mut seen = self.seen();
        let before = std::mem::take(&mut seen.looks);
        let mut found = Vec::new();
        for poll in polls {
            let looks = before.get(&poll.id).map_or(1, |looks| looks.saturating_add(1));
            seen.looks.insert(poll.id, looks);
            if looks < LOOKS || poll.elapsed < SLOW {
                continue;
            }
            let slow = SlowPoll {
                check: poll.check,
                function: poll.function,
                took: poll.elapsed,
            };
            seen.last = Some((slow.clone(), now));
            if looks == LOOKS {
                *seen.counts.entry(slow.function.as_str()).or_default() += 1;
                found.push(slow);
            }
        }
        found
    }

    /// Held for a few assignments.
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(number: u64, millis: u64) -> PollUnderWay {
        PollUnderWay {
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
            .map(|millis| polls.note(vec![poll(1, millis)], Instant::now()))
            .concat();
        let lines: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            ["check api held up a worker thread for 1s 50ms in `tcp.read-until`"]
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
            assert_eq!(polls.note(vec![poll(number, 400)], Instant::now()), []);
        }
    }

    #[test]
    fn a_process_that_was_stopped_in_a_poll_is_not_slow() {
        let polls = SlowPolls::default();
        assert_eq!(polls.note(vec![poll(1, 3_600_000)], Instant::now()), []);
        assert_eq!(polls.note(Vec::new(), Instant::now()), []);
        assert_eq!(polls.recent(), None);
    }
}
